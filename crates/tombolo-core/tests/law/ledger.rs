//! The ledger: what merges discarded is noted, and nothing that a writer had seen.

use super::{LEFT, Turn, config, gaps, told, turns};
use crate::replica::history::{History, history};
use crate::replica::oracle::winners;
use crate::replica::setup::{Setup, any_setup};
use crate::replica::{Op, Replica};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tombolo_core::{Dot, Outcome};

/// Room for a handful of conflicts.
const LITTLE: usize = 1_000;

/// The dots that a replica noted as discarded.
fn discarded(replica: &Replica) -> BTreeSet<Dot> {
    let noted = replica.table.ledger().iter();
    let noted = noted.filter(|conflict| conflict.outcome == Outcome::Discarded);
    noted.flat_map(|conflict| conflict.lost.iter().map(|lost| lost.dot)).collect()
}

/// The dots that a writer had seen.
fn overwritten(history: &History) -> BTreeSet<Dot> {
    history.ops.iter().flatten().flat_map(|op| op.replaces.iter().copied()).collect()
}

fn all_told(history: &History, turns: &[Turn]) -> Replica {
    let mut replica = told(history, LEFT, turns);
    replica.deliver_all(&history.ops);
    replica
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_value_that_lost_unseen_is_noted_where_it_met_its_winner(
        history in history(Just(Setup::last_writer_wins())),
        turns in turns(),
    ) {
        let replica = all_told(&history, &turns);
        let (noted, seen) = (discarded(&replica), overwritten(&history));
        let winners = winners(history.ops.iter().flatten());
        let lost = |op: &&Op| {
            let winner = &winners[&op.key][0];
            let value = op.entry.value.is_some() && op.entry.expires.is_none();
            value && winner.dot != op.entry.dot && !seen.contains(&op.entry.dot)
        };
        for op in history.ops.iter().flatten().filter(lost) {
            // What says the same as one that stayed is not lost.
            let same = |other: &&Op| {
                other.key == op.key
                    && other.entry.dot != op.entry.dot
                    && other.entry.value == op.entry.value
                    && other.entry.as_ref().wins_over(&op.entry.as_ref())
            };
            let as_well = history.ops.iter().flatten().any(|other| same(&other));
            prop_assert!(noted.contains(&op.entry.dot) || as_well, "{op:?}");
        }
    }

    /// Of what comes by ops: a sync does not tell what the writers had seen.
    #[test]
    fn what_a_writer_had_seen_is_not_noted_in_the_end(
        history in history(any_setup()),
        turns in turns(),
    ) {
        let noted = discarded(&all_told(&history, &turns));
        let seen = overwritten(&history);
        prop_assert_eq!(noted.intersection(&seen).collect::<Vec<_>>(), Vec::<&Dot>::new());
    }

    #[test]
    fn the_ledger_keeps_the_newest_that_fit(
        history in history(any_setup()),
        turns in gaps(),
    ) {
        let mut little = Replica::with_ledger(LEFT, &history.setup, LITTLE);
        let mut whole = Replica::new(LEFT, &history.setup);
        for (origin, dropped) in turns {
            for replica in [&mut little, &mut whole] {
                match dropped {
                    true => replica.drop_next(&history.ops, origin),
                    false => drop(replica.deliver(&history.ops, origin)),
                }
            }
            let ledger = little.table.ledger();
            prop_assert!(ledger.bytes().0 <= LITTLE);
            let gone = ledger.dropped() + ledger.retracted();
            prop_assert_eq!(ledger.noted(), ledger.len() as u64 + gone);
            let all: Vec<_> = whole.table.ledger().iter().collect();
            for kept in ledger.iter() {
                prop_assert!(all.contains(&kept));
                prop_assert_eq!(ledger.find(kept.id).map(|found| found.id), Some(kept.id));
            }
        }
        prop_assert_eq!(whole.table.ledger().dropped(), 0);
        prop_assert_eq!(little.snapshot(), whole.snapshot());
    }
}
