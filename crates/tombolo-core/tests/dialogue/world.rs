//! The nodes of a dialogue, what is on its way between them, and the commands of a script.

use super::lane::{Packet, Way, arrow, declared, is_bounded, number};
use super::process::{Memory, Op, Process};
use super::render::{Names, label};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tombolo_core::{
    Answer, Arrival, Declaration, Effect, Event, Incarnation, Lone, Message, Millis, Node, NodeId,
    Policy, TableId,
};

/// All nodes of a dialogue. Nothing happens in it but by command.
pub struct World {
    now: Millis,
    nodes: BTreeMap<String, Process>,
    /// How many processes of each name there were.
    started: BTreeMap<String, u64>,
    lanes: BTreeMap<Way, VecDeque<Packet>>,
    /// Where a full queue was dropped, and ops do not flow until it has gone out.
    full: BTreeSet<Way>,
    names: Names,
    said: Vec<String>,
}

impl Default for World {
    fn default() -> World {
        World {
            now: Millis(1_000),
            nodes: BTreeMap::new(),
            started: BTreeMap::new(),
            lanes: BTreeMap::new(),
            full: BTreeSet::new(),
            names: Names::default(),
            said: Vec::new(),
        }
    }
}

impl World {
    /// Carries out a command and returns what is to be told of it.
    pub fn play(&mut self, command: &str) -> Vec<String> {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        let quietly = words.first() == Some(&"quietly");
        if quietly {
            words.remove(0);
        }
        match words[..] {
            ["start", name] => self.start(name, &[]),
            ["start", name, "knows", ref peers @ ..] => self.start(name, peers),
            ["declare", name, table, ref how @ ..] => self.declare(name, table, declared(how)),
            ["alter", name, table, ref how @ ..] => self.alter(name, table, declared(how)),
            ["approve", name, table] => self.decide(name, |now, node| node.approve(now, table)),
            ["choose", name, table] => self.decide(name, |now, node| node.choose(now, table)),
            ["gives-up", name, peer] => self.heard(name, peer, false),
            ["hears", name, peer] => self.heard(name, peer, true),
            ["clock", name, ahead] => self.node(name).ahead = number(ahead),
            ["link", a, b] => self.link(a, b),
            ["unlink", a, b] => self.unlink(a, b),
            ["crash", name] => self.crash(name),
            ["write", name, key, value] => self.write(name, key, Some((value, None))),
            ["write", name, key, value, "for", span] => {
                self.write(name, key, Some((value, Some(number(span)))));
            }
            ["delete", name, key] => self.write(name, key, None),
            ["deliver", way] => self.deliver(&arrow(way), usize::MAX),
            ["deliver", way, most] => self.deliver(&arrow(way), number(most) as usize),
            ["answer", way] => drop(self.answer(&arrow(way), usize::MAX)),
            ["answer", way, most] => drop(self.answer(&arrow(way), number(most) as usize)),
            ["finish", name] => drop(self.finish(name)),
            ["settle"] => self.settle(),
            ["dial-fails", name, address] => self.dial_fails(name, address),
            ["tick", ref names @ .., span] => self.tick(names, number(span)),
            ["drop-queue", way] => self.drop_queue(arrow(way)),
            ["resume", way] => self.resume(&arrow(way)),
            ["show", name] => self.said.extend(self.names.show(&self.nodes[name], self.now)),
            _ => panic!("there is no command `{command}`"),
        }
        self.tell_changes();
        let said = std::mem::take(&mut self.said);
        if quietly { Vec::new() } else { said }
    }

    fn say(&mut self, text: String) {
        self.said.push(text);
    }

    /// Tells what a node does.
    fn tell(&mut self, name: &str, text: &str) {
        let label = self.label(name);
        self.say(format!("{label} {text}"));
    }

    /// What a dialogue calls the process that runs under a name.
    fn label(&self, name: &str) -> String {
        self.nodes.get(name).map_or_else(|| name.to_string(), |process| label(&process.id))
    }

