//! How much of syncs may be on its way to a peer.
//!
//! Whatever waits between two nodes, in their sockets above all, holds up the ops behind it: a
//! writer waits until the peer has taken in every piece that was sent before its op. So the peer
//! says how much it has taken in, and no more is sent than it takes in within a few milliseconds.
//! On a near link that is little, on a far one as much as the way holds.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many bytes may be on their way at first, and at least.
const LEAST: u64 = 128 * 1024;

/// How many bytes may be on their way at most.
const MOST: u64 = 8 * 1024 * 1024;

/// How much longer a piece may take until it is taken in than those took that did not have to wait.
const DELAY: Duration = Duration::from_millis(2);

/// For how long the fastest piece is what others are measured by: the way may become longer.
const REMEMBERED: Duration = Duration::from_secs(10);

/// By how many bytes the window grows with a piece that is taken in within that time.
const GROWTH: u64 = 16 * 1024;

/// The pieces on their way to one peer.
pub(crate) struct Pieces {
    flow: Mutex<Flow>,
}

struct Flow {
    /// How many bytes were sent and taken in since the link is up.
    sent: u64,
    taken: u64,
    window: u64,
    /// How long the fastest piece took, and since when that is looked for.
    least: (Duration, Instant),
    /// The ends of the pieces that were not taken in yet, and when they were sent.
    ends: VecDeque<(u64, Instant)>,
}

impl Default for Pieces {
    fn default() -> Pieces {
        let least = (Duration::MAX, Instant::now());
        let flow = Flow { sent: 0, taken: 0, window: LEAST, least, ends: VecDeque::new() };
        Pieces { flow: Mutex::new(flow) }
    }
}

impl Flow {
    fn is_full(&self) -> bool {
        self.sent.saturating_sub(self.taken) >= self.window
    }

    /// Whether a piece that took so long has waited behind others.
    fn has_waited(&mut self, took: Duration) -> bool {
        let (least, since) = &mut self.least;
        if since.elapsed() > REMEMBERED {
            (*least, *since) = (took, Instant::now());
        }
        *least = took.min(*least);
        took > *least + DELAY
    }
}

impl Pieces {
    /// Whether another one may be sent.
    pub(crate) fn have_room(&self) -> bool {
        !self.flow.lock().is_full()
    }

    /// A piece of so many bytes was sent.
    pub(crate) fn sent(&self, bytes: u64) {
        let mut flow = self.flow.lock();
        flow.sent += bytes;
        let end = flow.sent;
        flow.ends.push_back((end, Instant::now()));
    }

    /// The peer has taken in so many bytes in all. Whether that makes room.
    pub(crate) fn taken(&self, bytes: u64) -> bool {
        let mut flow = self.flow.lock();
        let was_full = flow.is_full();
        flow.taken = flow.taken.max(bytes);
        let mut took = None;
        while let Some((end, sent)) = flow.ends.front().copied()
            && end <= bytes
        {
            flow.ends.pop_front();
            took = Some(sent.elapsed());
        }
        match took.map(|took| flow.has_waited(took)) {
            Some(true) => flow.window = (flow.window / 8 * 7).max(LEAST),
            Some(false) if was_full => flow.window = (flow.window + GROWTH).min(MOST),
            _ => {}
        }
        was_full && !flow.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_in_makes_room_and_what_is_taken_in_soon_makes_more() {
        let pieces = Pieces::default();
        for _ in 0..4 {
            assert!(pieces.have_room());
            pieces.sent(LEAST / 4);
        }
        assert!(!pieces.have_room());
        assert!(!pieces.taken(0));
        assert!(pieces.taken(LEAST / 2));
        pieces.sent(LEAST / 2);
        assert!(pieces.have_room(), "the window has grown");
        assert!(!pieces.taken(u64::MAX), "there was room before");
        assert!(pieces.have_room());
    }

    #[test]
    fn a_window_that_makes_others_wait_shrinks_but_never_closes() {
        let pieces = Pieces::default();
        pieces.sent(1);
        pieces.taken(1);
        pieces.flow.lock().window = 2 * LEAST;
        for piece in 2..=7 {
            pieces.sent(1);
            std::thread::sleep(9 * DELAY);
            pieces.taken(piece);
        }
        pieces.sent(LEAST - 1);
        assert!(pieces.have_room());
        pieces.sent(1);
        assert!(!pieces.have_room());
    }
}
