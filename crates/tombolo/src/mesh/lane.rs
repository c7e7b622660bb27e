//! The writing side of one TCP connection of a link: bounded queues in, non-blocking writes out.

use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// How many bytes of ops may wait for a peer before they are dropped and a sync makes up for them.
pub(crate) const QUEUE_LIMIT: usize = 8 * 1024 * 1024;

/// How many bytes of messages may wait. What a peer that keeps to the protocol makes us say is far
/// less.
const MESSAGE_LIMIT: usize = 128 * 1024 * 1024;

/// How many bytes may wait before pieces of a sync are added.
pub(crate) const ROOM: usize = 256 * 1024;

/// A buffer that grew beyond this is given back once it is empty.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// One connection to a peer.
///
/// Writers append to the queue under a short lock and never touch the socket; whoever flushes
/// swaps the queue with the outgoing buffer and writes as much as the socket takes.
pub(crate) struct Lane {
    stream: OwnedWriteHalf,
    queue: Mutex<Queue>,
    out: Mutex<Out>,
    /// Wakes the lane's own task when the socket took less than there was.
    blocked: Notify,
    /// How many bytes are in the queue, of how many pushes, and how many bytes a flush has taken
    /// and not written, for those who look without the locks: each is changed under the lock of
    /// what it counts.
    queued: AtomicU64,
    queued_entries: AtomicUsize,
    leaving: AtomicU64,
    pub(crate) written: AtomicU64,
    failed: AtomicBool,
    /// How much was written when it was last looked at, and when that changed last.
    progress: Mutex<(u64, Instant)>,
}

#[derive(Default)]
struct Queue {
    /// What must arrive in any case: declarations, attachments, acknowledgements, syncs. It goes
    /// before the ops that wait: an attachment may overtake ops of before it, never the reverse,
    /// or the peer would take ops that were dropped before it for ops of before the link.
    messages: Vec<u8>,
    /// What a sync can make up for.
    ops: Vec<u8>,
    /// In how many pushes they came, which is how many writers and requests they are of.
    entries: usize,
    /// Ops were dropped, and more are until the peer has taken what is on its way.
    overflowed: bool,
    tally: Tally,
}

/// What became of ops.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    /// How many were queued, dropped ones too.
    pub(crate) queued: u64,
    /// How often they began to be dropped.
    pub(crate) overflows: u64,
}

impl Queue {
    fn bytes(&self) -> u64 {
        (self.messages.len() + self.ops.len()) as u64
    }
}

#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    written: usize,
}

/// What a flush came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flushed {
    /// Everything is written.
    Empty,
    /// Everything is written, and ops had been dropped: they may flow again, each table starting
    /// with its attachment.
    Resumed,
    /// The socket takes no more for now, or another thread is flushing.
    Busy,
    /// The connection is broken.
    Failed,
}

impl Lane {
    pub(crate) fn new(stream: OwnedWriteHalf) -> Lane {
        Lane {
            stream,
            queue: Mutex::default(),
            out: Mutex::default(),
            blocked: Notify::new(),
            queued: AtomicU64::new(0),
            queued_entries: AtomicUsize::new(0),
            leaving: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            progress: Mutex::new((0, Instant::now())),
        }
    }

    /// Queues a message, encoded by `encode`, and returns how long it is. A peer that makes us say
    /// more than it ever reads loses the connection.
    pub(crate) fn push_message(&self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let mut queue = self.queue.lock();
        if queue.messages.len() > MESSAGE_LIMIT {
            self.failed.store(true, Relaxed);
            self.blocked.notify_one();
            return 0;
        }
        let before = queue.messages.len();
        encode(&mut queue.messages);
        queue.entries += 1;
        self.show(&queue);
        queue.messages.len() - before
    }

    /// Queues so many encoded ops, or drops them and those that wait if there is no room.
    pub(crate) fn push_ops(&self, ops: &[u8], count: u32) {
        let mut queue = self.queue.lock();
        queue.tally.queued += u64::from(count);
        if queue.overflowed {
            return;
        }
        if queue.ops.len() + ops.len() > QUEUE_LIMIT.max(ops.len()) {
            queue.ops = Vec::new();
            queue.overflowed = true;
            queue.tally.overflows += 1;
        } else {
            queue.ops.extend_from_slice(ops);
            queue.entries += 1;
        }
        self.show(&queue);
    }

