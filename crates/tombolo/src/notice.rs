//! What the machine says that operators and programs should know, and what becomes of siblings.

use crate::clock::{now, steady};
use crate::events::NodeEvent;
use crate::policy::{Verdict, common_expiry};
use crate::shared::SharedTable;
use crate::shell::{Shell, StopReason};
use crate::status::SyncStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use tombolo_core::{Conclusion, EntryRef, Incarnation, Notice, Ripe, SyncReport, TableId};

/// How many keys are looked at in one go.
const RIPE: usize = 256;

/// How the calls of a resolver around a sync are named, and how many may be under way for a table.
const BRACKET: &str = "resolver, around a sync";
const BRACKETS: usize = 8;

impl Shell {
    pub(crate) fn notice(self: &Arc<Self>, notice: Notice) {
        match notice {
            Notice::Adopted { table, peer } => tracing::info!(table, peer, "a table appeared"),
            Notice::Mismatch(mismatch) => tracing::error!("{mismatch}"),
            Notice::Refused { table, peer, error } => {
                tracing::error!(table, peer, "the peer's table is refused: {error}");
                self.refused_table(&peer, table);
            }
            Notice::Superseded { by } => {
                self.stop(StopReason::Superseded { by: by.to_string() });
            }
            Notice::Differs { table, peer } => {
                let (table, peer) = self.names(table, peer);
                tracing::warn!(table, peer, "the table differs from the peer's; comparing both");
            }
            Notice::Syncing { table, peer } => self.bracket(table, peer, true),
            Notice::Filled { table, peer, report } => self.remember(table, peer, report),
            Notice::Synced { table, peer, report } => self.synced(table, peer, report),
            Notice::Up { node } => self.node_up(node),
            Notice::Down { node, cause } => self.node_down(node, cause),
            Notice::Altered { table, declaration } => {
                let table = self.table_name(table);
                tracing::info!(table, %declaration, "the table was altered");
                let declaration = declaration.to_string();
                self.events.tell(NodeEvent::Altered { table, declaration });
            }
            Notice::Apart { table, peer } => {
                let (table, peer) = self.names(table, peer);
                tracing::warn!(
                    table,
                    peer,
                    "both were written without the other: the table is kept apart from the peer's"
                );
                self.events.tell(NodeEvent::Apart { table, peer });
            }
            Notice::Rejoined { table, peer } => {
                let (table, peer) = self.names(table, peer);
                tracing::info!(table, peer, "the table joins the peer's");
                self.events.tell(NodeEvent::Rejoined { table, peer });
            }
        }
    }

    fn synced(self: &Arc<Self>, id: TableId, incarnation: Incarnation, report: SyncReport) {
        self.bracket(id, incarnation, false);
        let (table, peer) = self.names(id, incarnation);
        let SyncReport { brought, removed, conflicts } = report;
        tracing::debug!(table, peer, brought, removed, conflicts, "synced");
        self.remember(id, incarnation, report);
        let name = table.clone();
        self.events.tell(NodeEvent::Synced { table: name, peer, brought, removed, conflicts });
        // The node's lock is held here.
        let shell = Arc::clone(self);
        self.runtime.spawn(async move {
            let views = shell.node.lock().table_views();
            let mut fragments = views.iter().filter(|view| view.name == table);
            if fragments.all(|view| view.missing.is_empty()) {
                shell.events.tell(NodeEvent::Complete { table });
            }
        });
    }

    /// Keeps what a sync with a peer did to show. One that did nothing does not hide what an
    /// earlier one did.
    fn remember(&self, id: TableId, peer: Incarnation, report: SyncReport) {
        let SyncReport { brought, removed, conflicts } = report;
        let Some(table) = self.table(id) else { return };
        let (_, peer) = self.names(id, peer);
        let mut syncs = table.syncs.lock();
        if brought + removed + conflicts > 0 || !syncs.contains_key(&peer) {
            let at = steady().0;
            let status = SyncStatus { peer: peer.clone(), at, brought, removed, conflicts };
            syncs.insert(peer, status);
        }
    }

    /// Tells the table's resolver that a sync begins or is over, where it may block.
    fn bracket(self: &Arc<Self>, id: TableId, peer: Incarnation, begins: bool) {
        let Some(resolver) = self.table(id).and_then(|table| table.judge().resolver()) else {
            return;
        };
        let (table, peer) = self.names(id, peer);
        let tasks = Arc::clone(&self.tasks);
        if tasks.under_way(BRACKET, Some(&table)).0 >= BRACKETS {
            let cause = "its earlier calls do not come back, so it is not told of more syncs";
            tasks.fault(BRACKET, Some(&table), cause);
            return;
        }
        self.runtime.spawn_blocking(move || {
            // What it panics with was told.
            let _ = tasks.call(BRACKET, Some(&table), || {
                if begins { resolver.begin(&table, &peer) } else { resolver.finish(&table, &peer) }
            });
        });
    }

    /// Has the siblings of a table judged, where that may take its time: resolvers are the users'.
    pub(crate) fn judge(self: &Arc<Self>, id: TableId, leads: bool) {
        let Some(table) = self.table(id) else { return };
        if table.judging.swap(true, AcqRel) {
            return;
        }
        let shell = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            let ripe = table.with(|machine| machine.ripe(now(), RIPE));
            for ripe in &ripe {
                shell.decide(&table, ripe, leads);
            }
            table.judging.swap(false, AcqRel);
            if leads && !ripe.is_empty() {
                shell.mesh.schedule_flush();
            }
        });
    }

    fn decide(&self, table: &SharedTable, ripe: &Ripe, leads: bool) {
        let siblings: Vec<EntryRef<'_>> = ripe.siblings.iter().map(|one| one.as_ref()).collect();
        let judge = table.judge();
        let verdict = if ripe.agree() {
            Verdict::Keep(siblings.len() - 1)
        } else {
            judge.judge(&ripe.key, &siblings)
        };
        let key = String::from_utf8_lossy(&ripe.key);
        match verdict {
            Verdict::Undecided(cause) => {
                if table.with(|machine| machine.alarm(ripe, now(), &cause)) {
                    tracing::warn!(table = table.name, %key, cause, "a conflict is undecided");
                    let (name, key) = (table.name.clone(), ripe.key.to_vec());
                    self.events.tell(NodeEvent::Conflict { table: name, key, cause });
                }
            }
            _ if !leads => {}
            Verdict::Keep(at) => {
                if !ripe.agree() && judge.lacks_field(&siblings) {
                    tracing::warn!(
                        table = table.name,
                        %key,
                        "of values in conflict some lack the field that the policy compares"
                    );
                }
                let kept = &siblings[at];
                let value = kept.value.unwrap_or_default();
                table.conclude(ripe, Conclusion::Value { value, expires: kept.expires });
            }
            Verdict::Value(value) => {
                let expires = common_expiry(&siblings);
                table.conclude(ripe, Conclusion::Value { value: &value, expires });
            }
            Verdict::Delete => table.conclude(ripe, Conclusion::Delete),
        }
    }

    fn table_name(&self, table: TableId) -> String {
        self.table(table).map(|table| table.name.clone()).unwrap_or_default()
    }

    fn names(&self, table: TableId, peer: Incarnation) -> (String, String) {
        let peer = self.mesh.link(peer).map(|link| link.peer.name.clone());
        (self.table_name(table), peer.unwrap_or_default())
    }
}
