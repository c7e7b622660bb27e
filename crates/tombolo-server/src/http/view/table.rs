//! Tables: how they are, how far they have come, and what they are kept apart from.

use serde::{Deserialize, Serialize};
use tombolo::{HeldStatus, PreviewStatus, ProgressStatus, Status, SyncStatus, TableStatus};

use super::{KeyView, LedgerView, PauseView};

/// `/api/v1/tables`: the tables of the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TablesView {
    /// The tables.
    pub tables: Vec<TableView>,
}

impl TablesView {
    /// The view of `status`.
    pub fn new(status: &Status) -> Self {
        Self { tables: status.tables.iter().map(TableView::new).collect() }
    }
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableView {
    /// Its name.
    pub name: String,
    /// Its shape, such as `set`.
    pub kind: String,
    /// What becomes of concurrent writes, such as `last_writer_wins`.
    pub policy: String,
    /// What readers see of a down node's records, such as `keep`.
    pub owner_down: String,
    /// Whether islands that meet join by themselves, `auto` or `hold`.
    pub merge: String,
    /// After how many milliseconds a record expires that has no expiry of its own.
    pub ttl_ms: Option<u64>,
    /// Into how many fragments the keys are spread.
    pub fragments: u16,
    /// How many members an island must have for serial operations, if that is required.
    pub quorum: Option<u16>,
    /// How often the table was altered.
    pub epoch: u8,
    /// Live records.
    pub records: usize,
    /// Deletes and expired records that are not yet known to be everywhere.
    pub tombstones: usize,
    /// The fingerprint of the live records, 16 hexadecimal digits.
    pub fingerprint: String,
    /// Per origin, how many of its operations are taken in without a gap.
    pub seen: Vec<SeenView>,
    /// Whether the table takes writes.
    pub writable: bool,
    /// Whether it is synced with every linked peer.
    pub complete: bool,
    /// The peers that it is not synced with.
    pub missing: Vec<String>,
    /// Writes of this node that some linked peer did not acknowledge yet.
    pub unacknowledged: u64,
    /// Writes and deletes made at this node.
    pub writes: u64,
    /// Both declarations, when another node declares the table differently.
    pub conflict: Option<String>,
    /// Records that are hidden because their owner is down.
    pub hidden: u64,
    /// Keys that hold several values, written concurrently.
    pub siblings: usize,
    /// What the conflict ledger holds.
    pub ledger: LedgerView,
    /// How far the table has come, while it is being filled or joined.
    pub progress: Option<ProgressView>,
    /// What the last sync with each node brought.
    pub syncs: Vec<SyncView>,
    /// The linked nodes that the table is kept apart from.
    pub held: Vec<HeldView>,
    /// The linked nodes that have it too.
    pub other_nodes: Vec<String>,
    /// If somebody keeps it still on the node that was asked.
    pub paused: Option<PauseView>,
}

impl TableView {
    pub(crate) fn new(table: &TableStatus) -> Self {
        let declaration = &table.declaration;
        let seen = table.seen.iter();
        Self {
            name: table.name.clone(),
            kind: declaration.kind.to_string(),
            policy: declaration.policy.to_string(),
            owner_down: declaration.owner_down.to_string(),
            merge: declaration.merge.to_string(),
            ttl_ms: declaration.ttl,
            fragments: declaration.fragments,
            quorum: declaration.quorum,
            epoch: table.epoch,
            records: table.records,
            tombstones: table.tombstones,
            fingerprint: format!("{:016x}", table.fingerprint),
            seen: seen.map(|(origin, up_to)| SeenView::new(origin, *up_to)).collect(),
            writable: table.writable,
            complete: table.complete,
            missing: table.missing.clone(),
            unacknowledged: table.unacknowledged,
            writes: table.writes,
            conflict: table.conflict.clone(),
            hidden: table.hidden,
            siblings: table.siblings,
            ledger: LedgerView::new(&table.ledger),
            progress: table.progress.as_ref().map(ProgressView::new),
            syncs: table.syncs.iter().map(SyncView::new).collect(),
            held: table.held.iter().map(HeldView::new).collect(),
            other_nodes: table.other_nodes.clone(),
            paused: table.paused.as_ref().map(PauseView::new),
        }
    }
}

/// How much of one origin a table has taken in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeenView {
    /// The node, as `name@started` when the incarnation is not the newest of its name.
    pub origin: String,
    /// The highest sequence number below which nothing is missing.
    pub up_to: u64,
}

impl SeenView {
    fn new(origin: &str, up_to: u64) -> Self {
        Self { origin: origin.to_owned(), up_to }
    }
}

/// How far a table has come while it is being filled or joined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgressView {
    /// How many records were announced by all peers that are sending.
    pub expected: u64,
    /// How many of them came.
    pub received: u64,
    /// Since when.
    pub since: u64,
    /// After how many milliseconds it will be done if it goes on like this; unknown at first.
    pub remaining_ms: Option<u64>,
    /// The peers that are sending.
    pub from: Vec<String>,
}

impl ProgressView {
    fn new(progress: &ProgressStatus) -> Self {
        Self {
            expected: progress.expected,
            received: progress.received,
            since: progress.since,
            remaining_ms: progress.remaining,
            from: progress.from.clone(),
        }
    }
}

/// What the last sync with a node did to a table here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SyncView {
    /// The node.
    pub peer: String,
    /// When it was complete.
    pub at: u64,
    /// How many records the node brought.
    pub brought: u64,
    /// How many records here were gone there, and went.
    pub removed: u64,
    /// How many keys are in conflict because of it.
    pub conflicts: u64,
}

impl SyncView {
    fn new(sync: &SyncStatus) -> Self {
        Self {
            peer: sync.peer.clone(),
            at: sync.at,
            brought: sync.brought,
            removed: sync.removed,
            conflicts: sync.conflicts,
        }
    }
}

/// A node that a table is kept apart from, because both were written without the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldView {
    /// The node.
    pub peer: String,
    /// Since when.
    pub since: u64,
    /// Whether it is certain that the two are two islands.
    pub apart: bool,
    /// What a join would do here, once it was looked at.
    pub preview: Option<PreviewView>,
}

impl HeldView {
    fn new(held: &HeldStatus) -> Self {
        Self {
            peer: held.peer.clone(),
            since: held.since,
            apart: held.apart,
            preview: held.preview.as_ref().map(PreviewView::new),
        }
    }
}

/// What a join would do to a table here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviewView {
    /// When it was looked at.
    pub looked: u64,
    /// Keys that would come.
    pub adds: u64,
    /// Keys that would get a newer value.
    pub updates: u64,
    /// Keys that would go.
    pub deletes: u64,
    /// Keys that both sides wrote.
    pub conflicts: u64,
    /// The first keys that would come.
    pub added: Vec<KeyView>,
    /// The first keys that would go.
    pub deleted: Vec<KeyView>,
    /// The first keys that would be in conflict.
    pub conflicting: Vec<KeyView>,
}

impl PreviewView {
    fn new(preview: &PreviewStatus) -> Self {
        let [added, deleted, conflicting] = preview
            .keys
            .each_ref()
            .map(|keys| keys.iter().map(|key| KeyView::new(key)).collect::<Vec<_>>());
        Self {
            looked: preview.looked,
            adds: preview.adds,
            updates: preview.updates,
            deletes: preview.deletes,
            conflicts: preview.conflicts,
            added,
            deleted,
            conflicting,
        }
    }
}
