//! The clock's half of rule 9: nothing is taken in whose stamp lies further ahead of the own wall
//! clock than clocks may differ, because it would win over everything written until then.
//!
//! Compared with the latest moment that the node's clock ever showed: a clock may be set back.

use super::{Checked, View};
use crate::world::World;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(world: &World<S>, view: &View<'_, S>) -> Checked {
    let me = view.process;
    let truth = me.truth.get(&view.table);
    let latest = me.latest.plus(world.config.max_drift);
    for (key, entry) in &view.entries {
        let known = truth.is_some_and(|truth| truth.live.contains_key(&entry.dot));
        let own = entry.dot.origin == me.incarnation;
        if !known && !own && entry.stamp.millis() > latest {
            let ahead = entry.stamp.millis().since(me.latest);
            let text = format!("{:?} of {key:?} was let in from {ahead} ms ahead", entry.dot);
            return Err(view.violation("nothing from the future", text));
        }
    }
    Ok(())
}
