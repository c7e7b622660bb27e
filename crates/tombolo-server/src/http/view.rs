//! What the JSON of the HTTP interface looks like.
//!
//! The only place that derives serde's traits: the names here are an interface, while the types
//! of the library are free to change. Times are milliseconds since the Unix epoch by the node's
//! clock; 64-bit fingerprints are text, because a JSON number is a double to many readers.

mod backup;
mod bytes;
mod conflict;
mod convergence;
mod life;
mod request;
mod table;

pub use backup::{RestoreView, RestoredTableView, SnapshotView, SnapshotsView};
pub use bytes::{KeyView, ReceiptView, WrittenView};
pub use conflict::{ConflictView, ConflictsView, KeyEventView, LedgerView, UndecidedView};
pub use convergence::{
    ConvergedView, DigestPartView, DigestView, StandingView, SumView, TableConvergedView,
};
pub use life::{
    BackendView, DiscoveredView, DiscoveryView, DownView, FaultView, FreshnessView, LongTaskView,
    MemberFreshnessView, PauseView, PeerTablesView,
};
pub(super) use request::{
    ConflictsQuery, DeclareQuery, DigestQuery, NameQuery, RehearseQuery, ResolveQuery,
    RestoreQuery, TableQuery, UndoQuery,
};
pub use table::{HeldView, PreviewView, ProgressView, SeenView, SyncView, TableView, TablesView};

use serde::{Deserialize, Serialize};
use tombolo::{ClockStatus, LinkStatus, MemberState, MemberStatus, Refusal, Status, Verdict};

/// A view that can be sent.
pub trait Json: Serialize {
    /// The view as JSON with a line end.
    fn to_json(&self) -> String {
        // Views hold texts, numbers, lists and maps from texts, so that encoding cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl<T: Serialize> Json for T {}

/// `/api/v1/status`: the cluster as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The node's name.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The version of Tombolo.
    pub version: String,
    /// The advertised cluster address.
    pub address: String,
    /// When the node started.
    pub started: u64,
    /// When this was made; `since` and `last_heard` are to be compared with it.
    pub now: u64,
    /// `alone`, `whole`, `converging`, `apart` or `split`.
    pub verdict: String,
    /// The verdict in words: what is missing, and who cannot hear whom.
    pub verdict_line: String,
    /// Whether `/ready` answers 200.
    pub ready: bool,
    /// What is missing for that.
    pub missing: Vec<String>,
    /// The members, this node among them.
    pub members: Vec<MemberView>,
    /// The links of this node.
    pub links: Vec<LinkView>,
    /// The tables.
    pub tables: Vec<TableView>,
    /// Where other nodes are looked for.
    pub discovery: DiscoveryView,
    /// The newest refusals, of others by this node and of this node by others.
    pub refusals: Vec<RefusalView>,
    /// The peers that drills keep this node cut off from.
    pub cuts: Vec<String>,
    /// Whether a drill keeps every table apart from islands that come back.
    pub rehearsing: bool,
    /// The node that writes the outcomes of conflicts in this node's island.
    pub leader: String,
    /// The nodes whose writes are not taken in because their clocks are too far ahead.
    pub clocks: Vec<ClockView>,
    /// The other members that are linked and have every table.
    pub available: Vec<String>,
    /// The other members that are not linked.
    pub unavailable: Vec<String>,
    /// The available members with which every table is synced.
    pub joined: Vec<String>,
    /// The linked nodes whose tables differ.
    pub peer_tables: Vec<PeerTablesView>,
    /// How old what the node has can be.
    pub freshness: FreshnessView,
    /// The last times that a member went down, oldest first.
    pub downs: Vec<DownView>,
    /// Calls of hooks, resolvers and discovery back-ends that take more than a second.
    pub long_tasks: Vec<LongTaskView>,
    /// Hooks, resolvers and discovery back-ends that failed, each once.
    pub faults: Vec<FaultView>,
    /// The snapshots on disk, if the node keeps any.
    pub snapshots: Option<SnapshotsView>,
}

impl StatusView {
    /// The view of `status`, made at `now`.
    pub fn new(status: &Status, now: u64) -> Self {
        let missing = super::ready::missing(status);
        Self {
            name: status.name.clone(),
            cluster: status.cluster.clone(),
            version: status.version.to_owned(),
            address: status.address.clone(),
            started: status.started,
            now,
            verdict: verdict(status.verdict).to_owned(),
            verdict_line: status.verdict_line.clone(),
            ready: missing.is_empty(),
            missing,
            members: status.members.iter().map(MemberView::new).collect(),
            links: status.links.iter().map(LinkView::new).collect(),
            tables: status.tables.iter().map(TableView::new).collect(),
            discovery: DiscoveryView::new(&status.discovery),
            refusals: status.refusals.iter().map(RefusalView::new).collect(),
            cuts: status.cuts.clone(),
            rehearsing: status.rehearsing,
            leader: status.leader.clone(),
            clocks: status.clocks.iter().map(ClockView::new).collect(),
            available: status.available.clone(),
            unavailable: status.unavailable.clone(),
            joined: status.joined.clone(),
            peer_tables: status.peer_tables.iter().map(PeerTablesView::new).collect(),
            freshness: FreshnessView::new(&status.freshness),
            downs: status.downs.iter().map(DownView::new).collect(),
            long_tasks: status.long_tasks.iter().map(LongTaskView::new).collect(),
            faults: status.faults.iter().map(FaultView::new).collect(),
            snapshots: status.snapshots.as_ref().map(SnapshotsView::new),
        }
    }
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// Its advertised cluster address.
    pub address: String,
    /// `up`, `down` or `left`.
    pub state: String,
    /// Since when it is in that state.
    pub since: u64,
    /// When its process started.
    pub started: u64,
    /// Whom it says it hears.
    pub linked_to: Vec<String>,
    /// Whether it is the node that was asked.
    pub is_self: bool,
}

impl MemberView {
    fn new(member: &MemberStatus) -> Self {
        Self {
            name: member.name.clone(),
            address: member.address.clone(),
            state: member_state(member.state).to_owned(),
            since: member.since,
            started: member.started,
            linked_to: member.linked_to.clone(),
            is_self: member.is_self,
        }
    }
}

/// One link of the node that was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkView {
    /// The peer.
    pub peer: String,
    /// Since when it is up.
    pub since: u64,
    /// Operations sent or queued that the peer did not acknowledge yet.
    pub lag_ops: u64,
    /// Bytes that wait to be sent.
    pub lag_bytes: u64,
    /// When something arrived last.
    pub last_heard: u64,
    /// The round trip, in microseconds.
    pub round_trip_micros: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Operations received.
    pub ops_in: u64,
    /// Operations sent.
    pub ops_out: u64,
    /// How often the queue to the peer was full and dropped, so that the peer had to sync.
    pub overflows: u64,
}

