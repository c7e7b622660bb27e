//! How often a table was altered, and what it was before.

use super::Declaration;
use crate::id::mix;
use alloc::string::ToString;
use alloc::vec::Vec;

/// What a table was declared to be before it was altered, epoch by epoch.
///
/// Every event carries the epoch it was written in, and the rules of that epoch judge it: so all
/// nodes switch at the same place in the history, although they hear of an alteration at different
/// times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Epochs {
    past: Vec<Past>,
}

/// One declaration of the past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Past {
    /// A hash of the declaration.
    pub declaration: u64,
    /// Whether one event stayed of each key then.
    pub last_writer_wins: bool,
}

impl Epochs {
    /// The most alterations that a table can have.
    pub const MOST: usize = 255;

    /// From the declarations of the past, oldest first; none if there are too many.
    pub fn from_past(past: Vec<Past>) -> Option<Epochs> {
        (past.len() <= Epochs::MOST).then_some(Epochs { past })
    }

    /// The declarations of the past, oldest first.
    pub fn past(&self) -> &[Past] {
        &self.past
    }

    /// The number of the epoch that goes on now.
    pub fn current(&self) -> u8 {
        self.past.len() as u8
    }

    /// The epochs after `old` was altered once more; none if that is too often.
    pub fn after(&self, old: &Declaration) -> Option<Epochs> {
        let mut past = self.past.clone();
        past.push(Past {
            declaration: hash_of(old),
            last_writer_wins: old.policy.is_last_writer_wins(),
        });
        Epochs::from_past(past)
    }

    /// Whether the table was declared so once.
    pub fn knew(&self, declaration: &Declaration) -> bool {
        let hash = hash_of(declaration);
        self.past.iter().any(|past| past.declaration == hash)
    }

    /// Whether the last writer won in any epoch from `first` to `last`; `now` is how it is in the
    /// current one. Epochs that are yet to come keep everything.
    ///
    /// An event then removes those of these epochs that come before it: also if its own epoch keeps
    /// siblings, because what it overwrote would have removed them, and is not there any more to do
    /// it.
    pub fn last_writer_won(&self, first: u8, last: u8, now: bool) -> bool {
        (usize::from(first)..=usize::from(last)).any(|epoch| match self.past.get(epoch) {
            Some(past) => past.last_writer_wins,
            None => epoch == self.past.len() && now,
        })
    }

    /// Which of two declarations of one table holds, if it was altered from the same beginning on
    /// both sides; true for this one.
    pub fn outlasts(&self, mine: &Declaration, other: &Epochs, theirs: &Declaration) -> bool {
        (self.past.len(), hash_of(mine)) > (other.past.len(), hash_of(theirs))
    }

    /// Whether a node that declares `mine` after these epochs and one that declares `theirs` after
    /// `other` speak of the same table, altered or not.
    pub fn is_kin(&self, mine: &Declaration, other: &Epochs, theirs: &Declaration) -> bool {
        let first = |epochs: &Epochs, now: &Declaration| {
            epochs.past.first().map_or_else(|| hash_of(now), |past| past.declaration)
        };
        mine.kind == theirs.kind
            && mine.fragments == theirs.fragments
            && mine.policy.per() == theirs.policy.per()
            && (mine == theirs
                || first(self, mine) == first(other, theirs)
                || (self.past.is_empty() && other.knew(mine))
                || (other.past.is_empty() && self.knew(theirs)))
    }
}

/// A hash of the text of a declaration, the same on every node.
fn hash_of(declaration: &Declaration) -> u64 {
    let text = declaration.to_string();
    text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::{Kind, Policy};

    fn declared(policy: Policy) -> Declaration {
        Declaration { policy, ..Declaration::default() }
    }

    #[test]
    fn a_node_that_missed_alterations_is_kin_and_one_that_means_another_table_is_not() {
        let (lww, newest) = (declared(Policy::LastWriterWins), declared(Policy::Newest));
        let merge_only = declared(Policy::MergeOnly);
        let never = Epochs::default();
        let once = never.after(&lww).unwrap();
        let twice = once.after(&newest).unwrap();
        for old in [&lww, &newest, &merge_only] {
            assert!(never.is_kin(old, &twice, &merge_only));
            assert!(twice.is_kin(&merge_only, &never, old));
        }
        assert!(!never.is_kin(&declared(Policy::Ignore), &twice, &merge_only));
        assert!(!never.is_kin(&lww, &never, &newest));
        let bag = Declaration { kind: Kind::Bag, ..lww.clone() };
        assert!(!never.is_kin(&bag, &never, &lww));
        assert!(once.is_kin(&newest, &once, &merge_only), "altered on two islands");
        let one = once.outlasts(&newest, &once, &merge_only);
        assert_ne!(one, once.outlasts(&merge_only, &once, &newest));
    }

    #[test]
    fn an_epoch_in_between_counts() {
        let once = Epochs::default().after(&declared(Policy::Newest)).unwrap();
        let twice = once.after(&declared(Policy::LastWriterWins)).unwrap();
        assert!(twice.last_writer_won(0, 2, false) && twice.last_writer_won(1, 1, false));
        assert!(!twice.last_writer_won(0, 0, false) && !twice.last_writer_won(2, 2, false));
        assert!(!twice.last_writer_won(3, 3, true), "not heard of yet");
    }
}
