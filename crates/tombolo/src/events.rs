//! What happens on a node, for programs that want to know.

use crate::resolve::guarded;
use std::time::Duration;
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
    /// Writes of a node are not taken in because its clock is too far ahead.
    ClockAhead {
        /// The node.
        node: String,
        /// By how many milliseconds.
        ahead: u64,
    },
}

/// The events of one node.
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
pub(crate) type Hook = Box<dyn Fn(&NodeEvent) + Send>;

/// Calls the hooks, one event after the other, on threads where they may block. One that panics is
/// told of and called again with the next event; one that takes long holds up the next events and
/// nothing else.
pub(crate) async fn run_hooks(mut events: EventStream, hooks: Vec<Hook>) {
    let mut hooks = Some(hooks);
    while let Some(event) = events.next().await {
        let Some(called) = hooks.take() else { return };
        let call = tokio::task::spawn_blocking(move || {
            for hook in &called {
                if let Err(panic) = guarded(|| hook(&event)) {
                    tracing::error!(?event, panic, "a hook panicked");
                }
            }
            called
        });
        tokio::pin!(call);
        loop {
            match tokio::time::timeout(Duration::from_secs(5), &mut call).await {
                Ok(called) => {
                    hooks = called.ok();
                    break;
                }
                Err(_) => tracing::warn!("a hook takes long; later events wait for it"),
            }
        }
    }
}
