//! Bounded memory (issue 2, item 10): asks and answers do not pile up. There is at most one of each
//! for each link and table, and none for a peer without a link.

use super::{Checked, Violation};
use crate::world::World;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(world: &World<S>, process: usize) -> Checked {
    let me = &world.procs[process];
    let linked = world.network.peers(process);
    for (incarnation, peer) in &world.by_incarnation {
        if linked.contains(peer) {
            continue;
        }
        let open = |id| {
            me.look(id, |t| {
                t.asking(*incarnation).is_some()
                    || t.is_answering(*incarnation)
                    || t.is_attached(*incarnation)
            })
        };
        let left = me.node.tables().ids().into_iter().any(|id| open(id) == Some(true));
        if left {
            let slots = vec![me.slot, world.procs[*peer].slot];
            let text = format!("n{}: a sync with n{} outlived its link", slots[0], slots[1]);
            return Err(Violation { invariant: "bounded memory", slots, text });
        }
    }
    Ok(())
}
