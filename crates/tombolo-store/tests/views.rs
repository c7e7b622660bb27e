//! What readers are shown of siblings, and of the entries of hidden owners.

use std::ops::Bound::Unbounded;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tombolo_core::{Dot, EntryRef, Incarnation, Mark, Millis, Stamp, Store};
use tombolo_store::{ConcurrentStore, Newest, Order, Reader, Records, Shown, View};

const NOW: Millis = Millis(1_000);

/// A key and the values of its siblings.
type Asked = (Vec<u8>, Vec<Vec<u8>>);

/// A view that answers always the same, and remembers what it was asked.
struct Always {
    answer: Shown,
    asked: Mutex<Vec<Asked>>,
    calls: AtomicUsize,
}

impl Always {
    fn new(answer: Shown) -> Arc<Always> {
        Arc::new(Always { answer, asked: Mutex::default(), calls: AtomicUsize::new(0) })
    }
}

impl View for Always {
    fn view(&self, key: &[u8], siblings: &[EntryRef<'_>]) -> Shown {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let values = siblings.iter().map(|entry| entry.value.expect("it is visible").to_vec());
        self.asked.lock().expect("no test poisons it").push((key.to_vec(), values.collect()));
        self.answer.clone()
    }
}

fn event(origin: u64, stamp: u64, value: Option<&[u8]>) -> EntryRef<'_> {
    let dot = Dot { origin: Incarnation(origin), seq: stamp };
    EntryRef { dot, stamp: Stamp(stamp), mark: Mark::default(), expires: None, value }
}

fn add(store: &mut ConcurrentStore, key: &[u8], new: EntryRef<'_>) {
    store.replace(key, &[], Some(new));
}

fn value_of(entry: &EntryRef<'_>) -> Vec<u8> {
    entry.value.expect("it is visible").to_vec()
}

/// What each kind of read shows of `a`, the only key.
fn every_read(reader: &Reader) -> Vec<Option<Vec<u8>>> {
    let mut shown = vec![reader.read(b"a", || NOW, |entry| entry.as_ref().map(value_of))];
    shown.push(reader.get(b"a", || NOW).map(|entry| value_of(&entry.entry())));
    let mut one = None;
    reader.for_each(NOW, |_, entry| one = Some(value_of(&entry)));
    shown.push(one.take());
    reader.scan(0, 10, NOW, |_, entry| one = Some(value_of(&entry)));
    shown.push(one.take());
    if let Some(ordered) = reader.ordered() {
        ordered.range(Unbounded, Unbounded, NOW, |_, entry| {
            one = Some(value_of(&entry));
            ControlFlow::Continue(())
        });
        shown.push(one.take());
        ordered.range_back(Unbounded, Unbounded, NOW, |_, entry| {
            one = Some(value_of(&entry));
            ControlFlow::Continue(())
        });
        shown.push(one.take());
    }
    assert_eq!(reader.any_key(3, NOW).is_some(), shown[0].is_some());
    shown
}

fn assert_shown(reader: &Reader, value: Option<&[u8]>) {
    for shown in every_read(reader) {
        assert_eq!(shown.as_deref(), value);
    }
}

#[test]
fn a_view_is_not_asked_about_one_entry_or_equal_values() {
    let (mut store, reader) = Records::open(Order::Ordered);
    let view = Always::new(Shown::Nothing);
    reader.set_view(view.clone());
    add(&mut store, b"a", event(1, 1, Some(b"same")));
    assert_shown(&reader, Some(b"same"));
    add(&mut store, b"a", event(2, 2, Some(b"same")));
    assert_shown(&reader, Some(b"same"));
    // Only one of these is visible.
    add(&mut store, b"a", event(3, 3, None));
    let past = EntryRef { expires: Some(NOW), ..event(4, 4, Some(b"past")) };
    add(&mut store, b"a", past);
    assert_shown(&reader, Some(b"same"));
    let newest = reader.read(b"a", || NOW, |entry| entry.map(|entry| entry.dot));
    assert_eq!(newest, Some(event(2, 2, None).dot));
    assert_eq!(view.calls.load(Ordering::Relaxed), 0);
}

#[test]
fn a_view_is_asked_about_the_visible_siblings_in_order_of_rank() {
    let (mut store, reader) = Records::open(Order::Hashed);
    let view = Always::new(Shown::Sibling(1));
    reader.set_view(view.clone());
    add(&mut store, b"a", event(2, 7, Some(b"third")));
    add(&mut store, b"a", event(9, 8, None));
    add(&mut store, b"a", event(3, 5, Some(b"first")));
    add(&mut store, b"a", event(1, 7, Some(b"second")));
    let past = EntryRef { expires: Some(NOW), ..event(4, 6, Some(b"past")) };
    add(&mut store, b"a", past);
    assert_shown(&reader, Some(b"second"));
    let asked = view.asked.lock().expect("no test poisons it").clone();
    let siblings = [&b"first"[..], b"second", b"third"].map(<[u8]>::to_vec).to_vec();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|asked| *asked == (b"a".to_vec(), siblings.clone())));
    let listed = reader.siblings(b"a", NOW);
    assert!(
        listed
            .iter()
            .map(|kept| kept.entry().value)
            .eq(siblings.iter().map(|value| Some(value.as_slice())))
    );
    assert_eq!(reader.siblings(b"b", NOW), []);
}

