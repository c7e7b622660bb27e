//! What replicas must hold, computed without a table.

use super::setup::Setup;
use super::{Contents, Op};
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{Dot, Entry, Incarnation};

/// Of all events of a key the one with the highest rank.
pub fn winners<'a>(events: impl IntoIterator<Item = &'a Op>) -> Contents {
    let mut best: BTreeMap<&[u8], &Entry> = BTreeMap::new();
    for op in events {
        let known = best.entry(&op.key).or_insert(&op.entry);
        if op.entry.as_ref().wins_over(&known.as_ref()) {
            *known = &op.entry;
        }
    }
    best.into_iter().map(|(key, entry)| (key.to_vec(), vec![entry.clone()])).collect()
}

/// Of all events the values that no writer saw before its own, without those of some owners.
pub fn unseen<'a>(
    events: impl IntoIterator<Item = &'a Op> + Clone,
    superseded: &[Incarnation],
) -> Contents {
    let replaced: BTreeSet<Dot> =
        events.clone().into_iter().flat_map(|op| op.replaces.iter().copied()).collect();
    let mut left = Contents::new();
    for op in events {
        let dot = op.entry.dot;
        let gone = replaced.contains(&dot) || superseded.contains(&dot.origin);
        if op.entry.value.is_some() && !gone {
            left.entry(op.key.clone()).or_default().push(op.entry.clone());
        }
    }
    for held in left.values_mut() {
        held.sort_by_key(|entry| entry.dot);
        // Two replicas may have been told of the same op.
        held.dedup();
    }
    left
}

/// What must be there in the end of all that was written, if the table was never altered from one
/// rule to the other. Values that expire are gone.
pub fn expected<'a>(
    setup: &Setup,
    events: impl IntoIterator<Item = &'a Op> + Clone,
    superseded: &[Incarnation],
) -> Option<Contents> {
    let mut expected = if setup.is_last_writer_wins() {
        winners(events)
    } else if setup.keeps_siblings() {
        unseen(events, superseded)
    } else {
        return None;
    };
    for held in expected.values_mut() {
        held.retain(|entry| entry.value.is_some() && entry.expires.is_none());
    }
    expected.retain(|_, held| !held.is_empty());
    Some(expected)
}
