//! Batches: of the writes that a client made together a node shows all or none. Where one of them
//! is live, each of the others is known, or something is known that took its place; and what they
//! superseded is gone.
//!
//! A table that is being filled for the first time may show a part, and so may a node that those
//! who forgot the batch as stable did not wait for: it was not a member, or was forgotten.

use super::{Checked, View, loss};
use crate::oracle::Op;
use crate::world::World;
use std::collections::BTreeSet;
use tombolo_core::{Dot, Store, TableId};

pub(super) fn check<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> Checked {
    if !view.process.writable.contains(&view.table) {
        return Ok(());
    }
    let values = view.entries.iter().filter(|(_, entry)| entry.value.is_some());
    let values: BTreeSet<Dot> = values.map(|(_, entry)| entry.dot).collect();
    for batch in view.log.batches.iter().filter(|b| b.is_owed_to(view.process.incarnation)) {
        let Some(shown) = batch.dots.iter().find(|dot| values.contains(dot)) else { continue };
        for op in batch.dots.iter().filter_map(|dot| view.log.find(*dot)) {
            if let Some(old) = op.replaces.iter().find(|dot| values.contains(dot)) {
                let text = format!("{shown:?} is shown, and {old:?}, which {:?} replaced", op.dot);
                return Err(view.violation("batches stay whole", text));
            }
            if !values.contains(&op.dot) && is_missing(world, view, op) {
                let text = format!("{shown:?} is shown, and {:?} of its batch is not", op.dot);
                return Err(view.violation("batches stay whole", text));
            }
        }
    }
    Ok(())
}

/// Whether neither the write is known nor anything that took its place. Of a delete where deletes
/// are not remembered nothing is to be known.
fn is_missing<S: Store + Default>(world: &World<S>, view: &View<'_, S>, op: &Op) -> bool {
    let leaves_nothing = op.value.is_none() && !view.log.is_always_lww();
    let over = world.oracle.may_be_over(op.expires) || loss::is_banished(world, view, op);
    !leaves_nothing && !over && !view.knows(op.dot) && !loss::is_accounted_for(world, view, op)
}

/// Notes which batches a process has forgotten since it was looked at last.
pub(super) fn remember<S: Store + Default>(world: &mut World<S>, process: usize, table: TableId) {
    let known = world.procs[process].look(table, |t| t.batches().map(|(first, _)| first).collect());
    let known: BTreeSet<Dot> = known.unwrap_or_default();
    let me = &mut world.procs[process];
    let truth = me.truth.entry(table).or_default();
    let before = std::mem::replace(&mut truth.batches, known);
    let forgotten: Vec<Dot> = before.difference(&truth.batches).copied().collect();
    let Some(log) = world.oracle.logs.get_mut(&table).filter(|_| !forgotten.is_empty()) else {
        return;
    };
    let mut awaited: BTreeSet<_> = me.node.members().awaited().into_iter().collect();
    awaited.insert(me.incarnation);
    for batch in log.batches.iter_mut().filter(|batch| forgotten.contains(&batch.dots[0])) {
        batch.forgotten(awaited.clone());
    }
}
