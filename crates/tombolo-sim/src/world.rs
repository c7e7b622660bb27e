//! The world that a schedule plays in: processes, their clocks, and what their nodes want done.
//!
//! Everything that a driver does in production for an [`Effect`] is done here in the same order;
//! what is chance there (when a frame arrives, whose thread gets a lock first) is drawn here.

use crate::config::Config;
use crate::disk::Disks;
use crate::fault::{Fault, FaultCounts};
use crate::invariant::{Violation, check_write, is_hidden};
use crate::judge::Judge;
use crate::network::{Channel, Lane, Network};
use crate::oracle::{Op, Oracle, Truth};
use crate::process::{DoneWrite, Process, SimTables, WantedWrite};
use crate::rng::Rng;
use crate::serial::Requests;
use crate::sight::{Sight, SightCounts};
use crate::trace::Trace;
use crate::watcher::Watcher;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{
    Dot, Effect, Event, Incarnation, Message, Millis, Node, NodeId, Notice, Purpose, Store,
    SyncBody, TableId,
};

/// Where every clock starts, so that a clock that is behind is still after the epoch.
const START: u64 = 1_000_000;

/// What a schedule did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Schedules.
    pub schedules: u64,
    /// Steps, the end phase included.
    pub steps: u64,
    /// Writes and deletes.
    pub ops: u64,
    /// Frames that arrived.
    pub frames: u64,
    /// Syncs that were completed.
    pub syncs: u64,
    /// Tombstones and expired records that were dropped as stable before the end phase.
    pub dropped: u64,
    /// Copies that were found to differ although they had seen the same.
    pub differing: u64,
    /// Faults by kind.
    pub faults: FaultCounts,
    /// What was to be seen sometimes.
    pub sights: SightCounts,
}

impl Counts {
    /// Adds what another run counted.
    pub fn add(&mut self, other: &Counts) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.ops += other.ops;
        self.frames += other.frames;
        self.syncs += other.syncs;
        self.dropped += other.dropped;
        self.differing += other.differing;
        self.faults.add(&other.faults);
        self.sights.add(&other.sights);
    }
}

/// One node's clock.
#[derive(Clone, Copy, Default, Debug)]
pub struct WallClock {
    /// How far it is ahead, in milliseconds.
    pub offset: i64,
    /// How much it gains, in milliseconds a second.
    pub drift: i64,
    /// How far it is wrong beyond all that clocks may differ by.
    pub wrong: i64,
}

/// The world of one schedule.
pub struct World<S> {
    /// The shape of the schedule.
    pub config: Config,
    /// All chance.
    pub rng: Rng,
    /// The true time, in milliseconds.
    pub now: u64,
    /// Every process that ever ran.
    pub procs: Vec<Process<S>>,
    /// The running process of each node.
    pub current: Vec<Option<usize>>,
    /// The clock of each node.
    pub clocks: Vec<WallClock>,
    /// The links.
    pub network: Network,
    /// Dials under way: the process, the number of the node at that address.
    pub attempts: Vec<(usize, usize)>,
    /// What really happened.
    pub oracle: Oracle,
    /// What the nodes keep on disk.
    pub(crate) disks: Disks,
    /// What was done so far.
    pub counts: Counts,
    /// What happened, if anybody wants to read it.
    pub trace: Trace,
    /// The processes that changed since the invariants were checked.
    pub dirty: BTreeSet<usize>,
    /// Process numbers by incarnation.
    pub by_incarnation: BTreeMap<Incarnation, usize>,
    /// Whether the end phase has begun.
    pub ending: bool,
    /// What decides in the place of the resolvers that are declared by name.
    pub resolver: Option<Judge>,
    /// Every request for a serial operation.
    pub requests: Requests,
    /// Who watches a table.
    pub watchers: Vec<Watcher>,
    /// The chance of those who only look on.
    pub(crate) watch_rng: Rng,
    pub(crate) ready: Vec<Channel>,
    /// What a check inside a step found.
    pub(crate) found: Option<Violation>,
}

impl<S: Store + Default> World<S> {
    /// A world in which nothing runs yet.
    pub fn new(config: Config, rng: Rng, traced: bool) -> World<S> {
        let mut trace = Trace::new(traced);
        for (number, declaration) in config.tables.iter().enumerate() {
            let name = World::<S>::table_name(number);
            trace.name(format!("{:?}", TableId::of(&name)), name.clone());
            for fragment in 1..declaration.fragments {
                let id = TableId::of_fragment(&name, fragment);
                trace.name(format!("{id:?}"), format!("{name}/{fragment}"));
            }
        }
        World {
            now: 0,
            procs: Vec::new(),
            current: vec![None; config.nodes],
            clocks: vec![WallClock::default(); config.nodes],
            network: Network::default(),
            attempts: Vec::new(),
            oracle: Oracle::default(),
            disks: Disks::default(),
            counts: Counts::default(),
            trace,
            dirty: BTreeSet::new(),
            by_incarnation: BTreeMap::new(),
            ending: false,
            resolver: None,
            requests: Requests::new(),
            watchers: Vec::new(),
            watch_rng: Rng::new(rng.clone().bits()),
            ready: Vec::new(),
            found: None,
            config,
            rng,
        }
    }

