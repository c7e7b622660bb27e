//! Packed keys beside a sorted set.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;

type Model = BTreeSet<Vec<u8>>;

/// Keys of which many begin alike or begin others, and some are longer than two bytes can tell.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let few = vec(prop_oneof![Just(0), Just(b'a'), Just(0xff)], 0..4);
    let before = prop_oneof![
        4 => Just(Vec::new()),
        4 => Just(b"session:".to_vec()),
        2 => Just(vec![b'a'; 40]),
        1 => Just(vec![b'a'; 70_000]),
    ];
    (before, few).prop_map(|(before, few)| [before, few].concat())
}

/// As `key`, or all equally long.
fn keys(most: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let number = any::<u16>().prop_map(|number| number.to_be_bytes().to_vec());
    prop_oneof![vec(key(), 0..most), vec(number, 0..most)]
}

fn packed(model: &Model) -> Keys {
    let runs: Vec<Run<'_>> = model.iter().map(|key| Run::one(key)).collect();
    Keys::pack(&runs)
}

fn whole(run: Run<'_>) -> Vec<Vec<u8>> {
    run.suffixes().map(|suffix| [run.prefix(), suffix].concat()).collect()
}

fn listed(model: &Model) -> Vec<Vec<u8>> {
    model.iter().cloned().collect()
}

/// What inserting and deleting make of keys.
fn with(keys: &Keys, key: &[u8]) -> Option<Keys> {
    let at = keys.all().below(key);
    let (before, after) = keys.all().split(at);
    (!keys.all().has(at, key)).then(|| Keys::pack(&[before, Run::one(key), after]))
}

fn without(keys: &Keys, key: &[u8]) -> Option<Keys> {
    let at = keys.all().below(key);
    let (before, after) = keys.all().split(at);
    keys.all().has(at, key).then(|| Keys::pack(&[before, after.split(1).1]))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_and_goes_is_what_a_sorted_set_has(
        come in keys(40),
        go in vec(any::<Index>(), 0..40),
    ) {
        let (mut keys, mut model) = (Keys::default(), Model::new());
        for key in &come {
            let with = with(&keys, key);
            prop_assert_eq!(with.is_some(), model.insert(key.clone()));
            keys = with.unwrap_or(keys);
            prop_assert_eq!(whole(keys.all()), listed(&model));
        }
        for index in go.iter().filter(|_| !come.is_empty()) {
            let key = index.get(&come);
            let without = without(&keys, key);
            prop_assert_eq!(without.is_some(), model.remove(key));
            keys = without.unwrap_or(keys);
            prop_assert_eq!(whole(keys.all()), listed(&model));
        }
    }

    #[test]
    fn a_key_is_found_where_a_sorted_set_has_it(
        held in keys(40),
        sought in vec(key(), 1..10),
        cut in any::<Index>(),
    ) {
        let model: Model = held.iter().cloned().collect();
        let keys = packed(&model);
        let first = cut.index(model.len() + 1);
        // A part of the keys is searched as all are.
        for (run, from) in [(keys.all(), 0), (keys.all().split(first).1, first)] {
            for key in held.iter().chain(&sought) {
                let part = || model.iter().skip(from);
                let below = part().filter(|held| *held < key).count();
                prop_assert_eq!(run.below(key), below);
                prop_assert_eq!(run.up_to(key), part().filter(|held| *held <= key).count());
                prop_assert_eq!(run.has(below, key), part().any(|held| held == key));
            }
        }
    }

    #[test]
    fn parts_are_packed_apart_and_together(held in keys(40), cuts in any::<[Index; 2]>()) {
        let model: Model = held.into_iter().collect();
        let keys = packed(&model);
        let first = cuts[0].index(model.len() + 1);
        let (left, rest) = keys.all().split(first);
        let (middle, right) = rest.split(cuts[1].index(model.len() + 1 - first));
        let parts = [left, middle, right].map(|run| Keys::pack(&[run]));
        let apart: Vec<_> = parts.iter().flat_map(|part| whole(part.all())).collect();
        prop_assert_eq!(&apart, &listed(&model));
        let together = Keys::pack(&parts.each_ref().map(Keys::all));
        prop_assert_eq!(whole(together.all()), apart);
        // However they came together, they take what they take.
        prop_assert_eq!(&together.block, &keys.block);
    }

    #[test]
    fn a_separator_is_short_and_lies_between(held in keys(20), cut in any::<Index>()) {
        let model: Model = held.into_iter().collect();
        prop_assume!(model.len() >= 2);
        let keys = packed(&model);
        let (left, right) = keys.all().split(1 + cut.index(model.len() - 1));
        let low = separator(left, right);
        let (last, first) = (whole(left).pop().unwrap(), whole(right).swap_remove(0));
        prop_assert!(last < low && low <= first);
        // One byte less would not do.
        prop_assert!(low[..low.len() - 1] <= last[..]);
    }
}

#[test]
fn a_common_prefix_is_kept_once_and_equal_lengths_are_told_once() {
    let numbers: Model = (0..50u8).map(|number| [&[7; 1_000][..], &[number]].concat()).collect();
    assert_eq!(packed(&numbers).block.len(), (4 + 1_000 + 50 + 8_usize).next_multiple_of(STEP) - 8);
    let mixed: Model = numbers.into_iter().chain([vec![7; 1_000]]).collect();
    let keys = packed(&mixed);
    assert_eq!(keys.block.len(), (2 * 51 + 1_000 + 50 + 8_usize).next_multiple_of(STEP) - 8);
    assert_eq!(keys.size(), keys.block.len() - 1_000);
}

#[test]
fn no_keys_take_no_memory_and_many_little_besides() {
    assert_eq!(Keys::pack(&[Keys::default().all()]).block.len(), 0);
    assert_eq!(Keys::default().all().below(b"a"), 0);
    assert!(!Keys::default().all().has(0, b""));
    assert_eq!(size_of::<Keys>(), 8 + size_of::<Box<[u8]>>());
}
