//! The design, `merge=hold`, `ignore` and `yield_island`: while a table is kept apart from a peer,
//! nothing that the peer sends changes it, be it ops or syncs.
//!
//! Left out is a peer whose island has lost and hears ours already: what it writes then is not
//! written alone any more.

use super::{Checked, Violation};
use crate::world::World;
use tombolo_core::{Declaration, Store, TableId, VersionVector};

/// A table that a process keeps apart from a peer, with what it held.
#[derive(PartialEq)]
pub(crate) struct Apart {
    table: TableId,
    declared: Option<Declaration>,
    seen: VersionVector,
    fingerprint: u64,
}

/// What is kept apart before something of the peer is taken in.
pub(crate) fn before<S: Store + Default>(
    world: &World<S>,
    process: usize,
    peer: usize,
) -> Vec<Apart> {
    let me = &world.procs[process];
    if !me.may_hold {
        return Vec::new();
    }
    let from = world.procs[peer].incarnation;
    let mut apart = Vec::new();
    for view in me.node.table_views() {
        if view.held.iter().any(|held| held.peer == from) {
            let found = me.look(view.id, |t| {
                (!t.is_attached(from)).then(|| Apart {
                    table: view.id,
                    declared: me.node.tables().declared(view.id),
                    seen: t.seen(),
                    fingerprint: t.fingerprint(),
                })
            });
            apart.extend(found.flatten());
        }
    }
    apart
}

/// What is still kept apart afterwards is as it was.
pub(crate) fn after<S: Store + Default>(
    world: &World<S>,
    process: usize,
    peer: usize,
    apart: &[Apart],
) -> Checked {
    if apart.is_empty() {
        return Ok(());
    }
    let still = before(world, process, peer);
    for before in apart {
        let now = still.iter().find(|now| now.table == before.table);
        // An alteration judges what is here anew.
        let now = now.filter(|now| now.declared == before.declared);
        if now.is_some_and(|now| now != before) {
            let table = before.table;
            let slots = vec![world.procs[process].slot, world.procs[peer].slot];
            let text = format!(
                "n{} keeps {table:?} apart from n{}, which changed it all the same",
                slots[0], slots[1]
            );
            return Err(Violation { invariant: "apart while held", slots, text });
        }
    }
    Ok(())
}
