//! Replicas for the laws: tables that write, take in ops, and sync in single steps.

pub mod answers;
pub mod history;
pub mod oracle;
pub mod setup;

use setup::Setup;
use std::collections::BTreeMap;
use tombolo_core::{
    Arrival, BTreeStore, Change, Conclusion, Dot, Entry, Incarnation, Limits, Millis, OpRef, Ripe,
    Store, Table, VersionVector, Written, fingerprint_of,
};

/// The origins whose ops are passed around.
pub const ORIGINS: [Incarnation; 3] = [Incarnation(1), Incarnation(2), Incarnation(3)];

/// Later than all that expires, by so much that every clock agrees.
const LATE: Millis = Millis(1_000_000);

/// One op, as it would travel.
#[derive(Clone, Debug)]
pub struct Op {
    pub key: Vec<u8>,
    pub entry: Entry,
    pub replaces: Vec<Dot>,
}

impl Op {
    fn of(key: &[u8], written: &Written<'_>, value: Option<&[u8]>) -> Op {
        let entry = Entry {
            dot: written.dot,
            stamp: written.stamp,
            mark: written.mark,
            expires: written.expires,
            value: value.map(Into::into),
        };
        Op { key: key.into(), entry, replaces: written.replaces.to_vec() }
    }
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
    pub epoch: u8,
    /// Every event that it wrote or was told of by an op, dropped ones not among them.
    pub told: Vec<Op>,
    setup: Setup,
    /// How many ops of each origin were delivered or dropped.
    passed: [usize; ORIGINS.len()],
}

impl Replica {
    /// A table that all origins send their ops to, from the first one on.
    pub fn new(id: Incarnation, setup: &Setup) -> Replica {
        Replica::with_ledger(id, setup, Limits::default().ledger_bytes)
    }

    /// The same, with so much room for conflicts.
    pub fn with_ledger(id: Incarnation, setup: &Setup, ledger_bytes: usize) -> Replica {
        // One record a chunk, for as many steps as there can be.
        let limits = Limits { chunk_bytes: 1, ledger_bytes, ..Limits::default() };
        let (store, declaration) = (BTreeStore::default(), setup.declaration(0));
        let mut table = Table::new(id, store, limits, &declaration, setup.epochs(0));
        table.set_wall(Millis(1_000));
        let passed = [0; ORIGINS.len()];
        let told = Vec::new();
        let mut replica = Replica { id, table, epoch: 0, told, setup: setup.clone(), passed };
        ORIGINS.into_iter().for_each(|origin| replica.link(origin, 0));
        replica
    }

    /// From now on ops of a peer may come, the first after `seq`.
    pub fn link(&mut self, peer: Incarnation, seq: u64) {
        if peer != self.id {
            self.table.attach(peer);
            assert_eq!(self.table.on_attach(peer, seq), Arrival::InOrder);
        }
    }

