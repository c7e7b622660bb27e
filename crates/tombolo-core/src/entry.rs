//! What a key holds.

use crate::clock::Dot;
use crate::time::{Millis, Stamp};
use alloc::sync::Arc;

/// What an event says of how it was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mark {
    /// How often the table's declaration had been altered when it was written. The rules of that
    /// epoch judge it on every node, whenever it arrives there.
    pub epoch: u8,
    /// Whether it is the outcome of a conflict. Siblings that are all outcomes are not resolved
    /// again (rule 8).
    pub outcome: bool,
}

/// One event of a key, borrowed: a value, or a delete that must be remembered (rule 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryRef<'a> {
    /// The write that made it.
    pub dot: Dot,
    /// Its place among concurrent writes.
    pub stamp: Stamp,
    /// How it was made.
    pub mark: Mark,
    /// From when on it counts as deleted, by each node's own clock (rule 9).
    pub expires: Option<Millis>,
    /// The value; none in a tombstone.
    pub value: Option<&'a [u8]>,
}

impl EntryRef<'_> {
    /// Whether a reader sees it at `now`.
    pub fn is_visible(&self, now: Millis) -> bool {
        self.value.is_some() && self.expires.is_none_or(|at| now < at)
    }

    /// The order of rule 7: the higher stamp wins, the origin decides between equal stamps. What
    /// was written after an alteration comes after what was not, so that the order and the rules
    /// of the epochs agree on every node.
    pub fn wins_over(&self, other: &EntryRef<'_>) -> bool {
        self.rank() > other.rank()
    }

    /// Its place in that order.
    pub fn rank(&self) -> Rank {
        Rank(self.mark.epoch, self.stamp, self.dot)
    }

    /// A copy that owns its value.
    pub fn to_entry(&self) -> Entry {
        Entry {
            dot: self.dot,
            stamp: self.stamp,
            mark: self.mark,
            expires: self.expires,
            value: self.value.map(Arc::from),
        }
    }
}

/// The place of an event among those of its key: epoch, stamp, dot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rank(pub u8, pub Stamp, pub Dot);

/// One event of a key, owned. See [`EntryRef`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The write that made it.
    pub dot: Dot,
    /// Its place among concurrent writes.
    pub stamp: Stamp,
    /// How it was made.
    pub mark: Mark,
    /// From when on it counts as deleted.
    pub expires: Option<Millis>,
    /// The value; none in a tombstone.
    pub value: Option<Arc<[u8]>>,
}

impl Entry {
    /// The entry, borrowed.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef {
            dot: self.dot,
            stamp: self.stamp,
            mark: self.mark,
            expires: self.expires,
            value: self.value.as_deref(),
        }
    }
}

/// What a local caller wants done to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// The key holds `value` from now on, until `expires` if that is given.
    Put {
        /// The new value.
        value: &'a [u8],
        /// When it expires.
        expires: Option<Millis>,
    },
    /// The key holds nothing from now on.
    Delete,
}
