//! The promise of the design (section 3): "no acknowledged write is lost while one node that
//! acknowledged it lives". The writer's own word counts too: a write is on its own node at once.
//!
//! After the heal such a value is on every survivor, or something newer of its key is known there,
//! or it expired.

use super::{Checked, View};
use crate::oracle::Op;
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
                if !held || view.is_live(op.dot) || world.oracle.may_be_over(op.expires) {
                    continue;
                }
                let newer = log.newest_first(&op.key).take_while(|o| o.rank() > op.rank());
                let is_delete = |o: &Op| o.value.is_none() || world.oracle.may_be_over(o.expires);
                let forgotten = |o: &Op| world.config.forgetting && is_delete(o);
                if !{ newer }.any(|o| view.knows(o.dot) || forgotten(o)) {
                    let text = format!("{op:?} was acknowledged and is lost");
                    return Err(view.violation("acknowledged writes survive", text));
                }
            }
        }
    }
    Ok(())
}
