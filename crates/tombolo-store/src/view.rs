//! What a reader is shown of the entries that a key holds.

use crate::reader::Kept;
use crate::record::Record;
use crate::slot::Rare;
use arc_swap::{ArcSwapOption, Guard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tombolo_core::{EntryRef, Incarnation, Millis};

/// Makes one value of siblings: of concurrent writes of a key that no later write replaced.
pub trait View: Send + Sync {
    /// What a reader is shown of `key`.
    ///
    /// `siblings` are the entries that may be shown: those with a value that is not expired and
    /// whose owner is not hidden. They are at least two whose values are not all equal, and ascend
    /// in rank, so the newest is the last. Called for every read of such a key: it should be quick
    /// and must not wait.
    fn view(&self, key: &[u8], siblings: &[EntryRef<'_>]) -> Shown;
}

/// What a [`View`] makes of siblings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// One of them, by its index; an index that there is not stands for the newest.
    Sibling(usize),
    /// A value of the view's own. It is shown as an entry with the dot and the stamp of the newest
    /// sibling.
    Value {
        /// The value.
        value: Box<[u8]>,
        /// When it expires; at or after that it is not shown.
        expires: Option<Millis>,
    },
    /// Nothing, as if the key were not there.
    Nothing,
}

/// The view of a table that was given no other: the newest sibling.
#[derive(Clone, Copy, Default, Debug)]
pub struct Newest;

impl View for Newest {
    fn view(&self, _key: &[u8], siblings: &[EntryRef<'_>]) -> Shown {
        Shown::Sibling(siblings.len().saturating_sub(1))
    }
}

/// How a table is looked at; shared by all its readers and changed while they read.
#[derive(Default)]
pub(crate) struct Lens {
    /// None stands for [`Newest`], which then costs neither a call nor an allocation.
    view: ArcSwapOption<Arc<dyn View>>,
    /// Whether `owners` was ever given. Most tables have none, and a read of theirs should not pay
    /// for the look. It is never taken back, so no order between two changes can leave it wrong.
    lists_owners: AtomicBool,
    owners: ArcSwapOption<Arc<[Incarnation]>>,
}

/// The list of owners that one call goes by.
type Owners = Option<Guard<Option<Arc<Arc<[Incarnation]>>>>>;

impl Lens {
    pub(crate) fn set_view(&self, view: Arc<dyn View>) {
        self.view.store(Some(Arc::new(view)));
    }

    pub(crate) fn show_owners(&self, owners: Option<Arc<[Incarnation]>>) {
        if owners.is_some() {
            self.lists_owners.store(true, Relaxed);
        }
        self.owners.store(owners.map(Arc::new));
    }

    /// The lens as it is now, for one call of a reader. The clock is read when it matters.
    #[inline]
    pub(crate) fn look<N: Fn() -> Millis>(&self, now: N) -> Look<'_, N> {
        let owners = self.lists_owners.load(Relaxed).then(|| self.owners.load());
        Look { lens: self, owners, now }
    }
}

/// What one call of a reader goes by: the time, and whose entries are hidden.
pub(crate) struct Look<'a, N> {
    lens: &'a Lens,
    owners: Owners,
    now: N,
}

impl<N: Fn() -> Millis> Look<'_, N> {
    /// Shows what is to be seen of a key to `see`. Every read goes through here.
    #[inline]
    pub(crate) fn show<R>(
        &self,
        key: &[u8],
        record: Option<&Record>,
        see: impl FnOnce(Option<EntryRef<'_>>) -> R,
    ) -> R {
        let Some(record) = record else { return see(None) };
        match record.as_rare() {
            None => see(Some(record.entry()).filter(|entry| self.sees(entry))),
            Some(Rare::Siblings(siblings)) => self.show_of(key, siblings, see),
            Some(Rare::Pending(pending)) => self.show(key, pending.shown(), see),
        }
    }

    /// What is to be seen of a key, to keep.
    pub(crate) fn take(&self, key: &[u8], record: &Record) -> Option<Kept> {
        match record.as_rare() {
            None => self.sees(&record.entry()).then(|| Kept(record.clone())),
            Some(Rare::Siblings(siblings)) => {
                self.show_of(key, siblings, |seen| seen.map(Kept::new))
            }
            Some(Rare::Pending(pending)) => self.take(key, pending.shown()?),
        }
    }

    fn show_of<R>(
        &self,
        key: &[u8],
        siblings: &[Record],
        see: impl FnOnce(Option<EntryRef<'_>>) -> R,
    ) -> R {
        let visible = siblings.iter().map(Record::entry).filter(|entry| self.sees(entry));
        let Some(newest) = visible.clone().max_by_key(EntryRef::rank) else {
            return see(None);
        };
        let view = self.lens.view.load();
        let Some(view) = view.as_deref() else {
            return see(Some(newest));
        };
        if visible.clone().all(|entry| entry.value == newest.value) {
            return see(Some(newest));
        }
        let mut siblings: Vec<EntryRef<'_>> = visible.collect();
        siblings.sort_unstable_by_key(EntryRef::rank);
        match view.view(key, &siblings) {
            Shown::Sibling(index) => see(Some(siblings.get(index).copied().unwrap_or(newest))),
            Shown::Value { value, expires } => {
                let made = EntryRef { expires, value: Some(&value), ..newest };
                see(Some(made).filter(|made| made.is_visible((self.now)())))
            }
            Shown::Nothing => see(None),
        }
    }

    /// Whether some entry of a key may be shown. The view may still show nothing.
    pub(crate) fn sees_any(&self, record: &Record) -> bool {
        record.shown().iter().any(|event| self.sees(&event.entry()))
    }

    /// The entries of a key that may be shown, ascending in rank.
    pub(crate) fn siblings(&self, record: &Record) -> Vec<Kept> {
        let visible = record.shown().iter().filter(|event| self.sees(&event.entry()));
        let mut siblings: Vec<Kept> = visible.cloned().map(Kept).collect();
        siblings.sort_unstable_by_key(|kept| kept.entry().rank());
        siblings
    }

    #[inline]
    fn sees(&self, entry: &EntryRef<'_>) -> bool {
        entry.value.is_some()
            && entry.expires.is_none_or(|at| (self.now)() < at)
            && self.owners.as_ref().is_none_or(|owners| lists(owners, entry))
    }
}

/// Whether the owner of an entry is among those whose entries are shown: all, if there is no list.
fn lists(owners: &Option<Arc<Arc<[Incarnation]>>>, entry: &EntryRef<'_>) -> bool {
    owners.as_ref().is_none_or(|owners| owners.binary_search(&entry.dot.origin).is_ok())
}
