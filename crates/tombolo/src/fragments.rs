//! Tables of several fragments, which are locked, synced and acknowledged apart and are one table
//! to their users.

use crate::acknowledged::{Ack, AckTimeout, Acked, Receipt};
use crate::composite;
use crate::conflict::LedgerStatus;
use crate::node::Inner;
use crate::raw::RawTable;
use crate::shared::SharedTable;
use crate::status::{HeldStatus, PreviewStatus, ProgressStatus, SyncStatus, TableStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tombolo_core::{Kind, TableId, fragment_of};

impl RawTable {
    /// The table whose first fragment is `shared`: all fragments are there if that one is.
    pub(crate) fn new(shared: Arc<SharedTable>, inner: Arc<Inner>) -> RawTable {
        let count = shared.declaration().fragments;
        let ids = (0..count).map(|fragment| TableId::of_fragment(&shared.name, fragment));
        let fragments =
            (count > 1).then(|| ids.filter_map(|id| inner.shell.table(id)).collect::<Arc<[_]>>());
        RawTable { shared, fragments, inner }
    }

    /// The part of the table that a record lies in, by the key that it is kept under. In a bag that
    /// is a composite, and all objects of a user's key lie in the part of that key.
    pub(crate) fn part(&self, key: &[u8]) -> &Arc<SharedTable> {
        let Some(fragments) = &self.fragments else { return &self.shared };
        let of = fragments.len() as u16;
        let fragment = match composite::decode(key).filter(|_| self.kind() == Kind::Bag) {
            Some((key, _)) => fragment_of(&key, of),
            None => fragment_of(key, of),
        };
        &fragments[usize::from(fragment)]
    }

    /// The part of the table that all records of a user's key lie in.
    pub(crate) fn part_of_key(&self, key: &[u8]) -> &Arc<SharedTable> {
        let Some(fragments) = &self.fragments else { return &self.shared };
        &fragments[usize::from(fragment_of(key, fragments.len() as u16))]
    }

    /// Every part of the table, one for each fragment.
    pub(crate) fn parts(&self) -> &[Arc<SharedTable>] {
        self.fragments.as_deref().unwrap_or_else(|| std::slice::from_ref(&self.shared))
    }

    /// The part that a write went to.
    pub(crate) fn part_of(&self, receipt: Receipt) -> &Arc<SharedTable> {
        self.parts().get(usize::from(receipt.fragment)).unwrap_or(&self.shared)
    }

    /// The receipt of a write of this node to `part`.
    pub(crate) fn receipt(&self, part: &SharedTable, seq: u64) -> Receipt {
        Receipt { origin: self.inner.shell.me.incarnation(), fragment: part.fragment, seq }
    }

    /// Waits until as many nodes as `ack` says have all of several writes. Those who acknowledged
    /// are the peers that have every one, and the receipt is that of the last.
    pub(crate) async fn all_acknowledged(
        &self,
        writes: &LastWrites,
        ack: Ack,
        timeout: Duration,
    ) -> Result<Acked, AckTimeout> {
        // Nearly always it is one, and then no time has to be shared out.
        if let (Some(receipt), true) = (writes.latest, writes.others.is_empty()) {
            return self.acknowledged(receipt, ack, timeout).await;
        }
        let begun = Instant::now();
        let mut all: Option<Acked> = None;
        for receipt in writes.iter() {
            let left = timeout.saturating_sub(begun.elapsed());
            let acked = self.acknowledged(receipt, ack, left).await?;
            all = Some(match all {
                None => acked,
                Some(before) => {
                    let both = before.by.iter().filter(|peer| acked.by.contains(peer));
                    Acked { by: both.cloned().collect(), ..acked }
                }
            });
        }
        Ok(all.unwrap_or_default())
    }
}

/// The last write to each fragment of a table: whoever has those has all.
#[derive(Default)]
pub(crate) struct LastWrites {
    latest: Option<Receipt>,
    /// Those to other fragments than the latest; most tables have no others.
    others: Vec<Receipt>,
}

impl From<Option<Receipt>> for LastWrites {
    fn from(latest: Option<Receipt>) -> LastWrites {
        LastWrites { latest, others: Vec::new() }
    }
}

impl LastWrites {
    /// Notes a write that is later than those noted before.
    pub(crate) fn note(&mut self, receipt: Receipt) {
        self.others.retain(|noted| noted.fragment != receipt.fragment);
        let before = self.latest.replace(receipt);
        self.others.extend(before.filter(|before| before.fragment != receipt.fragment));
    }

    fn iter(&self) -> impl Iterator<Item = Receipt> {
        self.others.iter().copied().chain(self.latest)
    }
}

/// A fingerprint as it counts for the whole table: dots are counted in each fragment, so equal ones
/// of two fragments must not look alike.
pub(crate) fn weighted(fragment: u16, fingerprint: u64) -> u64 {
    fingerprint.wrapping_mul(2 * u64::from(fragment) + 1)
}

/// One status for each table, from those of its fragments.
pub(crate) fn grouped(mut fragments: Vec<(u16, TableStatus)>) -> Vec<TableStatus> {
    fragments.sort_by(|one, other| (&one.1.name, one.0).cmp(&(&other.1.name, other.0)));
    let mut tables: Vec<TableStatus> = Vec::new();
    for (fragment, mut status) in fragments {
        status.fingerprint = weighted(fragment, status.fingerprint);
        match tables.last_mut().filter(|table| table.name == status.name) {
            Some(table) => join(table, status),
            None => tables.push(status),
        }
    }
    tables
}

fn join(table: &mut TableStatus, other: TableStatus) {
    table.records += other.records;
    table.tombstones += other.tombstones;
    table.fingerprint = table.fingerprint.wrapping_add(other.fingerprint);
    let mut seen = BTreeMap::from_iter(std::mem::take(&mut table.seen));
    for (node, count) in other.seen {
        *seen.entry(node).or_default() += count;
    }
    table.seen = seen.into_iter().collect();
    table.writable &= other.writable;
    table.complete &= other.complete;
    unite(&mut table.missing, other.missing);
    table.unacknowledged += other.unacknowledged;
    table.writes += other.writes;
    table.conflict = table.conflict.take().or(other.conflict);
    table.hidden += other.hidden;
    table.siblings += other.siblings;
    table.ledger.add(&other.ledger);
    table.progress = match (table.progress.take(), other.progress) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    };
    for sync in other.syncs {
        match table.syncs.iter_mut().find(|known| known.peer == sync.peer) {
            Some(known) => add_sync(known, &sync),
            None => table.syncs.push(sync),
        }
    }
    for held in other.held {
        match table.held.iter_mut().find(|known| known.peer == held.peer) {
            Some(known) => add_held(known, held),
            None => table.held.push(held),
        }
    }
}

