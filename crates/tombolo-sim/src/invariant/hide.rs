//! Rule 10 of the design: "entries of an origin declared down are invisible there and come back
//! with it; once a newer incarnation of the origin is known its entries are removed, and never
//! put".
//!
//! At every moment a record of a table that hides is seen if and only if the node holds its owner
//! for up; so none flaps while the membership says that its owner is there, whatever the links do.

use super::{Checked, View};
use crate::process::Process;
use crate::world::World;
use std::collections::BTreeMap;
use tombolo_core::{Dot, Store, TableId};

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    let tables = view.process.node.tables();
    let hides = tables.hides(view.table);
    let up = view.process.node.members().up();
    let now = tables.wall();
    for (key, entry) in view.entries.iter().filter(|(_, entry)| entry.as_ref().is_visible(now)) {
        let seen = tables.look(view.table, |t| {
            t.visible(key, now).iter().any(|visible| visible.dot == entry.dot)
        });
        let wanted = !hides || up.contains(&entry.dot.origin);
        if seen != Some(wanted) {
            let how = if wanted { "up, and it is hidden" } else { "down, and it is seen" };
            let text = format!("the owner of {:?} of {key:?} is {how}", entry.dot);
            return Err(view.violation("hidden while down", text));
        }
    }
    Ok(())
}

/// Whether a record went with its owner since the process was looked at last.
pub(super) fn banished<S: Store + Default>(
    view: &View<'_, S>,
    lives: &BTreeMap<Dot, bool>,
) -> bool {
    let Some(truth) = view.process.truth.get(&view.table).filter(|_| view.log.ever_hid()) else {
        return false;
    };
    let superseded = view.process.node.members().superseded();
    let gone = truth.live.iter().filter(|(dot, is_value)| **is_value && !lives.contains_key(dot));
    gone.into_iter().any(|(dot, _)| superseded.contains(&dot.origin))
}

/// At the end: nothing is left of owners that a newer process has replaced.
pub(super) fn check_end<S: Store + Default>(world: &World<S>) -> Checked {
    for process in world.alive() {
        for (table, log) in &world.oracle.logs {
            let view = View::of(world, process, *table, log);
            if !view.process.node.tables().hides(*table) {
                continue;
            }
            let superseded = view.process.node.members().superseded();
            let left = view
                .entries
                .iter()
                .find(|(_, entry)| entry.value.is_some() && superseded.contains(&entry.dot.origin));
            if let Some((key, entry)) = left {
                let text = format!("{:?} of {key:?} outlived its owner's successor", entry.dot);
                return Err(view.violation("gone with its owner", text));
            }
        }
    }
    Ok(())
}

/// Whether a value is live on a process and merely hidden there.
pub fn is_hidden<S: Store + Default>(
    process: &Process<S>,
    table: TableId,
    key: &[u8],
    dot: Dot,
) -> bool {
    let tables = process.node.tables();
    if !tables.hides(table) || process.node.members().up().contains(&dot.origin) {
        return false;
    }
    let mut live = false;
    tables.look(table, |t| t.store().entries(key, &mut |entry| live |= entry.dot == dot));
    live
}
