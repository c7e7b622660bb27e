//! Invariant C of the design (section 3): convergence.
//!
//! "After a heal all survivors have equal live dots and equal `seen`", and so equal fingerprints.
//! Tombstones are dropped at different moments on different nodes, so only values are compared.
//! Every table is on every node, and open.

use super::{Checked, Violation};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use tombolo_core::{Dot, Store, TableId, VersionVector};

#[derive(PartialEq, Debug)]
struct Content {
    seen: VersionVector,
    values: BTreeMap<Dot, Arc<[u8]>>,
    fingerprint: u64,
    writable: bool,
}

pub(super) fn check<S: Store + Default>(world: &World<S>) -> Checked {
    let alive = world.alive();
    for (at, process) in alive.iter().enumerate() {
        for other in &alive[..at] {
            if world.network.up(*process, *other).is_none() {
                return Err(apart(world, *process, *other, "are not linked".to_string()));
            }
        }
    }
    let Some(first) = alive.first() else { return Ok(()) };
    let fragments = world.config.tables.iter().enumerate().flat_map(|(number, declaration)| {
        let name = World::<S>::table_name(number);
        (0..declaration.fragments).map(move |fragment| TableId::of_fragment(&name, fragment))
    });
    for table in fragments {
        let expected = content(world, *first, table);
        for other in &alive[1..] {
            let found = content(world, *other, table);
            if found != expected {
                let text = format!("differ: {expected:#?} and {found:#?}");
                return Err(apart(world, *first, *other, text));
            }
        }
    }
    Ok(())
}

fn content<S: Store + Default>(
    world: &World<S>,
    process: usize,
    table: TableId,
) -> Option<Content> {
    let writable = world.procs[process].writable.contains(&table);
    world.procs[process].look(table, |t| {
        let mut values = BTreeMap::new();
        for bucket in 0..t.store().buckets() {
            t.store().visit(bucket, &mut |key, entry| {
                if entry.value.is_some() {
                    values.insert(entry.dot, key.into());
                }
            });
        }
        Content { seen: t.seen(), values, fingerprint: t.fingerprint(), writable }
    })
}

fn apart<S: Store + Default>(world: &World<S>, a: usize, b: usize, text: String) -> Violation {
    let slots = vec![world.procs[a].slot, world.procs[b].slot];
    let text = format!("n{} and n{} {text}", slots[0], slots[1]);
    Violation { invariant: "C, convergence", slots, text }
}
