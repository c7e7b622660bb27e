//! The history of nodes that went down, and why.

use crate::clock::steady;
use crate::events::NodeEvent;
use crate::shell::Shell;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tombolo_core::{DownCause, NodeId};

/// How many downs are remembered.
const KEPT: usize = 256;

/// Why a member went down.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DownReason {
    /// It said goodbye.
    Left,
    /// Its link was lost, and no node hears it.
    Silent {
        /// What was found wrong with the link.
        link: String,
    },
    /// A newer process of its name took its place.
    Superseded,
}

/// One time that a member went down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDown {
    /// Its name.
    pub node: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Why.
    pub reason: DownReason,
    /// For how many milliseconds it had been up.
    pub up_for: u64,
}

impl std::fmt::Display for DownReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DownReason::Left => f.write_str("it said goodbye"),
            DownReason::Silent { link } => write!(f, "it is not heard any more ({link})"),
            DownReason::Superseded => f.write_str("a newer process of its name took its place"),
        }
    }
}

/// Who went down, oldest first, and what is needed to say why.
#[derive(Default)]
pub(crate) struct Downs(Mutex<History>);

#[derive(Default)]
struct History {
    downs: VecDeque<NodeDown>,
    /// Since when each member is up.
    up: BTreeMap<String, u64>,
    /// Why the link to each was given up the last time, and since when nothing of it is fresh.
    links: BTreeMap<String, (String, u64)>,
}

impl Downs {
    /// A link was given up: why, and how far it had brought what the peer wrote.
    pub(crate) fn link_ended(&self, peer: &str, why: &str, fresh: u64) {
        self.0.lock().links.insert(peer.to_owned(), (why.to_owned(), fresh));
    }

    /// Up to when what a member without a link had written is here; none if it never was linked.
    pub(crate) fn fresh(&self, node: &str) -> Option<u64> {
        self.0.lock().links.get(node).map(|(_, fresh)| *fresh)
    }

    pub(crate) fn history(&self) -> Vec<NodeDown> {
        self.0.lock().downs.iter().cloned().collect()
    }
}

impl Shell {
    pub(crate) fn node_up(self: &Arc<Self>, node: NodeId) {
        tracing::info!(node = node.name, "the node is up");
        self.downs.0.lock().up.insert(node.name.clone(), steady().0);
        self.finding.recheck();
        self.events.tell(NodeEvent::NodeUp { node: node.name });
    }

    pub(crate) fn node_down(self: &Arc<Self>, node: NodeId, cause: DownCause) {
        let at = steady().0;
        let mut history = self.downs.0.lock();
        let reason = match cause {
            DownCause::Left => DownReason::Left,
            DownCause::Superseded => DownReason::Superseded,
            DownCause::Silent => {
                let known = history.links.get(&node.name).map(|(why, _)| why.clone());
                let link = known.unwrap_or_else(|| "it was never linked with this node".to_owned());
                DownReason::Silent { link }
            }
        };
        tracing::info!(node = node.name, %reason, "the node is down");
        let up_for = history.up.remove(&node.name).map_or(0, |since| at.saturating_sub(since));
        if history.downs.len() == KEPT {
            history.downs.pop_front();
        }
        history.downs.push_back(NodeDown { node: node.name.clone(), at, reason, up_for });
        drop(history);
        self.finding.recheck();
        let left = cause == DownCause::Left;
        self.events.tell(NodeEvent::NodeDown { node: node.name, left });
    }
}
