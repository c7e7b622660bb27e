//! Replicas for the laws: tables that write, take in ops, and sync in single steps.

pub mod history;

use std::collections::{BTreeMap, VecDeque};
use tombolo_core::{
    Answered, Arrival, BTreeStore, Change, Dot, Entry, Finished, Incarnation, Limits, Millis,
    OpRef, Stamp, Store, SyncBody, Table, VersionVector, fingerprint_of,
};

/// The origins whose ops are passed around.
pub const ORIGINS: [Incarnation; 3] = [Incarnation(1), Incarnation(2), Incarnation(3)];

/// One op, as it would travel.
#[derive(Clone, Debug)]
pub struct Op {
    pub key: Vec<u8>,
    pub entry: Entry,
    pub replaces: Vec<Dot>,
}

/// What the keys hold.
pub type Contents = BTreeMap<Vec<u8>, Vec<Entry>>;

/// Everything of a table that the laws speak of.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    pub entries: Contents,
    pub seen: VersionVector,
    pub fingerprint: u64,
    pub removed_ahead: Vec<Dot>,
}

/// A table and who it is.
pub struct Replica {
    pub id: Incarnation,
    pub table: Table<BTreeStore>,
    /// Every event that it wrote or was told of by an op, dropped ones not among them.
    pub told: Vec<Op>,
    /// How many ops of each origin were delivered or dropped.
    passed: [usize; ORIGINS.len()],
}

impl Replica {
    /// A table that all origins send their ops to, from the first one on.
    pub fn new(id: Incarnation) -> Replica {
        // One record a chunk, for as many steps as there can be.
        let limits = Limits { chunk_bytes: 1, ..Limits::default() };
        let mut table = Table::new(id, BTreeStore::default(), limits);
        for origin in ORIGINS.into_iter().filter(|origin| *origin != id) {
            table.attach(origin);
            assert_eq!(table.on_attach(origin, 0), Arrival::InOrder);
        }
        Replica { id, table, told: Vec::new(), passed: [0; ORIGINS.len()] }
    }

    pub fn write(&mut self, now: Millis, key: u8, change: Change<'_>) -> Option<Op> {
        let written = self.table.write(now, &[key], change)?;
        let (dot, stamp, replaces) = (written.dot, written.stamp, written.replaces.to_vec());
        let (value, expires) = match change {
            Change::Put { value, expires } => (Some(value.into()), expires),
            Change::Delete => (None, None),
        };
        let entry = Entry { dot, stamp, expires, value };
        let op = Op { key: vec![key], entry, replaces };
        self.told.push(op.clone());
        Some(op)
    }

    pub fn take_in(&mut self, op: &Op) -> Arrival {
        let op = OpRef { key: &op.key, entry: op.entry.as_ref(), replaces: &op.replaces };
        self.table.take_in(op.entry.dot.origin, &op)
    }

    /// The next op of an origin arrives. False if there is none.
    pub fn deliver(&mut self, ops: &[Vec<Op>], origin: usize) -> bool {
        let Some(op) = ops[origin].get(self.passed[origin]) else { return false };
        self.passed[origin] += 1;
        self.take_in(op);
        self.told.push(op.clone());
        true
    }

