//! How many wait at once for an answer of the peers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A smaller crowd is not divided: to wake a peer costs more than it gains by that.
const LEAST: usize = 16;

/// Writers and requests that wait are all released by one answer, write again together and would
/// wait together again, so that at any time either they work or their peers. They are kept out of
/// step in two halves: while one is answered, the other writes. For that half a crowd is enough to
/// fill a flush.
#[derive(Default)]
pub(crate) struct Crowd {
    /// The most that waited at once since the last tick, and from the tick before it to that.
    now: AtomicUsize,
    before: AtomicUsize,
}

impl Crowd {
    /// So many wait, of those who wait for the same.
    pub(crate) fn note(&self, waiting: usize) {
        // Looked at first, since it is rarely more, and to look costs less than to change.
        if waiting > self.now.load(Relaxed) {
            self.now.fetch_max(waiting, Relaxed);
        }
    }

    /// Forgets what was noted before the tick before this one.
    pub(crate) fn tick(&self) {
        self.before.store(self.now.swap(0, Relaxed), Relaxed);
    }

    /// How many are half of it, if it is large enough to be divided.
    pub(crate) fn half(&self) -> Option<usize> {
        let crowd = self.now.load(Relaxed).max(self.before.load(Relaxed));
        (crowd >= LEAST).then_some(crowd.div_ceil(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_largest_crowd_of_late_counts() {
        let crowd = Crowd::default();
        assert_eq!(crowd.half(), None);
        crowd.note(LEAST - 1);
        assert_eq!(crowd.half(), None, "a small one is not divided");
        [31, 63, 20].iter().for_each(|waiting| crowd.note(*waiting));
        assert_eq!(crowd.half(), Some(32));
        crowd.tick();
        crowd.note(17);
        assert_eq!(crowd.half(), Some(32));
        crowd.tick();
        assert_eq!(crowd.half(), Some(9), "the larger one is long ago");
        crowd.tick();
        assert_eq!(crowd.half(), None);
    }
}
