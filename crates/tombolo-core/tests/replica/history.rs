//! What origins write before their ops are passed around.

use super::{ORIGINS, Op, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Change, Millis, VersionVector};

/// What three origins wrote, each in its order, having heard of some of the others' ops.
pub struct History {
    pub ops: Vec<Vec<Op>>,
    pub origins: Vec<Replica>,
    /// What each origin had seen, at every moment.
    pub seen: Vec<Vec<VersionVector>>,
}

pub fn history() -> impl Strategy<Value = History> {
    vec(deed(), 1..60).prop_map(|deeds| History::of(&deeds))
}

impl History {
    fn of(deeds: &[Deed]) -> History {
        let mut origins: Vec<Replica> = ORIGINS.into_iter().map(Replica::new).collect();
        let mut ops = vec![Vec::new(); ORIGINS.len()];
        let mut seen = vec![vec![VersionVector::new()]; ORIGINS.len()];
        let mut now = Millis(1_000);
        for deed in deeds {
            match deed {
                Deed::Write { at, key, value, later } => {
                    now = now.plus(*later);
                    ops[*at].extend(origins[*at].write(now, *key, change(value)));
                }
                Deed::Hear { at, from } if at != from => {
                    origins[*at].deliver(&ops, *from);
                }
                Deed::Hear { .. } => {}
            }
            for (seen, origin) in seen.iter_mut().zip(&origins) {
                seen.push(origin.table.seen());
            }
        }
        History { ops, origins, seen }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ops.iter().flatten()).finish()
    }
}

/// Something that an origin does while a history is made.
#[derive(Clone, Debug)]
enum Deed {
    Write { at: usize, key: u8, value: Option<u8>, later: u64 },
    Hear { at: usize, from: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    let value = proptest::option::weighted(0.7, any::<u8>());
    // Time stands still as often as not, so that stamps of different origins are equal.
    let write = (0usize..3, 0u8..4, value, prop_oneof![Just(0u64), 0u64..3])
        .prop_map(|(at, key, value, later)| Deed::Write { at, key, value, later });
    let hear = (0usize..3, 0usize..3).prop_map(|(at, from)| Deed::Hear { at, from });
    prop_oneof![3 => write, 2 => hear]
}

pub fn change(value: &Option<u8>) -> Change<'_> {
    match value {
        Some(value) => Change::Put { value: std::slice::from_ref(value), expires: None },
        None => Change::Delete,
    }
}
