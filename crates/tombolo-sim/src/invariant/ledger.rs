//! The conflict ledger: every value that somebody wrote, that nobody overwrote knowingly, and that
//! a merge or an outcome discarded, is noted on the node where that happened.
//!
//! Left out is what was no loss: the same value is kept, or was in conflict with it; it expired;
//! its owner has a successor in a table that hides; and a ledger that was full says so.

use super::{Checked, Violation};
use crate::oracle::{Log, Op};
use crate::process::Cause;
use crate::world::World;
use std::collections::BTreeSet;
use tombolo_core::{Dot, Store, TableId};

pub(super) fn check<S: Store + Default>(world: &World<S>) -> Checked {
    if world.config.forgetting {
        return Ok(());
    }
    for (table, log) in &world.oracle.logs {
        let Some(noted) = noted(world, *table) else { continue };
        for op in log.iter().filter(|op| op.value.is_some() && op.expires.is_none()) {
            if was_lost(world, *table, log, op) && !noted.contains(&op.dot) {
                let slot = world.procs[world.by_incarnation[&op.dot.origin]].slot;
                let text = format!("{op:?} was discarded, and no ledger says so");
                let slots = vec![slot];
                return Err(Violation { invariant: "the ledger knows", slots, text });
            }
        }
    }
    Ok(())
}

/// What the ledgers of all processes name as lost, whether they still run or not. None if one was
/// full.
fn noted<S: Store + Default>(world: &World<S>, table: TableId) -> Option<BTreeSet<Dot>> {
    let mut noted = BTreeSet::new();
    for process in &world.procs {
        let dropped = process.look(table, |t| {
            let lost = t.ledger().iter().flat_map(|conflict| &conflict.lost);
            noted.extend(lost.map(|entry| entry.dot));
            t.ledger().dropped()
        });
        if dropped.is_some_and(|dropped| dropped > 0) {
            return None;
        }
    }
    Some(noted)
}

fn was_lost<S: Store + Default>(world: &World<S>, table: TableId, log: &Log, op: &Op) -> bool {
    let replacers = || log.replacers(op.dot).iter().filter_map(|dot| log.find(*dot));
    if replacers().any(|by| by.cause == Cause::Client) {
        return false;
    }
    if log.ever_hid() && world.is_superseded(op.dot.origin) {
        return false;
    }
    let mut others = log.newest_first(&op.key).filter(|other| other.dot != op.dot);
    if others.any(|other| other.value == op.value) {
        return false;
    }
    // An older event that expired is nobody's word, and so is what it beat.
    let alive = world.alive();
    let had = |process: &usize| world.procs[*process].has(table, op.dot);
    let live = |process: &usize| world.procs[*process].holds(table, op);
    alive.iter().all(had) && !alive.iter().any(live)
}
