//! What really happened, written down beside the core and never read by it.

use crate::batches::Batch;
use crate::process::Cause;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tombolo_core::{
    Declaration, Dot, Epochs, Incarnation, Mark, Millis, OwnerDown, Rank, Stamp, TableId,
    VersionVector,
};

/// One write or delete.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its name.
    pub dot: Dot,
    /// Its place among concurrent writes.
    pub stamp: Stamp,
    /// How it was made.
    pub mark: Mark,
    /// Who wanted it.
    pub cause: Cause,
    /// The key.
    pub key: Box<[u8]>,
    /// What was written; none for a delete.
    pub value: Option<Box<[u8]>>,
    /// When it expires.
    pub expires: Option<Millis>,
    /// What the writer saw and superseded.
    pub replaces: Vec<Dot>,
    /// The events of the key that the writer had taken in, and did not merely have hidden.
    pub knew: Vec<Dot>,
    /// Written by a fresh process that had begun alone and had not met anybody yet: such a write
    /// may be older than a delete that the cluster has forgotten already (rule 1).
    pub alone: bool,
    /// The processes that ran when some node dropped this tombstone as stable, and that this node
    /// did not wait for: it had not met them, or knew that they were superseded. Their older
    /// writes may win over it (rule 7).
    pub unmet: BTreeSet<Incarnation>,
    /// Whom the writer was told to have it.
    pub held_by: BTreeSet<Incarnation>,
}

impl Op {
    /// The order of rule 7.
    pub fn rank(&self) -> Rank {
        Rank(self.mark.epoch, self.stamp, self.dot)
    }
}

/// Every op of one table.
#[derive(Default, Debug)]
pub struct Log {
    ops: Vec<Op>,
    index: HashMap<Dot, usize>,
    by_key: BTreeMap<Box<[u8]>, Vec<usize>>,
    replaced_by: BTreeMap<Dot, Vec<Dot>>,
    origins: BTreeSet<Incarnation>,
    /// Every declaration that any process ever had, by epoch.
    declared: BTreeMap<u8, Vec<Declaration>>,
    /// The writes that were made together.
    pub batches: Vec<Batch>,
}

impl Log {
    /// Notes how some process declares the table.
    pub fn declared(&mut self, declaration: &Declaration, epochs: &Epochs) {
        let known = self.declared.entry(epochs.current()).or_default();
        if !known.contains(declaration) {
            known.push(declaration.clone());
        }
    }

    /// Whether a newer event may have removed an older one that its writer had not seen: the last
    /// writer won in one of the epochs from the one to the other, as far as any process knew.
    pub fn may_beat(&self, older: u8, newer: u8) -> bool {
        let mut known = self.declared.range(older..=newer.max(older)).flat_map(|(_, all)| all);
        known.any(|declaration| declaration.policy.is_last_writer_wins())
    }

    /// Whether it must have, as far as every process knew.
    pub fn must_beat(&self, older: u8, newer: u8) -> bool {
        let is_lww = |all: &Vec<Declaration>| all.iter().all(|d| d.policy.is_last_writer_wins());
        self.declared.range(older..=newer.max(older)).any(|(_, all)| is_lww(all))
    }

    /// Whether the table was always last-writer-wins, and nothing else.
    pub fn is_always_lww(&self) -> bool {
        let mut all = self.declared.values().flatten();
        all.all(|declaration| declaration.policy.is_last_writer_wins())
    }

    /// Whether the table ever hid the records of those that are down.
    pub fn ever_hid(&self) -> bool {
        let mut all = self.declared.values().flatten();
        all.any(|declaration| declaration.owner_down == OwnerDown::Hide)
    }

    /// Whether the table was ever altered.
    pub fn was_altered(&self) -> bool {
        self.declared.keys().any(|epoch| *epoch > 0)
    }

    /// Writes an op down.
    pub fn add(&mut self, op: Op) {
        let at = self.ops.len();
        self.index.insert(op.dot, at);
        self.origins.insert(op.dot.origin);
        for dot in &op.replaces {
            self.replaced_by.entry(*dot).or_default().push(op.dot);
        }
        let same_key = self.by_key.entry(op.key.clone()).or_default();
        let place = same_key.partition_point(|other| self.ops[*other].rank() < op.rank());
        same_key.insert(place, at);
        self.ops.push(op);
    }

    /// The op of that name.
    pub fn find(&self, dot: Dot) -> Option<&Op> {
        self.index.get(&dot).map(|at| &self.ops[*at])
    }

    /// Notes that the writer of `dot` was told that `peer` has it.
    pub fn held(&mut self, dot: Dot, peer: Incarnation) {
        if let Some(at) = self.index.get(&dot) {
            self.ops[*at].held_by.insert(peer);
        }
    }

    /// Notes that a node dropped the tombstone `dot` without waiting for `unmet`.
    pub fn dropped(&mut self, dot: Dot, unmet: impl IntoIterator<Item = Incarnation>) {
        if let Some(at) = self.index.get(&dot) {
            self.ops[*at].unmet.extend(unmet);
        }
    }

    /// The ops whose writer saw and superseded `dot`.
    pub fn replacers(&self, dot: Dot) -> &[Dot] {
        self.replaced_by.get(&dot).map_or(&[], Vec::as_slice)
    }

    /// The dots beyond `seen` that some writer superseded, with the ops that did.
    pub fn replaced_beyond(&self, seen: &VersionVector) -> impl Iterator<Item = (Dot, &[Dot])> {
        self.origins.iter().flat_map(|origin| {
            let first = Dot { origin: *origin, seq: seen.reach(*origin) + 1 };
            let last = Dot { origin: *origin, seq: u64::MAX };
            self.replaced_by.range(first..=last).map(|(dot, by)| (*dot, by.as_slice()))
        })
    }

    /// Every key that was ever written.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.by_key.keys().map(AsRef::as_ref)
    }

    /// The ops of a key, the newest by rule 7 first.
    pub fn newest_first(&self, key: &[u8]) -> impl Iterator<Item = &Op> {
        let ops = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        ops.iter().rev().map(|at| &self.ops[*at])
    }

    /// Every op.
    pub fn iter(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter()
    }
}

/// What the simulator itself knows of one process's copy of one table, whatever the core says.
#[derive(Default, Debug)]
pub struct Truth {
    /// The ops that were handed to the core, beyond a gap or not, and the process's own.
    pub applied: BTreeSet<Dot>,
    /// What was live when the process was looked at last; whether it was a value.
    pub live: BTreeMap<Dot, bool>,
    /// What was live once and is not any more.
    pub gone: BTreeSet<Dot>,
    /// The own writes that wait for everybody: the links that were up, by peer and generation.
    pub waiting: Vec<(u64, Vec<(usize, u64)>)>,
    /// Per peer, up to where every own write was found to be held by it.
    pub held_up_to: BTreeMap<Incarnation, u64>,
    /// Whether a sync with anybody was ever completed.
    pub synced: bool,
    /// Whether the table was opened while no peer carried it.
    pub opened_alone: bool,
    /// The batches that were remembered as not yet stable, by their first writes.
    pub batches: BTreeSet<Dot>,
}

/// Every op of every table, and what clocks have shown.
#[derive(Default, Debug)]
pub struct Oracle {
    /// By table.
    pub logs: BTreeMap<TableId, Log>,
    /// The latest moment that any node's clock ever showed.
    pub latest: Millis,
}

impl Oracle {
    /// Whether some node's clock may have said that a record of that expiry is over.
    pub fn may_be_over(&self, expires: Option<Millis>) -> bool {
        expires.is_some_and(|at| at <= self.latest)
    }
}