    /// Hears that the table was altered, before anything that was written thereafter.
    pub fn adopt(&mut self, epoch: u8) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.table.adopt(&self.setup.declaration(epoch), self.setup.epochs(epoch));
        }
    }

    pub fn write(&mut self, now: Millis, key: &[u8], change: Change<'_>) -> Option<Op> {
        let written = self.table.write(now, key, change)?;
        let value = match change {
            Change::Put { value, .. } => Some(value),
            Change::Delete => None,
        };
        let op = Op::of(key, &written, value);
        self.told.push(op.clone());
        Some(op)
    }

    /// The newest sibling of a key takes the place of all, or nothing does.
    pub fn conclude(&mut self, now: Millis, key: &[u8], keep: bool) -> Option<Op> {
        let ripe = Ripe { key: key.into(), siblings: self.table.visible(key, now) };
        let newest = ripe.siblings.last().filter(|_| ripe.siblings.len() > 1)?;
        let value = newest.value.as_deref().filter(|_| keep);
        let conclusion = match value {
            Some(value) => Conclusion::Value { value, expires: newest.expires },
            None => Conclusion::Delete,
        };
        let written = self.table.conclude(now, &ripe, conclusion)?;
        let op = Op::of(key, &written, value);
        self.told.push(op.clone());
        Some(op)
    }

    /// This replica's word on a key counts, whatever another did to it alone.
    pub fn overrule(&mut self, now: Millis, key: &[u8], lone: &[Dot]) -> Option<Op> {
        let (written, shown) = self.table.overrule(now, key, lone)?;
        let op = Op::of(key, &written, shown.as_ref().and_then(|entry| entry.value.as_deref()));
        self.told.push(op.clone());
        Some(op)
    }

    pub fn take_in(&mut self, op: &Op) -> Arrival {
        self.adopt(op.entry.mark.epoch);
        let (key, entry, replaces) = (&op.key, op.entry.as_ref(), &op.replaces);
        let op = OpRef { key, entry, replaces, request: None };
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

    /// The next op of an origin arrives, if all that its writer saw is here already.
    pub fn deliver_in_turn(&mut self, ops: &[Vec<Op>], origin: usize) {
        let next = ops[origin].get(self.passed[origin]);
        let seen = self.table.seen();
        if next.is_some_and(|op| op.replaces.iter().all(|dot| seen.covers(*dot))) {
            self.deliver(ops, origin);
        }
    }

    /// The next op of an origin is dropped from a full queue, and the origin attaches again.
    pub fn drop_next(&mut self, ops: &[Vec<Op>], origin: usize) {
        if let Some(op) = ops[origin].get(self.passed[origin]) {
            self.passed[origin] += 1;
            self.table.on_attach(ORIGINS[origin], op.entry.dot.seq);
        }
    }

    /// All that was left out of what the origins wrote arrives.
    pub fn deliver_all(&mut self, ops: &[Vec<Op>]) {
        for origin in 0..ORIGINS.len() {
            while self.deliver(ops, origin) {}
        }
    }

    /// All that expires has expired, by everybody's clock, and superseded owners are swept.
    pub fn age(&mut self) {
        for bucket in 0..self.table.store().buckets() {
            self.table.sweep(bucket, LATE);
        }
        self.check_counts();
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut entries = Contents::new();
        let store = self.table.store();
        for bucket in 0..store.buckets() {
            store.visit(bucket, &mut |key, entry| {
                entries.entry(key.to_vec()).or_default().push(entry.to_entry());
            });
        }
        // In which order siblings came is nobody's concern.
        entries.values_mut().for_each(|held| held.sort_by_key(|entry| entry.dot));
        Snapshot {
            entries,
            seen: self.table.seen(),
            fingerprint: self.table.fingerprint(),
            removed_ahead: self.table.origins().removed_ahead(),
        }
    }

    /// The values that the keys hold: what is remembered of deletes is left out.
    pub fn values(&self) -> Contents {
        let mut entries = self.snapshot().entries;
        entries.values_mut().for_each(|held| held.retain(|entry| entry.value.is_some()));
        entries.retain(|_, held| !held.is_empty());
        entries
    }

    /// Nothing is live that a write or delete replaced which the replica has written or taken in.
    /// And where the last writer wins, no key holds anything older than such an event, also when
    /// that was a delete that is stable and forgotten.
    pub fn check_nothing_older_shown(&self) {
        let entries = self.snapshot().entries;
        for held in entries.values().flatten() {
            let by = self.told.iter().find(|op| op.replaces.contains(&held.dot));
            assert!(by.is_none(), "{held:?} was replaced by {by:?}");
        }
        if self.setup.is_last_writer_wins() {
            let newest = oracle::winners(&self.told);
            for (key, held) in entries {
                let told = newest.get(&key).into_iter().flatten().next();
                let rank = |entry: &Entry| entry.as_ref().rank();
                let older = told.is_some_and(|told| rank(&held[0]) < rank(told));
                assert!(!older, "{:?} is older than {told:?}", held[0]);
            }
        }
    }

    /// What the table counts is what a walk over its store finds.
    pub fn check_counts(&self) {
        let Snapshot { entries, fingerprint, seen, removed_ahead } = self.snapshot();
        let all: Vec<&Entry> = entries.values().flatten().collect();
        let one_each = all.len() == entries.len() || !self.setup.is_last_writer_wins();
        assert!(one_each, "a key of an LWW table holds one event: {entries:?}");
        let (values, deletes): (Vec<&Entry>, Vec<&Entry>) =
            all.iter().partition(|entry| entry.value.is_some());
        let until = |epoch: u8| &self.setup.last_writer_wins[..=usize::from(epoch)];
        let remembered = |delete: &&Entry| until(delete.mark.epoch).contains(&true);
        assert!(deletes.iter().all(remembered), "only LWW remembers deletes: {deletes:?}");
        let held = |held: &Vec<Entry>| held.iter().filter(|entry| entry.value.is_some()).count();
        let held: Vec<usize> = entries.values().map(held).filter(|count| *count > 0).collect();
        assert_eq!(self.table.len(), held.len());
        assert_eq!(self.table.is_empty(), held.is_empty());
        assert_eq!(self.table.sibling_keys(), held.iter().filter(|count| **count > 1).count());
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