    /// The name of a table by its number.
    pub fn table_name(number: usize) -> String {
        format!("t{number}")
    }

    /// The running processes.
    pub fn alive(&self) -> Vec<usize> {
        (0..self.procs.len()).filter(|process| self.procs[*process].alive).collect()
    }

    /// The time that nobody sets, by which nodes measure how long something takes.
    pub fn steady(&self) -> Millis {
        Millis(START + self.now)
    }

    /// What the wall clock of a process's node shows; its tables are told.
    pub fn local(&mut self, process: usize) -> Millis {
        let clock = self.clocks[self.procs[process].slot];
        let bound = (self.config.max_drift / 2) as i64;
        let ahead = clock.offset + clock.drift * self.now as i64 / 1000;
        let shown = (START + self.now) as i64 + ahead.clamp(-bound, bound) + clock.wrong;
        let shown = Millis(shown as u64);
        self.oracle.latest = self.oracle.latest.max(shown);
        let me = &mut self.procs[process];
        me.latest = me.latest.max(shown);
        me.node.tables().set_wall(shown);
        shown
    }

    /// Notes that something was to be seen.
    pub fn sight(&mut self, sight: Sight) {
        self.counts.sights.count(sight);
    }

    /// Starts the node of that number as a new process with empty memory.
    pub fn start(&mut self, slot: usize) -> usize {
        let process = self.procs.len();
        // A later process of a name has a later start by the true time; what a clock that was set
        // back would do here is the operator's to mend.
        let id = NodeId {
            name: format!("n{slot}"),
            started: (START + self.now) * 1000 + process as u64,
        };
        let incarnation = id.incarnation();
        let settings = self.config.settings(id.clone(), format!("n{slot}:1"));
        let tables = SimTables::new(incarnation, self.config.limits());
        let born = Millis(START + self.now);
        self.procs.push(Process {
            slot,
            id,
            incarnation,
            node: Node::new(settings, tables, born),
            alive: true,
            writable: BTreeSet::new(),
            fan_out: BTreeSet::new(),
            truth: BTreeMap::new(),
            discovered: false,
            superseded: false,
            latest: Millis(0),
            may_hold: false,
            paused: BTreeMap::new(),
            fills: BTreeSet::new(),
            to_serve: Vec::new(),
            serving: Vec::new(),
        });
        self.by_incarnation.insert(incarnation, process);
        self.current[slot] = Some(process);
        let nth = self.procs.iter().filter(|process| process.slot == slot).count();
        self.trace.name(format!("{incarnation:?}"), format!("n{slot}.{nth}"));
        self.trace.say(self.now, &[slot], || format!("starts as {incarnation:?}"));
        if self.alive().len() > 8 {
            self.sight(Sight::Crowd);
        }
        process
    }

    /// Gives a process's node an event, and carries out what it wants.
    pub fn event(&mut self, process: usize, event: Event) {
        if !self.procs[process].alive {
            return;
        }
        self.local(process);
        let now = self.steady();
        let effects = self.procs[process].node.handle(now, event);
        self.carry_out(process, effects);
    }

    /// Declares a table on a process.
    pub fn create(&mut self, process: usize, number: usize) {
        self.local(process);
        let now = self.steady();
        let (name, declaration) =
            (World::<S>::table_name(number), self.config.tables[number].clone());
        self.trace.say(self.now, &[self.procs[process].slot], || {
            format!("creates {name}: {declaration}")
        });
        let declared = self.procs[process].node.create(now, &name, declaration);
        let (_, effects) = declared.expect("every table is declared the same way here");
        self.carry_out(process, effects);
    }

