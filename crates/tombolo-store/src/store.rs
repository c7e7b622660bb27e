//! The writing end.

use crate::index::Index;
use crate::map::{Map, Writer};
use crate::reader::Reader;
use crate::record::Record;
use crate::slot::Rare;
use crate::view::Lens;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tombolo_core::{Dot, EntryRef, Incarnation, Store};

/// How many shards a table has, and so how many buckets a walk: at ten million records a step of a
/// walk visits some 40,000, a few milliseconds.
pub const SHARDS: usize = 1 << SHARD_BITS;

const SHARD_BITS: u32 = 8;

/// A position has 53 bits, so that it is a whole number in every client's arithmetic.
const POSITION_BITS: u32 = 53;

/// The bits of a position that lie below the shard's number.
const SHARD_SHIFT: u32 = POSITION_BITS - SHARD_BITS;

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
    pub(crate) map: Arc<Map<Record>>,
    /// The keys of an ordered table. A key enters it after its first record and leaves it after
    /// its last, so whoever finds a record throughout finds its key throughout.
    pub(crate) index: Option<Index>,
    pub(crate) lens: Lens,
}

impl Records {
    /// An empty table's memory: the end that writes and the end that reads.
    pub fn open(order: Order) -> (ConcurrentStore, Reader) {
        let (writer, map) = Map::open(SHARD_BITS);
        let index = (order == Order::Ordered).then(Index::default);
        let records = Arc::new(Records { map, index, lens: Lens::default() });
        let store = ConcurrentStore { records: Arc::clone(&records), writer, batch: None };
        (store, Reader::new(records))
    }

    /// Where `key` lies in the order of a scan.
    pub(crate) fn position(&self, key: &[u8]) -> u64 {
        self.map.hash(key) >> (u64::BITS - POSITION_BITS)
    }

    /// The shard that a position lies in.
    pub(crate) fn shard_of(position: u64) -> usize {
        (position >> SHARD_SHIFT) as usize
    }

    /// The first position of a shard.
    pub(crate) fn start_of(shard: usize) -> u64 {
        (shard as u64) << SHARD_SHIFT
    }
}

/// The writing end of a table's memory. One at a time may write: it is not `Clone`, and the core's
/// [`Store::replace`] takes it exclusively.
pub struct ConcurrentStore {
    records: Arc<Records>,
    writer: Writer<Record>,
    batch: Option<Batch>,
}

/// A batch that is not committed yet: what its keys will hold. The maps change only at the commit,
/// each key once: a reader that is held up with what a key held in the middle of the batch would
/// take it for the outcome.
type Batch = BTreeMap<Box<[u8]>, Option<Record>>;

impl ConcurrentStore {
    /// Has a key hold what `change` makes of what it holds. A key enters the index after its first
    /// record, and leaves it after its last.
    fn change(&mut self, key: &[u8], change: impl FnOnce(Option<&Record>) -> Option<Record>) {
        let place = self.writer.place(key);
        let old = place.get();
        let (new, was_there) = (change(old.as_deref()), old.is_some());
        let index = self.records.index.as_ref();
        match new {
            Some(record) => {
                place.put(record);
                index.filter(|_| !was_there).into_iter().for_each(|index| index.insert(key));
            }
            None if was_there => {
                place.remove();
                index.into_iter().for_each(|index| index.remove(key));
            }
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
        if let Some(record) = self.batch.as_ref().and_then(|batch| batch.get(key)) {
            record.iter().flat_map(Record::events).for_each(|event| see(event.entry()));
        } else if let Some(record) = self.writer.get(key) {
            record.events().iter().for_each(|event| see(event.entry()));
        }
    }

    fn replace(&mut self, key: &[u8], gone: &[Dot], new: Option<EntryRef<'_>>) {
        let Some(batch) = &mut self.batch else {
            return self.change(key, |old| Record::replaced(key, old, gone, new));
        };
        let held = self.writer.get(key);
        let known = batch.get(key).map_or(held.as_deref(), Option::as_ref);
        let new = Record::replaced(key, known, gone, new);
        batch.insert(key.into(), new);
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
            self.change(&key, |before| {
                let both = before.is_some() || after.is_some();
                let before = before.cloned();
                both.then(|| Record::rare(&key, Rare::pending(before, after, &committed)))
            });
            keys.push(key);
        }
        // The one moment at which readers see all of it.
        committed.store(true, Ordering::Release);
        for key in keys {
            self.change(&key, |record| record.and_then(Record::settled));
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
        let changed = |key: &[u8]| self.batch.as_ref().is_some_and(|batch| batch.contains_key(key));
        let records = self.writer.items(bucket as usize);
        for record in records.filter(|record| !changed(record.key())) {
            record.events().iter().for_each(|event| see(record.key(), event.entry()));
        }
        for (key, record) in self.batch.iter().flatten() {
            if Records::shard_of(self.records.position(key)) == bucket as usize {
                record.iter().flat_map(Record::events).for_each(|event| see(key, event.entry()));
            }
        }
    }
}
