//! What origins write before their ops are passed around.

use super::setup::Setup;
use super::{ORIGINS, Op, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Change, Millis, VersionVector};

/// What three origins wrote, each in its order, having heard of some of the others' ops.
pub struct History {
    pub setup: Setup,
    pub ops: Vec<Vec<Op>>,
    pub origins: Vec<Replica>,
    /// What each origin had seen, at every moment.
    pub seen: Vec<Vec<VersionVector>>,
}

/// A history of a table that one of `setups` declares.
pub fn history(setups: impl Strategy<Value = Setup>) -> impl Strategy<Value = History> {
    (setups, vec(deed(), 1..60)).prop_map(|(setup, deeds)| History::of(setup, &deeds))
}

impl History {
    fn of(setup: Setup, deeds: &[Deed]) -> History {
        let origins = ORIGINS.into_iter().map(|id| Replica::new(id, &setup)).collect();
        let ops = vec![Vec::new(); ORIGINS.len()];
        let seen = vec![vec![VersionVector::new()]; ORIGINS.len()];
        let mut history = History { setup, ops, origins, seen };
        let mut now = Millis(1_000);
        for deed in deeds {
            history.take_place(deed, &mut now);
            for (seen, origin) in history.seen.iter_mut().zip(&history.origins) {
                seen.push(origin.table.seen());
            }
        }
        history
    }

    fn take_place(&mut self, deed: &Deed, now: &mut Millis) {
        let History { setup, ops, origins, .. } = self;
        match deed {
            Deed::Write { at, key, value, delete, expires, later } => {
                *now = now.plus(*later);
                let value = value % 4;
                let expires = expires.map(|after| now.plus(after));
                let change = match delete {
                    true => Change::Delete,
                    false => Change::Put { value: &[value], expires },
                };
                ops[*at].extend(origins[*at].write(*now, &setup.key(*key, value), change));
            }
            Deed::Hear { at, from } if at != from => {
                origins[*at].deliver(ops, *from);
            }
            Deed::Hear { .. } => {}
            Deed::Alter { at } => {
                let next = origins[*at].epoch + 1;
                if next <= setup.last_epoch() {
                    origins[*at].adopt(next);
                }
            }
            Deed::Conclude { at, key, value } => {
                let key = setup.key(*key, value % 4);
                ops[*at].extend(origins[*at].conclude(*now, &key, value % 3 > 0));
            }
            Deed::Hide { at, up } if setup.hides => {
                let up = ORIGINS.into_iter().zip(up).filter(|(id, up)| **up || *id == ORIGINS[*at]);
                let up = up.map(|(id, _)| id).collect();
                origins[*at].table.set_owners(Some(up));
            }
            Deed::Hide { .. } => {}
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}", self.setup)?;
        f.debug_list().entries(self.ops.iter().flatten()).finish()
    }
}

/// Something that an origin does while a history is made.
#[derive(Clone, Debug)]
enum Deed {
    Write { at: usize, key: u8, value: u8, delete: bool, expires: Option<u64>, later: u64 },
    Hear { at: usize, from: usize },
    Alter { at: usize },
    Conclude { at: usize, key: u8, value: u8 },
    Hide { at: usize, up: [bool; 3] },
}

fn deed() -> impl Strategy<Value = Deed> {
    let delete = proptest::bool::weighted(0.3);
    let expires = proptest::option::weighted(0.1, 0u64..60);
    // Time stands still as often as not, so that stamps of different origins are equal.
    let later = prop_oneof![Just(0u64), 0u64..3];
    let write = (0usize..3, 0u8..4, any::<u8>(), delete, expires, later).prop_map(
        |(at, key, value, delete, expires, later)| {
            let expires = expires.filter(|_| !delete);
            Deed::Write { at, key, value, delete, expires, later }
        },
    );
    let hear = (0usize..3, 0usize..3).prop_map(|(at, from)| Deed::Hear { at, from });
    let conclude = (0usize..3, 0u8..4, any::<u8>());
    let hide = (0usize..3, any::<[bool; 3]>());
    prop_oneof![
        9 => write,
        6 => hear,
        1 => (0usize..3).prop_map(|at| Deed::Alter { at }),
        1 => conclude.prop_map(|(at, key, value)| Deed::Conclude { at, key, value }),
        1 => hide.prop_map(|(at, up)| Deed::Hide { at, up }),
    ]
}