    /// Does what a driver does in production.
    pub fn carry_out(&mut self, process: usize, effects: Vec<Effect>) {
        self.dirty.insert(process);
        self.note_tables(process);
        for effect in effects {
            match effect {
                Effect::Adopt { .. } => self.adopt(process, &effect),
                Effect::Judge { table, leads } => self.judge(process, table, leads),
                Effect::Overrule { table, lone } => self.overrule(process, table, &lone),
                Effect::Send { to, message } => self.send(process, to, &message),
                Effect::Attach { table, to } => self.attach(process, table, to),
                Effect::Dial { address } => {
                    let slot = address[1..].split(':').next().and_then(|slot| slot.parse().ok());
                    self.attempts.push((process, slot.expect("an address of this world")));
                }
                Effect::Writable { table } => self.opened(process, table),
                Effect::Serve { table, to, request } => {
                    self.procs[process].to_serve.push((table, to, request));
                }
                Effect::Answered { id, reply } => self.answered(process, id, reply),
                Effect::Notice(notice) => self.noticed(process, notice),
            }
        }
    }

    /// Encodes a message and puts it on its lane.
    pub fn send(&mut self, process: usize, to: Incarnation, message: &Message) {
        let Some(peer) = self.by_incarnation.get(&to).copied() else {
            return;
        };
        let slots = [self.procs[process].slot, self.procs[peer].slot];
        self.trace.say(self.now, &slots, || format!("sends {message:?}"));
        if let Message::Sync { table, body: SyncBody::Ask(ask), .. } = message
            && ask.purpose != Purpose::Join
            && ask.purpose != Purpose::Look
        {
            self.sight(Sight::FillInParts);
            self.procs[process].fills.insert((*table, peer));
        }
        if let Message::Sync { body: SyncBody::Chunk(chunk), .. } = message
            && !chunk.batches.is_empty()
        {
            self.sight(Sight::BatchInSync);
        }
        let mut bytes = Vec::new();
        tombolo_wire::encode_message(&mut bytes, message);
        let lane = Lane::of(message);
        if message.goes_with_ops() && self.is_suspended(process, peer) {
            return;
        }
        self.network.push(Channel { from: process, to: peer, lane }, bytes.into());
    }

    fn attach(&mut self, process: usize, table: TableId, to: Incarnation) {
        let peer = self.by_incarnation[&to];
        let base = self.procs[process].look(table, |t| t.attach(to));
        let seq = base.expect("the node attaches tables that it made");
        self.send(process, to, &Message::Attach { table, seq });
        self.procs[process].fan_out.insert((table, peer));
        if let Some(truth) = self.procs[process].truth.get_mut(&table) {
            truth.held_up_to.remove(&to);
        }
    }

    fn opened(&mut self, process: usize, table: TableId) {
        self.procs[process].writable.insert(table);
        let alone = self.procs[process].look(table, |t| t.contacts().next().is_none());
        let truth = self.procs[process].truth.entry(table).or_default();
        truth.opened_alone = alone.expect("the table exists");
        self.trace.say(self.now, &[self.procs[process].slot], || {
            format!("may write {table:?}, alone {alone:?}")
        });
    }

    fn noticed(&mut self, process: usize, notice: Notice) {
        self.trace.say(self.now, &[self.procs[process].slot], || format!("notes {notice:?}"));
        match notice {
            Notice::Synced { table, .. } => {
                self.counts.syncs += 1;
                self.procs[process].truth.entry(table).or_default().synced = true;
            }
            Notice::Superseded { .. } => self.procs[process].superseded = true,
            // Rare and allowed: a value of a process that was not met when a newer delete was
            // dropped, or dots of an origin that died before anybody had all before them.
            Notice::Differs { .. } => self.counts.differing += 1,
            Notice::Apart { .. } => self.sight(Sight::Hold),
            Notice::Rejoined { .. } => self.sight(Sight::Rejoin),
            _ => {}
        }
    }

    /// Writes down how the tables of a process are declared that it has made.
    fn note_tables(&mut self, process: usize) {
        let tables = self.procs[process].node.tables();
        for (id, declaration, epochs) in tables.take_made() {
            self.oracle.logs.entry(id).or_default().declared(&declaration, &epochs);
            self.procs[process].may_hold |= declaration.holds();
        }
    }

    /// A client writes on a process, if the table is open there. True if something was written.
    pub fn write(&mut self, process: usize, wanted: &WantedWrite) -> bool {
        if !self.procs[process].writable.contains(&wanted.table) {
            return false;
        }
        let now = self.local(process);
        let Some(done) = self.procs[process].node.tables().write(now, wanted) else {
            return false;
        };
        self.sight_of_table(process, wanted.table);
        self.written(process, done);
        true
    }

    /// Writes an op down, and puts it on the lane of every peer that carries the table.
    pub fn written(&mut self, process: usize, done: DoneWrite) {
        let linked = self.send_ops(process, done.table, std::slice::from_ref(&done));
        self.note_written(process, done, linked);
    }

