//! Rule 8: what may be concluded, and what a conclusion replaces. Rule 10: what a writer does not
//! see, it does not replace.

use super::{LEFT, Turn, config, gaps, told};
use crate::replica::history::{History, history};
use crate::replica::setup::{Setup, altered, plain};
use crate::replica::{ORIGINS, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use tombolo_core::{Change, Dot, Entry, Incarnation, Millis, Ripe};

/// Nothing that a history writes has expired.
const NOW: Millis = Millis(1_000);

fn siblings() -> impl Strategy<Value = Setup> {
    prop_oneof![Just(Setup::siblings()), Just(Setup::bag()), Just(Setup::hiding())]
}

fn dots(entries: &[Entry]) -> BTreeSet<Dot> {
    entries.iter().map(|entry| entry.dot).collect()
}

/// A replica that got some ops, and hides the records of all but some owners if it hides any.
fn replica(history: &History, turns: &[Turn], up: [bool; 3]) -> Replica {
    let mut replica = told(history, LEFT, turns);
    if history.setup.hides {
        let up = ORIGINS.into_iter().zip(up).filter(|(_, up)| *up).map(|(id, _)| id);
        replica.table.set_owners(Some(up.chain([LEFT]).collect()));
    }
    replica
}

/// The values that a key holds, but for those named.
fn without(replica: &Replica, key: &[u8], gone: &BTreeSet<Dot>) -> BTreeSet<Dot> {
    let held = replica.values().remove(key).unwrap_or_default();
    dots(&held).difference(gone).copied().collect()
}

/// Whether every member is known to have an event: what it reported covers it, and is covered by
/// what this replica has seen itself.
fn reported(replica: &Replica, history: &History, at: &[usize; 3], dot: Dot) -> bool {
    (0..ORIGINS.len()).all(|member| {
        let seen = &history.seen[member][at[member].min(history.seen[member].len() - 1)];
        replica.table.seen().includes(seen) && seen.covers(dot)
    })
}

/// Rule 8: two leaders conclude the same siblings while neither hears the other. Their outcomes are
/// left as they are, until a value comes that is none.
#[test]
fn outcomes_are_not_concluded_again() {
    let mut nodes = ORIGINS.map(|id| Replica::new(id, &Setup::siblings()));
    let values: [&[u8]; 3] = [b"x", b"y", b"z"];
    let put = |at: usize| Change::Put { value: values[at], expires: None };
    let first = [0, 1].map(|at| nodes[at].write(NOW, b"k", put(at)).unwrap());
    nodes[0].take_in(&first[1]);
    nodes[1].take_in(&first[0]);
    assert_eq!(nodes[0].table.ripe(NOW, 10).len(), 1);
    let outcomes = [0, 1].map(|at| nodes[at].conclude(NOW, b"k", true).unwrap());
    nodes[0].take_in(&outcomes[1]);
    assert_eq!(nodes[0].table.visible(b"k", NOW).len(), 2);
    assert_eq!(nodes[0].table.ripe(NOW, 10), []);
    let late = nodes[2].write(NOW, b"k", put(2)).unwrap();
    nodes[0].take_in(&late);
    assert_eq!(nodes[0].table.ripe(NOW, 10)[0].siblings.len(), 3);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_conclusion_replaces_exactly_the_siblings_it_saw(
        history in history(prop_oneof![siblings(), altered()]),
        turns in gaps(),
        up in any::<[bool; 3]>(),
        keep in any::<bool>(),
    ) {
        let mut left = replica(&history, &turns, up);
        for key in left.snapshot().entries.into_keys() {
            let visible = dots(&left.table.visible(&key, NOW));
            let mut others = without(&left, &key, &visible);
            let Some(op) = left.conclude(NOW, &key, keep) else {
                prop_assert!(visible.len() < 2);
                continue;
            };
            prop_assert!(op.entry.mark.outcome);
            prop_assert_eq!(op.replaces.iter().copied().collect::<BTreeSet<_>>(), visible.clone());
            let wins = history.setup.last_writer_wins[usize::from(left.epoch)];
            let after = without(&left, &key, &BTreeSet::new());
            if wins {
                // Where the last writer wins now, the outcome stays alone.
                prop_assert_eq!(after, keep.then_some(op.entry.dot).into_iter().collect());
            } else {
                others.extend(keep.then_some(op.entry.dot));
                prop_assert_eq!(after, others);
            }
            left.check_counts();
        }
    }

    #[test]
    fn nothing_is_concluded_of_siblings_that_are_no_longer_there(
        history in history(siblings()),
        turns in gaps(),
        value in 0u8..4,
    ) {
        let mut left = told(&history, LEFT, &turns);
        for key in left.snapshot().entries.into_keys() {
            let ripe = Ripe { key: key.clone().into(), siblings: left.table.visible(&key, NOW) };
            left.write(NOW, &key, Change::Put { value: &[value], expires: None });
            let before = left.snapshot();
            let conclusion = tombolo_core::Conclusion::Delete;
            prop_assert!(left.table.conclude(NOW, &ripe, conclusion).is_none());
            prop_assert!(!left.table.alarm(&ripe, NOW, "differ"));
            prop_assert_eq!(left.snapshot(), before);
        }
    }

    /// What is not stable may turn out to be overwritten, and what is an outcome already was
    /// decided.
    #[test]
    fn ripe_are_all_siblings_that_every_member_has_and_nobody_concluded(
        history in history(prop_oneof![siblings(), altered()]),
        turns in vec((0usize..3, Just(false)), 0..100),
        at in [0usize..60, 0usize..60, 0usize..60],
        most in 1usize..4,
    ) {
        let mut left = told(&history, LEFT, &turns);
        left.table.set_members(ORIGINS.into_iter().collect());
        for (member, at) in at.iter().enumerate() {
            let seen = &history.seen[member][(*at).min(history.seen[member].len() - 1)];
            left.table.on_report(ORIGINS[member], seen, 0, NOW);
        }
        let mut expected = BTreeSet::new();
        for key in left.snapshot().entries.into_keys() {
            let visible = left.table.visible(&key, NOW);
            let stable = visible.iter().all(|entry| reported(&left, &history, &at, entry.dot));
            let settled = visible.iter().all(|entry| entry.mark.outcome);
            if visible.len() > 1 && stable && !settled {
                expected.insert(key);
            }
        }
        let rounds = left.table.sibling_keys() / most + 1;
        let found = (0..rounds).flat_map(|_| left.table.ripe(NOW, most)).collect::<Vec<_>>();
        let keys: BTreeSet<Vec<u8>> = found.iter().map(|ripe| ripe.key.to_vec()).collect();
        prop_assert_eq!(keys.len(), found.len());
        prop_assert_eq!(keys, expected);
        for ripe in &found {
            prop_assert_eq!(&ripe.siblings, &left.table.visible(&ripe.key, NOW));
        }
        // Those that wait for somebody are not judged again, until another sibling comes.
        for ripe in &found {
            prop_assert!(left.table.alarm(ripe, NOW, "differ"));
        }
        prop_assert_eq!(left.table.alarms(), found.len());
        prop_assert_eq!(left.table.undecided(b"", 1_000).len(), found.len());
        for _ in 0..2 * rounds {
            prop_assert_eq!(left.table.ripe(NOW, most), []);
        }
        for ripe in &found {
            left.write(NOW, &ripe.key, Change::Delete);
        }
        prop_assert_eq!(left.table.alarms(), 0);
    }

    #[test]
    fn a_writer_replaces_what_it_sees_and_nothing_that_is_hidden(
        history in history(plain()),
        turns in gaps(),
        up in any::<[bool; 3]>(),
        delete in any::<bool>(),
    ) {
        let mut left = replica(&history, &turns, up);
        for (key, held) in left.snapshot().entries {
            let sees = |origin: Incarnation| {
                let index = ORIGINS.iter().position(|id| *id == origin);
                !history.setup.hides || index.is_none_or(|index| up[index])
            };
            let seen: Vec<Entry> =
                held.iter().filter(|entry| sees(entry.dot.origin)).cloned().collect();
            let hidden: BTreeSet<Dot> = dots(&held).difference(&dots(&seen)).copied().collect();
            let change =
                if delete { Change::Delete } else { Change::Put { value: &[9], expires: None } };
            let Some(op) = left.write(NOW, &key, change) else {
                prop_assert!(seen.iter().all(|entry| !entry.as_ref().is_visible(NOW)));
                continue;
            };
            prop_assert_eq!(op.replaces.into_iter().collect::<BTreeSet<_>>(), dots(&seen));
            let after = without(&left, &key, &BTreeSet::from([op.entry.dot]));
            prop_assert_eq!(after, hidden);
        }
    }
}
