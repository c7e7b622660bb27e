//! Who is there, how old a copy can be, who went down, and which functions take long or failed.

use serde::{Deserialize, Serialize};
use tombolo::{
    BackendStatus, DiscoveredStatus, DiscoveryPhase, DiscoveryStatus, FaultStatus, Freshness,
    LongTask, MemberFreshness, NodeDown, PauseStatus, PeerTables, Reach,
};

/// Where other nodes are looked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoveryView {
    /// Whether the last question was answered.
    pub works: bool,
    /// The addresses found.
    pub addresses: Vec<String>,
    /// What is wrong, if anything.
    pub error: Option<String>,
    /// What is at each address.
    pub nodes: Vec<DiscoveredView>,
    /// Every back-end.
    pub backends: Vec<BackendView>,
}

impl DiscoveryView {
    pub(super) fn new(discovery: &DiscoveryStatus) -> Self {
        Self {
            works: discovery.works,
            addresses: discovery.addresses.clone(),
            error: discovery.error.clone(),
            nodes: discovery.nodes.iter().map(DiscoveredView::new).collect(),
            backends: discovery.backends.iter().map(BackendView::new).collect(),
        }
    }
}

/// An address that discovery found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoveredView {
    /// `HOST:PORT`.
    pub address: String,
    /// `unknown`, `linked`, `node`, `refused`, `not_tombolo` or `nobody`.
    pub reach: String,
    /// The node's name, or why there is no link.
    pub detail: String,
}

impl DiscoveredView {
    fn new(found: &DiscoveredStatus) -> Self {
        let (reach, detail) = match &found.reach {
            Reach::Unknown => ("unknown", ""),
            Reach::Linked(name) => ("linked", name.as_str()),
            Reach::Node(name) => ("node", name.as_str()),
            Reach::Refused(why) => ("refused", why.as_str()),
            Reach::NotTombolo(what) => ("not_tombolo", what.as_str()),
            Reach::Nobody(why) => ("nobody", why.as_str()),
        };
        let address = found.address.clone();
        Self { address, reach: reach.to_owned(), detail: detail.to_owned() }
    }
}

/// A discovery back-end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendView {
    /// What it is called.
    pub name: String,
    /// `start_up`, `regular` or `retrying`.
    pub phase: String,
    /// When it answered last.
    pub answered: Option<u64>,
    /// Since when it is being asked, if it is.
    pub asked: Option<u64>,
    /// What is wrong.
    pub error: Option<String>,
    /// What it found last.
    pub addresses: Vec<String>,
}

impl BackendView {
    fn new(backend: &BackendStatus) -> Self {
        let phase = match backend.phase {
            DiscoveryPhase::StartUp => "start_up",
            DiscoveryPhase::Regular => "regular",
            DiscoveryPhase::Retrying => "retrying",
        };
        Self {
            name: backend.name.clone(),
            phase: phase.to_owned(),
            answered: backend.answered,
            asked: backend.asked,
            error: backend.error.clone(),
            addresses: backend.addresses.clone(),
        }
    }
}

/// How the tables of a linked node differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerTablesView {
    /// The node.
    pub node: String,
    /// What it lacks.
    pub missing: Vec<String>,
    /// What it has and the node that was asked cannot make.
    pub unknown: Vec<String>,
    /// What the two declare differently.
    pub conflicts: Vec<String>,
}

impl PeerTablesView {
    pub(super) fn new(peer: &PeerTables) -> Self {
        Self {
            node: peer.node.clone(),
            missing: peer.missing.clone(),
            unknown: peer.unknown.clone(),
            conflicts: peer.conflicts.clone(),
        }
    }
}

/// How old what the node has can be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FreshnessView {
    /// In words.
    pub summary: String,
    /// With regard to the linked members, in milliseconds; unknown while a sync is open.
    pub reachable_ms: Option<u64>,
    /// Every other member.
    pub members: Vec<MemberFreshnessView>,
}

impl FreshnessView {
    pub(super) fn new(freshness: &Freshness) -> Self {
        Self {
            summary: freshness.to_string(),
            reachable_ms: freshness.reachable().map(|age| age.as_millis() as u64),
            members: freshness.members.iter().map(MemberFreshnessView::new).collect(),
        }
    }
}

/// How old what the node has of a member can be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberFreshnessView {
    /// The member.
    pub node: String,
    /// Whether it is linked.
    pub reachable: bool,
    /// In milliseconds; unknown while a sync is open, and of one that was never linked.
    pub age_ms: Option<u64>,
}

impl MemberFreshnessView {
    fn new(member: &MemberFreshness) -> Self {
        Self {
            node: member.node.clone(),
            reachable: member.reachable,
            age_ms: member.age.map(|age| age.as_millis() as u64),
        }
    }
}

/// A time that a member went down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DownView {
    /// The member.
    pub node: String,
    /// When.
    pub at: u64,
    /// Why, in words.
    pub reason: String,
    /// For how many milliseconds it had been up.
    pub up_ms: u64,
}

impl DownView {
    pub(super) fn new(down: &NodeDown) -> Self {
        let (node, reason) = (down.node.clone(), down.reason.to_string());
        Self { node, at: down.at, reason, up_ms: down.up_for }
    }
}

/// A call of a hook, a resolver or a discovery back-end that takes long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LongTaskView {
    /// Which function.
    pub what: String,
    /// The table that it is called for.
    pub table: Option<String>,
    /// For how many milliseconds it has been running.
    pub age_ms: u64,
}

impl LongTaskView {
    pub(super) fn new(task: &LongTask) -> Self {
        Self { what: task.what.clone(), table: task.table.clone(), age_ms: task.age }
    }
}

/// A hook, a resolver or a discovery back-end that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultView {
    /// Which function.
    pub what: String,
    /// The table that it was called for.
    pub table: Option<String>,
    /// What it said last.
    pub cause: String,
    /// When it happened first.
    pub first: u64,
    /// When it happened last.
    pub last: u64,
    /// How often.
    pub count: u64,
}

impl FaultView {
    pub(super) fn new(fault: &FaultStatus) -> Self {
        Self {
            what: fault.what.clone(),
            table: fault.table.clone(),
            cause: fault.cause.clone(),
            first: fault.first,
            last: fault.last,
            count: fault.count,
        }
    }
}

/// That a table stands still.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PauseView {
    /// Since when.
    pub since: u64,
    /// How many guards keep it still.
    pub guards: usize,
}

impl PauseView {
    pub(super) fn new(pause: &PauseStatus) -> Self {
        Self { since: pause.since, guards: pause.guards }
    }
}
