//! Rule 6 of the design: an acknowledgement is honest.
//!
//! When [`Contact::has`](tombolo_core::Contact::has) says that a peer has an op of ours, that peer
//! has taken it in. When every link has acknowledged up to a write, every peer that was linked when
//! it was made, and still is by the same link, has taken it in.

use super::{Checked, View, Violation};
use crate::world::World;
use std::collections::BTreeMap;
use tombolo_core::{Dot, Incarnation, Store, TableId};

/// What the process was told since the last time.
pub(super) struct Told {
    held_up_to: BTreeMap<Incarnation, u64>,
    held: Vec<(Dot, Incarnation)>,
    done_up_to: u64,
}

pub(super) fn check<S: Store + Default>(
    world: &World<S>,
    view: &View<'_, S>,
) -> Result<Told, Violation> {
    let me = view.process.incarnation;
    let truth = view.process.truth.get(&view.table);
    let mut told = Told { held_up_to: BTreeMap::new(), held: Vec::new(), done_up_to: 0 };
    let last = view.process.look(view.table, |t| t.last_written()).unwrap_or(0);
    view.process.look(view.table, |table| {
        for (peer, contact) in table.contacts() {
            let before = truth.and_then(|truth| truth.held_up_to.get(&peer)).copied();
            let mut up_to = before.unwrap_or(0);
            for seq in up_to + 1..=last {
                if contact.has(seq) {
                    told.held.push((Dot { origin: me, seq }, peer));
                    up_to += u64::from(up_to + 1 == seq);
                }
            }
            told.held_up_to.insert(peer, up_to);
        }
        told.done_up_to = table.acked_by_all();
    });
    for (dot, peer) in &told.held {
        let holder = world.by_incarnation[peer];
        if !world.procs[holder].has(view.table, *dot) {
            let slot = world.procs[holder].slot;
            let text = format!("{dot:?} counts as held by n{slot}, which never took it in");
            let mut violation = view.violation("acknowledgements are honest", text);
            violation.slots.push(slot);
            return Err(violation);
        }
    }
    Ok(told)
}

/// Notes who holds what, and checks the writes that are acknowledged by all now.
pub(super) fn remember<S: Store + Default>(
    world: &mut World<S>,
    process: usize,
    table: TableId,
    told: Told,
) -> Checked {
    let me = world.procs[process].incarnation;
    if let Some(log) = world.oracle.logs.get_mut(&table) {
        for (dot, peer) in told.held {
            log.held(dot, peer);
        }
    }
    let truth = world.procs[process].truth.entry(table).or_default();
    truth.held_up_to = told.held_up_to;
    let done = truth.waiting.partition_point(|(seq, _)| *seq <= told.done_up_to);
    for (seq, links) in truth.waiting.drain(..done).collect::<Vec<_>>() {
        for (peer, link) in links {
            let still = world.network.up(process, peer) == Some(link);
            if still && !world.procs[peer].has(table, Dot { origin: me, seq }) {
                let slots = vec![world.procs[process].slot, world.procs[peer].slot];
                let text = format!("write {seq} of n{} lacks n{}", slots[0], slots[1]);
                return Err(Violation { invariant: "acknowledged by all", slots, text });
            }
        }
    }
    Ok(())
}
