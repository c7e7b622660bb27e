//! The laws, by what they speak of.

mod algebra;
mod feed;
mod islands;
mod ledger;
mod merges;
mod ops;
mod parts;
mod siblings;
mod syncs;

use crate::replica::Replica;
use crate::replica::history::History;
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::Incarnation;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

const LEFT: Incarnation = Incarnation(11);
const RIGHT: Incarnation = Incarnation(12);

/// From whom the next op comes, and whether it is dropped on the way.
type Turn = (usize, bool);

/// Ops arrive, in the order of each origin.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    vec((0usize..3, Just(false)), 0..60)
}

/// Ops arrive, and some are dropped on the way.
fn gaps() -> impl Strategy<Value = Vec<Turn>> {
    vec((0usize..3, proptest::bool::weighted(0.2)), 0..60)
}

/// A replica that got the ops in the order of `turns`.
fn told(history: &History, id: Incarnation, turns: &[Turn]) -> Replica {
    let mut replica = Replica::new(id, &history.setup);
    for (origin, dropped) in turns {
        match dropped {
            true => replica.drop_next(&history.ops, *origin),
            false => drop(replica.deliver(&history.ops, *origin)),
        }
        replica.check_counts();
    }
    replica
}
