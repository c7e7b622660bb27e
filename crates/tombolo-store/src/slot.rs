//! What one key holds in a concurrent map.

use tombolo_core::{Dot, Entry, EntryRef};

/// The entries of a key; the usual one needs no allocation of its own.
pub(crate) enum Slot {
    /// One entry.
    One(Entry),
    /// Siblings.
    Many(Box<[Entry]>),
}

impl Slot {
    pub(crate) fn entries(&self) -> &[Entry] {
        match self {
            Slot::One(entry) => std::slice::from_ref(entry),
            Slot::Many(entries) => entries,
        }
    }

    /// What is left of `old` without `gone`, with `new`; none if that is nothing.
    pub(crate) fn replaced(
        old: Option<&Slot>,
        gone: &[Dot],
        new: Option<EntryRef<'_>>,
    ) -> Option<Slot> {
        let old = old.map_or(&[][..], Slot::entries);
        let kept = old.iter().filter(|entry| !gone.contains(&entry.dot));
        let mut left: Vec<Entry> = Vec::new();
        if let Some(new) = new {
            if kept.clone().next().is_none() {
                return Some(Slot::One(new.to_entry()));
            }
            left.push(new.to_entry());
        }
        left.extend(kept.cloned());
        match left.len() {
            0 => None,
            1 => left.pop().map(Slot::One),
            _ => Some(Slot::Many(left.into())),
        }
    }
}
