//! The links to the other nodes, and when their queues are flushed.

pub(crate) mod accept;
mod crowd;
pub(crate) mod dial;
pub(crate) mod handshake;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod pieces;
pub(crate) mod reader;

use arc_swap::ArcSwap;
use crowd::Crowd;
use lane::Flushed;
use link::Link;
use socket2::TcpKeepalive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tombolo_core::Incarnation;

/// For how long a writer that waits for no acknowledgement is held up at most.
const PACE: Duration = Duration::from_millis(5);

/// After how much silence of the network a connection with something to say is broken, and one with
/// nothing to say is asked for a sign of life.
const TCP_PATIENCE: Duration = Duration::from_secs(5);

/// Makes a connection fit for a link: nothing waits for more to send, and a network that forgot the
/// connection is noticed even where nothing is sent. What the system refuses is merely slower.
pub(crate) fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(TCP_PATIENCE).with_interval(TCP_PATIENCE / 5);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(TCP_PATIENCE));
}

/// Every link that is up.
#[derive(Default)]
pub(crate) struct Mesh {
    links: ArcSwap<Vec<Arc<Link>>>,
    /// A flush is to come.
    scheduled: AtomicBool,
    wake: Notify,
    /// Those who wait for the peers.
    pub(crate) crowd: Crowd,
    /// Wakes the pump: a queue has room again, or a link may resume.
    pub(crate) room: Notify,
    /// Wakes writers that were too fast for every peer.
    pub(crate) drained: Notify,
    /// The node has ended: links that close now say nothing of what the peers have.
    ended: AtomicBool,
}

impl Mesh {
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn links(&self) -> Arc<Vec<Arc<Link>>> {
        self.links.load_full()
    }

    pub(crate) fn link(&self, to: Incarnation) -> Option<Arc<Link>> {
        self.links.load().iter().find(|link| link.incarnation == to).map(Arc::clone)
    }

    /// Whether this very link is up.
    pub(crate) fn has(&self, link: &Arc<Link>) -> bool {
        self.links.load().iter().any(|known| Arc::ptr_eq(known, link))
    }

    pub(crate) fn named(&self, name: &str) -> Option<Arc<Link>> {
        self.links.load().iter().find(|link| link.peer.name == name).map(Arc::clone)
    }

    pub(crate) fn add(&self, link: Arc<Link>) {
        let mut links = self.links().as_ref().clone();
        links.push(link);
        self.links.store(Arc::new(links));
    }

    pub(crate) fn remove(&self, link: &Arc<Link>) {
        let mut links = self.links().as_ref().clone();
        links.retain(|other| !Arc::ptr_eq(other, link));
        self.links.store(Arc::new(links));
    }

    /// Sees to it that what was queued is written soon: at the end of the tick of the scheduler,
    /// so that all that is written in this tick shares a system call; at once if it is enough for
    /// one, so that the peers work at the same time as the writers.
    pub(crate) fn schedule_flush(&self) {
        let half = self.crowd.half();
        if self.links.load().iter().any(|link| link.is_due(half)) {
            self.flush();
            return;
        }
        // Looked at first, since most find it scheduled, and to look costs less than to change.
        // Whoever queued behind the flusher's look at a queue had that queue's lock after it, and
        // so sees that nothing is scheduled any more.
        if !self.scheduled.load(Ordering::Acquire) && !self.scheduled.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Holds up a writer that waits for no acknowledgement, for a moment, while it is too fast for
    /// every peer: otherwise their queues would overflow again and again, and be made up for by
    /// syncs. As long as one peer keeps up, a slow one slows nobody but itself.
    pub(crate) async fn pace(&self) {
        let links = self.links();
        let crowded = || links.iter().all(|link| link.data.is_crowded());
        if !links.is_empty() && crowded() {
            let drained = self.drained.notified();
            self.flush();
            if crowded() {
                let _ = tokio::time::timeout(PACE, drained).await;
            }
        }
    }

    /// Writes what is queued for anybody, as far as the sockets take it. Never blocks.
    pub(crate) fn flush(&self) {
        for link in self.links.load().iter() {
            self.flush_data(link);
        }
    }

    /// Writes what is queued on the data lane of a link.
    pub(crate) fn flush_data(&self, link: &Link) {
        match link.data.flush() {
            Flushed::Empty | Flushed::Busy => {}
            Flushed::Resumed => {
                link.resumes.store(true, Ordering::Release);
                self.room.notify_one();
            }
            Flushed::Failed => link.closed.cancel(),
        }
    }

    /// Flushes what was scheduled, for as long as the node runs.
    pub(crate) async fn run_flusher(&self) {
        loop {
            self.wake.notified().await;
            // Behind every task that can run now and may still write: without this the scheduler
            // would run the flush right after the first write, and batches were of one.
            tokio::task::yield_now().await;
            self.scheduled.store(false, Ordering::Release);
            self.flush();
        }
    }
}
