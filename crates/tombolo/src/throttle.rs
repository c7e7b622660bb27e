//! How fast syncs may be sent.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// For how much of a second unused room adds up: short pauses are made up for, long ones are not.
const BURST: Duration = Duration::from_millis(100);

/// Room for so many bytes a second.
pub(crate) struct Throttle {
    rate: u64,
    room: Mutex<Room>,
}

struct Room {
    /// Bytes that may be sent now; negative after a piece that was larger.
    bytes: f64,
    at: Instant,
}

impl Throttle {
    pub(crate) fn new(rate: u64) -> Throttle {
        Throttle { rate, room: Mutex::new(Room { bytes: 0.0, at: Instant::now() }) }
    }

    /// How long to wait before the next piece; none if it may go now.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let mut room = self.room.lock();
        let rate = self.rate.max(1) as f64;
        let gained = room.at.elapsed().as_secs_f64() * rate;
        room.at = Instant::now();
        room.bytes = (room.bytes + gained).min(BURST.as_secs_f64() * rate);
        (room.bytes < 0.0).then(|| Duration::from_secs_f64(-room.bytes / rate))
    }

    /// So many bytes were sent.
    pub(crate) fn spend(&self, bytes: usize) {
        self.room.lock().bytes -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_piece_is_waited_for_in_proportion() {
        let throttle = Throttle::new(1_000_000);
        assert_eq!(throttle.wait(), None);
        throttle.spend(2_000_000);
        let wait = throttle.wait().expect("two seconds' worth was sent");
        assert!(wait > Duration::from_millis(1_800) && wait <= Duration::from_secs(2));
    }
}
