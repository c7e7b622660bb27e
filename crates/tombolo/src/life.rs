//! Who is there, whether they answer, and waiting until they do.

use crate::acknowledged::{self, Ack, Receipt};
use crate::clock::steady;
use crate::downs::NodeDown;
use crate::mesh::link::Link;
use crate::node::Node;
use crate::raw::RawTable;
use crate::roll::PauseStatus;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;
use tombolo_core::{Declaration, Incarnation, Kind, MemberState, Policy};

/// How often is looked again at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Why a node did not answer a ping. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PingError {
    /// There is no link to a node of that name.
    #[error("no node {node:?} is linked; there are {linked:?}")]
    NotLinked {
        /// What was asked for.
        node: String,
        /// Who is linked.
        linked: Vec<String>,
    },
    /// The link went down before the answer came.
    #[error("the link with {0:?} went down before the answer came")]
    LinkLost(String),
}

/// Not every linked node has answered and has everything, in time or before the node stopped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{missing:?} did not answer, or have not taken in all that this node wrote")]
pub struct PingAllError {
    /// Who did not.
    pub missing: Vec<String>,
}

/// What was waited for did not come in time, or the node stopped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not ready: {}", .missing.join("; "))]
pub struct NotReady {
    /// What is missing, in words.
    pub missing: Vec<String>,
}

/// What a table is, and who has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub kind: Kind,
    /// What becomes of concurrent writes.
    pub policy: Policy,
    /// All that it is declared.
    pub declaration: Declaration,
    /// How many keys hold a value.
    pub records: usize,
    /// How many bytes the keys and values take. Counting them walks the table.
    pub bytes: usize,
    /// The linked nodes that have it too, by name.
    pub other_nodes: Vec<String>,
    /// Those of them that it was synced with.
    pub joined: Vec<String>,
    /// The node that decides for this node's island.
    pub leader: String,
    /// Whether it may be written here.
    pub writable: bool,
    /// If it stands still: since when, for how many guards.
    pub paused: Option<PauseStatus>,
}

impl Node {
    /// Every member that has not said goodbye, up or down, this one included, by name. It takes the
    /// node's lock for a moment.
    pub fn members(&self) -> Vec<String> {
        let mut members = self.other_members(|state| state != MemberState::Left);
        members.push(self.name().to_owned());
        members.sort();
        members
    }

    /// Every other member that is up, by name.
    pub fn other_nodes(&self) -> Vec<String> {
        self.other_members(|state| state == MemberState::Up)
    }

    fn other_members(&self, counts: impl Fn(MemberState) -> bool) -> Vec<String> {
        let node = self.inner.shell.node.lock();
        let others = node.members().others().filter(|known| counts(known.state));
        others.map(|known| known.member.id.name.clone()).collect()
    }

    /// The leader of this node's island: of it and the nodes it is linked with the one whose name
    /// is the lowest. In a split every island has one.
    pub fn leader(&self) -> String {
        self.inner.shell.node.lock().leader_name().to_owned()
    }

    /// The last 256 times that a member went down, oldest first: who, when, why, and how long it
    /// had been up.
    pub fn down_history(&self) -> Vec<NodeDown> {
        self.inner.shell.downs.history()
    }

    /// Sends a linked node a sign of life and returns how long its answer took.
    ///
    /// A node that does not answer is found out within three seconds, and the link goes down.
    ///
    /// # Errors
    ///
    /// [`PingError`]: it is not linked, or the link went down meanwhile.
    pub async fn ping(&self, node: &str) -> Result<Duration, PingError> {
        let mesh = &self.inner.shell.mesh;
        let Some(link) = mesh.named(node) else {
            let linked = mesh.links().iter().map(|link| link.peer.name.clone()).collect();
            return Err(PingError::NotLinked { node: node.to_owned(), linked });
        };
        let begun = Instant::now();
        let answer = link.ping_back();
        tokio::select! {
            Ok(()) = answer => Ok(begun.elapsed()),
            () = link.closed.cancelled() => Err(PingError::LinkLost(node.to_owned())),
        }
    }

