//! The hybrid logical clock.

use crate::time::{Millis, Stamp};

/// A hybrid logical clock (Kulkarni et al. 2014) that is told the time instead of reading it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    last: Stamp,
}

impl Clock {
    /// A stamp higher than every stamp given out or observed before, near `now` if the wall clock
    /// allows. A wall clock that jumps back leaves the stamps growing.
    pub fn next(&mut self, now: Millis) -> Stamp {
        self.last = Stamp(self.last.0.saturating_add(1).max(now.0 << 16));
        self.last
    }

    /// The highest stamp given out or observed.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// Makes every later stamp higher than `stamp`.
    pub fn observe(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_when_the_wall_clock_jumps_back() {
        let mut clock = Clock::default();
        let first = clock.next(Millis(1_000));
        let second = clock.next(Millis(10));
        clock.observe(Stamp(5_000 << 16));
        let third = clock.next(Millis(11));
        assert!(first < second && second < third);
        assert_eq!(third.millis(), Millis(5_000));
    }
}
