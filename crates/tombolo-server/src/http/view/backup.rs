//! What is kept on disk, and what a restore did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo::{RestoredTable, SnapshotStatus};

/// `/api/v1/restore`: what a restore did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreView {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Each table of the backup.
    pub tables: Vec<RestoredTableView>,
}

/// What a restore did to one table, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoredTableView {
    /// The table.
    pub name: String,
    /// Whether it was not there, and was declared.
    pub created: bool,
    /// How many records it did not have.
    pub added: u64,
    /// How many records it had with another value or another expiry.
    pub changed: u64,
    /// How many it had already.
    pub same: u64,
    /// How many were left out because they have expired since.
    pub expired: u64,
    /// Why nothing of it was restored, if it is declared otherwise here.
    pub refused: Option<String>,
}

impl RestoreView {
    pub(crate) fn new(dry_run: bool, tables: &[RestoredTable]) -> Self {
        let table = |table: &RestoredTable| RestoredTableView {
            name: table.name.clone(),
            created: table.created,
            added: table.added,
            changed: table.changed,
            same: table.same,
            expired: table.expired,
            refused: table.refused.clone(),
        };
        Self { dry_run, tables: tables.iter().map(table).collect() }
    }
}

/// The snapshots of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotsView {
    /// The folder.
    pub dir: String,
    /// How often a table that changed is written, in milliseconds.
    pub every_ms: u64,
    /// The last error of writing one, until writing succeeds again.
    pub error: Option<String>,
    /// What could not be used when the node started, and where it was put.
    pub set_aside: Vec<String>,
    /// The newest snapshot of each table.
    pub tables: BTreeMap<String, SnapshotView>,
}

/// The newest snapshot of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotView {
    /// When it was written.
    pub at: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

impl SnapshotsView {
    pub(crate) fn new(status: &SnapshotStatus) -> Self {
        let tables = status.tables.iter().map(|(name, snapshot)| {
            (name.clone(), SnapshotView { at: snapshot.at, bytes: snapshot.bytes })
        });
        Self {
            dir: status.dir.display().to_string(),
            every_ms: status.every.as_millis() as u64,
            error: status.error.clone(),
            set_aside: status.set_aside.clone(),
            tables: tables.collect(),
        }
    }
}
