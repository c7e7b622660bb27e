//! Version vectors.

use crate::clock::Dot;
use crate::id::Incarnation;
use alloc::collections::BTreeMap;

/// Per origin, the length of the prefix of its dots that is meant: "everything up to here".
///
/// An origin that is absent counts as 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VersionVector(BTreeMap<Incarnation, u64>);

impl VersionVector {
    /// The vector that covers nothing.
    pub const fn new() -> Self {
        VersionVector(BTreeMap::new())
    }

    /// How far it reaches for `origin`.
    pub fn reach(&self, origin: Incarnation) -> u64 {
        self.0.get(&origin).copied().unwrap_or(0)
    }

    /// Whether `dot` is in the prefix of its origin.
    pub fn covers(&self, dot: Dot) -> bool {
        dot.seq <= self.reach(dot.origin)
    }

    /// Whether everything that `other` covers is covered.
    pub fn includes(&self, other: &VersionVector) -> bool {
        other.iter().all(|(origin, seq)| seq <= self.reach(origin))
    }

    /// Reaches at least `seq` for `origin` from now on.
    pub fn raise(&mut self, origin: Incarnation, seq: u64) {
        if seq > 0 {
            let reach = self.0.entry(origin).or_insert(0);
            *reach = (*reach).max(seq);
        }
    }

    /// Covers whatever `other` covers as well (the join of the semilattice).
    pub fn join(&mut self, other: &VersionVector) {
        for (origin, seq) in other.iter() {
            self.raise(origin, seq);
        }
    }

    /// The part of `self` that reaches beyond `base`: joined to `base` it gives `self`'s cover.
    pub fn beyond(&self, base: &VersionVector) -> VersionVector {
        self.iter().filter(|(origin, seq)| *seq > base.reach(*origin)).collect()
    }

    /// What is to be told to someone who has `base`: every component that differs, with its reach
    /// here, be it lower.
    pub fn changes_from(&self, base: &VersionVector) -> BTreeMap<Incarnation, u64> {
        let mut changes: BTreeMap<Incarnation, u64> =
            self.iter().filter(|(origin, seq)| *seq != base.reach(*origin)).collect();
        let lower = base.0.keys().filter(|origin| self.reach(**origin) == 0);
        changes.extend(lower.map(|origin| (*origin, 0)));
        changes
    }

    /// The vector that `changes` were told of by [`VersionVector::changes_from`] this one.
    #[must_use]
    pub fn with_changes(&self, changes: &BTreeMap<Incarnation, u64>) -> VersionVector {
        let mut changed = self.clone();
        for (origin, seq) in changes {
            match seq {
                0 => changed.0.remove(origin),
                _ => changed.0.insert(*origin, *seq),
            };
        }
        changed
    }

    /// Every origin with its reach, in the order of the origins.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Incarnation, u64)> + '_ {
        self.0.iter().map(|(origin, seq)| (*origin, *seq))
    }

    /// How many origins it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Incarnation, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Incarnation, u64)>>(pairs: I) -> Self {
        let mut vector = VersionVector::new();
        for (origin, seq) in pairs {
            vector.raise(origin, seq);
        }
        vector
    }
}
