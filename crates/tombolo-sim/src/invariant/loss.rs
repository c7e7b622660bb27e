//! Invariant B of the design (section 3): no loss.
//!
//! "A value covered by a node's `seen` and not live there was replaced by something this node has
//! (covered, applied or live), or was deleted, or expired. So each node alone can be the only
//! survivor." What replaces a value is a write that saw it; in a last-writer-wins epoch every newer
//! event of the key (rule 7); an outcome or an island's word (rule 8); and the newer process of its
//! owner's name in a table that hides (rule 10). Values that were taken in beyond a gap count like
//! covered ones.
//!
//! What replaced a value may itself be gone again: then one of its own successors must be here, or
//! the last of them was a delete, or went with its owner.

use super::{Checked, View};
use crate::oracle::Op;
use crate::world::World;
use std::collections::BTreeSet;
use tombolo_core::{Dot, Store};

pub(super) fn check<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> Checked {
    for op in view.log.iter().filter(|op| op.value.is_some() && view.has(op.dot)) {
        let over = world.oracle.may_be_over(op.expires) || is_banished(world, view, op);
        if !over && !view.is_live(op.dot) && !is_accounted_for(world, view, op) {
            let text = format!("{:?} of {:?} was taken in and is gone", op.dot, op.key);
            return Err(view.violation("B, no loss", text));
        }
    }
    Ok(())
}

/// Whether what took the place of `op` is known here, or was deleted in turn.
///
/// Where deletes are remembered (rule 7) they must be known themselves, but while a sync claims in
/// its last step what stability has dropped at the answerer; the forgetting of members lets that
/// last, and so does a record that outlives its process.
pub(super) fn is_accounted_for<S: Store + Default>(
    world: &World<S>,
    view: &View<'_, S>,
    op: &Op,
) -> bool {
    let deletes_count =
        !view.log.is_always_lww() || world.config.forgetting || is_finishing(world, view);
    let is_delete = |by: &Op| by.value.is_none() || world.oracle.may_be_over(by.expires);
    let mut checked: BTreeSet<Dot> = BTreeSet::new();
    let mut open = vec![op];
    while let Some(op) = open.pop() {
        for by in beaters(view, op) {
            let counts = deletes_count || world.disks.may_have_dropped(view.table, by.dot);
            let ended = is_banished(world, view, by) || counts && is_delete(by);
            if ended || view.knows(by.dot) {
                return true;
            }
            if counts && checked.insert(by.dot) {
                open.push(by);
            }
        }
    }
    false
}

/// Whatever takes the place of `op`: who saw it, and by rule 7 whatever is newer.
pub(super) fn beaters<'a, S: Store + Default>(
    view: &'a View<'_, S>,
    op: &'a Op,
) -> impl Iterator<Item = &'a Op> {
    let log = view.log;
    let replacers = log.replacers(op.dot).iter().filter_map(|dot| log.find(*dot));
    let newer = log.newest_first(&op.key).take_while(|other| other.rank() > op.rank());
    replacers.chain(newer.filter(|other| log.may_beat(op.mark.epoch, other.mark.epoch)))
}

pub(super) fn is_banished<S: Store + Default>(
    world: &World<S>,
    view: &View<'_, S>,
    op: &Op,
) -> bool {
    view.log.ever_hid() && world.is_superseded(op.dot.origin)
}

fn is_finishing<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> bool {
    let mut peers = world.by_incarnation.keys();
    peers.any(|peer| view.process.look(view.table, |t| t.is_finishing(*peer)) == Some(true))
}
