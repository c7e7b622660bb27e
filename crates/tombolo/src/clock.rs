//! The only clocks in production.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tombolo_core::Millis;

/// Milliseconds since the Unix epoch: the clock that a record's `expires` is compared with.
pub fn unix_millis() -> u64 {
    now().0
}

pub(crate) fn now() -> Millis {
    Millis(since_epoch().as_millis() as u64)
}

/// A moment as a record's `expires`; one before 1970 is the epoch itself.
pub(crate) fn millis_at(at: SystemTime) -> u64 {
    millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A span of time, however long, in milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock as it would be had nobody set it since the process first asked: for all that
/// waits or times out.
pub(crate) fn steady() -> Millis {
    static START: OnceLock<(Millis, Instant)> = OnceLock::new();
    let (wall, instant) = START.get_or_init(|| (now(), Instant::now()));
    wall.plus(instant.elapsed().as_millis() as u64)
}

pub(crate) fn unix_micros() -> u64 {
    since_epoch().as_micros() as u64
}

fn since_epoch() -> Duration {
    // A clock before 1970 is as wrong as one that stands still; neither may stop the node.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
