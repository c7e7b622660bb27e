//! The writing end.

use crate::index::Index;
use crate::key::Key;
use crate::reader::Reader;
use crate::slot::Slot;
use crate::view::Lens;
use foldhash::fast::RandomState;
use papaya::{HashMap, LocalGuard, ResizeMode};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tombolo_core::{Dot, EntryRef, Incarnation, Store};

/// How many maps a table is spread over, and so how many buckets a walk has: at ten million
/// records a step of a walk visits some 40,000, a few milliseconds.
pub const SHARDS: usize = 256;

/// The bits of a position that lie below the shard's number. A position has 53 bits, so that it is
/// a whole number in every client's arithmetic.
const SHARD_SHIFT: u32 = 53 - SHARDS.trailing_zeros();

pub(crate) type Shard = HashMap<Key, Slot, RandomState>;

/// Whether a table can be read in the order of its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// It cannot.
    #[default]
    Hashed,
    /// It can. New keys and deleted ones cost more, overwrites the same.
    Ordered,
}

/// The memory of one table.
pub struct Records {
    pub(crate) shards: Box<[Shard]>,
    /// The keys of an ordered table. A key enters it after its first record and leaves it after
    /// its last, so whoever finds a record throughout finds its key throughout.
    pub(crate) index: Option<Index>,
    pub(crate) lens: Lens,
    hasher: RandomState,
}

impl Records {
    /// An empty table's memory: the end that writes and the end that reads.
    pub fn open(order: Order) -> (ConcurrentStore, Reader) {
        let hasher = RandomState::default();
        let collector = Arc::new(seize::Collector::new());
        let shards = (0..SHARDS).map(|_| {
            HashMap::builder()
                .hasher(hasher.clone())
                .shared_collector(Arc::clone(&collector))
                .resize_mode(ResizeMode::default())
                .build()
        });
        let records = Arc::new(Records {
            shards: shards.collect(),
            index: (order == Order::Ordered).then(Index::default),
            lens: Lens::default(),
            hasher,
        });
        (ConcurrentStore { records: Arc::clone(&records), batch: None }, Reader::new(records))
    }

    /// Where `key` lies in the order of a scan.
    pub(crate) fn position(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key) >> 11
    }

    /// The shard that a position lies in.
    pub(crate) fn shard_of(position: u64) -> usize {
        (position >> SHARD_SHIFT) as usize
    }

    /// The first position of a shard.
    pub(crate) fn start_of(shard: usize) -> u64 {
        (shard as u64) << SHARD_SHIFT
    }

    pub(crate) fn shard(&self, key: &[u8]) -> &Shard {
        &self.shards[Records::shard_of(self.position(key))]
    }
}

/// The writing end of a table's memory. One at a time may write: it is not `Clone`, and the core's
/// [`Store::replace`] takes it exclusively.
pub struct ConcurrentStore {
    records: Arc<Records>,
    batch: Option<Batch>,
}

/// A batch that is not committed yet: what its keys will hold. The maps change only at the commit,
/// each key once: a reader that is held up with what a key held in the middle of the batch would
/// take it for the outcome.
type Batch = BTreeMap<Box<[u8]>, Option<Slot>>;

impl ConcurrentStore {
    /// Has a key hold `slot`. It enters the index after that, and leaves it after its last.
    fn place(&self, key: Key, is_new: bool, slot: Slot, guard: &LocalGuard<'_>) {
        let indexed = self.records.index.as_ref().filter(|_| is_new);
        let added = indexed.map(|index| (index, key.clone()));
        self.records.shard(key.as_bytes()).insert(key, slot, guard);
        if let Some((index, key)) = added {
            index.insert(key);
        }
    }

    /// Has a key that held something hold nothing.
    fn vacate(&self, key: &[u8], guard: &LocalGuard<'_>) {
        self.records.shard(key).remove(key, guard);
        if let Some(index) = &self.records.index {
            index.remove(key);
        }
    }

    /// Puts what a committed batch made of a key in the place of the two that it chose between.
    fn settle(&self, key: Key) {
        let shard = self.records.shard(key.as_bytes());
        let guard = shard.guard();
        match shard.get(key.as_bytes(), &guard).map(Slot::settled) {
            Some(Some(slot)) => self.place(key, false, slot, &guard),
            Some(None) => self.vacate(key.as_bytes(), &guard),
            None => {}
        }
    }
}

impl Default for ConcurrentStore {
    /// A hashed store whose reading end is not wanted.
    fn default() -> Self {
        Records::open(Order::Hashed).0
    }
}

impl Store for ConcurrentStore {
    fn entries(&self, key: &[u8], see: &mut dyn FnMut(EntryRef<'_>)) {
        if let Some(slot) = self.batch.as_ref().and_then(|batch| batch.get(key)) {
            slot.iter().flat_map(Slot::entries).for_each(|entry| see(entry.as_ref()));
            return;
        }
        let shard = self.records.shard(key);
        let guard = shard.guard();
        if let Some(slot) = shard.get(key, &guard) {
            for entry in slot.entries() {
                see(entry.as_ref());
            }
        }
    }

    fn replace(&mut self, key: &[u8], gone: &[Dot], new: Option<EntryRef<'_>>) {
        let shard = self.records.shard(key);
        let guard = shard.guard();
        let old = shard.get(key, &guard);
        if let Some(batch) = &mut self.batch {
            let known = batch.get(key).map_or(old, Option::as_ref);
            let new = Slot::replaced(known, gone, new);
            batch.insert(key.into(), new);
            return;
        }
        match Slot::replaced(old, gone, new) {
            Some(slot) => self.place(Key::from(key), old.is_none(), slot, &guard),
            None if old.is_some() => self.vacate(key, &guard),
            None => {}
        }
    }

    fn begin(&mut self) {
        debug_assert!(self.batch.is_none(), "batches do not overlap");
        self.batch.get_or_insert_default();
    }

    fn commit(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        let committed = Arc::default();
        let mut keys = Vec::with_capacity(batch.len());
        for (key, after) in batch {
            let guard = self.records.shard(&key).guard();
            let before = self.records.shard(&key).get(&*key, &guard);
            if before.is_some() || after.is_some() {
                let slot = Slot::pending(before, after, &committed);
                let key = Key::from(&*key);
                keys.push(key.clone());
                self.place(key, before.is_none(), slot, &guard);
            }
        }
        // The one moment at which readers see all of it.
        committed.store(true, Ordering::Release);
        for key in keys {
            self.settle(key);
        }
    }

    fn show_owners(&mut self, up: Option<&BTreeSet<Incarnation>>) {
        // A set is in order already.
        let up = up.map(|up| up.iter().copied().collect::<Arc<[Incarnation]>>());
        self.records.lens.show_owners(up);
    }

    fn buckets(&self) -> u32 {
        SHARDS as u32
    }

    fn visit(&self, bucket: u32, see: &mut dyn FnMut(&[u8], EntryRef<'_>)) {
        let shard = &self.records.shards[bucket as usize];
        let guard = shard.guard();
        let changed = |key: &[u8]| self.batch.as_ref().is_some_and(|batch| batch.contains_key(key));
        for (key, slot) in shard.iter(&guard).filter(|(key, _)| !changed(key.as_bytes())) {
            for entry in slot.entries() {
                see(key.as_bytes(), entry.as_ref());
            }
        }
        for (key, slot) in self.batch.iter().flatten() {
            if Records::shard_of(self.records.position(key)) == bucket as usize {
                slot.iter().flat_map(Slot::entries).for_each(|entry| see(key, entry.as_ref()));
            }
        }
    }
}
