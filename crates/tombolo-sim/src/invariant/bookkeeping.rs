//! What the core counts beside its store agrees with a walk of the store.
//!
//! `len`, the tombstones, the live dots, the sums and the fingerprint of section 2 of the design;
//! rule 7: one event a key in a table that was always last-writer-wins; `removed_ahead` holds
//! nothing that is covered; every entry is what its writer wrote, or the tombstone that it became
//! when it expired.

use super::{Checked, View};
use std::collections::BTreeMap;
use tombolo_core::{DotSet, Incarnation, Store, Table, fingerprint_of};

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    let found = view.process.look(view.table, |table| compare(view, table));
    match found.flatten() {
        Some(text) => Err(view.violation("bookkeeping", text)),
        None => integrity(view),
    }
}

fn compare<S: Store + Default>(view: &View<'_, S>, table: &Table<S>) -> Option<String> {
    let mut live: BTreeMap<Incarnation, DotSet> = BTreeMap::new();
    let mut sums: BTreeMap<Incarnation, u64> = BTreeMap::new();
    let mut values = 0;
    let mut keys: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (key, entry) in &view.entries {
        live.entry(entry.dot.origin).or_default().insert(entry.dot.seq);
        if entry.value.is_some() {
            values += 1;
            *keys.entry(key).or_default() += 1;
            let sum = sums.entry(entry.dot.origin).or_default();
            *sum = sum.wrapping_add(fingerprint_of(entry.dot));
        }
    }
    let tombstones = view.entries.len() - values;
    let siblings = keys.values().filter(|values| **values > 1).count();
    let counted = (table.len(), table.tombstones(), table.sibling_keys());
    let walked = (keys.len(), tombstones, siblings);
    if counted != walked {
        let what = "keys with a value, tombstones, keys with siblings";
        return Some(format!("{what}: {counted:?}, but {walked:?}"));
    }
    if table.alarms() > siblings || table.alarms() != table.undecided(&[], usize::MAX).len() {
        return Some(format!("{} alarms, but {siblings} keys with siblings", table.alarms()));
    }
    let total = sums.values().fold(0u64, |sum, one| sum.wrapping_add(*one));
    if table.fingerprint() != total {
        return Some(format!("fingerprint {:x}, but {total:x}", table.fingerprint()));
    }
    for origin in table.origins().iter() {
        let known = table.origins().live(origin).cloned().unwrap_or_default();
        let walked = live.remove(&origin).unwrap_or_default();
        if known != walked {
            return Some(format!("live of {origin:?}: {known:?}, but {walked:?}"));
        }
        if table.origins().sum(origin) != sums.get(&origin).copied().unwrap_or(0) {
            return Some(format!("the sum of {origin:?}"));
        }
    }
    if !live.is_empty() {
        return Some(format!("live dots of unknown origins: {live:?}"));
    }
    let ahead = table.origins().removed_ahead();
    if let Some(dot) = ahead.iter().find(|dot| dot.seq <= table.seen_of(dot.origin)) {
        return Some(format!("{dot:?} is covered and still removed ahead"));
    }
    (ahead.len() != table.origins().removed_ahead_len()).then(|| "removed_ahead_len".to_string())
}

fn integrity<S: Store + Default>(view: &View<'_, S>) -> Checked {
    for (at, (key, entry)) in view.entries.iter().enumerate() {
        let written = view.log.find(entry.dot).filter(|op| {
            let made = (op.stamp, op.mark, op.expires) == (entry.stamp, entry.mark, entry.expires);
            let same = made && op.key == *key;
            let expired = entry.value.is_none() && op.expires.is_some();
            same && (op.value.as_deref() == entry.value.as_deref() || expired)
        });
        if written.is_none() {
            let text = format!("{key:?} holds {entry:?}, which nobody wrote");
            return Err(view.violation("bookkeeping", text));
        }
        if view.log.is_always_lww() && view.entries[..at].iter().any(|(other, _)| other == key) {
            let text = format!("{key:?} holds more than one event");
            return Err(view.violation("bookkeeping", text));
        }
    }
    Ok(())
}
