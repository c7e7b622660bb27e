//! What a join would do, without doing it.

use super::Table;
use crate::clock::{Dot, VersionVector};
use crate::entry::Entry;
use crate::message::ChunkKey;
use crate::store::Store;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many keys of a kind a preview names.
const NAMED: usize = 100;

/// What joining a peer would do to the table here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preview {
    /// Keys that would come, which hold nothing here.
    pub adds: u64,
    /// Keys that would get another value, by writes which saw the one here.
    pub updates: u64,
    /// Keys that would go.
    pub deletes: u64,
    /// Keys that both sides wrote, neither having seen the other, with differing values: the
    /// policy decides.
    pub conflicts: u64,
    /// The first keys that would come.
    pub added: Vec<Box<[u8]>>,
    /// The first keys that would go.
    pub deleted: Vec<Box<[u8]>>,
    /// The first keys in conflict.
    pub conflicting: Vec<Box<[u8]>>,
}

/// A key that a peer wrote, or deleted, without having seen what was written here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lone {
    /// The key.
    pub key: Box<[u8]>,
    /// Its writes, as far as they were not deleted or overwritten there. None for a delete.
    pub writes: Vec<Dot>,
}

impl Preview {
    /// How many keys a join would touch.
    pub fn keys(&self) -> u64 {
        self.adds + self.updates + self.deletes + self.conflicts
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        self.deletes += 1;
        if self.deleted.len() < NAMED {
            self.deleted.push(key.into());
        }
    }
}

impl<S: Store> Table<S> {
    /// Adds to `preview` what one key of an answer would do, if `seen` is the answerer's `seen`.
    /// Returns the dots here that would go.
    pub(super) fn look_at(
        &self,
        found: &ChunkKey,
        seen: &VersionVector,
        preview: &mut Preview,
    ) -> Vec<Dot> {
        let (mut stays, mut goes): (Vec<Box<[u8]>>, Vec<Dot>) = (Vec::new(), Vec::new());
        self.store.entries(&found.key, &mut |entry| {
            let Some(value) = entry.value else { return };
            if seen.covers(entry.dot) && !found.lists(entry.dot) {
                goes.push(entry.dot);
            } else {
                stays.push(value.into());
            }
        });
        let new = found.entries.iter().filter(|entry| {
            !self.origins.refuses(entry.dot) && !self.is_beaten(&found.key, &entry.as_ref())
        });
        let new: Vec<Option<&[u8]>> = new.map(|entry| entry.value.as_deref()).collect();
        let agree = |mine: &[u8]| new.iter().all(|value| *value == Some(mine));
        let named = if !stays.is_empty() {
            if stays.iter().all(|mine| agree(mine)) {
                return goes;
            }
            preview.conflicts += 1;
            &mut preview.conflicting
        } else if new.iter().all(Option::is_none) {
            if !goes.is_empty() {
                preview.delete(&found.key);
            }
            return goes;
        } else if !goes.is_empty() {
            preview.updates += 1;
            return goes;
        } else {
            preview.adds += 1;
            &mut preview.added
        };
        if named.len() < NAMED {
            named.push(found.key.clone());
        }
        goes
    }

    /// What the answerer wrote to a key alone. It is kept until it is overruled, for the ledger.
    pub(super) fn lone(&mut self, found: &ChunkKey) -> Option<Lone> {
        let new = found.entries.iter().filter(|entry| !self.origins.refuses(entry.dot));
        let new: Vec<(Dot, Entry)> = new.map(|entry| (entry.dot, entry.clone())).collect();
        let writes: Vec<Dot> = new.iter().map(|(dot, _)| *dot).collect();
        // What overrules it comes after it.
        new.iter().for_each(|(_, entry)| self.clock.observe(entry.stamp));
        self.lone.extend(new);
        (!writes.is_empty()).then(|| Lone { key: found.key.clone(), writes })
    }
}
