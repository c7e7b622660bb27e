//! Rule 8 of the design: tables "show a pure function (the policy) of the visible siblings sorted
//! by stamp". So at rest a reader sees the same value of every key on every node.

use super::{Checked, Violation};
use crate::judge::shown;
use crate::world::World;
use std::collections::BTreeMap;
use tombolo_core::{Store, TableId};

/// What a reader sees of each key that shows anything.
type Shown<'a> = BTreeMap<&'a [u8], Vec<u8>>;

pub(super) fn check<S: Store + Default>(world: &World<S>) -> Checked {
    let alive = world.alive();
    for (table, log) in &world.oracle.logs {
        let keys: Vec<&[u8]> = log.keys().collect();
        let mut first: Option<(usize, Shown<'_>)> = None;
        for process in &alive {
            let found = shown_by(world, *process, *table, &keys);
            match &first {
                None => first = Some((*process, found)),
                Some((other, expected)) if *expected != found => {
                    let slots = vec![world.procs[*other].slot, world.procs[*process].slot];
                    let text = format!(
                        "n{} shows {expected:?} of {table:?} and n{} shows {found:?}",
                        slots[0], slots[1]
                    );
                    return Err(Violation { invariant: "the same view", slots, text });
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

fn shown_by<'a, S: Store + Default>(
    world: &World<S>,
    process: usize,
    table: TableId,
    keys: &[&'a [u8]],
) -> Shown<'a> {
    let tables = world.procs[process].node.tables();
    let (Some(declared), now) = (tables.declared(table), tables.wall()) else {
        return BTreeMap::new();
    };
    let shown_of = |key: &&'a [u8]| {
        let visible = tables.look(table, |t| t.visible(key, now))?;
        Some((*key, shown(&declared.policy, &visible)?.to_vec()))
    };
    keys.iter().filter_map(shown_of).collect()
}
