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

/// What a replica knows of one origin that is not settled.
#[derive(Default, Debug)]
struct Known {
    /// The prefix of its dots that was taken in: one component of `seen`.
    seen: u64,
    /// Its dots that are live here, tombstones included.
    live: DotSet,
    /// No live dot is above this: most dots that come are, and need not be looked for.
    highest: u64,
    /// The sum of [`fingerprint_of`] over its live dots that are values.
    sum: u64,
    /// Its dots that something known replaced before they arrived (beyond `seen` only).
    removed_ahead: BTreeSet<u64>,
    /// Whether `seen` moved since the last report.
    news: bool,
}

/// `seen`, the live dots, their sums and `removed_ahead` of one table, by origin.
///
/// A dot covered by `seen` and not live is dead, for ever.
#[derive(Default, Debug)]
pub struct Origins {
    known: BTreeMap<Incarnation, Known>,
    /// How far the dots of those were seen that have nothing live or removed ahead and are gone. A
    /// table keeps thousands of them for ever (rule 5), so they take no more than that.
    settled: BTreeMap<Incarnation, u64>,
    removed_ahead: usize,
}

/// Over how many parts the sums over origins that a question does not name are spread.
pub const DIGEST_PARTS: usize = 256;

/// The part that an origin belongs to.
pub fn digest_part(origin: Incarnation) -> usize {
    (mix(origin.0) % DIGEST_PARTS as u64) as usize
}

impl Origins {
    /// How far the dots of `origin` were taken in without a hole.
    pub fn seen(&self, origin: Incarnation) -> u64 {
        match self.known.get(&origin) {
            Some(known) => known.seen,
            None => self.settled.get(&origin).copied().unwrap_or(0),
        }
    }

    /// The whole of `seen`.
    pub fn seen_vector(&self) -> VersionVector {
        let known = self.known.iter().map(|(origin, known)| (*origin, known.seen));
        known.chain(self.settled.iter().map(|(origin, seq)| (*origin, *seq))).collect()
    }

    /// What of `seen` moved since the last time.
    pub fn take_news(&mut self) -> VersionVector {
        let moved = self.known.iter_mut().filter(|(_, known)| known.news);
        let news = moved.map(|(origin, known)| {
            known.news = false;
            (*origin, known.seen)
        });
        news.collect()
    }

    /// Whether `holds` of every component of `seen`; those that move are looked at first.
    pub fn all_seen(&self, mut holds: impl FnMut(Incarnation, u64) -> bool) -> bool {
        self.known.iter().all(|(origin, known)| known.seen == 0 || holds(*origin, known.seen))
            && self.settled.iter().all(|(origin, seen)| holds(*origin, *seen))
    }

    /// Whether `seen` includes all of `vector`.
    pub fn covers_all(&self, vector: &VersionVector) -> bool {
        vector.iter().all(|(origin, seq)| seq <= self.seen(origin))
    }

    /// Whether a `put` of `dot` must be refused: it is covered, live, or was removed ahead.
    pub fn refuses(&self, dot: Dot) -> bool {
        match self.known.get(&dot.origin) {
            Some(known) => {
                dot.seq <= known.seen
                    || dot.seq <= known.highest && known.live.contains(dot.seq)
                    || known.removed_ahead.contains(&dot.seq)
            }
            None => dot.seq <= self.seen(dot.origin),
        }
    }

    /// What is known of `origin`, to be changed.
    fn unsettle(&mut self, origin: Incarnation) -> &mut Known {
        self.known.entry(origin).or_insert_with(|| Known {
            seen: self.settled.remove(&origin).unwrap_or(0),
            ..Known::default()
        })
    }

    /// Settles the origins that are not in `present` and have nothing live or removed ahead.
    pub fn settle(&mut self, present: &BTreeSet<Incarnation>) {
        let settled = &mut self.settled;
        self.known.retain(|origin, known| {
            let inert = known.live.is_empty() && known.removed_ahead.is_empty() && !known.news;
            let goes = inert && !present.contains(origin);
            if goes && known.seen > 0 {
                settled.insert(*origin, known.seen);
            }
            !goes
        });
    }

    /// How many origins are not settled.
    pub fn unsettled(&self) -> usize {
        self.known.len()
    }

    /// `dot` is live from now on; it adds to the fingerprint if it is a value.
    pub fn enliven(&mut self, dot: Dot, is_value: bool) {
        let known = self.unsettle(dot.origin);
        known.live.insert(dot.seq);
        known.highest = known.highest.max(dot.seq);
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
        let known = self.unsettle(dot.origin);
        known.live.remove(dot.seq);
        if known.live.is_empty() {
            // An emptied set keeps memory.
            known.live = DotSet::new();
        }
        if was_value {
            known.sum = known.sum.wrapping_sub(fingerprint_of(dot));
        }
        self.remember_removed(dot);
    }

    /// `remove(d)` of the rules for a dot that is not live here.
    pub fn remember_removed(&mut self, dot: Dot) {
        if dot.seq > self.seen(dot.origin)
            && self.unsettle(dot.origin).removed_ahead.insert(dot.seq)
        {
            self.removed_ahead += 1;
        }
    }

    /// Advances `seen` for `origin`; what was removed ahead and is now covered is forgotten,
    /// because a covered dot that is not live is dead anyway.
    pub fn advance(&mut self, origin: Incarnation, seq: u64) {
        if seq <= self.seen(origin) {
            return;
        }
        let known = self.unsettle(origin);
        (known.seen, known.news) = (seq, true);
        if !known.removed_ahead.is_empty() {
            let kept = known.removed_ahead.split_off(&seq.saturating_add(1));
            let covered = core::mem::replace(&mut known.removed_ahead, kept).len();
            self.removed_ahead -= covered;
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

    /// Sums over what is known of the origins that are not `named`, by part: equal sums mean equal
    /// reach and equal live values of each.
    pub fn digest(&self, named: impl Fn(Incarnation) -> bool) -> Vec<u64> {
        let mut parts = alloc::vec![0u64; DIGEST_PARTS];
        let mut add = |origin: Incarnation, seen: u64, sum: u64| {
            if (seen > 0 || sum != 0) && !named(origin) {
                let part = &mut parts[digest_part(origin)];
                *part = part.wrapping_add(mix(origin.0 ^ mix(seen ^ mix(sum))));
            }
        };
        self.known.iter().for_each(|(origin, known)| add(*origin, known.seen, known.sum));
        self.settled.iter().for_each(|(origin, seen)| add(*origin, *seen, 0));
        parts
    }

    /// How many origins were ever heard of.
    pub fn len(&self) -> usize {
        self.known.len() + self.settled.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        self.known.keys().chain(self.settled.keys()).copied()
    }

    /// The sum over all live values: equal `seen` and equal fingerprint mean equal tables.
    pub fn fingerprint(&self) -> u64 {
        self.known.values().fold(0u64, |sum, known| sum.wrapping_add(known.sum))
    }
}