    /// The next op of an origin is dropped from a full queue, and the origin attaches again.
    pub fn drop_next(&mut self, ops: &[Vec<Op>], origin: usize) {
        if let Some(op) = ops[origin].get(self.passed[origin]) {
            self.passed[origin] += 1;
            self.table.on_attach(ORIGINS[origin], op.entry.dot.seq);
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut entries = Contents::new();
        let store = self.table.store();
        for bucket in 0..store.buckets() {
            store.visit(bucket, &mut |key, entry| {
                entries.entry(key.to_vec()).or_default().push(entry.to_entry());
            });
        }
        Snapshot {
            entries,
            seen: self.table.seen(),
            fingerprint: self.table.fingerprint(),
            removed_ahead: self.table.origins().removed_ahead(),
        }
    }

    /// No key holds anything older than an event of it that the replica has written or taken in,
    /// also when that was a delete that is stable and forgotten.
    pub fn check_nothing_older_shown(&self) {
        let newest = winners(&self.told);
        for (key, held) in self.snapshot().entries {
            let told = newest.get(&key).into_iter().flatten().next();
            let older = |told: &Entry| (held[0].stamp, held[0].dot) < (told.stamp, told.dot);
            assert!(!told.is_some_and(older), "{:?} is older than {told:?}", held[0]);
        }
    }

    /// Law e: what the table counts is what a walk over its store finds.
    pub fn check_counts(&self) {
        let Snapshot { entries, fingerprint, seen, removed_ahead } = self.snapshot();
        let all: Vec<&Entry> = entries.values().flatten().collect();
        assert_eq!(all.len(), entries.len(), "a key of an LWW table holds one event: {entries:?}");
        let (values, deletes): (Vec<&Entry>, Vec<&Entry>) =
            all.iter().partition(|entry| entry.value.is_some());
        assert_eq!(self.table.len(), values.len());
        assert_eq!(self.table.is_empty(), values.is_empty());
        assert_eq!(self.table.tombstones(), deletes.len());
        let sum = values.iter().fold(0u64, |sum, v| sum.wrapping_add(fingerprint_of(v.dot)));
        assert_eq!(fingerprint, sum);
        let origins = self.table.origins();
        for origin in origins.iter() {
            let counted: Vec<u64> = origins.live(origin).into_iter().flatten().collect();
            let of_origin = all.iter().filter(|entry| entry.dot.origin == origin);
            let mut walked: Vec<u64> = of_origin.map(|entry| entry.dot.seq).collect();
            walked.sort_unstable();
            assert_eq!(counted, walked, "the live dots of {origin:?}");
        }
        assert_eq!(removed_ahead.len(), origins.removed_ahead_len());
        assert!(removed_ahead.iter().all(|dot| !seen.covers(*dot)), "covered dots need no note");
    }
}

/// Law d, computed without a table: of all events of a key the one with the highest stamp, and of
/// equal stamps that with the highest dot.
pub fn winners<'a>(events: impl IntoIterator<Item = &'a Op>) -> Contents {
    let mut best: BTreeMap<&[u8], &Entry> = BTreeMap::new();
    let rank = |entry: &Entry| -> (Stamp, Dot) { (entry.stamp, entry.dot) };
    for op in events {
        let known = best.entry(&op.key).or_insert(&op.entry);
        if rank(&op.entry) > rank(known) {
            *known = &op.entry;
        }
    }
    best.into_iter().map(|(key, entry)| (key.to_vec(), vec![entry.clone()])).collect()
}

/// What is on its way from an answerer to an asker. It outlives the exchange it belongs to, as a
/// lane between two nodes would keep what an older answer put into it.
#[derive(Default)]
pub struct Answers(VecDeque<(u64, SyncBody)>);

impl Answers {
    pub fn ask(&mut self, asker: &mut Replica, answerer: &mut Replica) {
        let (session, ask) = asker.table.ask(answerer.id, Millis(0));
        let SyncBody::Ask { seen, live_beyond, sums } = ask else {
            panic!("a question is an Ask, not {ask:?}");
        };
        let begin = answerer.table.answer(asker.id, session, seen, live_beyond, &sums);
        self.0.push_back((session, begin));
    }

    /// The answerer does a piece. False if it has nothing to do.
    pub fn answer(&mut self, asker: &Replica, answerer: &mut Replica) -> bool {
        match answerer.table.answer_step(asker.id) {
            Answered::Nothing => false,
            Answered::Walked => true,
            Answered::Send(session, body) => {
                self.0.push_back((session, body));
                true
            }
        }
    }

    /// The asker gets the next piece. False if none is on its way.
    pub fn arrive(&mut self, asker: &mut Replica, answerer: &Replica) -> bool {
        let Some((session, body)) = self.0.pop_front() else { return false };
        let (table, from, now) = (&mut asker.table, answerer.id, Millis(0));
        match body {
            SyncBody::Ask { .. } => panic!("an answer is not an Ask"),
            SyncBody::Begin { seen, clock } => {
                table.on_begin(from, session, seen, clock, now);
            }
            SyncBody::Chunk(chunk) => table.on_chunk(from, session, &chunk, now),
            SyncBody::Done { live, removed_ahead } => {
                table.on_done(from, session, live, removed_ahead, now);
            }
        }
        true
    }

    /// The asker applies a piece of the end. False if there is nothing to apply.
    pub fn finish(&mut self, asker: &mut Replica, answerer: &Replica) -> bool {
        asker.table.finish_step(answerer.id) != Finished::Nothing
    }

    /// All that is left of an exchange.
    pub fn run(&mut self, asker: &mut Replica, answerer: &mut Replica) {
        while self.answer(asker, answerer)
            || self.arrive(asker, answerer)
            || self.finish(asker, answerer)
        {
            asker.check_counts();
        }
        assert_eq!(asker.table.asking(answerer.id), None, "the exchange is complete");
    }

    /// What was on its way is lost with the link.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
