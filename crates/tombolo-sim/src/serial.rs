//! Serial operations: clients that ask, leaders that carry out, answers that wait for the others.

use crate::invariant::{Checked, Violation};
use crate::process::{Cause, DoneWrite};
use crate::sight::Sight;
use crate::world::World;
use std::collections::BTreeMap;
use tombolo_core::{
    Dot, Edit, Event, Expect, Expiry, Incarnation, Kind, Message, Remembered, Reply, Request,
    RequestId, SerialBody, Served, Store, TableId,
};

/// How many bytes a value may have here.
const MOST: usize = 1_000;

/// A request that its leader carried out and has not answered.
#[derive(Clone, Debug)]
pub struct Serving {
    table: TableId,
    asker: Incarnation,
    id: RequestId,
    dot: Dot,
    told: Option<std::sync::Arc<[u8]>>,
    lost: bool,
    attempt: u32,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The process that asks.
    process: usize,
    table: TableId,
    request: Request,
    /// The writes that carried it out, each with the process that made it.
    pub carried: Vec<(Dot, usize)>,
    /// What the asker was told.
    reply: Option<Reply>,
}

/// Every request that was ever made.
pub type Requests = BTreeMap<RequestId, Asked>;

impl<S: Store + Default> World<S> {
    /// A client asks for a serial operation by way of some process.
    pub(crate) fn some_request(&mut self, process: usize) {
        let wanted = self.wanted(process);
        if self.config.tables.iter().any(|declared| declared.kind == Kind::Bag) {
            return;
        }
        let expect = match self.rng.below(10) {
            0..6 => Expect::Absent,
            6..8 => Expect::Present,
            _ => Expect::Anything,
        };
        let edit = match wanted.value {
            None => Edit::Delete,
            Some(value) => Edit::Put { value, expiry: Expiry::Default },
        };
        self.request(process, wanted.table, &wanted.key, expect, edit);
    }

    /// A client asks for that, whoever leads. True if the process has the table.
    pub fn request(
        &mut self,
        process: usize,
        table: TableId,
        key: &[u8],
        expect: Expect,
        edit: Edit,
    ) -> bool {
        if !self.procs[process].writable.contains(&table) {
            return false;
        }
        let now = self.steady();
        let (id, floor) = self.procs[process].node.next_request();
        let tell_previous = self.rng.chance(50);
        let (copies, patience) = (None, 0);
        let key = key.into();
        let attempt = 0;
        let request =
            Request { id, floor, attempt, key, expect, edit, tell_previous, copies, patience };
        self.sight(Sight::Request);
        let asked =
            Asked { process, table, request: request.clone(), carried: Vec::new(), reply: None };
        self.requests.insert(id, asked);
        let effects = self.procs[process].node.request(now, table, request);
        self.carry_out(process, effects);
        true
    }

    /// Carries out what a process was asked for, and answers what all have by now.
    pub(crate) fn serve_all(&mut self, process: usize) {
        for (table, asker, request) in std::mem::take(&mut self.procs[process].to_serve) {
            self.serve(process, table, asker, &request);
        }
        if !self.procs[process].serving.is_empty() {
            self.answer_served(process);
        }
    }

    /// A process that may lead is asked to carry out a request.
    fn serve(&mut self, process: usize, table: TableId, asker: Incarnation, request: &Request) {
        let now = self.local(process);
        let (id, attempt) = (request.id, request.attempt);
        let mut done = None;
        let served = self.procs[process].look(table, |t| {
            let shown = t.visible(&request.key, now).pop();
            let shown = shown.as_ref().map(tombolo_core::Entry::as_ref);
            match t.serve(now, request, shown, MOST, None) {
                Served::Wrote { written, value, told } => {
                    let (key, value) = (&request.key, value.as_deref());
                    let mut write = DoneWrite::of(table, key, value, &written, Cause::Client);
                    let (floor, dot, lost, old) = (request.floor, write.dot, false, false);
                    let kept = told.clone();
                    write.request = Some(Remembered { id, floor, dot, told: kept, lost, old });
                    done = Some(write);
                    Ok(Serving { table, asker, id, dot, told, lost, attempt })
                }
                Served::Known { dot, told, lost } => {
                    Ok(Serving { table, asker, id, dot, told, lost, attempt })
                }
                Served::Reply(reply) => Err(Some(reply)),
                Served::Stale => Err(None),
            }
        });
        let served = served.unwrap_or(Err(Some(Reply::Again)));
        self.trace.say(self.now, &[self.procs[process].slot], || format!("serves {served:?}"));
        if let Some(done) = done {
            if let Err(violation) = self.check_served(process, table, id, done.dot) {
                self.found.get_or_insert(violation);
            }
            if let Some(asked) = self.requests.get_mut(&id) {
                asked.carried.push((done.dot, process));
            }
            self.sight(Sight::Served);
            self.written(process, done);
        }
        match served {
            Ok(serving) => self.procs[process].serving.push(serving),
            Err(Some(reply)) => self.reply(process, table, asker, (id, attempt), reply),
            Err(None) => {}
        }
    }

    fn reply(
        &mut self,
        process: usize,
        table: TableId,
        asker: Incarnation,
        (id, attempt): (RequestId, u32),
        reply: Reply,
    ) {
        if asker == self.procs[process].incarnation {
            self.event(process, Event::Answered { id, attempt, reply });
        } else {
            let body = SerialBody::Reply { id, attempt, reply };
            self.send(process, asker, &Message::Serial { table, body });
        }
    }

