//! A sync as the join of two replicas: commutative, associative, idempotent.

use super::{LEFT, RIGHT, Turn, config, gaps, told, turns};
use crate::replica::Replica;
use crate::replica::answers::exchange;
use crate::replica::history::{History, history};
use crate::replica::setup::{altered, plain};
use proptest::prelude::*;
use tombolo_core::{Aim, Incarnation};

const THIRD: Incarnation = Incarnation(13);

/// What `asker` holds when it has all that `answerer` has.
fn join(mut asker: Replica, mut answerer: Replica) -> Replica {
    exchange(&mut asker, &mut answerer, Aim::Join);
    asker
}

/// Whether two joins agree: in what they show, and, if no op was dropped that one of them may know
/// of beyond a gap, in all that they know. What is remembered of deletes may differ by what became
/// stable.
fn agree(mut one: Replica, mut other: Replica, whole: bool) {
    one.age();
    other.age();
    assert_eq!(one.values(), other.values());
    if whole {
        assert_eq!(one.snapshot().seen, other.snapshot().seen);
        assert_eq!(one.snapshot().fingerprint, other.snapshot().fingerprint);
    }
}

fn check_laws(history: &History, turns: &[Vec<Turn>; 3], whole: bool) {
    let a = |id| told(history, id, &turns[0]);
    let b = |id| told(history, id, &turns[1]);
    let c = |id| told(history, id, &turns[2]);
    agree(join(a(LEFT), b(RIGHT)), join(b(RIGHT), a(LEFT)), whole);
    let left = join(join(a(LEFT), b(RIGHT)), c(THIRD));
    let right = join(a(LEFT), join(b(RIGHT), c(THIRD)));
    agree(left, right, whole);
    agree(join(a(LEFT), a(RIGHT)), a(LEFT), whole);
    agree(join(join(a(LEFT), b(RIGHT)), b(THIRD)), join(a(LEFT), b(RIGHT)), whole);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_sync_is_commutative_associative_and_idempotent(
        history in history(plain()),
        turns in [turns(), turns(), turns()],
    ) {
        check_laws(&history, &turns, true);
    }

    #[test]
    fn a_sync_is_so_also_beyond_gaps(
        history in history(plain()),
        turns in [gaps(), gaps(), gaps()],
    ) {
        check_laws(&history, &turns, false);
    }

    #[test]
    fn a_sync_is_so_also_if_the_table_was_altered(
        history in history(altered()),
        turns in [turns(), turns(), turns()],
    ) {
        check_laws(&history, &turns, true);
    }
}
