//! Events from too far in the future (the clock's half of rule 9's drift).

use super::Table;
use crate::id::Incarnation;
use crate::store::Store;
use crate::time::{Millis, Stamp};

/// How many nodes with wrong clocks are remembered.
const MOST: usize = 1_000;

/// A node whose clock is too far ahead: what it writes is not taken in until the clocks have come
/// closer, because it would win over everything written until then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parked {
    /// By how many milliseconds its last stamp was ahead of the wall clock here.
    pub ahead: u64,
    /// When that was met last.
    pub at: Millis,
    /// How often it was met.
    pub count: u64,
}

impl<S: Store> Table<S> {
    /// Whether a stamp is further in the future than clocks may differ.
    pub(super) fn is_ahead(&self, stamp: Stamp) -> bool {
        stamp.millis().since(self.wall) > self.limits.max_drift
    }

    pub(super) fn park(&mut self, origin: Incarnation, stamp: Stamp) {
        if self.parked.len() >= MOST && !self.parked.contains_key(&origin) {
            return;
        }
        let (ahead, at) = (stamp.millis().since(self.wall), self.wall);
        let parked = self.parked.entry(origin).or_insert(Parked { ahead, at, count: 0 });
        *parked = Parked { ahead, at, count: parked.count + 1 };
    }

    /// The nodes whose clocks were found too far ahead within the last `span` milliseconds.
    pub fn parked(&self, span: u64) -> impl Iterator<Item = (Incarnation, Parked)> + '_ {
        let lately = move |parked: &Parked| self.wall.since(parked.at) <= span;
        let all = self.parked.iter().map(|(origin, parked)| (*origin, *parked));
        all.filter(move |(_, parked)| lately(parked))
    }
}
