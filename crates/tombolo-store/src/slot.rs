//! What one key holds: the usual record is one event, and what else there may be.

use crate::record::Record;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tombolo_core::{Dot, EntryRef};

/// What a key holds if that is not one event.
#[derive(Clone)]
pub(crate) enum Rare {
    /// Siblings; each is one event.
    Siblings(Box<[Record]>),
    /// The key is changed in a batch.
    Pending(Pending),
}

/// What a key held before a batch and holds after it; neither side is pending itself.
#[derive(Clone)]
pub(crate) struct Pending {
    before: Option<Record>,
    after: Option<Record>,
    /// Whether the batch was committed. All keys of a batch share it.
    committed: Arc<AtomicBool>,
}

impl Pending {
    /// What readers are to see.
    pub(crate) fn shown(&self) -> Option<&Record> {
        // Whoever sees the flag set sees all that was put before it was: every key of the batch.
        let committed = self.committed.load(Ordering::Acquire);
        if committed { self.after.as_ref() } else { self.before.as_ref() }
    }
}

impl Rare {
    pub(crate) fn pending(
        before: Option<Record>,
        after: Option<Record>,
        committed: &Arc<AtomicBool>,
    ) -> Rare {
        Rare::Pending(Pending { before, after, committed: Arc::clone(committed) })
    }
}

impl Record {
    /// The events as the last change left them, committed or not: what the writer goes by.
    pub(crate) fn events(&self) -> &[Record] {
        match self.as_rare() {
            None => slice::from_ref(self),
            Some(Rare::Siblings(siblings)) => siblings,
            Some(Rare::Pending(pending)) => pending.after.as_ref().map_or(&[], Record::events),
        }
    }

    /// The events as readers are to see them.
    pub(crate) fn shown(&self) -> &[Record] {
        match self.as_rare() {
            Some(Rare::Pending(pending)) => pending.shown().map_or(&[], Record::events),
            _ => self.events(),
        }
    }

    /// What is left in the place of a record whose batch was committed.
    pub(crate) fn settled(&self) -> Option<Record> {
        match self.as_rare() {
            Some(Rare::Pending(pending)) => pending.after.clone(),
            _ => Some(self.clone()),
        }
    }

    /// What is left of `old` without `gone`, with `new`; none if that is nothing.
    pub(crate) fn replaced(
        key: &[u8],
        old: Option<&Record>,
        gone: &[Dot],
        new: Option<EntryRef<'_>>,
    ) -> Option<Record> {
        let new = new.map(|new| Record::new(key, new));
        let old = old.map_or(&[][..], Record::events);
        let mut kept = old.iter().filter(|event| !gone.contains(&event.entry().dot)).peekable();
        if kept.peek().is_none() {
            return new;
        }
        let mut left: Vec<Record> = new.into_iter().chain(kept.cloned()).collect();
        match left.len() {
            1 => left.pop(),
            _ => Some(Record::rare(key, Rare::Siblings(left.into()))),
        }
    }
}
