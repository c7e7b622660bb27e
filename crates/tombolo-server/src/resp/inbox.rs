//! The read buffer of a connection.

/// Room for one read of a connection that has just woken up.
const FIRST_READ: usize = 16 * 1024;
/// Room for one read of a connection that fills its buffer every time.
const LARGE_READ: usize = 64 * 1024;

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

    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            *self = Inbox::default();
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
}
