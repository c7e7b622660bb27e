//! What one key holds in a concurrent map.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tombolo_core::{Dot, Entry, EntryRef};

/// The entries of a key; the usual one needs no allocation of its own.
#[derive(Clone)]
pub(crate) enum Slot {
    /// One entry.
    One(Entry),
    /// Siblings.
    Many(Box<[Entry]>),
    /// The key is changed in a batch.
    Pending(Box<Pending>),
}

/// What a key held before a batch and holds after it; neither side is pending itself.
#[derive(Clone)]
pub(crate) struct Pending {
    before: Option<Slot>,
    after: Option<Slot>,
    /// Whether the batch was committed. All keys of a batch share it.
    committed: Arc<AtomicBool>,
}

impl Pending {
    /// What readers are to see.
    pub(crate) fn shown(&self) -> Option<&Slot> {
        // Whoever sees the flag set sees all that was put before it was: every key of the batch.
        let committed = self.committed.load(Ordering::Acquire);
        if committed { self.after.as_ref() } else { self.before.as_ref() }
    }
}

impl Slot {
    /// The entries as the last change left them, committed or not: what the writer goes by.
    pub(crate) fn entries(&self) -> &[Entry] {
        match self {
            Slot::One(entry) => std::slice::from_ref(entry),
            Slot::Many(entries) => entries,
            Slot::Pending(pending) => pending.after.as_ref().map_or(&[], Slot::entries),
        }
    }

    /// The entries as readers are to see them.
    pub(crate) fn shown(&self) -> &[Entry] {
        match self {
            Slot::Pending(pending) => pending.shown().map_or(&[], Slot::entries),
            plain => plain.entries(),
        }
    }

    /// The key with what a batch makes of it.
    pub(crate) fn pending(
        old: Option<&Slot>,
        new: Option<Slot>,
        committed: &Arc<AtomicBool>,
    ) -> Slot {
        let committed = Arc::clone(committed);
        Slot::Pending(Box::new(Pending { before: old.cloned(), after: new, committed }))
    }

    /// What is left in the place of a slot whose batch was committed.
    pub(crate) fn settled(&self) -> Option<Slot> {
        match self {
            Slot::Pending(pending) => pending.after.clone(),
            plain => Some(plain.clone()),
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
