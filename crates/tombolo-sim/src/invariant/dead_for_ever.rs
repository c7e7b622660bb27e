//! Rule "words" of the design (section 3): "a dot covered by `seen` and not live is dead, for
//! ever", and rule 9: what expired is never revived. So what was live on a process and is not any
//! more never comes back there, and a tombstone never becomes a value again.

use super::{View, Violation};
use crate::world::World;
use std::collections::BTreeMap;
use tombolo_core::{Dot, Store, TableId};

/// What is live now, if nothing came back that was gone.
pub(super) fn check<S: Store + Default>(
    view: &View<'_, S>,
) -> Result<BTreeMap<Dot, bool>, Violation> {
    let truth = view.process.truth.get(&view.table);
    let mut lives = BTreeMap::new();
    for (key, entry) in &view.entries {
        let is_value = entry.value.is_some();
        let was_gone = truth.is_some_and(|truth| truth.gone.contains(&entry.dot));
        let was_tombstone =
            truth.is_some_and(|truth| truth.live.get(&entry.dot) == Some(&false)) && is_value;
        if was_gone || was_tombstone {
            let text = format!("{:?} of {key:?} was gone and is back", entry.dot);
            return Err(view.violation("dead for ever", text));
        }
        lives.insert(entry.dot, is_value);
    }
    Ok(lives)
}

/// Keeps what was live for the next time.
pub(super) fn remember<S: Store + Default>(
    world: &mut World<S>,
    process: usize,
    table: TableId,
    lives: BTreeMap<Dot, bool>,
) {
    let truth = world.procs[process].truth.entry(table).or_default();
    if truth.live == lives {
        return;
    }
    let mut dropped = Vec::new();
    for (dot, was_value) in std::mem::replace(&mut truth.live, lives) {
        if !truth.live.contains_key(&dot) {
            truth.gone.insert(dot);
            dropped.extend((!was_value).then_some(dot));
        }
    }
    let Some(log) = world.oracle.logs.get_mut(&table).filter(|_| !dropped.is_empty()) else {
        return;
    };
    let me = &world.procs[process];
    let awaited = me.node.members().awaited();
    for dot in dropped {
        let unmet = world.by_incarnation.keys().copied();
        log.dropped(dot, unmet.filter(|id| *id != me.incarnation && !awaited.contains(id)));
        world.counts.dropped += u64::from(!world.ending);
    }
}
