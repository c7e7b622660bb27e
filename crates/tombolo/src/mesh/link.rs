//! The link to one peer: a data lane and a control lane.

use super::lane::{Flushed, Lane};
use super::pieces::Pieces;
use crate::clock::{steady, unix_micros};
use crate::dump::Dumps;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tombolo_core::{Incarnation, Message, NodeId};

/// From how many bytes on they are written at once, whoever wrote them: about 700 small ops.
const MUCH: u64 = 128 * 1024;

/// What a request or its answer mostly fits into.
const USUAL_MESSAGE: usize = 256;

/// A link that is up. Both lanes live and die together.
pub(crate) struct Link {
    pub(crate) peer: NodeId,
    pub(crate) incarnation: Incarnation,
    /// Who dialled: of two links between the same two processes the one dialled by the lower
    /// incarnation stays.
    pub(crate) dialled_by: Incarnation,
    /// Carries what takes room: ops, acknowledgements, syncs.
    pub(crate) data: Lane,
    /// Carries what must not wait behind it.
    pub(crate) control: Lane,
    pub(crate) closed: CancellationToken,
    /// Everything was written after ops had been dropped: each table may tell where it goes on.
    pub(crate) resumes: AtomicBool,
    pub(crate) counters: Counters,
    /// What of syncs is on its way.
    pub(crate) pieces: Pieces,
    /// Reading each other's copies of tables.
    pub(crate) dumps: Dumps,
    /// Those who wait for the answer to a ping of theirs.
    pinging: Mutex<Vec<(u64, oneshot::Sender<()>)>>,
    /// An answer came on the data lane.
    pub(crate) refreshed: Notify,
}

/// The ends of a link's lanes that its tasks read from.
pub(crate) struct Incoming {
    pub(crate) data: OwnedReadHalf,
    pub(crate) control: OwnedReadHalf,
}

/// What a link counts.
#[derive(Default)]
pub(crate) struct Counters {
    /// When bytes came in last, by the steady clock.
    pub(crate) heard: AtomicU64,
    /// When that was sent which the peer answered last behind its ops: what it had written until
    /// then is here, as far as it came in order. Nought if nothing was answered yet.
    pub(crate) fresh: AtomicU64,
    pub(crate) round_trip_micros: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    /// Of them, those of pieces of syncs.
    pub(crate) pieces_in: AtomicU64,
    pub(crate) ops_in: AtomicU64,
}

impl Link {
    pub(crate) fn new(
        peer: NodeId,
        dialled_by: Incarnation,
        data: TcpStream,
        control: TcpStream,
    ) -> (Link, Incoming) {
        let (data_in, data) = data.into_split();
        let (control_in, control) = control.into_split();
        let counters = Counters::default();
        counters.heard.store(steady().0, Relaxed);
        let link = Link {
            incarnation: peer.incarnation(),
            peer,
            dialled_by,
            data: Lane::new(data),
            control: Lane::new(control),
            closed: CancellationToken::new(),
            resumes: AtomicBool::new(false),
            counters,
            pieces: Pieces::default(),
            dumps: Dumps::default(),
            pinging: Mutex::default(),
            refreshed: Notify::new(),
        };
        (link, Incoming { data: data_in, control: control_in })
    }

    /// For how many milliseconds nothing has come from the peer.
    pub(crate) fn silent_millis(&self) -> u64 {
        steady().0.saturating_sub(self.counters.heard.load(Relaxed))
    }

    /// Queues a message on its lane, and flushes the lane that nothing else may hold up.
    pub(crate) fn send(&self, message: &Message) -> usize {
        let encode = |out: &mut Vec<u8>| tombolo_wire::encode_message(out, message);
        match message {
            message if message.goes_with_ops() => {
                let mut bytes = Vec::with_capacity(USUAL_MESSAGE);
                encode(&mut bytes);
                self.data.push_ops(&bytes, 0);
                bytes.len()
            }
            Message::Members(_) | Message::Report { .. } | Message::Swim(_) => {
                let bytes = self.control.push_message(encode);
                self.flush_control();
                bytes
            }
            Message::Declare { .. }
            | Message::Attach { .. }
            | Message::Ack { .. }
            | Message::Apart { .. }
            | Message::Serial { .. }
            | Message::Sync { .. } => self.data.push_message(encode),
        }
    }

    /// Whether enough waits to be written at once: many bytes, or what half a crowd has to say.
    pub(crate) fn is_due(&self, half: Option<usize>) -> bool {
        self.data.waiting() > MUCH || half.is_some_and(|half| self.data.waiting_entries() >= half)
    }

    /// Asks the peer for a sign of life, and measures how long it takes.
    pub(crate) fn ping(&self) {
        self.control.push_message(|out| tombolo_wire::encode_ping(out, unix_micros()));
        self.flush_control();
    }

    /// Pings, and says when the answer is there.
    pub(crate) fn ping_back(&self) -> oneshot::Receiver<()> {
        let (answered, answer) = oneshot::channel();
        let sent = unix_micros();
        self.pinging.lock().push((sent, answered));
        self.control.push_message(|out| tombolo_wire::encode_ping(out, sent));
        self.flush_control();
        answer
    }

    /// Asks the peer to answer behind the ops that wait for this node.
    pub(crate) fn ask_fresh(&self) {
        self.data.push_message(|out| tombolo_wire::encode_ping(out, steady().0));
    }

    /// Queues a piece of a sync. Returns how long it is.
    pub(crate) fn send_piece(&self, piece: &Message) -> usize {
        let bytes = self.send(piece);
        self.pieces.sent(bytes as u64);
        bytes
    }

    /// A piece of a sync of so many bytes was taken in: the peer may send more.
    pub(crate) fn took_piece(&self, bytes: u64) {
        let taken = self.counters.pieces_in.fetch_add(bytes, Relaxed) + bytes;
        self.control.push_message(|out| tombolo_wire::encode_taken(out, taken));
        self.flush_control();
    }

    /// The peer has taken in so many bytes of pieces. Whether that makes room for more.
    pub(crate) fn on_taken(&self, bytes: u64) -> bool {
        self.pieces.taken(bytes)
    }

    /// Answers behind the ops that wait for the peer; not while some were dropped.
    pub(crate) fn say_fresh(&self, sent: u64) {
        if !self.resumes.load(Relaxed) {
            let mut pong = Vec::new();
            tombolo_wire::encode_pong(&mut pong, sent);
            self.data.push_ops(&pong, 0);
        }
    }

    /// What the peer had written up to `sent` is here.
    pub(crate) fn on_fresh(&self, sent: u64) {
        self.counters.fresh.fetch_max(sent.min(steady().0), Relaxed);
        self.refreshed.notify_waiters();
    }

    /// Answers a ping.
    pub(crate) fn pong(&self, sent: u64) {
        self.control.push_message(|out| tombolo_wire::encode_pong(out, sent));
        self.flush_control();
    }

    /// An answer to a ping sent at `sent` came in.
    pub(crate) fn on_pong(&self, sent: u64) {
        self.counters.round_trip_micros.store(unix_micros().saturating_sub(sent), Relaxed);
        let mut pinging = self.pinging.lock();
        // Whoever gave up is not to be kept either.
        pinging.retain(|(_, answered)| !answered.is_closed());
        while let Some(at) = pinging.iter().position(|(waits, _)| *waits == sent) {
            // Its other side may be gone in this moment.
            let _ = pinging.swap_remove(at).1.send(());
        }
    }

    pub(crate) fn flush_control(&self) {
        if self.control.flush() == Flushed::Failed {
            self.closed.cancel();
        }
    }
}
