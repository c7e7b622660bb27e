//! The read buffer of a connection.

use std::cell::Cell;

/// Room for one read of a connection that has just woken up.
const FIRST_READ: usize = 16 * 1024;
/// Room for one read of a connection that fills its buffer every time.
const LARGE_READ: usize = 64 * 1024;

thread_local! {
    /// The latest buffer that was released on this thread, for whoever reads next: most of what is
    /// read is executed at once, and to ask the allocator for so much each time costs more than
    /// executing it. It has at most [`LARGE_READ`] bytes.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes received and not yet executed. It grows with what arrives, never with what is announced,
/// and an idle connection holds none.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Everything before this has been executed.
    start: usize,
    filled: bool,
}

impl Inbox {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// The buffer, with room for the next read behind its content.
    pub(crate) fn make_room(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
        if self.start > 0 {
            // What is left is the front of one unfinished command, so this copies it once.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let room = if self.filled { LARGE_READ } else { FIRST_READ };
        let needed = self.bytes.len() + room;
        if self.bytes.capacity() > 4 * needed.max(LARGE_READ) {
            self.bytes.shrink_to(needed);
        }
        if self.bytes.capacity() < needed {
            self.bytes.reserve(room);
        }
        &mut self.bytes
    }

    /// Notes whether the latest read used all the room that it had.
    pub(crate) fn received(&mut self) {
        self.filled = self.bytes.len() == self.bytes.capacity();
    }

    /// Gives the buffer back if all of it was executed.
    pub(crate) fn release(&mut self) {
        if self.is_empty() && self.bytes.capacity() > 0 {
            let mut bytes = std::mem::take(&mut self.bytes);
            self.start = 0;
            bytes.clear();
            if bytes.capacity() <= LARGE_READ {
                SPARE.set(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_READ, Inbox};

    #[test]
    fn a_burst_is_given_back() {
        let mut inbox = Inbox::default();
        for _ in 0..1000 {
            inbox.make_room().extend_from_slice(&[7; FIRST_READ]);
        }
        assert!(inbox.bytes.capacity() < 2 * 1000 * FIRST_READ + FIRST_READ);
        inbox.consume(inbox.unread().len() - 1);
        assert_eq!(inbox.make_room().len(), 1);
        assert!(inbox.bytes.capacity() <= 4 * FIRST_READ, "{}", inbox.bytes.capacity());
        inbox.consume(1);
        inbox.release();
        assert_eq!(inbox.bytes.capacity(), 0);
    }

    #[test]
    fn what_one_released_serves_the_next() {
        let (mut one, mut other) = (Inbox::default(), Inbox::default());
        one.make_room().extend_from_slice(b"PING\r\n");
        let buffer = one.bytes.as_ptr();
        one.release();
        assert_eq!(one.unread(), b"PING\r\n", "what was not executed stays");
        one.consume(6);
        one.release();
        assert!(one.is_empty());
        assert!(other.make_room().is_empty());
        assert_eq!(other.bytes.as_ptr(), buffer);
    }
}
