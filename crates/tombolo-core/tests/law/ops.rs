//! Ops alone: in any order, with gaps that syncs fill, more than once.

use super::{LEFT, RIGHT, Turn, config, gaps, told, turns};
use crate::replica::answers::exchange;
use crate::replica::history::{History, history};
use crate::replica::oracle::expected;
use crate::replica::setup::{Setup, altered, plain};
use crate::replica::{ORIGINS, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Aim, Incarnation};

/// A replica that gets the ops in the order of `turns`, and in the end those that were left out.
fn taken_in(history: &History, id: Incarnation, turns: &[Turn]) -> Replica {
    let mut replica = told(history, id, turns);
    replica.deliver_all(&history.ops);
    replica.check_counts();
    replica
}

/// Two replicas that got all ops in different orders hold the same, before and after what expires
/// has expired; and that is what the rules say.
fn check_interleaving(history: &History, turns: &[Turn], others: &[Turn]) {
    let mut left = taken_in(history, LEFT, turns);
    let mut right = taken_in(history, RIGHT, others);
    assert_eq!(left.snapshot(), right.snapshot());
    assert_eq!(left.snapshot().removed_ahead, []);
    left.age();
    right.age();
    assert_eq!(left.snapshot(), right.snapshot());
    let expected = expected(&history.setup, history.ops.iter().flatten(), &[]);
    assert!(expected.is_none_or(|expected| expected == left.values()));
}

/// The ops that were dropped come by syncs with their origins.
fn check_gaps(mut history: History, turns: &[Turn], order: &[usize]) {
    let mut gapped = told(&history, LEFT, turns);
    for origin in order {
        exchange(&mut gapped, &mut history.origins[*origin], Aim::Join);
    }
    let mut whole = taken_in(&history, RIGHT, &[]);
    gapped.age();
    whole.age();
    assert_eq!(gapped.values(), whole.values());
    // A sync leaves tombstones to stability: where siblings took their place, they are still there.
    let (gapped, whole) = (gapped.snapshot(), whole.snapshot());
    assert_eq!(gapped.seen, whole.seen);
    assert_eq!((gapped.fingerprint, gapped.removed_ahead), (whole.fingerprint, vec![]));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_interleaving_of_all_ops_gives_the_same_table(
        history in history(plain()),
        turns in turns(),
        others in turns(),
    ) {
        check_interleaving(&history, &turns, &others);
    }

    #[test]
    fn any_interleaving_gives_the_same_table_also_if_it_was_altered(
        history in history(altered()),
        turns in turns(),
        others in turns(),
    ) {
        check_interleaving(&history, &turns, &others);
    }

    #[test]
    fn gaps_that_syncs_fill_make_no_difference(
        history in history(plain()),
        turns in gaps(),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        check_gaps(history, &turns, &order);
    }

    #[test]
    fn gaps_make_no_difference_also_if_the_table_was_altered(
        history in history(altered()),
        turns in gaps(),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        check_gaps(history, &turns, &order);
    }

    #[test]
    fn an_op_that_comes_again_changes_nothing(
        history in history(prop_oneof![plain(), altered()]),
        turns in vec((0usize..3, prop::bool::weighted(0.2), any::<prop::sample::Index>()), 1..60),
    ) {
        let mut replica = Replica::new(LEFT, &history.setup);
        for (origin, dropped, again) in turns {
            if dropped {
                replica.drop_next(&history.ops, origin);
            } else {
                replica.deliver(&history.ops, origin);
            }
            if replica.told.is_empty() {
                continue;
            }
            let op = again.get(&replica.told).clone();
            let from = op.entry.dot.origin;
            let before = (replica.snapshot(), replica.table.ack_for(from));
            replica.take_in(&op);
            prop_assert_eq!((replica.snapshot(), replica.table.ack_for(from)), before);
            replica.check_counts();
        }
    }

    /// Rule 10: whenever a node learns that an owner was superseded.
    #[test]
    fn what_superseded_owners_wrote_goes_everywhere_whenever_that_is_learned(
        history in history(Just(Setup::hiding())),
        turns in turns(),
        others in turns(),
        gone in 0usize..3,
    ) {
        let gone = ORIGINS[gone];
        let mut left = told(&history, LEFT, &turns);
        left.table.supersede(gone);
        left.deliver_all(&history.ops);
        let mut right = told(&history, RIGHT, &others);
        right.deliver_all(&history.ops);
        right.table.supersede(gone);
        left.age();
        right.age();
        prop_assert_eq!(left.snapshot(), right.snapshot());
        let expected = expected(&history.setup, history.ops.iter().flatten(), &[gone]);
        prop_assert_eq!(Some(left.values()), expected);
    }
}
