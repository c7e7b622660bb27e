//! What a join would do, and one island's word.

use super::{LEFT, RIGHT, Turn, config, turns};
use crate::replica::answers::exchange;
use crate::replica::history::{History, history};
use crate::replica::setup::{Setup, plain};
use crate::replica::{Contents, Op, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{Aim, Change, Entry, Incarnation, Millis, Preview};

/// Nothing that a history writes has expired.
const NOW: Millis = Millis(1_000);

/// What an island does alone: key, value, or a delete.
type Deeds = Vec<(u8, u8, bool)>;

fn deeds() -> impl Strategy<Value = Deeds> {
    vec((0u8..6, 0u8..4, proptest::bool::weighted(0.3)), 0..8)
}

/// A replica that got some ops and lacks nothing of what their writers saw, and then wrote alone.
fn alone(history: &History, id: Incarnation, turns: &[Turn], deeds: &Deeds) -> Replica {
    let mut replica = Replica::new(id, &history.setup);
    turns.iter().for_each(|(origin, _)| replica.deliver_in_turn(&history.ops, *origin));
    for (key, value, delete) in deeds {
        let change = match delete {
            true => Change::Delete,
            false => Change::Put { value: &[*value], expires: None },
        };
        replica.write(NOW, &history.setup.key(*key, *value), change);
    }
    replica
}

/// What a join did, counted by what the keys held before and after it. Where all is kept that no
/// writer saw, that tells it all.
fn really(before: &Contents, after: &Contents) -> Preview {
    let mut real = Preview::default();
    let keys: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (Some(had), Some(has)) = (before.get(key), after.get(key)) else {
            let counted = if before.contains_key(key) { &mut real.deletes } else { &mut real.adds };
            *counted += 1;
            continue;
        };
        let came = has.iter().filter(|entry| !had.contains(entry)).count();
        let stayed = has.len() - came;
        let differ = has.iter().any(|entry| entry.value != has[0].value);
        real.updates += u64::from(came > 0 && stayed == 0);
        real.conflicts += u64::from(came > 0 && stayed > 0 && differ);
    }
    real
}

fn counts(preview: &Preview) -> [u64; 4] {
    [preview.adds, preview.updates, preview.deletes, preview.conflicts]
}

/// A look, and then the join: the preview, and what the keys held before and after.
fn look_and_join(left: &mut Replica, right: &mut Replica) -> (Preview, Contents, Contents) {
    let before = (left.snapshot(), left.table.ledger().noted());
    let looked = exchange(left, right, Aim::Look).preview.expect("a look ends with a preview");
    let after = (left.snapshot(), left.table.ledger().noted());
    assert_eq!(after, before, "a look changes nothing");
    let values = left.values();
    exchange(left, right, Aim::Join);
    (looked, values, left.values())
}

/// What a reader sees of each key.
fn shown(replica: &Replica) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let keys = replica.values().into_keys();
    let shown = keys.filter_map(|key| {
        let newest = replica.table.visible(&key, NOW).pop()?;
        Some((key, newest.value?.to_vec()))
    });
    shown.collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_preview_is_what_a_join_then_does(
        history in history(prop_oneof![Just(Setup::siblings()), Just(Setup::bag())]),
        turns in [turns(), turns()],
        deeds in [deeds(), deeds()],
    ) {
        let mut left = alone(&history, LEFT, &turns[0], &deeds[0]);
        let mut right = alone(&history, RIGHT, &turns[1], &deeds[1]);
        let (looked, before, after) = look_and_join(&mut left, &mut right);
        prop_assert_eq!(counts(&looked), counts(&really(&before, &after)));
        let came = after.keys().filter(|key| !before.contains_key(*key));
        let came: BTreeSet<&[u8]> = came.map(|key| &**key).collect();
        prop_assert_eq!(looked.added.iter().map(|key| &**key).collect::<BTreeSet<_>>(), came);
        let went = before.keys().filter(|key| !after.contains_key(*key));
        let went: BTreeSet<&[u8]> = went.map(|key| &**key).collect();
        prop_assert_eq!(looked.deleted.iter().map(|key| &**key).collect::<BTreeSet<_>>(), went);
    }

    /// Where the last writer wins, a conflict may end either way.
    #[test]
    fn a_preview_bounds_what_a_join_then_does_where_the_last_writer_wins(
        history in history(Just(Setup::last_writer_wins())),
        turns in [turns(), turns()],
        deeds in [deeds(), deeds()],
    ) {
        let mut left = alone(&history, LEFT, &turns[0], &deeds[0]);
        let mut right = alone(&history, RIGHT, &turns[1], &deeds[1]);
        let (looked, before, after) = look_and_join(&mut left, &mut right);
        let real = really(&before, &after);
        prop_assert!(looked.adds <= real.adds);
        prop_assert!(looked.deletes <= real.deletes);
        prop_assert!(looked.updates <= real.updates);
        let other = |key: &Vec<u8>, was: &Vec<Entry>| {
            after.get(key).is_some_and(|is| is[0].value != was[0].value)
        };
        let changed = before.iter().filter(|(key, was)| other(key, was)).count() as u64;
        let all = counts(&looked).iter().sum::<u64>();
        prop_assert!(real.adds + real.deletes + changed <= all);
    }

    #[test]
    fn the_word_of_one_island_undoes_what_the_other_did_alone(
        history in history(plain().prop_filter("choosing a side hides nobody", |s| !s.hides)),
        turns in [turns(), turns()],
        deeds in [deeds(), deeds()],
    ) {
        let mut left = alone(&history, LEFT, &turns[0], &deeds[0]);
        let mut right = alone(&history, RIGHT, &turns[1], &deeds[1]);
        left.adopt(right.epoch);
        right.adopt(left.epoch);
        let before = shown(&left);
        right.link(LEFT, left.table.last_written());
        let seen = left.table.seen();
        let told = exchange(&mut left, &mut right, Aim::Overrule).lone;
        prop_assert_eq!(left.table.seen(), seen, "a look claims nothing");
        let ops: Vec<Op> = told
            .iter()
            .filter_map(|lone| left.overrule(NOW, &lone.key, &lone.writes))
            .collect();
        prop_assert_eq!(shown(&left), before.clone());
        for op in &ops {
            prop_assert!(op.entry.mark.outcome);
            right.take_in(op);
        }
        exchange(&mut left, &mut right, Aim::Join);
        exchange(&mut right, &mut left, Aim::Join);
        prop_assert_eq!(shown(&left), before.clone());
        prop_assert_eq!(shown(&right), before);
        prop_assert_eq!(left.values(), right.values());
    }
}
