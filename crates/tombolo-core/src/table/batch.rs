//! Batches: writes that readers of the table see together or not at all, on every node.
//!
//! On the node that writes them and on those that they are sent to, one step of the store shows
//! them. Through a sync they stay together as well: until a batch is stable (rule 6) every node
//! that has it remembers its keys, and sends what these hold in one piece to whoever lacks it.

use super::{Arrival, Table, Written};
use crate::clock::Dot;
use crate::entry::Change;
use crate::id::Incarnation;
use crate::message::{Chunk, ChunkBatch, OpRef};
use crate::store::Store;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many bytes of batches that are not yet stable a table remembers. The oldest make room: of
/// those a node that was away for that long sees one record after the other.
const REMEMBERED: usize = 4 << 20;

/// What a remembered batch, and each key of it, takes besides the bytes of the key.
const OVERHEAD: usize = 64;

/// A key that a batch wrote, and the dots that it superseded there.
type KeyWrite = (Arc<[u8]>, Box<[Dot]>);

/// A batch, as it is remembered.
pub(super) struct Batch {
    /// Its first write. The others follow it without a hole.
    pub(super) first: Dot,
    /// How many writes it has.
    pub(super) count: u64,
    /// The keys that it wrote, each once, with the dots that it superseded there.
    pub(super) keys: Box<[KeyWrite]>,
}

impl Batch {
    pub(super) fn last(&self) -> Dot {
        Dot { seq: self.first.seq.saturating_add(self.count.saturating_sub(1)), ..self.first }
    }

    fn bytes(&self) -> usize {
        let of_key =
            |(key, replaces): &KeyWrite| OVERHEAD + key.len() + size_of::<Dot>() * replaces.len();
        OVERHEAD + self.keys.iter().map(of_key).sum::<usize>()
    }
}

/// The batches that are not known to be everywhere.
#[derive(Default)]
pub(super) struct Batches {
    /// In the order in which they came.
    by_age: BTreeMap<u64, Batch>,
    by_first: BTreeMap<Dot, u64>,
    by_key: BTreeMap<Arc<[u8]>, BTreeSet<u64>>,
    next: u64,
    bytes: usize,
}

impl Batches {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Batch> {
        self.by_age.values()
    }

    /// Those that wrote a key.
    pub(super) fn of_key(&self, key: &[u8]) -> impl Iterator<Item = &Batch> {
        let ages = self.by_key.get(key).into_iter().flatten();
        ages.filter_map(|age| self.by_age.get(age))
    }