    /// Resolves when every linked node has answered, and has applied everything that this node
    /// wrote before, in every table. A node whose link goes down is no longer waited for.
    ///
    /// After it [`Node::freshness`] is no older than the call either.
    ///
    /// # Errors
    ///
    /// [`PingAllError`] says who has not within `timeout`; the writes go on replicating.
    pub async fn ping_all(&self, timeout: Duration) -> Result<(), PingAllError> {
        let shell = &self.inner.shell;
        let (begun, called) = (steady().0, Instant::now());
        let links = shell.mesh.links();
        let tables = shell.registry.all();
        let written: Vec<u64> = tables.iter().map(|table| table.written()).collect();
        let mut missing = BTreeSet::new();
        for link in links.iter() {
            link.ask_fresh();
        }
        shell.mesh.flush();
        for link in links.iter() {
            let left = timeout.saturating_sub(called.elapsed());
            let answered = tokio::time::timeout(left, answered(link, begun)).await;
            if answered.is_err() {
                missing.insert(link.peer.name.clone());
            }
        }
        for (table, seq) in tables.iter().zip(written) {
            let left = timeout.saturating_sub(called.elapsed());
            let receipt = Receipt { origin: shell.me.incarnation(), fragment: table.fragment, seq };
            let acked = acknowledged::acknowledged(table, receipt, Ack::All, left).await;
            missing.extend(acked.err().into_iter().flat_map(|late| late.missing));
        }
        if missing.is_empty() && !shell.running.is_cancelled() {
            return Ok(());
        }
        Err(PingAllError { missing: missing.into_iter().collect() })
    }

    /// Resolves when discovery was heard of, and every table that is declared may be written, does
    /// not stand still, and was synced with every linked node.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says what is missing after `timeout`, or when the node stops.
    pub async fn wait_for_ready(&self, timeout: Duration) -> Result<(), NotReady> {
        self.wait_until(timeout, || self.missing()).await
    }

    /// Resolves when at least `count` members are up, this node included.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says who is there after `timeout`, or when the node stops.
    pub async fn wait_for_members(&self, count: usize, timeout: Duration) -> Result<(), NotReady> {
        let missing = || {
            let others = self.other_nodes();
            let (here, name) = (others.len() + 1, self.name());
            let text = || format!("{here} of {count} members are up: {name} and {others:?}");
            if here < count { vec![text()] } else { Vec::new() }
        };
        self.wait_until(timeout, missing).await
    }

    async fn wait_until(
        &self,
        timeout: Duration,
        missing: impl Fn() -> Vec<String>,
    ) -> Result<(), NotReady> {
        let begun = Instant::now();
        loop {
            let missing = missing();
            if missing.is_empty() {
                return Ok(());
            }
            if self.inner.shell.running.is_cancelled() {
                return Err(NotReady { missing: vec!["the node has stopped".to_owned()] });
            }
            if begun.elapsed() >= timeout {
                return Err(NotReady { missing });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is missing for the node to be ready.
    fn missing(&self) -> Vec<String> {
        let shell = &self.inner.shell;
        let mut missing = Vec::new();
        if !shell.finding.has_spoken() {
            missing.push("discovery has not answered yet".to_owned());
        }
        let views = shell.node.lock().table_views();
        for view in views {
            let name = view.name;
            if view.paused {
                missing.push(format!("table {name:?} is paused"));
            } else if !view.writable {
                missing.push(format!("table {name:?} is being filled from its peers"));
            } else if !view.missing.is_empty() {
                let peers = self.names(&view.missing).join(", ");
                missing.push(format!("table {name:?} is not yet synced with {peers}"));
            }
        }
        missing
    }

    fn names(&self, peers: &[Incarnation]) -> Vec<String> {
        let links = self.inner.shell.mesh.links();
        let named = links.iter().filter(|link| peers.contains(&link.incarnation));
        let mut names: Vec<String> = named.map(|link| link.peer.name.clone()).collect();
        names.sort();
        names
    }
}

/// Resolves when the peer has answered something asked at `begun` or later, or the link is down.
async fn answered(link: &Arc<Link>, begun: u64) {
    loop {
        let refreshed = link.refreshed.notified();
        if link.counters.fresh.load(Relaxed) >= begun {
            return;
        }
        tokio::select! {
            () = refreshed => {}
            () = link.closed.cancelled() => return,
        }
    }
}

impl RawTable {
    /// What the table is, and who has it. It walks the table to count its bytes.
    pub fn info(&self) -> TableInfo {
        let node = Node { inner: Arc::clone(&self.inner) };
        let (views, leader) = {
            let node = self.inner.shell.node.lock();
            (node.table_views(), node.leader_name().to_owned())
        };
        let id = self.part(b"").id;
        let view = views.iter().find(|view| view.id == id);
        let carried: &[Incarnation] = view.map_or(&[], |view| &view.carried_by);
        let missing: &[Incarnation] = view.map_or(&[], |view| &view.missing);
        let joined: Vec<Incarnation> =
            carried.iter().filter(|peer| !missing.contains(peer)).copied().collect();
        let mut bytes = 0;
        self.for_each(|key, record| bytes += key.len() + record.value.len());
        let declaration = self.declaration();
        TableInfo {
            name: self.name().to_owned(),
            kind: declaration.kind,
            policy: declaration.policy.clone(),
            declaration,
            records: self.len(),
            bytes,
            other_nodes: node.names(carried),
            joined: node.names(&joined),
            leader,
            writable: self.is_writable(),
            paused: PauseStatus::of(self.turnstile()),
        }
    }
}
