//! The conflict ledger: what merges discarded, or could not decide.

use crate::clock::Dot;
use crate::entry::Entry;
use crate::id::mix;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What became of a conflict.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// Of two concurrent events the later one stayed (rule 7).
    Discarded,
    /// The policy's outcome, or an island's word, took the place of siblings (rule 8).
    Collapsed,
    /// The policy leaves it to somebody: all siblings stay.
    Undecided,
    /// A delete was overruled by an island's word: the value is back.
    Overruled,
}

/// One merge that discarded something, or could not decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Its name: the same on every node that notes the same merge.
    pub id: u64,
    /// When it was noted, by this node's clock.
    pub at: Millis,
    /// The key.
    pub key: Box<[u8]>,
    /// The policy then.
    pub policy: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the key holds because of it; none if that is nothing, or undecided.
    pub kept: Option<Entry>,
    /// What it does not hold any more; or all siblings, if undecided.
    pub lost: Vec<Entry>,
    /// When somebody decided what was undecided.
    pub settled: Option<Millis>,
}

impl Conflict {
    fn name(&self) -> u64 {
        let dots = self.kept.iter().chain(&self.lost).map(|entry| entry.dot);
        // A sum, so that the order in which a node met them does not matter.
        dots.fold(self.outcome as u64, |id, dot| id.wrapping_add(mix(dot.origin.0 ^ mix(dot.seq))))
    }

    fn bytes(&self) -> usize {
        let values = self.kept.iter().chain(&self.lost).map(|entry| entry.value.as_deref());
        128 + self.key.len() + values.map(|value| 64 + value.map_or(0, <[u8]>::len)).sum::<usize>()
    }
}

/// The newest conflicts of one table, as many as fit.
#[derive(Debug)]
pub struct Ledger {
    limit: usize,
    bytes: usize,
    next: u64,
    noted: u64,
    dropped: u64,
    retracted: u64,
    entries: BTreeMap<u64, Conflict>,
    /// Where an event is noted as discarded, in case it turns out that somebody had seen it.
    discarded: BTreeMap<Dot, u64>,
}

impl Ledger {
    pub(super) fn new(limit: usize) -> Ledger {
        Ledger {
            limit,
            bytes: 0,
            next: 0,
            noted: 0,
            dropped: 0,
            retracted: 0,
            entries: BTreeMap::new(),
            discarded: BTreeMap::new(),
        }
    }

    /// The conflicts, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Conflict> {
        self.entries.values()
    }

    /// The newest conflict of that name.
    pub fn find(&self, id: u64) -> Option<&Conflict> {
        self.iter().rev().find(|conflict| conflict.id == id)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many were ever noted, those included that turned out to be none.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// How many had to make room for newer ones.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many turned out to be none: somebody's write had seen what was noted as discarded.
    pub fn retracted(&self) -> u64 {
        self.retracted
    }

    /// How many bytes the kept ones take, of how many.
    pub fn bytes(&self) -> (usize, usize) {
        (self.bytes, self.limit)
    }

    pub(super) fn note(&mut self, mut conflict: Conflict) {
        conflict.id = conflict.name();
        self.noted += 1;
        self.bytes += conflict.bytes();
        if conflict.outcome == Outcome::Discarded {
            self.discarded.extend(conflict.lost.iter().map(|lost| (lost.dot, self.next)));
        }
        self.entries.insert(self.next, conflict);
        self.next += 1;
        while self.bytes > self.limit {
            let Some(oldest) = self.entries.keys().next().copied() else { break };
            self.remove(oldest);
            self.dropped += 1;
        }
    }

    /// Somebody's write had seen `dot`: it was overwritten, not discarded.
    pub(super) fn retract(&mut self, dot: Dot) {
        let Some(at) = self.discarded.remove(&dot) else { return };
        let Some(conflict) = self.entries.get_mut(&at) else { return };
        self.bytes -= conflict.bytes();
        conflict.lost.retain(|lost| lost.dot != dot);
        conflict.id = conflict.name();
        self.bytes += conflict.bytes();
        if conflict.lost.is_empty() {
            self.remove(at);
            self.retracted += 1;
        }
    }

    /// What was undecided of `key` is settled.
    pub(super) fn settle(&mut self, key: &[u8], now: Millis) {
        let open = |conflict: &&mut Conflict| {
            conflict.outcome == Outcome::Undecided && conflict.settled.is_none()
        };
        let same = self.entries.values_mut().rev().filter(open).find(|open| *open.key == *key);
        if let Some(conflict) = same {
            conflict.settled = Some(now);
        }
    }

    fn remove(&mut self, at: u64) {
        if let Some(conflict) = self.entries.remove(&at) {
            self.bytes -= conflict.bytes();
            for lost in &conflict.lost {
                if self.discarded.get(&lost.dot) == Some(&at) {
                    self.discarded.remove(&lost.dot);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Mark;
    use crate::id::Incarnation;
    use crate::time::Stamp;
    use alloc::vec;

    fn entry(seq: u64, size: usize) -> Entry {
        Entry {
            dot: Dot { origin: Incarnation(1), seq },
            stamp: Stamp(seq),
            mark: Mark::default(),
            expires: None,
            value: Some(vec![7; size].into()),
        }
    }

    fn conflict(kept: u64, lost: u64, size: usize) -> Conflict {
        Conflict {
            id: 0,
            at: Millis(1),
            key: b"k".as_slice().into(),
            policy: "newest".into(),
            outcome: Outcome::Discarded,
            kept: Some(entry(kept, size)),
            lost: vec![entry(lost, size)],
            settled: None,
        }
    }

    #[test]
    fn older_conflicts_make_room_and_are_counted() {
        let mut ledger = Ledger::new(5_000);
        for at in 0..20 {
            ledger.note(conflict(2 * at + 1, 2 * at, 500));
        }
        assert!(ledger.bytes().0 <= 5_000 && ledger.len() >= 3);
        assert_eq!(ledger.noted(), 20);
        assert_eq!(ledger.dropped() as usize, 20 - ledger.len());
        assert_eq!(ledger.discarded.len(), ledger.len());
        ledger.note(conflict(100, 99, 10_000));
        assert!(ledger.is_empty() && ledger.bytes().0 == 0, "larger than all there is room for");
    }

    #[test]
    fn what_turns_out_to_have_been_seen_was_no_conflict() {
        let mut ledger = Ledger::new(5_000);
        ledger.note(conflict(2, 1, 10));
        ledger.retract(entry(2, 10).dot);
        assert_eq!(ledger.len(), 1);
        ledger.retract(entry(1, 10).dot);
        assert!(ledger.is_empty() && ledger.dropped() == 0 && ledger.bytes().0 == 0);
    }

    #[test]
    fn what_was_seen_does_not_take_along_what_was_not() {
        let mut ledger = Ledger::new(5_000);
        let mut two = conflict(3, 1, 10);
        two.lost.push(entry(2, 10));
        ledger.note(two);
        ledger.retract(entry(2, 10).dot);
        let left: Vec<u64> = ledger.iter().flat_map(|c| &c.lost).map(|lost| lost.dot.seq).collect();
        assert_eq!((left, ledger.noted()), (vec![1], 1));
        let mut alone = Ledger::new(5_000);
        alone.note(conflict(3, 1, 10));
        assert_eq!(ledger.iter().next(), alone.iter().next());
        assert_eq!(ledger.bytes(), alone.bytes());
    }
}
