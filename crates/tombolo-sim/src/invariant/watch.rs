//! Point 6 of the library's promises: "a watcher that applies its stream to an empty map ends with
//! the table".
//!
//! It is looked at whenever a watcher has heard all there is to hear. A value that expires is not
//! seen any more some time before its delete is told, and records are walked when their owners come
//! or go, so such keys count only at the end.

use super::{Checked, Violation};
use crate::judge::shown;
use crate::watcher::Watcher;
use crate::world::World;
use std::collections::BTreeSet;
use tombolo_core::{Store, Table, TableId};

/// What a reader sees of a key on a process.
pub fn shown_by<S: Store + Default>(
    world: &World<S>,
    process: usize,
    table: TableId,
    key: &[u8],
) -> Option<Vec<u8>> {
    let tables = world.procs[process].node.tables();
    let (declared, now) = (tables.declared(table)?, tables.wall());
    let visible = tables.look(table, |t| t.visible(key, now))?;
    shown(&declared.policy, &visible).map(<[u8]>::to_vec)
}

/// Compares what a watcher made of all that it was told with what its table shows.
pub fn check_watcher<S: Store + Default>(
    world: &World<S>,
    watcher: &Watcher,
    at_end: bool,
) -> Checked {
    let Some(process) = world.current[watcher.slot] else { return Ok(()) };
    let tables = world.procs[process].node.tables();
    let Some(turning) = tables.look(watcher.table, |t| t.is_turning()) else { return Ok(()) };
    if turning && !at_end {
        return Ok(());
    }
    let mut keys: BTreeSet<Box<[u8]>> = watcher.map.keys().cloned().collect();
    let mut expiring: BTreeSet<Box<[u8]>> = BTreeSet::new();
    tables.look(watcher.table, |t| {
        for bucket in 0..t.store().buckets() {
            t.store().visit(bucket, &mut |key, entry| {
                keys.insert(key.into());
                if entry.expires.is_some() {
                    expiring.insert(key.into());
                }
            });
        }
    });
    for key in keys.iter().filter(|key| watcher.wanted.has(key)) {
        let shown = shown_by(world, process, watcher.table, key);
        let told = watcher.map.get(key);
        if told != shown.as_ref() && (at_end || !expiring.contains(key)) {
            let slot = watcher.slot;
            let text = format!("n{slot} shows {shown:?} of {key:?}, and {watcher:?} has {told:?}");
            return Err(Violation {
                invariant: "a watcher has the table",
                slots: vec![slot],
                text,
            });
        }
    }
    Ok(())
}

/// At the end, when every watcher has heard all.
pub(super) fn check_end<S: Store + Default>(world: &World<S>) -> Checked {
    world.watchers.iter().try_for_each(|watcher| check_watcher(world, watcher, true))
}

/// Whether every record is told of whose owner came or went, and all that expired is swept.
pub(super) fn is_settled<S: Store + Default>(world: &World<S>) -> bool {
    world.alive().into_iter().all(|process| {
        let tables = world.procs[process].node.tables();
        let now = tables.wall();
        let settled = |table: &mut Table<S>| {
            let mut unswept = false;
            for bucket in 0..table.store().buckets() {
                table.store().visit(bucket, &mut |_, entry| {
                    unswept |= entry.value.is_some() && !entry.is_visible(now);
                });
            }
            !unswept && !table.is_turning()
        };
        tables.ids().into_iter().all(|id| tables.look(id, settled) != Some(false))
    })
}
