//! Where a table keeps its records.

use crate::clock::Dot;
use crate::entry::{Entry, EntryRef};
use crate::id::Incarnation;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The memory of one table. One writer at a time; readers of a concurrent store do not wait.
///
/// Keys are spread over a fixed number of buckets so that a walk over the table can be cut into
/// short steps: each step visits one bucket, and a key never changes its bucket.
pub trait Store {
    /// Shows every entry of `key` to `see`.
    fn entries(&self, key: &[u8], see: &mut dyn FnMut(EntryRef<'_>));

    /// Takes the entries named in `gone` from `key` and adds `new`, as one step for readers: they
    /// never see the key without either.
    fn replace(&mut self, key: &[u8], gone: &[Dot], new: Option<EntryRef<'_>>);

    /// Begins a batch: until [`Store::commit`] those who read the store beside the table see every
    /// key as it is now, whatever [`Store::replace`] does. The table's own reads see what it did.
    fn begin(&mut self) {}

    /// Shows all that was replaced since [`Store::begin`] at once: who has seen one of the changes
    /// sees all of them from then on.
    fn commit(&mut self) {}

    /// How many buckets there are; at least 1, the same for the life of the store.
    fn buckets(&self) -> u32;

    /// Shows every key of a bucket with each of its entries.
    fn visit(&self, bucket: u32, see: &mut dyn FnMut(&[u8], EntryRef<'_>));

    /// From now on readers see only what these wrote; everything if none are named. For those who
    /// read the store beside the table: the table's own steps go by its own knowledge.
    fn show_owners(&mut self, _up: Option<&BTreeSet<Incarnation>>) {}
}

/// The reference store: ordered, single-threaded, obviously right.
#[derive(Default, Debug)]
pub struct BTreeStore {
    keys: BTreeMap<Box<[u8]>, Vec<Entry>>,
}

/// Few, so that a simulated walk takes a handful of steps.
const REFERENCE_BUCKETS: u32 = 4;

fn reference_bucket(key: &[u8]) -> u32 {
    key.iter().map(|byte| u32::from(*byte)).sum::<u32>() % REFERENCE_BUCKETS
}

impl Store for BTreeStore {
    fn entries(&self, key: &[u8], see: &mut dyn FnMut(EntryRef<'_>)) {
        for entry in self.keys.get(key).into_iter().flatten() {
            see(entry.as_ref());
        }
    }

    fn replace(&mut self, key: &[u8], gone: &[Dot], new: Option<EntryRef<'_>>) {
        let mut entries = self.keys.remove(key).unwrap_or_default();
        entries.retain(|entry| !gone.contains(&entry.dot));
        entries.extend(new.map(|entry| entry.to_entry()));
        if !entries.is_empty() {
            self.keys.insert(key.into(), entries);
        }
    }

    fn buckets(&self) -> u32 {
        REFERENCE_BUCKETS
    }

    fn visit(&self, bucket: u32, see: &mut dyn FnMut(&[u8], EntryRef<'_>)) {
        for (key, entries) in self.keys.iter().filter(|(key, _)| reference_bucket(key) == bucket) {
            for entry in entries {
                see(key, entry.as_ref());
            }
        }
    }
}