impl LinkView {
    fn new(link: &LinkStatus) -> Self {
        Self {
            peer: link.peer.clone(),
            since: link.since,
            lag_ops: link.lag_ops,
            lag_bytes: link.lag_bytes,
            last_heard: link.last_heard,
            round_trip_micros: link.round_trip_micros,
            bytes_in: link.bytes_in,
            bytes_out: link.bytes_out,
            ops_in: link.ops_in,
            ops_out: link.ops_out,
            overflows: link.overflows,
        }
    }
}

/// A link that was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RefusalView {
    /// When.
    pub at: u64,
    /// The other side.
    pub peer: String,
    /// Why, and what to do.
    pub reason: String,
}

impl RefusalView {
    fn new(refusal: &Refusal) -> Self {
        Self { at: refusal.at, peer: refusal.peer.clone(), reason: refusal.reason.clone() }
    }
}

/// A node whose clock is too far ahead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockView {
    /// The node.
    pub node: String,
    /// The table that it wrote.
    pub table: String,
    /// By how many milliseconds its last write was ahead.
    pub ahead_ms: u64,
    /// When that was met last.
    pub at: u64,
    /// How many such writes were met; one that came again counts again.
    pub count: u64,
}

impl ClockView {
    fn new(clock: &ClockStatus) -> Self {
        Self {
            node: clock.node.clone(),
            table: clock.table.clone(),
            ahead_ms: clock.ahead,
            at: clock.at,
            count: clock.count,
        }
    }
}

/// `/ready`: whether the node is ready, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadyView {
    /// Whether it is.
    pub ready: bool,
    /// What is missing.
    pub missing: Vec<String>,
}

/// The answer to a drill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillView {
    /// The peers that this node is cut off from now.
    pub cuts: Vec<String>,
    /// Whether every table is kept apart from islands that come back.
    pub rehearsing: bool,
}

/// Why a request was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorView {
    /// The reason, and what to do.
    pub error: String,
}

/// What `/api/v1/drills/cut` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutQuery {
    pub(super) peer: Option<String>,
}

/// The word for a verdict.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Alone => "alone",
        Verdict::Whole => "whole",
        Verdict::Converging => "converging",
        Verdict::Apart => "apart",
        Verdict::Split => "split",
    }
}

/// The word for a member's state.
pub(super) fn member_state(state: MemberState) -> &'static str {
    match state {
        MemberState::Up => "up",
        MemberState::Down => "down",
        MemberState::Left => "left",
    }
}
