//! What of merges goes to the ledger.

use super::{Conflict, Outcome, Table};
use crate::clock::Dot;
use crate::entry::{Entry, EntryRef};
use crate::message::OpRef;
use crate::store::Store;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<S: Store> Table<S> {
    /// Notes what a merge discarded, if that differs from what it kept.
    pub(super) fn note_discarded(
        &mut self,
        key: &[u8],
        kept: Option<EntryRef<'_>>,
        mut lost: Vec<Entry>,
        outcome: bool,
    ) {
        let value = kept.and_then(|event| event.value);
        // A tombstone of what expired was nobody's delete.
        lost.retain(|entry| {
            entry.value.as_deref() != value && (entry.value.is_some() || entry.expires.is_none())
        });
        if !lost.is_empty() {
            let outcome = if outcome { Outcome::Collapsed } else { Outcome::Discarded };
            let kept = kept.filter(|event| event.value.is_some()).map(|event| event.to_entry());
            self.note(key, outcome, kept, lost);
        }
    }

    /// Another island's word brings back what was deleted here.
    pub(super) fn note_overruled(&mut self, op: &OpRef<'_>) {
        let dead = |dot: &Dot| {
            dot.seq <= self.origins.seen(dot.origin)
                && !self.origins.live(dot.origin).is_some_and(|live| live.contains(dot.seq))
        };
        let back = op.entry.mark.outcome
            && op.entry.value.is_some()
            && !self.origins.refuses(op.entry.dot);
        if back && !op.replaces.is_empty() && op.replaces.iter().all(dead) {
            let mut holds = false;
            self.store.entries(op.key, &mut |entry| holds |= entry.value.is_some());
            if !holds {
                self.note(op.key, Outcome::Overruled, Some(op.entry.to_entry()), Vec::new());
            }
        }
    }

    pub(super) fn note(
        &mut self,
        key: &[u8],
        outcome: Outcome,
        kept: Option<Entry>,
        lost: Vec<Entry>,
    ) {
        self.ledger.note(Conflict {
            id: 0,
            at: self.wall,
            key: key.into(),
            policy: Arc::clone(&self.policy),
            outcome,
            kept,
            lost,
            settled: None,
        });
    }
}
