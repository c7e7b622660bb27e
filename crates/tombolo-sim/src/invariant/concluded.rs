//! Rule 8 and finding 6 of the models: only stable siblings are concluded, so an outcome never
//! takes the place of two values of which one's writer had seen the other. Such values are no
//! conflict: the later one wins, and the older only looks alive where the delete between the two
//! has not arrived.
//!
//! Left out is what stability cannot know: a delete that died with everybody who had it, records
//! that expired, and those of owners that a newer process has replaced.

use super::{Checked, View};
use crate::oracle::Op;
use crate::process::Cause;
use crate::world::World;
use tombolo_core::{Dot, Store};

pub(super) fn check<S: Store + Default>(world: &World<S>, view: &View<'_, S>, op: &Op) -> Checked {
    if op.cause != Cause::Conclusion || world.config.forgetting {
        return Ok(());
    }
    for older in &op.replaces {
        for newer in op.replaces.iter().filter_map(|dot| view.log.find(*dot)) {
            if newer.knew.contains(older) && counts(world, view, *older) {
                let text = format!(
                    "{:?} takes the place of {older:?} and of {:?}, whose writer had seen it",
                    op.dot, newer.dot
                );
                return Err(view.violation("causal siblings are no conflict", text));
            }
        }
    }
    Ok(())
}

/// Whether what came between can be known: some process that runs has it.
fn counts<S: Store + Default>(world: &World<S>, view: &View<'_, S>, older: Dot) -> bool {
    let Some(older) = view.log.find(older) else { return false };
    let banished = view.log.ever_hid() && world.is_superseded(older.dot.origin);
    let between = super::loss::beaters(view, older);
    let alive = world.alive();
    let mut known = between
        .filter(|by| alive.iter().any(|process| world.procs[*process].has(view.table, by.dot)));
    !banished && !world.oracle.may_be_over(older.expires) && known.next().is_some()
}
