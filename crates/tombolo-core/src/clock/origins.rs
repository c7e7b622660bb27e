//! Per origin: what was seen of it, which of its dots are live, which were removed ahead.

use crate::clock::{Dot, VersionVector};
use crate::id::{Incarnation, mix};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use roaring::RoaringTreemap;

/// A set of sequence numbers of one origin, compressed.
pub type DotSet = RoaringTreemap;

/// Sets of dots of several origins.
pub type Dots = BTreeMap<Incarnation, DotSet>;

/// What one dot adds to a fingerprint. The same on every node.
pub fn fingerprint_of(dot: Dot) -> u64 {
    mix(dot.origin.0 ^ mix(dot.seq))
}

/// What a replica knows of one origin.
#[derive(Default, Debug)]
struct Known {
    /// The prefix of its dots that was taken in: one component of `seen`.
    seen: u64,
    /// Its dots that are live here, tombstones included.
    live: DotSet,
    /// The sum of [`fingerprint_of`] over its live dots that are values.
    sum: u64,
    /// Its dots that something known replaced before they arrived (beyond `seen` only).
    removed_ahead: BTreeSet<u64>,
}

/// `seen`, the live dots, their sums and `removed_ahead` of one table, by origin.
///
/// A dot covered by `seen` and not live is dead, for ever.
#[derive(Default, Debug)]
pub struct Origins {
    known: BTreeMap<Incarnation, Known>,
    removed_ahead: usize,
}

impl Origins {
    /// How far the dots of `origin` were taken in without a hole.
    pub fn seen(&self, origin: Incarnation) -> u64 {
        self.known.get(&origin).map_or(0, |known| known.seen)
    }

    /// The whole of `seen`.
    pub fn seen_vector(&self) -> VersionVector {
        self.known.iter().map(|(origin, known)| (*origin, known.seen)).collect()
    }

    /// Whether `seen` includes all of `vector`.
    pub fn covers_all(&self, vector: &VersionVector) -> bool {
        vector.iter().all(|(origin, seq)| seq <= self.seen(origin))
    }

    /// Whether a `put` of `dot` must be refused: it is covered, live, or was removed ahead.
    pub fn refuses(&self, dot: Dot) -> bool {
        self.known.get(&dot.origin).is_some_and(|known| {
            dot.seq <= known.seen
                || known.live.contains(dot.seq)
                || known.removed_ahead.contains(&dot.seq)
        })
    }

    /// `dot` is live from now on; it adds to the fingerprint if it is a value.
    pub fn enliven(&mut self, dot: Dot, is_value: bool) {
        let known = self.known.entry(dot.origin).or_default();
        known.live.insert(dot.seq);
        if is_value {
            known.sum = known.sum.wrapping_add(fingerprint_of(dot));
        }
    }

    /// A live value became a tombstone in place (it expired): it leaves the fingerprint.
    pub fn devalue(&mut self, dot: Dot) {
        if let Some(known) = self.known.get_mut(&dot.origin) {
            known.sum = known.sum.wrapping_sub(fingerprint_of(dot));
        }
    }

    /// `remove(d)` of the rules for a dot that is live and `was_value` or not.
    pub fn bury(&mut self, dot: Dot, was_value: bool) {
        let known = self.known.entry(dot.origin).or_default();
        known.live.remove(dot.seq);
        if was_value {
            known.sum = known.sum.wrapping_sub(fingerprint_of(dot));
        }
        self.remember_removed(dot);
    }

    /// `remove(d)` of the rules for a dot that is not live here.
    pub fn remember_removed(&mut self, dot: Dot) {
        let known = self.known.entry(dot.origin).or_default();
        if dot.seq > known.seen && known.removed_ahead.insert(dot.seq) {
            self.removed_ahead += 1;
        }
    }

    /// Advances `seen` for `origin`; what was removed ahead and is now covered is forgotten,
    /// because a covered dot that is not live is dead anyway.
    pub fn advance(&mut self, origin: Incarnation, seq: u64) {
        let known = self.known.entry(origin).or_default();
        if seq <= known.seen {
            return;
        }
        known.seen = seq;
        if !known.removed_ahead.is_empty() {
            let kept = known.removed_ahead.split_off(&seq.saturating_add(1));
            self.removed_ahead -= known.removed_ahead.len();
            known.removed_ahead = kept;
        }
    }

    /// The live dots of `origin`.
    pub fn live(&self, origin: Incarnation) -> Option<&DotSet> {
        self.known.get(&origin).map(|known| &known.live)
    }

    /// The sum over the live values of `origin`.
    pub fn sum(&self, origin: Incarnation) -> u64 {
        self.known.get(&origin).map_or(0, |known| known.sum)
    }

    /// The sums of all origins that have live values.
    pub fn sums(&self) -> BTreeMap<Incarnation, u64> {
        let sums = self.known.iter().map(|(origin, known)| (*origin, known.sum));
        sums.filter(|(_, sum)| *sum != 0).collect()
    }

    /// The live dots that `seen` does not cover.
    pub fn live_beyond_seen(&self) -> Dots {
        let mut beyond = Dots::new();
        for (origin, known) in &self.known {
            if known.live.max().is_some_and(|max| max > known.seen) {
                let mut live = known.live.clone();
                live.remove_range(0..=known.seen);
                beyond.insert(*origin, live);
            }
        }
        beyond
    }

    /// Every dot that was removed ahead.
    pub fn removed_ahead(&self) -> Vec<Dot> {
        let mut dots = Vec::with_capacity(self.removed_ahead);
        for (origin, known) in &self.known {
            dots.extend(known.removed_ahead.iter().map(|seq| Dot { origin: *origin, seq: *seq }));
        }
        dots
    }

    /// How many dots were removed ahead.
    pub fn removed_ahead_len(&self) -> usize {
        self.removed_ahead
    }

    /// Every origin that was ever heard of.
    pub fn iter(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.known.keys().copied()
    }

    /// The sum over all live values: equal `seen` and equal fingerprint mean equal tables.
    pub fn fingerprint(&self) -> u64 {
        self.known.values().fold(0u64, |sum, known| sum.wrapping_add(known.sum))
    }
}
