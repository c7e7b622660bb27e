//! The reading end.

use crate::store::{Records, SHARDS};
use std::sync::Arc;
use tombolo_core::{EntryRef, Millis};

/// The reading end of a table's memory. Reads take no lock and wait for nobody.
///
/// What expired by `now` is not shown, whether it was swept or not.
#[derive(Clone)]
pub struct Reader {
    records: Arc<Records>,
}

impl Reader {
    pub(crate) fn new(records: Arc<Records>) -> Reader {
        Reader { records }
    }

    /// Shows the visible entry of `key` to `look`, if there is one. The entry's memory is kept for
    /// as long as `look` runs, so it should be short and must not wait.
    pub fn read<R>(
        &self,
        key: &[u8],
        now: Millis,
        look: impl FnOnce(Option<EntryRef<'_>>) -> R,
    ) -> R {
        let shard = self.records.shard(key);
        let guard = shard.guard();
        let slot = shard.get(key, &guard);
        look(slot.and_then(|slot| visible(slot.entries(), now)))
    }

    /// Brings what `key` holds near, so that a write under the table's lock is short.
    pub fn touch(&self, key: &[u8]) {
        let found = self.records.shard(key).pin().get(key).map(|slot| slot.entries().len());
        std::hint::black_box(found);
    }

    /// Shows every visible entry, in no order. What is there throughout is shown exactly once;
    /// what comes or goes meanwhile may be shown or not.
    pub fn for_each(&self, now: Millis, mut see: impl FnMut(&[u8], EntryRef<'_>)) {
        for shard in &self.records.shards {
            let guard = shard.guard();
            for (key, slot) in shard.iter(&guard) {
                if let Some(entry) = visible(slot.entries(), now) {
                    see(key.as_bytes(), entry);
                }
            }
        }
    }

    /// Goes on with a scan from `cursor` (0 starts one): shows at least `at_least` visible entries
    /// if there are that many, and returns where to go on, 0 at the end.
    ///
    /// What is there from the start of a scan to its end is shown exactly once. A call costs one
    /// walk over a 256th of the table.
    pub fn scan(
        &self,
        cursor: u64,
        at_least: usize,
        now: Millis,
        mut see: impl FnMut(&[u8], EntryRef<'_>),
    ) -> u64 {
        let mut shown = 0;
        let mut from = cursor;
        for index in Records::shard_of(cursor).min(SHARDS)..SHARDS {
            let shard = &self.records.shards[index];
            let guard = shard.guard();
            let mut found: Vec<_> = shard
                .iter(&guard)
                .map(|(key, slot)| (self.records.position(key.as_bytes()), key.as_bytes(), slot))
                .filter(|(position, _, _)| *position >= from)
                .collect();
            found.sort_unstable_by_key(|(position, key, _)| (*position, *key));
            let mut last = None;
            for (position, key, slot) in found {
                // Keys that share a position are shown together, because the cursor is one.
                if shown >= at_least && last != Some(position) {
                    return position;
                }
                last = Some(position);
                if let Some(entry) = visible(slot.entries(), now) {
                    see(key, entry);
                    shown += 1;
                }
            }
            from = Records::start_of(index + 1);
            if shown >= at_least && index + 1 < SHARDS {
                return from;
            }
        }
        0
    }

    /// Some visible key, chosen by `dice`: any number, best a random one.
    pub fn any_key(&self, dice: u64, now: Millis) -> Option<Box<[u8]>> {
        let first = Records::shard_of(dice >> 11);
        for step in 0..SHARDS {
            let shard = &self.records.shards[(first + step) % SHARDS];
            let guard = shard.guard();
            let keys: Vec<_> = shard
                .iter(&guard)
                .filter(|(_, slot)| visible(slot.entries(), now).is_some())
                .map(|(key, _)| key)
                .collect();
            if !keys.is_empty() {
                return Some(keys[(dice % keys.len() as u64) as usize].as_bytes().into());
            }
        }
        None
    }
}

/// The entry that is read among those of a key: the one that wins, if it is visible.
fn visible(entries: &[tombolo_core::Entry], now: Millis) -> Option<EntryRef<'_>> {
    let mut newest: Option<EntryRef<'_>> = None;
    for entry in entries {
        let entry = entry.as_ref();
        if newest.is_none_or(|newest| entry.wins_over(&newest)) {
            newest = Some(entry);
        }
    }
    newest.filter(|entry| entry.is_visible(now))
}
