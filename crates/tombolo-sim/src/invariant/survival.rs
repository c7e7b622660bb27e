//! The promise of the design (section 3): "no acknowledged write is lost while one node that
//! acknowledged it lives". The writer's own word counts too: a write is on its own node at once.
//!
//! After the heal such a value is on every survivor, or something that took its place is known
//! there (see [`loss`](super::loss)), or it expired, or its owner has a successor in a table that
//! hides.

use super::loss::is_accounted_for;
use super::{Checked, View};
use crate::world::World;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(world: &World<S>) -> Checked {
    let alive = world.alive();
    let lives = |incarnation| world.procs[world.by_incarnation[incarnation]].alive;
    for (table, log) in &world.oracle.logs {
        for process in &alive {
            let view = View::of(world, *process, *table, log);
            for op in log.iter().filter(|op| op.value.is_some()) {
                let held = lives(&op.dot.origin) || op.held_by.iter().any(lives);
                let banished = log.ever_hid() && world.is_superseded(op.dot.origin);
                let over = world.oracle.may_be_over(op.expires);
                if !held || banished || over || view.is_live(op.dot) {
                    continue;
                }
                if !is_accounted_for(world, &view, op) {
                    let text = format!("{op:?} was acknowledged and is lost");
                    return Err(view.violation("acknowledged writes survive", text));
                }
            }
        }
    }
    Ok(())
}