fn unite(names: &mut Vec<String>, others: Vec<String>) {
    for name in others {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

fn both(mut one: ProgressStatus, other: ProgressStatus) -> ProgressStatus {
    unite(&mut one.from, other.from);
    ProgressStatus {
        expected: one.expected + other.expected,
        received: one.received + other.received,
        since: one.since.min(other.since),
        remaining: one.remaining.zip(other.remaining).map(|(one, other)| one.max(other)),
        from: one.from,
    }
}

fn add_sync(sync: &mut SyncStatus, other: &SyncStatus) {
    sync.at = sync.at.max(other.at);
    sync.brought += other.brought;
    sync.removed += other.removed;
    sync.conflicts += other.conflicts;
}

fn add_held(held: &mut HeldStatus, other: HeldStatus) {
    held.since = held.since.min(other.since);
    held.apart |= other.apart;
    // What a join would do is known once all fragments were looked at.
    held.preview = held.preview.take().zip(other.preview).map(|(one, other)| sum(one, other));
}

/// How many keys of each sort a preview names.
const NAMED: usize = 100;

fn sum(mut one: PreviewStatus, other: PreviewStatus) -> PreviewStatus {
    for (keys, more) in one.keys.iter_mut().zip(other.keys) {
        keys.extend(more);
        keys.sort_unstable();
        keys.truncate(NAMED);
    }
    PreviewStatus {
        looked: one.looked.min(other.looked),
        adds: one.adds + other.adds,
        updates: one.updates + other.updates,
        deletes: one.deletes + other.deletes,
        conflicts: one.conflicts + other.conflicts,
        keys: one.keys,
    }
}

impl LedgerStatus {
    /// Adds what the ledger of another fragment holds.
    pub(crate) fn add(&mut self, other: &LedgerStatus) {
        self.noted += other.noted;
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.bytes += other.bytes;
        self.limit += other.limit;
        self.undecided += other.undecided;
    }
}
