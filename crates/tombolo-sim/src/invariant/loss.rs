//! Invariant B of the design (section 3): no loss, in the form for last-writer-wins tables.
//!
//! "A value covered by a node's `seen` and not live there was replaced by something this node has
//! (covered, applied or live), or was deleted, or expired. So each node alone can be the only
//! survivor." In a last-writer-wins table every newer event of the key replaces it (rule 7).
//! Values that were taken in beyond a gap count like covered ones.

use super::{Checked, View};
use crate::world::World;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> Checked {
    // A delete that stability has dropped at the answerer is covered by what a sync claims in its
    // last step, after what it replaced was removed; the forgetting of members lets that last.
    let deletes_count = || world.config.forgetting || is_finishing(world, view);
    for key in view.log.keys() {
        for op in view.log.newest_first(key) {
            if view.is_live(op.dot) {
                break;
            }
            let is_delete = op.value.is_none() || world.oracle.may_be_over(op.expires);
            if !view.has(op.dot) {
                if is_delete && deletes_count() {
                    break;
                }
                continue;
            }
            if op.value.is_some() && !world.oracle.may_be_over(op.expires) {
                let text = format!("{:?} of {key:?} was taken in and is gone", op.dot);
                return Err(view.violation("B, no loss", text));
            }
            break;
        }
    }
    Ok(())
}

fn is_finishing<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> bool {
    let mut peers = world.by_incarnation.keys();
    peers.any(|peer| view.process.look(view.table, |t| t.is_finishing(*peer)) == Some(true))
}
