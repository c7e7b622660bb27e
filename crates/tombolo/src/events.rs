//! What happens on a node, for programs that want to know.

use crate::tasks::Tasks;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// How many events a listener may be behind.
const KEPT: usize = 1_024;

/// Something that happened on this node, or that it learned of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A member is heard.
    NodeUp {
        /// Its name.
        node: String,
    },
    /// A member is not heard any more. In tables declared `owner_down=hide` its records are hidden
    /// by now.
    NodeDown {
        /// Its name.
        node: String,
        /// Whether it said goodbye.
        left: bool,
    },
    /// Concurrent writes of a key that the table's policy does not decide: all stay until somebody
    /// writes or resolves the key.
    Conflict {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
        /// Why it is undecided.
        cause: String,
    },
    /// A sync of a table with a peer is complete. The fragments of a table are synced one by one,
    /// and each is told of.
    Synced {
        /// The table.
        table: String,
        /// The peer.
        peer: String,
        /// How many records came.
        brought: u64,
        /// How many records here were gone there, and went.
        removed: u64,
        /// How many keys are in conflict because of it.
        conflicts: u64,
    },
    /// A table was synced with every linked node.
    Complete {
        /// The table.
        table: String,
    },
    /// A table is kept apart from a peer's, because both were written without the other.
    Apart {
        /// The table.
        table: String,
        /// The peer.
        peer: String,
    },
    /// A table that was kept apart joins the peer's.
    Rejoined {
        /// The table.
        table: String,
        /// The peer.
        peer: String,
    },
    /// A table was altered.
    Altered {
        /// The table.
        table: String,
        /// How it is declared now.
        declaration: String,
    },
    /// A hook, a resolver or a discovery back-end of the program's panicked or does not answer. The
    /// node goes on; told once for each function and table, see [`Status::faults`](crate::Status).
    Fault {
        /// Which function.
        what: String,
        /// The table that it was called for, if it is one's.
        table: Option<String>,
        /// What is wrong.
        cause: String,
    },
    /// Writes of a node are not taken in because its clock is too far ahead.
    ClockAhead {
        /// The node.
        node: String,
        /// By how many milliseconds.
        ahead: u64,
    },
}

/// The events of one node.
#[derive(Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<NodeEvent>,
}

impl Default for Events {
    fn default() -> Events {
        Events { sender: broadcast::Sender::new(KEPT) }
    }
}

impl Events {
    pub(crate) fn tell(&self, event: NodeEvent) {
        // Nobody may listen.
        let _ = self.sender.send(event);
    }

    pub(crate) fn listen(&self, running: CancellationToken) -> EventStream {
        EventStream { receiver: self.sender.subscribe(), running }
    }
}

/// The events of a node from the moment on that it was asked for.
pub struct EventStream {
    receiver: broadcast::Receiver<NodeEvent>,
    /// Cancelled when the node ends.
    running: CancellationToken,
}

impl EventStream {
    /// The next event; none once the node has ended. A listener that is more than 1,024 events
    /// behind misses the oldest.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        loop {
            let event = tokio::select! {
                biased;
                event = self.receiver.recv() => event,
                () = self.running.cancelled() => return None,
            };
            match event {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a listener is too slow for the node's events");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// A function that is told of every event.
pub(crate) struct Hook {
    /// What it is called where it is told of.
    pub(crate) name: String,
    pub(crate) call: Box<dyn Fn(&NodeEvent) + Send>,
}

/// Calls one hook, one event after the other, on threads where it may block. One that panics is
/// called again with the next event; one that takes long holds up its own next events and nothing
/// else.
pub(crate) async fn run_hook(mut events: EventStream, hook: Hook, tasks: Arc<Tasks>) {
    let mut hook = Some(hook);
    while let Some(event) = events.next().await {
        let Some(called) = hook.take() else { return };
        let tasks = Arc::clone(&tasks);
        let call = tokio::task::spawn_blocking(move || {
            // What it panics with was told.
            let _ = tasks.call(&called.name, None, || (called.call)(&event));
            called
        });
        // Nothing else of the call can fail; without its hook there is nothing more to do.
        hook = call.await.ok();
    }
}
