//! Rule 7 and finding 5 of the models: deletes leave nothing behind.
//!
//! When every member is up and has settled, no tombstone is left, and nothing of a live origin is
//! left in `removed_ahead`. What stays is what no survivor can ever cover: dots that died with
//! their origin before anybody had all that came before them.

use super::{Checked, Violation};
use crate::world::World;
use tombolo_core::{Dot, Store, TableId};

pub(super) fn check<S: Store + Default>(world: &World<S>) -> Checked {
    let alive = world.alive();
    let everybody = alive.len() == world.config.nodes;
    for process in &alive {
        let me = &world.procs[*process];
        for table in me.node.tables().ids() {
            let lives = |dot: &Dot| world.procs[world.by_incarnation[&dot.origin]].alive;
            let ahead = me.look(table, |t| t.origins().removed_ahead()).unwrap_or_default();
            if let Some(dot) = ahead.into_iter().find(lives) {
                let text = format!("{dot:?} of a live origin is still removed ahead");
                return Err(left(me.slot, text));
            }
            let lost = |dot: &Dot| !lives(dot) && me.seen_of(table, dot.origin) < dot.seq;
            let kept = tombstones(world, *process, table);
            if let Some(dot) = kept.into_iter().find(|dot| everybody && !lost(dot)) {
                return Err(left(me.slot, format!("the tombstone {dot:?} is left")));
            }
        }
    }
    Ok(())
}

fn tombstones<S: Store + Default>(world: &World<S>, process: usize, table: TableId) -> Vec<Dot> {
    let mut dots = Vec::new();
    world.procs[process].look(table, |t| {
        for bucket in 0..t.store().buckets() {
            t.store().visit(bucket, &mut |_, entry| {
                dots.extend(entry.value.is_none().then_some(entry.dot));
            });
        }
    });
    dots
}

fn left(slot: usize, text: String) -> Violation {
    let text = format!("n{slot}: {text}");
    Violation { invariant: "deletes leave nothing behind", slots: vec![slot], text }
}
