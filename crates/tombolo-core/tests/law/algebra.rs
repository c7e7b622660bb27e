//! Version vectors.

use super::config;
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Dot, Incarnation, VersionVector};

fn vector() -> impl Strategy<Value = VersionVector> {
    let pairs = vec((0u64..5, 0u64..6), 0..8);
    pairs.prop_map(|pairs| pairs.into_iter().map(|(o, seq)| (Incarnation(o), seq)).collect())
}

fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

/// Every dot that a vector of the strategy above may cover, and some beyond.
fn dots() -> impl Iterator<Item = Dot> {
    (0..5).flat_map(|o| (1..8).map(move |seq| Dot { origin: Incarnation(o), seq }))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn join_is_commutative_associative_and_idempotent(a in vector(), b in vector(), c in vector()) {
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a.clone());
        prop_assert_eq!(joined(&a, &VersionVector::new()), a);
    }

    #[test]
    fn what_is_beyond_a_base_restores_the_whole_on_it(a in vector(), base in vector()) {
        let beyond = a.beyond(&base);
        prop_assert_eq!(joined(&base, &beyond), joined(&base, &a));
        prop_assert!(beyond.iter().all(|(o, seq)| seq > base.reach(o) && seq == a.reach(o)));
        prop_assert_eq!(beyond.is_empty(), base.includes(&a));
    }

    #[test]
    fn a_vector_includes_what_covers_no_dot_more(a in vector(), b in vector()) {
        let by_dots = dots().all(|dot| !b.covers(dot) || a.covers(dot));
        prop_assert_eq!(a.includes(&b), by_dots);
        prop_assert_eq!(a.includes(&b), joined(&a, &b) == a);
        prop_assert_eq!(a.includes(&b) && b.includes(&a), a == b);
        let both = joined(&a, &b);
        for dot in dots() {
            prop_assert_eq!(both.covers(dot), a.covers(dot) || b.covers(dot));
            prop_assert_eq!(a.covers(dot), dot.seq <= a.reach(dot.origin));
        }
    }

    #[test]
    fn what_changed_restores_the_vector_on_what_it_changed_from(a in vector(), base in vector()) {
        let changes = a.changes_from(&base);
        prop_assert_eq!(base.with_changes(&changes), a.clone());
        prop_assert_eq!(changes.is_empty(), a == base);
    }
}
