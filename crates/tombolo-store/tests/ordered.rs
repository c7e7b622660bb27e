//! What an ordered table shows in the order of its keys, alone and while a writer is at work.

#[allow(dead_code, reason = "other tests use the rest")]
mod common;

use common::{NOW, Writer, beside, beside_a_writer, staying};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::ControlFlow;
use tombolo_core::Millis;
use tombolo_store::{Order, Reader};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A bound that a test can keep.
type Owned = Bound<Vec<u8>>;

fn borrowed(bound: &Owned) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn range(reader: &Reader, from: Bound<&[u8]>, to: Bound<&[u8]>, most: usize) -> Pairs {
    let mut shown = Pairs::new();
    reader.ordered().expect("an ordered table").range(from, to, NOW, |key, entry| {
        shown.push((key.to_vec(), entry.value.expect("it is visible").to_vec()));
        if shown.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    shown
}

fn range_back(reader: &Reader, from: Bound<&[u8]>, to: Bound<&[u8]>, most: usize) -> Pairs {
    let mut shown = Pairs::new();
    reader.ordered().expect("an ordered table").range_back(from, to, NOW, |key, entry| {
        shown.push((key.to_vec(), entry.value.expect("it is visible").to_vec()));
        if shown.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    shown
}

/// What a sorted map has between the bounds; a `BTreeMap` would panic where they contradict.
fn expected(model: &BTreeMap<Vec<u8>, Vec<u8>>, from: &Owned, to: &Owned) -> Pairs {
    let pairs = model.iter().filter(|(key, _)| {
        (match from {
            Included(from) => *key >= from,
            Excluded(from) => *key > from,
            Unbounded => true,
        }) && (match to {
            Included(to) => *key <= to,
            Excluded(to) => *key < to,
            Unbounded => true,
        })
    });
    pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Short keys, some longer ones and some of which a leaf holds no two, in a dense range: many steps
/// meet the same ones.
fn key_of(number: u16) -> Vec<u8> {
    let mut key = number.to_be_bytes().to_vec();
    if number.is_multiple_of(5) {
        key.extend_from_slice(&[7; 30]);
    }
    if number.is_multiple_of(50) {
        key.extend_from_slice(&[7; 2_000]);
    }
    key
}

fn bound() -> impl Strategy<Value = Owned> {
    let key = (0u16..1_100).prop_map(key_of);
    prop_oneof![
        1 => Just(Unbounded),
        1 => Just(Included(Vec::new())),
        3 => key.clone().prop_map(Included),
        3 => key.prop_map(Excluded),
    ]
}

/// A piece of a random history: keys that follow each other in steps of `stride`.
#[derive(Clone, Debug)]
struct Run {
    put: bool,
    first: u16,
    count: u16,
    stride: u16,
}

fn run() -> impl Strategy<Value = Run> {
    (any::<bool>(), 0u16..1_000, 1u16..600, 1u16..400).prop_map(|(put, first, count, stride)| Run {
        put,
        first,
        count,
        stride,
    })
}

fn apply(writer: &mut Writer, model: &mut BTreeMap<Vec<u8>, Vec<u8>>, run: &Run) {
    for step in 0..run.count {
        // Strides beyond the range come round again out of order.
        let key = key_of(
            ((u32::from(run.first) + u32::from(step) * u32::from(run.stride)) % 1_000) as u16,
        );
        if run.put {
            let value = step.to_be_bytes().to_vec();
            writer.put(&key, &value);
            model.insert(key, value);
        } else {
            writer.remove(&key);
            model.remove(&key);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 100,
        ..ProptestConfig::default()
    })]

    #[test]
    fn ranges_show_what_a_sorted_map_would(
        history in vec(run(), 1..20),
        bounds in vec((bound(), bound(), 1usize..200), 1..20),
    ) {
        let (mut writer, reader) = Writer::open(Order::Ordered);
        let mut model = BTreeMap::new();
        for run in &history {
            apply(&mut writer, &mut model, run);
            let all: Pairs = model.clone().into_iter().collect();
            prop_assert_eq!(range(&reader, Unbounded, Unbounded, usize::MAX), all);
        }
        for (from, to, most) in &bounds {
            let expected = expected(&model, from, to);
            let (lower, upper) = (borrowed(from), borrowed(to));
            let forth: Pairs = expected.iter().take(*most).cloned().collect();
            prop_assert_eq!(range(&reader, lower, upper, *most), forth);
            let back: Pairs = expected.into_iter().rev().take(*most).collect();
            prop_assert_eq!(range_back(&reader, lower, upper, *most), back);
        }
    }
}

#[test]
fn a_hashed_table_has_no_order() {
    assert!(Writer::open(Order::Hashed).1.ordered().is_none());
    assert!(Writer::open(Order::Ordered).1.ordered().is_some());
}

#[test]
fn what_is_not_visible_is_passed_over() {
    let (mut writer, reader) = Writer::open(Order::Ordered);
    writer.put(b"a", b"one");
    writer.event(b"b", None, None);
    writer.event(b"c", Some(b"past"), Some(NOW));
    writer.event(b"d", Some(b"two"), Some(Millis(NOW.0 + 1)));
    let seen = vec![(b"a".to_vec(), b"one".to_vec()), (b"d".to_vec(), b"two".to_vec())];
    assert_eq!(range(&reader, Unbounded, Unbounded, usize::MAX), seen);
    assert_eq!(range(&reader, Excluded(b"a"), Unbounded, 1), seen[1..]);
    assert_eq!(range_back(&reader, Unbounded, Excluded(b"d"), 1), seen[..1]);
    writer.put(b"b", b"back");
    assert_eq!(range(&reader, Included(b"b"), Included(b"c"), usize::MAX).len(), 1);
}

#[test]
fn a_table_that_grows_and_empties_keeps_its_order() {
    const COUNT: usize = 20_000;
    let (mut writer, reader) = Writer::open(Order::Ordered);
    // 7919 has no factor in common with the count: every number comes, out of order.
    let key = |step: usize| (((step * 7_919) % COUNT) as u32).to_be_bytes();
    for round in 0..2 {
        for step in 0..COUNT {
            writer.put(&key(step), b"x");
        }
        let shown = range(&reader, Unbounded, Unbounded, usize::MAX);
        assert_eq!(shown.len(), COUNT);
        assert!(shown.is_sorted());
        for left in (0..COUNT).rev() {
            // The first time in disorder, the second from the last key to the first.
            let number = if round == 0 { key(left) } else { (left as u32).to_be_bytes() };
            writer.remove(&number);
            if left % 1_000 == 0 {
                let shown = range(&reader, Unbounded, Unbounded, usize::MAX);
                assert_eq!(shown.len(), left);
                let mut back = range_back(&reader, Unbounded, Unbounded, usize::MAX);
                back.reverse();
                assert_eq!(shown, back);
            }
        }
    }
}

/// Checks that `shown` is in order and has the `staying` keys that lie between the bounds.
fn assert_stays(shown: &Pairs, from: &Owned, to: &Owned, stays: &BTreeMap<Vec<u8>, Vec<u8>>) {
    assert!(shown.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order or twice");
    let keys = shown.iter().map(|(key, _)| key).filter(|key| stays.contains_key(*key));
    let wanted = expected(stays, from, to);
    assert!(keys.eq(wanted.iter().map(|(key, _)| key)), "from {from:?} to {to:?}");
}

/// Numbers that look random enough, the same in every run.
fn dice(state: &mut u64) -> usize {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 40) as usize
}

/// Reads in all the ways there are and checks each.
fn look_at(reader: &Reader, stays: &BTreeMap<Vec<u8>, Vec<u8>>, state: &mut u64) {
    let mut bound = || {
        let key = staying(dice(state) % (stays.len() + 5));
        match dice(state) % 8 {
            0 => Unbounded,
            // Before and behind everything.
            1 => Included(Vec::new()),
            2 => Excluded(vec![0xff]),
            3..5 => Excluded(key),
            _ => Included(key),
        }
    };
    let (from, to) = (bound(), bound());
    let (lower, upper) = (borrowed(&from), borrowed(&to));
    assert_stays(&range(reader, lower, upper, usize::MAX), &from, &to, stays);
    let mut back = range_back(reader, lower, upper, usize::MAX);
    back.reverse();
    assert_stays(&back, &from, &to, stays);
    // The first of those that stay is never passed over.
    if let Some((first, _)) = expected(stays, &from, &to).first() {
        let shown = range(reader, lower, upper, 1);
        assert!(shown.first().is_some_and(|(key, _)| key <= first), "from {from:?} to {to:?}");
    }
    if let Some((last, _)) = expected(stays, &from, &to).last() {
        let shown = range_back(reader, lower, upper, 1);
        assert!(shown.first().is_some_and(|(key, _)| key >= last), "from {from:?} to {to:?}");
    }
}

fn stays(count: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
    (0..count).map(|number| (staying(number), Vec::new())).collect()
}

#[test]
fn what_stays_is_shown_once_and_in_order_beside_a_writer() {
    let stays = stays(500);
    let mut state = 1;
    beside_a_writer(Order::Ordered, stays.len(), |reader| look_at(reader, &stays, &mut state));
}

/// Waves of keys come and go around few that stay, so that the tree grows and shrinks to its root.
fn beside_waves(count: usize, wave: usize) {
    let stays = stays(count);
    let (mut writer, reader) = Writer::open(Order::Ordered);
    for key in stays.keys() {
        writer.put(key, b"x");
    }
    let mut thrown = 7;
    let write = |round: u64| {
        let coming = |_| {
            let mut key = staying(dice(&mut thrown) % (count + 5));
            key.push(dice(&mut thrown) as u8);
            key.extend_from_slice(&dice(&mut thrown).to_be_bytes());
            // Some come before and behind all that stay.
            key[0] = b's' - 1 + (dice(&mut thrown) % 3) as u8;
            key
        };
        let mut come: Vec<Vec<u8>> = (0..wave).map(coming).collect();
        for key in &come {
            writer.put(key, b"new");
        }
        if round.is_multiple_of(2) {
            come.sort();
        }
        for key in &come {
            writer.remove(key);
        }
    };
    let mut state = 1;
    beside(write, || look_at(&reader, &stays, &mut state));
}

#[test]
fn one_key_that_stays_is_never_missed_beside_waves() {
    beside_waves(1, 40);
    beside_waves(1, 1_000);
}

#[test]
fn some_keys_that_stay_are_never_missed_beside_waves() {
    beside_waves(20, 300);
    beside_waves(300, 5_000);
}

#[test]
fn a_key_that_is_overwritten_all_the_time_is_in_every_range() {
    let stays = stays(3);
    let (mut writer, reader) = Writer::open(Order::Ordered);
    for key in stays.keys() {
        writer.put(key, b"first");
    }
    let mut state = 1;
    beside(
        |round| writer.put(&staying(1), &round.to_be_bytes()),
        || look_at(&reader, &stays, &mut state),
    );
}