    /// Writes an op down that was sent on these links.
    pub(crate) fn note_written(
        &mut self,
        process: usize,
        done: DoneWrite,
        linked: Vec<(usize, u64)>,
    ) {
        self.dirty.insert(process);
        self.counts.ops += 1;
        let me = self.procs[process].slot;
        self.trace.say(self.now, &[me], || format!("writes {done:?}"));
        let truth: &mut Truth = self.procs[process].truth.entry(done.table).or_default();
        truth.applied.insert(done.dot);
        // A delete may be dropped again in the same step, where no other node is known.
        truth.live.insert(done.dot, done.value.is_some());
        truth.waiting.push((done.dot.seq, linked));
        let alone = truth.opened_alone && !truth.synced;
        let op = Op {
            dot: done.dot,
            stamp: done.stamp,
            mark: done.mark,
            cause: done.cause,
            knew: self.knew(process, done.table, &done.key, done.dot),
            key: done.key,
            value: done.value,
            expires: done.expires,
            replaces: done.replaces,
            alone,
            unmet: BTreeSet::new(),
            held_by: BTreeSet::new(),
        };
        if let Err(violation) = check_write(self, process, done.table, &op) {
            self.found.get_or_insert(violation);
        }
        self.oracle.logs.entry(done.table).or_default().add(op);
    }

    /// The events of a key that a process has taken in, and that are not merely hidden there.
    fn knew(&self, process: usize, table: TableId, key: &[u8], own: Dot) -> Vec<Dot> {
        let Some(log) = self.oracle.logs.get(&table) else { return Vec::new() };
        let known = log.newest_first(key).map(|op| op.dot);
        let known = known.filter(|dot| *dot != own && self.procs[process].has(table, *dot));
        known.filter(|dot| !is_hidden(&self.procs[process], table, key, *dot)).collect()
    }

    /// Whether a newer process of its name was ever started.
    pub fn is_superseded(&self, incarnation: Incarnation) -> bool {
        let me = self.by_incarnation[&incarnation];
        self.procs[me + 1..].iter().any(|other| other.slot == self.procs[me].slot)
    }

    /// The peers that a table's ops go to.
    pub fn fan_out_of(&self, process: usize, table: TableId) -> Vec<(TableId, usize)> {
        let range = (table, 0)..=(table, usize::MAX);
        self.procs[process].fan_out.range(range).copied().collect()
    }

    /// Whether ops to `peer` are held back because its queue overflowed.
    pub fn is_suspended(&self, process: usize, peer: usize) -> bool {
        self.network.link(process, peer).is_some_and(|link| link.suspended[link.side(process)])
    }

    /// Ends a process without a word; its peers find out later.
    pub fn crash(&mut self, process: usize) {
        let slot = self.procs[process].slot;
        self.trace.say(self.now, &[slot], || "ends".to_string());
        self.procs[process].alive = false;
        // A twin that outlives the other is reached at the address of both.
        let others = self.procs.iter().enumerate().rev();
        let mut others = others.filter(|(_, other)| other.alive && other.slot == slot);
        self.current[slot] = others.next().map(|(other, _)| other);
        for peer in self.network.peers(process) {
            let lose = self.rng.chance(50);
            self.network.close(process, peer, lose);
        }
    }

    /// Lets a process say goodbye before it ends.
    pub fn leave(&mut self, process: usize) {
        let effects = self.procs[process].node.leave();
        self.carry_out(process, effects);
        for peer in self.network.peers(process) {
            self.network.close(process, peer, false);
        }
        self.crash(process);
    }

    /// Adds what every running process holds to the trace.
    pub fn trace_state(&mut self) {
        for process in self.alive() {
            let now = self.local(process);
            let me = &self.procs[process];
            for id in me.node.tables().ids() {
                let mut text = format!("holds at {now:?}, {id:?}:");
                me.look(id, |t| {
                    let ahead = t.origins().removed_ahead();
                    text += &format!(" seen {:?} removed ahead {ahead:?}", t.seen());
                    for bucket in 0..t.store().buckets() {
                        t.store().visit(bucket, &mut |key, entry| {
                            let (dot, expires) = (entry.dot, (entry.expires, entry.mark));
                            let kind = if entry.value.is_some() { "value" } else { "tombstone" };
                            text += &format!("\n    {key:?} {kind} {dot:?} {expires:?}");
                        });
                    }
                });
                self.trace.say(self.now, &[me.slot], || text);
            }
        }
    }

    /// Counts a fault.
    pub fn fault(&mut self, fault: Fault, slots: &[usize]) {
        self.counts.faults.count(fault);
        self.trace.say(self.now, slots, || format!("FAULT {fault:?}"));
    }
}