    /// Answers what every linked node has by now.
    fn answer_served(&mut self, process: usize) {
        let serving = std::mem::take(&mut self.procs[process].serving);
        for one in serving {
            let me = &self.procs[process];
            let there = me.look(one.table, |t| (t.has_taken_in(one.dot), t.is_everywhere(one.dot)));
            match there {
                Some((true, true)) => {}
                Some((true, false)) => {
                    self.procs[process].serving.push(one);
                    continue;
                }
                // Taken in beyond a gap that nobody fills any more.
                _ => {
                    let asked = (one.id, one.attempt);
                    self.reply(process, one.table, one.asker, asked, Reply::Uncertain);
                    continue;
                }
            }
            let Serving { table, asker, id, dot, told, lost, attempt } = one;
            let (by, missing) = (std::sync::Arc::default(), Vec::new());
            let done = tombolo_core::Done { dot: Some(dot), told, lost, by, missing };
            self.reply(process, table, asker, (id, attempt), Reply::Done(done));
        }
    }

    /// A process has the answer to its request.
    pub(crate) fn answered(&mut self, process: usize, id: RequestId, reply: Reply) {
        let Some(asked) = self.requests.get_mut(&id) else { return };
        let table = asked.table;
        if let Reply::Done(tombolo_core::Done { dot: Some(dot), .. }) = &reply {
            let carried = asked.carried.iter().any(|(known, _)| known == dot);
            // All that are linked with the leader have it, the asker among them, unless the link
            // broke and is there again.
            if !carried {
                let slots = vec![self.procs[process].slot];
                let text = format!("{id:?} is said to be done by {dot:?}, which did not");
                let invariant = "a serial operation is done once or reported";
                self.found.get_or_insert(Violation { invariant, slots, text });
            }
        }
        if asked.process == process && asked.reply.replace(reply).is_some() {
            let slots = vec![self.procs[process].slot];
            let text = format!("{id:?} on {table:?} was answered twice");
            let invariant = "a serial operation is done once or reported";
            self.found.get_or_insert(Violation { invariant, slots, text });
        }
        self.sight(Sight::Answered);
    }

    /// Rule 12: a request is not carried out twice in one island, and of two that expect nothing
    /// under a key the second sees the first.
    ///
    /// What is one island is seen from the links: the leader is linked with everybody who runs, in
    /// both directions, so whatever any of them has counts.
    fn check_served(&self, process: usize, table: TableId, id: RequestId, by: Dot) -> Checked {
        let invariant = "a serial operation is done once";
        let asked = &self.requests[&id];
        let whole = self.alive().into_iter().filter(|other| *other != process).all(|other| {
            let both = self.network.up(process, other).zip(self.network.up(other, process));
            let carries = |at: usize, to: usize| {
                let to = self.procs[to].incarnation;
                // An island that has its word against another is attached to it, and apart.
                let is_apart = self.procs[at].node.is_apart_from(table, to);
                self.procs[at].look(table, |t| t.is_attached(to)) == Some(true) && !is_apart
            };
            both.is_some_and(|(one, two)| one == two)
                && carries(process, other)
                && carries(other, process)
        });
        if whole && asked.reply.as_ref().is_some_and(|reply| !reply.is_done()) {
            let text = format!("{id:?} was answered {:?} and is done by {by:?}", asked.reply);
            return Err(Violation { invariant, slots: vec![self.procs[process].slot], text });
        }
        let has = |at: usize, dot: Dot| self.procs[at].has(table, dot);
        let slots = || vec![self.procs[process].slot];
        for (dot, _) in &asked.carried {
            let elsewhere = whole && self.alive().into_iter().any(|other| has(other, *dot));
            if has(process, *dot) || elsewhere {
                let text = format!("{id:?} was done by {dot:?} and is done again by {by:?}");
                return Err(Violation { invariant, slots: slots(), text });
            }
        }
        if asked.request.expect != Expect::Absent || !whole {
            return Ok(());
        }
        for other in self.requests.values().filter(|other| other.table == table) {
            let puts = matches!(other.request.edit, Edit::Put { .. });
            if !puts || other.request.key != asked.request.key {
                continue;
            }
            for (dot, _) in &other.carried {
                let live = |at: usize| {
                    let log = self.oracle.logs.get(&table).and_then(|log| log.find(*dot));
                    log.is_some_and(|op| op.expires.is_none() && self.procs[at].holds(table, op))
                };
                let hidden = has(process, *dot);
                if !hidden && self.alive().into_iter().any(|at| has(at, *dot) && live(at)) {
                    let text = format!("{by:?} expected nothing, and {dot:?} is there");
                    return Err(Violation { invariant, slots: slots(), text });
                }
            }
        }
        Ok(())
    }

    /// When all is healed and settled, every request of a process that runs has its answer.
    pub(crate) fn check_answered(&self) -> Checked {
        let waits = self.requests.iter().find(|(_, asked)| {
            let me = &self.procs[asked.process];
            asked.reply.is_none() && me.alive
        });
        match waits {
            None => Ok(()),
            Some((id, asked)) => Err(Violation {
                invariant: "every request is answered",
                slots: vec![self.procs[asked.process].slot],
                text: format!("{id:?} of n{} has no answer", self.procs[asked.process].slot),
            }),
        }
    }
}