#[test]
fn every_read_shows_what_the_view_makes() {
    let (mut store, reader) = Records::open(Order::Ordered);
    add(&mut store, b"a", event(1, 1, Some(b"old")));
    add(&mut store, b"a", event(2, 2, Some(b"new")));
    assert_shown(&reader, Some(b"new"));
    let made = |expires| Shown::Value { value: b"made".as_slice().into(), expires };
    let other = reader.clone();
    for (answer, shown) in [
        (Shown::Sibling(0), Some(&b"old"[..])),
        (Shown::Sibling(1), Some(b"new")),
        (Shown::Sibling(9), Some(b"new")),
        (made(None), Some(b"made")),
        (made(Some(Millis(NOW.0 + 1))), Some(b"made")),
        (made(Some(NOW)), None),
        (Shown::Nothing, None),
    ] {
        reader.set_view(Always::new(answer));
        assert_shown(&other, shown);
    }
    // The entry that is made up has the rank of the newest.
    reader.set_view(Always::new(made(None)));
    let dot = other.read(b"a", || NOW, |entry| entry.map(|entry| (entry.dot, entry.stamp)));
    assert_eq!(dot, Some((event(2, 2, None).dot, Stamp(2))));
    assert_eq!(reader.siblings(b"a", NOW).len(), 2);
    reader.set_view(Arc::new(Newest));
    assert_shown(&other, Some(b"new"));
}

#[test]
fn any_key_passes_over_what_the_view_hides() {
    let (mut store, reader) = Records::open(Order::Hashed);
    reader.set_view(Always::new(Shown::Nothing));
    for number in 0..2_000u32 {
        let key = number.to_be_bytes();
        add(&mut store, &key, event(1, 1, Some(b"one")));
        if number != 77 {
            add(&mut store, &key, event(2, 2, Some(b"two")));
        }
    }
    for dice in 0..20u64 {
        let key = reader.any_key(dice.wrapping_mul(0x9e37_79b9_7f4a_7c15), NOW);
        assert_eq!(key.as_deref(), Some(&77u32.to_be_bytes()[..]));
    }
}

#[test]
fn hidden_owners_vanish_and_appear_at_once() {
    let (mut store, reader) = Records::open(Order::Ordered);
    let other = reader.clone();
    add(&mut store, b"a", event(1, 1, Some(b"one")));
    let up = |owners: &[u64]| Some(owners.iter().copied().map(Incarnation).collect());
    for (owners, shown) in [
        (None, Some(&b"one"[..])),
        (up(&[]), None),
        (up(&[1, 2, 3]), Some(b"one")),
        (up(&[2, 3]), None),
        (None, Some(b"one")),
    ] {
        reader.show_owners(owners);
        assert_shown(&other, shown);
        assert_eq!(other.siblings(b"a", NOW).len(), usize::from(shown.is_some()));
    }
}

#[test]
fn a_view_is_not_asked_about_siblings_of_hidden_owners() {
    let (mut store, reader) = Records::open(Order::Ordered);
    let view = Always::new(Shown::Sibling(0));
    reader.set_view(view.clone());
    for origin in 1..=3u8 {
        add(&mut store, b"a", event(origin.into(), origin.into(), Some(&[origin])));
    }
    reader.show_owners(Some([Incarnation(3)].into()));
    assert_shown(&reader, Some(&[3]));
    assert_eq!(view.calls.load(Ordering::Relaxed), 0);
    reader.show_owners(Some([Incarnation(2), Incarnation(3)].into()));
    assert_shown(&reader, Some(&[2]));
    reader.show_owners(None);
    assert_shown(&reader, Some(&[1]));
}

#[test]
fn views_and_owners_change_beside_a_reader() {
    let (mut store, reader) = Records::open(Order::Hashed);
    add(&mut store, b"a", event(1, 1, Some(b"old")));
    add(&mut store, b"a", event(2, 2, Some(b"new")));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..5_000 {
                reader.set_view(Always::new(Shown::Sibling(round % 2)));
                let owners = [Incarnation(1), Incarnation(2)];
                reader.show_owners((round % 3 != 0).then(|| owners[..1 + round % 2].into()));
            }
        });
        for _ in 0..20_000 {
            assert!(reader.read(b"a", || NOW, |entry| entry.is_some()));
        }
    });
}