    /// Tells those who look without the lock.
    fn show(&self, queue: &Queue) {
        self.queued.store(queue.bytes(), Relaxed);
        self.queued_entries.store(queue.entries, Relaxed);
    }

    /// What became of ops so far.
    pub(crate) fn tally(&self) -> Tally {
        self.queue.lock().tally
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> u64 {
        self.queued.load(Relaxed) + self.leaving.load(Relaxed)
    }

    /// Of how many pushes something waits for a flush.
    pub(crate) fn waiting_entries(&self) -> usize {
        self.queued_entries.load(Relaxed)
    }

    /// Whether pieces of a sync may be added.
    pub(crate) fn has_room(&self) -> bool {
        (self.waiting() as usize) < ROOM
    }

    /// Whether little waits that goes before ops.
    pub(crate) fn has_room_for_messages(&self) -> bool {
        self.queue.lock().messages.len() < ROOM
    }

    /// Whether so much waits that more will soon be dropped.
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting() as usize > QUEUE_LIMIT / 4
    }

    /// Writes what is queued, as far as the socket takes it. Never blocks.
    pub(crate) fn flush(&self) -> Flushed {
        loop {
            // Whoever holds the lock looks at the queue again before it is done, and what is
            // queued after that is flushed by whoever queued it.
            let Some(mut out) = self.out.try_lock() else { return Flushed::Busy };
            let flushed = self.write_out(&mut out);
            drop(out);
            if flushed != Flushed::Empty {
                return flushed;
            }
            let queue = self.queue.lock();
            if queue.messages.is_empty() && queue.ops.is_empty() {
                return Flushed::Empty;
            }
        }
    }

    fn write_out(&self, out: &mut Out) -> Flushed {
        loop {
            if out.written == out.bytes.len() {
                out.written = 0;
                out.bytes.clear();
                if let Some(flushed) = self.refill(out) {
                    return flushed;
                }
            }
            match self.stream.try_write(&out.bytes[out.written..]) {
                Ok(count) if count > 0 => {
                    out.written += count;
                    self.leaving.store((out.bytes.len() - out.written) as u64, Relaxed);
                    self.written.fetch_add(count as u64, Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked.notify_one();
                    return Flushed::Busy;
                }
                Ok(_) | Err(_) => {
                    self.failed.store(true, Relaxed);
                    self.blocked.notify_one();
                    return Flushed::Failed;
                }
            }
        }
    }

    /// Takes what is queued into the empty `out`, messages first. Returns if there was nothing.
    fn refill(&self, out: &mut Out) -> Option<Flushed> {
        if out.bytes.capacity() > KEPT_CAPACITY {
            out.bytes = Vec::new();
        }
        let mut queue = self.queue.lock();
        if queue.messages.is_empty() {
            std::mem::swap(&mut out.bytes, &mut queue.ops);
        } else {
            std::mem::swap(&mut out.bytes, &mut queue.messages);
            if !queue.ops.is_empty() {
                out.bytes.extend_from_slice(&queue.ops);
                queue.ops.clear();
            }
        }
        queue.entries = 0;
        self.show(&queue);
        if !out.bytes.is_empty() {
            self.leaving.store(out.bytes.len() as u64, Relaxed);
            return None;
        }
        let resumed = std::mem::take(&mut queue.overflowed);
        Some(if resumed { Flushed::Resumed } else { Flushed::Empty })
    }

    /// For how long something has waited and nothing was written, if it is asked regularly.
    pub(crate) fn stalled(&self) -> Duration {
        let written = self.written.load(Relaxed);
        let mut progress = self.progress.lock();
        if progress.0 != written || self.waiting() == 0 {
            *progress = (written, Instant::now());
        }
        progress.1.elapsed()
    }

    /// Closes the connection for both sides, whoever still holds the lane. What the socket has
    /// taken is sent.
    pub(crate) fn shut(&self) {
        // It may be closed already.
        let _ = socket2::SockRef::from(self.stream.as_ref()).shutdown(std::net::Shutdown::Both);
    }

    /// Waits until a flush was cut short and the socket takes more; false once it is broken.
    pub(crate) async fn unblocked(&self) -> bool {
        self.blocked.notified().await;
        !self.failed.load(Relaxed) && self.stream.writable().await.is_ok()
    }
}