    /// Remembers a batch. A single key needs nobody's help to stay whole.
    pub(super) fn remember<'k>(
        &mut self,
        first: Dot,
        count: u64,
        writes: impl Iterator<Item = (&'k [u8], &'k [Dot])>,
    ) {
        let mut keys: BTreeMap<&[u8], Vec<Dot>> = BTreeMap::new();
        for (key, replaces) in writes {
            keys.entry(key).or_default().extend(replaces);
        }
        if keys.len() < 2 || self.by_first.contains_key(&first) {
            return;
        }
        let known = |key: &[u8]| self.by_key.get_key_value(key).map(|(key, _)| Arc::clone(key));
        let keys = keys.into_iter().map(|(key, replaces)| {
            (known(key).unwrap_or_else(|| key.into()), replaces.into_boxed_slice())
        });
        let batch = Batch { first, count, keys: keys.collect() };
        self.bytes += batch.bytes();
        for (key, _) in &batch.keys {
            self.by_key.entry(Arc::clone(key)).or_default().insert(self.next);
        }
        self.by_first.insert(first, self.next);
        self.by_age.insert(self.next, batch);
        self.next += 1;
        while self.bytes > REMEMBERED {
            let Some(oldest) = self.by_age.keys().next().copied() else { break };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, age: u64) {
        let Some(batch) = self.by_age.remove(&age) else { return };
        self.bytes -= batch.bytes();
        self.by_first.remove(&batch.first);
        for (key, _) in &batch.keys {
            if let Some(ages) = self.by_key.get_mut(key) {
                ages.remove(&age);
                if ages.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
    }
}

impl<S: Store> Table<S> {
    /// Writes several keys (rule 2), each as [`Table::write`] does, and shows them to readers at
    /// once. `wrote` is given what came of each change that was a write, with its number among the
    /// changes; their dots follow each other.
    ///
    /// Their ops must go to every contact together: [`Table::take_in_batch`] takes them.
    pub fn write_batch<'c>(
        &mut self,
        now: Millis,
        changes: impl IntoIterator<Item = (&'c [u8], Change<'c>)>,
        mut wrote: impl FnMut(usize, &Written<'_>),
    ) {
        let before = self.last_written();
        let mut writes: Vec<(&[u8], Vec<Dot>)> = Vec::new();
        self.store.begin();
        for (number, (key, change)) in changes.into_iter().enumerate() {
            if let Some(written) = self.write(now, key, change) {
                wrote(number, &written);
                writes.push((key, written.replaces.to_vec()));
            }
        }
        self.store.commit();
        let first = Dot { origin: self.me, seq: before + 1 };
        let count = writes.len() as u64;
        self.batches.remember(first, count, writes.iter().map(|(key, gone)| (*key, &gone[..])));
    }

    /// Takes in a batch of the linked peer `from`: its ops, in the order of their dots (rule 3).
    /// Readers see all of it from then on. None is taken in if one of them must be parked.
    pub fn take_in_batch(&mut self, from: Incarnation, ops: &[OpRef<'_>]) -> Arrival {
        if self.paused {
            return Arrival::Paused;
        }
        if let Some(op) = ops.iter().find(|op| self.is_ahead(op.entry.stamp)) {
            self.park(from, op.entry.stamp);
            return Arrival::Parked;
        }
        let mut arrival = Arrival::InOrder;
        self.store.begin();
        for op in ops {
            if self.take_in(from, op) == Arrival::Gap {
                arrival = Arrival::Gap;
            }
        }
        self.store.commit();
        if let Some(first) = ops.first().filter(|_| self.is_attached(from)) {
            let writes = ops.iter().map(|op| (op.key, op.replaces));
            self.batches.remember(first.entry.dot, ops.len() as u64, writes);
        }
        arrival
    }

    /// Remembers the batches that a peer sent the keys of.
    pub(super) fn remember_batches(&mut self, chunk: &Chunk) {
        for ChunkBatch { first, count, keys } in &chunk.batches {
            let writes = keys.iter().filter_map(|(number, replaces)| {
                Some((&*chunk.keys.get(*number as usize)?.key, &replaces[..]))
            });
            self.batches.remember(*first, *count, writes);
        }
    }

    /// The batches that are remembered because they are not known to be everywhere: the first write
    /// of each, and how many writes it has.
    pub fn batches(&self) -> impl Iterator<Item = (Dot, u64)> + '_ {
        self.batches.iter().map(|batch| (batch.first, batch.count))
    }

    /// Forgets the batches that every member has.
    pub(super) fn forget_stable_batches(&mut self) {
        let mut reach: BTreeMap<Incarnation, u64> = BTreeMap::new();
        let mut stable: Vec<u64> = Vec::new();
        for (age, batch) in &self.batches.by_age {
            let Dot { origin, seq } = batch.last();
            if *reach.entry(origin).or_insert_with(|| self.stable(origin)) >= seq {
                stable.push(*age);
            }
        }
        stable.into_iter().for_each(|age| self.batches.forget(age));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(batches: &mut Batches, seq: u64, keys: &[&[u8]]) {
        let first = Dot { origin: Incarnation(1), seq };
        batches.remember(first, keys.len() as u64, keys.iter().map(|key| (*key, &[][..])));
    }

    #[test]
    fn the_oldest_make_room_and_nothing_of_them_is_left() {
        let mut batches = Batches::default();
        let long = [7; 1 << 18];
        for seq in 0..40u64 {
            let own = seq.to_be_bytes();
            remember(&mut batches, 10 * seq + 1, &[b"shared", &long, &own]);
        }
        assert!(batches.bytes <= REMEMBERED);
        let kept = batches.iter().count();
        assert!((10..16).contains(&kept), "{kept} are remembered");
        assert_eq!(batches.of_key(b"shared").count(), kept);
        assert_eq!(batches.of_key(&0u64.to_be_bytes()).count(), 0);
        assert_eq!(batches.of_key(&39u64.to_be_bytes()).count(), 1);
        let ages: Vec<u64> = batches.by_age.keys().copied().collect();
        ages.into_iter().for_each(|age| batches.forget(age));
        assert_eq!((batches.bytes, batches.by_key.len(), batches.by_first.len()), (0, 0, 0));
    }

    #[test]
    fn a_batch_is_remembered_once_and_only_if_it_wrote_several_keys() {
        let mut batches = Batches::default();
        remember(&mut batches, 1, &[b"a", b"a"]);
        assert_eq!(batches.iter().count(), 0);
        remember(&mut batches, 3, &[b"b", b"a", b"b"]);
        remember(&mut batches, 3, &[b"a", b"b"]);
        assert_eq!(batches.iter().map(|batch| batch.last().seq).collect::<Vec<_>>(), [5]);
    }
}