    fn node(&mut self, name: &str) -> &mut Process {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// The running node of an incarnation.
    fn name_of(&self, incarnation: Incarnation) -> String {
        let mut nodes = self.nodes.iter();
        let found = nodes.find(|(_, process)| process.id.incarnation() == incarnation);
        found.expect("links end with the process").0.clone()
    }

    fn incarnation(&self, name: &str) -> Incarnation {
        self.nodes[name].id.incarnation()
    }

    fn start(&mut self, name: &str, knows: &[&str]) {
        let started = self.started.entry(name.to_string()).or_default();
        *started += 1;
        let id = NodeId { name: name.to_string(), started: *started };
        self.names.add_node(&id);
        self.nodes.insert(name.to_string(), Process::new(id, self.now));
        let addresses = knows.iter().map(ToString::to_string).collect();
        self.event(name, Event::Discovered { addresses });
    }

    fn declare(&mut self, name: &str, table: &str, declaration: Declaration) {
        self.names.add_table(table);
        let now = self.now;
        match self.node(name).node.create(now, table, declaration) {
            Ok((_, effects)) => self.carry_out(name, effects),
            Err(mismatch) => self.tell(name, &format!("refuses: {mismatch}")),
        }
    }

    fn alter(&mut self, name: &str, table: &str, declaration: Declaration) {
        match self.node(name).node.alter(table, declaration) {
            Ok(effects) => self.carry_out(name, effects),
            Err(error) => self.tell(name, &format!("refuses: {error}")),
        }
    }

    /// An operator decides what is kept apart.
    fn decide<E: std::fmt::Display>(
        &mut self,
        name: &str,
        how: impl FnOnce(Millis, &mut Node<Memory>) -> Result<Vec<Effect>, E>,
    ) {
        let now = self.now;
        match how(now, &mut self.node(name).node) {
            Ok(effects) => self.carry_out(name, effects),
            Err(error) => self.tell(name, &format!("refuses: {error}")),
        }
    }

    /// The membership protocol speaks to a node of the newest process of a name.
    fn heard(&mut self, name: &str, peer: &str, up: bool) {
        let id = NodeId { name: peer.to_string(), started: self.started[peer] };
        self.event(name, Event::Heard { id, address: peer.to_string(), up });
    }

    /// The link comes up on both sides; each side's handshake brought the members that the other
    /// knew before.
    fn link(&mut self, a: &str, b: &str) {
        let ends = [(a, b), (b, a)];
        let told = ends.map(|(_, peer)| {
            let peer = self.node(peer);
            (peer.id.clone(), peer.node.members().to_tell())
        });
        for ((name, peer), (id, members)) in ends.into_iter().zip(told) {
            self.lanes.insert((name.to_string(), peer.to_string()), VecDeque::new());
            self.event(name, Event::Linked { peer: id.clone(), members });
            if self.node(name).dialling.remove(peer) {
                let dialled = Event::Dialled { address: peer.to_string(), peer: Some(id) };
                self.event(name, dialled);
            }
        }
    }

    fn dial_fails(&mut self, name: &str, address: &str) {
        assert!(self.node(name).dialling.remove(address), "{name} does not dial {address}");
        self.event(name, Event::Dialled { address: address.to_string(), peer: None });
    }

    fn unlink(&mut self, a: &str, b: &str) {
        for (name, peer) in [(a, b), (b, a)] {
            let way = (name.to_string(), peer.to_string());
            let lost = self.lanes.remove(&way).expect("there is a link").len();
            self.full.remove(&way);
            if lost > 0 {
                let (from, to) = (self.label(name), self.label(peer));
                self.say(format!("{lost} on the way from {from} to {to} are lost"));
            }
        }
        for (name, peer) in [(a, b), (b, a)] {
            if let Some(id) = self.nodes.get(peer).map(|process| process.id.clone()) {
                self.node(name).fan_out.retain(|(_, to)| *to != id.incarnation());
                self.event(name, Event::Unlinked { peer: id });
            }
        }
    }

    fn crash(&mut self, name: &str) {
        let peers: Vec<String> =
            self.lanes.keys().filter(|way| way.0 == name).map(|way| way.1.clone()).collect();
        for peer in peers {
            self.unlink(&peer, name);
        }
        // What the node itself made of its last links, nobody will ever see.
        let gone = format!("{} ", self.label(name));
        self.said.retain(|line| !line.starts_with(&gone));
        self.nodes.remove(name);
    }

    fn write(&mut self, name: &str, key: &str, value: Option<(&str, Option<u64>)>) {
        let process = &self.nodes[name];
        let table = process.table();
        if !process.writable.contains(&table) {
            let table = self.names.table(table).to_string();
            return self.tell(name, &format!("may not write {table} yet"));
        }
        let Some(op) = process.write(self.now, key, value) else {
            return self.tell(name, &format!("has no {key}: nothing happens"));
        };
        self.spread(name, table, &op);
    }

    /// Sends a write to whoever the table's ops go to.
    fn spread(&mut self, name: &str, table: TableId, op: &Op) {
        let process = &self.nodes[name];
        let links = process.fan_out.iter().filter(|(of, _)| *of == table);
        let links: Vec<Incarnation> = links.map(|(_, to)| *to).collect();
        if links.is_empty() {
            let dot = self.names.dot(op.entry.dot);
            self.tell(name, &format!("has written {dot}, which goes to nobody"));
        }
        for to in links {
            self.send(name, to, Packet::Op(table, op.clone()));
        }
    }

    fn event(&mut self, name: &str, event: Event) {
        let now = self.now;
        self.node(name).set_wall(now);
        let effects = self.node(name).node.handle(now, event);
        self.carry_out(name, effects);
    }

    fn carry_out(&mut self, name: &str, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(name, to, Packet::Message(message)),
                Effect::Attach { table, to } => {
                    let process = self.node(name);
                    let seq = process.with(table, |table| table.attach(to));
                    process.fan_out.insert((table, to));
                    self.send(name, to, Packet::Message(Message::Attach { table, seq }));
                }
                Effect::Dial { address } => {
                    self.tell(name, &format!("dials {address}"));
                    self.node(name).dialling.insert(address);
                }
                Effect::Writable { table } => {
                    let table_name = self.names.table(table).to_string();
                    self.tell(name, &format!("may write {table_name} from now on"));
                    self.node(name).writable.insert(table);
                }
                Effect::Adopt { table, declaration, epochs } => {
                    let (epoch, known) = (epochs.current(), self.names.table(table).to_string());
                    self.node(name).with(table, |table| table.adopt(&declaration, epochs));
                    self.tell(name, &format!("writes {known} in epoch {epoch} from now on"));
                }
                Effect::Judge { table, leads } => self.judge(name, table, leads),
                Effect::Overrule { table, lone } => self.overrule(name, table, &lone),
                Effect::Serve { .. } | Effect::Answered { .. } => {
                    panic!("no script asks for serial operations")
                }
                Effect::Notice(notice) => {
                    if let Some(text) = self.names.notice(&notice) {
                        self.tell(name, &text);
                    }
                }
            }
        }
    }

    /// Whoever leads lets the newest sibling take the place of all, unless the policy is to let
    /// somebody decide.
    fn judge(&mut self, name: &str, id: TableId, leads: bool) {
        let now = self.now;
        let views = self.nodes[name].node.table_views();
        let view = views.iter().find(|view| view.id == id).expect("it has the table");
        let decides = view.declaration.policy != Policy::MergeOnly;
        for ripe in self.node(name).with(id, |table| table.ripe(now, 100)) {
            if !decides && !ripe.agree() {
                let cause = "the values differ";
                self.node(name).with(id, |table| table.alarm(&ripe, now, cause));
                let key = String::from_utf8_lossy(&ripe.key).into_owned();
                self.tell(name, &format!("raises the alarm: {cause} of {key}"));
            } else if leads && let Some(op) = self.nodes[name].conclude(now, id, &ripe) {
                self.spread(name, id, &op);
            }
        }
    }

    fn overrule(&mut self, name: &str, id: TableId, lone: &[Lone]) {
        for lone in lone {
            if let Some(op) = self.nodes[name].overrule(self.now, id, lone) {
                self.spread(name, id, &op);
            }
        }
    }

    fn render(&mut self, from: Incarnation, to: Incarnation, packet: &Packet) -> String {
        for process in self.nodes.values() {
            self.names.add_sums(process);
        }
        match packet {
            Packet::Op(table, op) => self.names.op(*table, op),
            Packet::Message(message) => self.names.message(from, to, message),
        }
    }

    fn send(&mut self, name: &str, to: Incarnation, packet: Packet) {
        let way = (name.to_string(), self.name_of(to));
        let text = self.render(self.incarnation(name), to, &packet);
        let peer = self.label(&way.1);
        if self.full.contains(&way) && is_bounded(&packet) {
            return self.tell(name, &format!("-> {peer}, dropped: {text}"));
        }
        self.tell(name, &format!("-> {peer}: {text}"));
        self.lanes.get_mut(&way).expect("only those that are linked are sent to").push_back(packet);
    }

    /// Lets packets arrive. A run of ops is acknowledged once, at its end.
    fn deliver(&mut self, way: &Way, most: usize) {
        let (from, to) = (self.incarnation(&way.0), self.incarnation(&way.1));
        let mut unacknowledged = BTreeSet::new();
        for _ in 0..most.min(self.lanes[way].len()) {
            let lane = self.lanes.get_mut(way).expect("it was there above");
            let packet = lane.pop_front().expect("that many are on the way");
            if matches!(packet, Packet::Message(_)) {
                self.acknowledge(&way.1, from, &mut unacknowledged);
            }
            let text = self.render(from, to, &packet);
            let text = format!("gets from {}: {text}", self.label(&way.0));
            self.tell(&way.1, &text);
            match packet {
                Packet::Op(table, op) => {
                    self.take_in(&way.1, from, table, &op);
                    unacknowledged.insert(table);
                }
                Packet::Message(message) => self.event(&way.1, Event::Received { from, message }),
            }
        }
        self.acknowledge(&way.1, from, &mut unacknowledged);
    }

    fn take_in(&mut self, name: &str, from: Incarnation, table: TableId, op: &Op) {
        let now = self.now;
        self.node(name).set_wall(now);
        let arrival = self.node(name).with(table, |table| table.take_in(from, &op.as_ref()));
        if arrival == Arrival::Parked {
            let dot = self.names.dot(op.entry.dot);
            self.tell(name, &format!("does not take in {dot}: its clock is ahead"));
        }
        if arrival == Arrival::Gap {
            let dot = self.names.dot(op.entry.dot);
            self.tell(name, &format!("lacks ops before {dot}"));
            self.event(name, Event::Gap { from, table });
        }
    }

    fn acknowledge(&mut self, name: &str, to: Incarnation, tables: &mut BTreeSet<TableId>) {
        for table in std::mem::take(tables) {
            if let Some(seq) = self.node(name).with(table, |table| table.ack_for(to)) {
                self.send(name, to, Packet::Message(Message::Ack { table, seq }));
            }
        }
    }

    /// Does the answers of one node to another, up to so many messages. False if there was nothing
    /// to do.
    fn answer(&mut self, way: &Way, most: usize) -> bool {
        let to = self.incarnation(&way.1);
        let mut sent = 0;
        while sent < most {
            match self.node(&way.0).node.answer_some(to) {
                Answer::Idle => break,
                Answer::Walked => {}
                Answer::Send(message) => {
                    self.send(&way.0, to, Packet::Message(message));
                    sent += 1;
                }
            }
        }
        sent > 0
    }

    /// Applies the ends of syncs. False if there was none.
    fn finish(&mut self, name: &str) -> bool {
        let now = self.now;
        let mut worked = false;
        while let Some(effects) = self.node(name).node.finish_some(now) {
            self.carry_out(name, effects);
            worked = true;
        }
        worked
    }

    fn settle(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let ways: Vec<Way> = self.lanes.keys().cloned().collect();
        let mut worked = true;
        while worked {
            worked = false;
            for way in &ways {
                worked |= !self.lanes[way].is_empty();
                self.deliver(way, usize::MAX);
            }
            for way in &ways {
                worked |= self.answer(way, usize::MAX);
            }
            for name in &names {
                worked |= self.finish(name);
            }
        }
    }

    fn tick(&mut self, names: &[&str], span: u64) {
        self.now = self.now.plus(span);
        for name in names {
            let wall = self.now.plus(self.nodes[*name].ahead);
            self.event(name, Event::Tick { wall });
        }
    }

    fn drop_queue(&mut self, way: Way) {
        let from = self.incarnation(&way.0);
        let to = self.incarnation(&way.1);
        let queue = self.lanes.get_mut(&way).expect("there is a link");
        let (dropped, kept) = std::mem::take(queue).into_iter().partition(is_bounded);
        *queue = kept;
        let dropped: VecDeque<Packet> = dropped;
        for packet in &dropped {
            let text = self.render(from, to, packet);
            self.say(format!("dropped: {text}"));
        }
        self.full.insert(way);
    }

    fn resume(&mut self, way: &Way) {
        assert!(self.lanes[way].is_empty(), "ops flow again when the rest has gone out");
        assert!(self.full.remove(way), "nothing was dropped");
        let to = self.incarnation(&way.1);
        for (table, _) in self.nodes[&way.0].fan_out.clone().iter().filter(|(_, at)| *at == to) {
            let seq = self.node(&way.0).with(*table, |table| table.last_written());
            self.send(&way.0, to, Packet::Message(Message::Attach { table: *table, seq }));
            self.acknowledge(&way.0, to, &mut BTreeSet::from([*table]));
        }
    }

    /// Tells what no message says: which writes need not be waited for any more, and how many
    /// deletes have to be remembered.
    fn tell_changes(&mut self) {
        for process in self.nodes.values_mut() {
            for (id, was, is) in process.changes() {
                let (name, table) = (label(&process.id), self.names.table(id));
                if was.acked != is.acked {
                    let acked = format!("{name}.{}", is.acked);
                    self.said
                        .push(format!("{name} waits for nobody any more up to {acked} of {table}"));
                }
                if was.tombstones != is.tombstones {
                    let (was, is) = (was.tombstones, is.tombstones);
                    self.said.push(format!("{name} remembers {is} deletes of {table}, not {was}"));
                }
            }
        }
    }
}
