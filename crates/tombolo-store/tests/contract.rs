//! What every store promises the core: one suite, run over the reference and over the
//! concurrent store, hashed and ordered.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tombolo_core::{BTreeStore, Dot, Entry, EntryRef, Incarnation, Mark, Millis, Stamp, Store};
use tombolo_store::{ConcurrentStore, Order, Records, SHARDS};

/// A concurrent store that keeps its keys in order besides.
struct OrderedStore(ConcurrentStore);

impl Default for OrderedStore {
    fn default() -> Self {
        OrderedStore(Records::open(Order::Ordered).0)
    }
}

impl Store for OrderedStore {
    fn entries(&self, key: &[u8], see: &mut dyn FnMut(EntryRef<'_>)) {
        self.0.entries(key, see);
    }

    fn replace(&mut self, key: &[u8], gone: &[Dot], new: Option<EntryRef<'_>>) {
        self.0.replace(key, gone, new);
    }

    fn begin(&mut self) {
        self.0.begin();
    }

    fn commit(&mut self) {
        self.0.commit();
    }

    fn buckets(&self) -> u32 {
        self.0.buckets()
    }

    fn visit(&self, bucket: u32, see: &mut dyn FnMut(&[u8], EntryRef<'_>)) {
        self.0.visit(bucket, see);
    }
}

/// Everything a store holds, by key, each key's entries in the order of their dots.
type Contents = BTreeMap<Vec<u8>, Vec<Entry>>;

fn dot(origin: u64, seq: u64) -> Dot {
    Dot { origin: Incarnation(origin), seq }
}

fn entry(dot: Dot, value: Option<&[u8]>) -> Entry {
    Entry {
        dot,
        stamp: Stamp(dot.seq),
        mark: Mark::default(),
        expires: None,
        value: value.map(Arc::from),
    }
}

/// A value that tells which write made it.
fn value_of(dot: Dot) -> Entry {
    let value = format!("{} of {}", dot.seq, dot.origin.0);
    entry(dot, Some(value.as_bytes()))
}

fn put<S: Store>(store: &mut S, key: &[u8], gone: &[Dot], new: &Entry) {
    store.replace(key, gone, Some(new.as_ref()));
}

fn held<S: Store>(store: &S, key: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    store.entries(key, &mut |entry| entries.push(entry.to_entry()));
    entries.sort_by_key(|entry| entry.dot);
    entries
}

/// Walks all buckets. Every walk checks what the core relies on in a walk: a key lies in one
/// bucket, and its entries come one after the other.
fn walk<S: Store>(store: &S) -> Contents {
    let mut contents = Contents::new();
    for bucket in 0..store.buckets() {
        let mut last: Option<Vec<u8>> = None;
        store.visit(bucket, &mut |key, entry| {
            let entries = contents.entry(key.to_vec()).or_default();
            let goes_on = last.as_deref() == Some(key);
            assert!(goes_on || entries.is_empty(), "{key:?} was shown in two places");
            entries.push(entry.to_entry());
            last = Some(key.to_vec());
        });
    }
    for entries in contents.values_mut() {
        entries.sort_by_key(|entry| entry.dot);
    }
    contents
}

fn bucket_of<S: Store>(store: &S, wanted: &[u8]) -> Option<u32> {
    (0..store.buckets()).find(|bucket| {
        let mut found = false;
        store.visit(*bucket, &mut |key, _| found |= key == wanted);
        found
    })
}

/// Runs each of these over all arms.
macro_rules! contract {
    ($($promise:ident,)*) => {
        mod reference {
            $(#[test]
            fn $promise() {
                super::$promise::<super::BTreeStore>();
            })*
        }
        mod concurrent {
            $(#[test]
            fn $promise() {
                super::$promise::<super::ConcurrentStore>();
            })*
        }
        mod ordered {
            $(#[test]
            fn $promise() {
                super::$promise::<super::OrderedStore>();
            })*
        }
    };
}

contract! {
    an_empty_store_shows_nothing,
    an_entry_is_shown_whole_and_under_its_key_only,
    what_is_replaced_is_gone_and_the_new_is_there,
    entries_that_are_not_replaced_stay_beside_the_new_one,
    of_siblings_only_the_named_ones_go,
    dots_that_the_key_does_not_hold_change_nothing,
    without_its_last_entry_a_key_is_gone,
    any_bytes_are_a_key_and_a_value,
    a_key_keeps_its_bucket_while_the_table_grows_and_shrinks,
    a_batch_holds_at_every_moment_what_its_changes_made,
}

fn an_empty_store_shows_nothing<S: Store + Default>() {
    let store = S::default();
    assert!(store.buckets() >= 1);
    assert_eq!(held(&store, b"a"), []);
    assert_eq!(walk(&store), Contents::new());
}

fn an_entry_is_shown_whole_and_under_its_key_only<S: Store + Default>() {
    let mut store = S::default();
    let value: Arc<[u8]> = b"one".as_slice().into();
    let expiring = Entry {
        dot: dot(1, 1),
        stamp: Stamp(77),
        mark: Mark::default(),
        expires: Some(Millis(1_000)),
        value: Some(value),
    };
    let tombstone = entry(dot(2, 1), None);
    put(&mut store, b"a", &[], &expiring);
    put(&mut store, b"b", &[], &tombstone);
    assert_eq!(held(&store, b"a"), [expiring]);
    assert_eq!(held(&store, b"b"), [tombstone]);
    assert_eq!(held(&store, b"ab"), []);
    assert_eq!(walk(&store).len(), 2);
}

fn what_is_replaced_is_gone_and_the_new_is_there<S: Store + Default>() {
    let mut store = S::default();
    put(&mut store, b"a", &[], &value_of(dot(1, 1)));
    put(&mut store, b"a", &[dot(1, 1)], &value_of(dot(2, 1)));
    assert_eq!(held(&store, b"a"), [value_of(dot(2, 1))]);
    // An expired value becomes a tombstone of the same dot.
    put(&mut store, b"a", &[dot(2, 1)], &entry(dot(2, 1), None));
    assert_eq!(held(&store, b"a"), [entry(dot(2, 1), None)]);
    assert_eq!(walk(&store).len(), 1);
}

fn entries_that_are_not_replaced_stay_beside_the_new_one<S: Store + Default>() {
    let mut store = S::default();
    let all: Vec<Entry> = (1..=4).map(|origin| value_of(dot(origin, 1))).collect();
    for new in &all {
        put(&mut store, b"a", &[], new);
    }
    assert_eq!(held(&store, b"a"), all);
    assert_eq!(walk(&store)[b"a".as_slice()], all);
}

fn of_siblings_only_the_named_ones_go<S: Store + Default>() {
    let mut store = S::default();
    for origin in 1..=4 {
        put(&mut store, b"a", &[], &value_of(dot(origin, 1)));
    }
    store.replace(b"a", &[dot(2, 1)], None);
    assert_eq!(held(&store, b"a"), [1, 3, 4].map(|origin| value_of(dot(origin, 1))));
    put(&mut store, b"a", &[dot(1, 1), dot(4, 1)], &value_of(dot(1, 2)));
    assert_eq!(held(&store, b"a"), [value_of(dot(1, 2)), value_of(dot(3, 1))]);
    store.replace(b"a", &[dot(1, 2)], None);
    assert_eq!(held(&store, b"a"), [value_of(dot(3, 1))]);
}

fn dots_that_the_key_does_not_hold_change_nothing<S: Store + Default>() {
    let mut store = S::default();
    let strangers = [dot(1, 2), dot(9, 1)];
    store.replace(b"a", &strangers, None);
    assert_eq!(walk(&store), Contents::new());
    put(&mut store, b"a", &strangers, &value_of(dot(1, 1)));
    put(&mut store, b"b", &[dot(1, 1)], &value_of(dot(1, 2)));
    store.replace(b"a", &strangers, None);
    assert_eq!(held(&store, b"a"), [value_of(dot(1, 1))]);
    assert_eq!(held(&store, b"b"), [value_of(dot(1, 2))]);
}

fn without_its_last_entry_a_key_is_gone<S: Store + Default>() {
    let mut store = S::default();
    put(&mut store, b"a", &[], &value_of(dot(1, 1)));
    put(&mut store, b"a", &[], &value_of(dot(2, 1)));
    store.replace(b"a", &[dot(1, 1), dot(2, 1)], None);
    assert_eq!(held(&store, b"a"), []);
    assert_eq!(walk(&store), Contents::new());
    put(&mut store, b"a", &[], &value_of(dot(1, 2)));
    assert_eq!(held(&store, b"a"), [value_of(dot(1, 2))]);
}

fn any_bytes_are_a_key_and_a_value<S: Store + Default>() {
    let mut store = S::default();
    let long = vec![0xffu8; 100_000];
    for (seq, bytes) in (1u64..).zip([&b""[..], b"\0", b"\0\0", &[0xff, 0xfe], &long]) {
        let new = entry(dot(1, seq), Some(bytes));
        put(&mut store, bytes, &[], &new);
        assert_eq!(held(&store, bytes), [new]);
    }
    assert_eq!(walk(&store).len(), 5);
}

fn a_key_keeps_its_bucket_while_the_table_grows_and_shrinks<S: Store + Default>() {
    const FEW: u64 = 40;
    let many = 20 * SHARDS as u64;
    let mut store = S::default();
    let key = |seq: u64| format!("key {seq}").into_bytes();
    for seq in 1..=FEW {
        put(&mut store, &key(seq), &[], &value_of(dot(1, seq)));
    }
    let buckets = store.buckets();
    let places = |store: &S| (1..=FEW).map(|seq| bucket_of(store, &key(seq))).collect::<Vec<_>>();
    let before = places(&store);
    assert!(before.iter().all(Option::is_some));
    for seq in FEW + 1..=many {
        put(&mut store, &key(seq), &[], &value_of(dot(1, seq)));
    }
    assert_eq!(walk(&store).len(), many as usize);
    assert_eq!(places(&store), before);
    for seq in FEW + 1..=many {
        store.replace(&key(seq), &[dot(1, seq)], None);
    }
    assert_eq!(walk(&store).len(), FEW as usize);
    assert_eq!(places(&store), before);
    assert_eq!(store.buckets(), buckets);
}

fn a_batch_holds_at_every_moment_what_its_changes_made<S: Store + Default>() {
    let mut store = S::default();
    put(&mut store, b"a", &[], &value_of(dot(1, 1)));
    put(&mut store, b"b", &[], &value_of(dot(1, 2)));
    store.begin();
    put(&mut store, b"a", &[dot(1, 1)], &value_of(dot(1, 3)));
    put(&mut store, b"a", &[], &value_of(dot(2, 1)));
    store.replace(b"b", &[dot(1, 2)], None);
    put(&mut store, b"c", &[], &value_of(dot(1, 4)));
    store.replace(b"c", &[dot(1, 4)], None);
    put(&mut store, b"d", &[], &value_of(dot(1, 5)));
    store.replace(b"e", &[dot(7, 7)], None);
    for committed in [false, true] {
        let walked = walk(&store);
        assert_eq!(walked.len(), 2, "committed: {committed}");
        assert_eq!(walked[b"a".as_slice()], [value_of(dot(1, 3)), value_of(dot(2, 1))]);
        assert_eq!(held(&store, b"d"), [value_of(dot(1, 5))]);
        assert_eq!((held(&store, b"b"), held(&store, b"c")), (vec![], vec![]));
        if !committed {
            store.commit();
        }
    }
    put(&mut store, b"a", &[dot(1, 3), dot(2, 1)], &value_of(dot(1, 6)));
    assert_eq!(held(&store, b"a"), [value_of(dot(1, 6))]);
}

/// One step of a random history of a store.
#[derive(Clone, Debug)]
struct Step {
    key: u8,
    /// Which of the dots given out so far are named as gone, counted from the newest, whether the
    /// key holds them or not.
    gone: Vec<usize>,
    /// Whether there is a new entry, and whether it is a value.
    new: Option<bool>,
    expires: Option<u64>,
    /// Whether a batch begins before the step, or the one that is open is committed.
    turns: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let new = prop_oneof![3 => Just(Some(true)), 1 => Just(Some(false)), 2 => Just(None)];
    let turns = prop_oneof![3 => Just(false), 1 => Just(true)];
    (0u8..6, vec(0usize..12, 0..8), new, proptest::option::of(0u64..100), turns)
        .prop_map(|(key, gone, new, expires, turns)| Step { key, gone, new, expires, turns })
}

/// The history done to a store of the plainest kind: a map.
fn apply_to_model(model: &mut Contents, key: &[u8], gone: &[Dot], new: Option<&Entry>) {
    let entries = model.entry(key.to_vec()).or_default();
    entries.retain(|entry| !gone.contains(&entry.dot));
    entries.extend(new.cloned());
    entries.sort_by_key(|entry| entry.dot);
    if entries.is_empty() {
        model.remove(key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_arms_hold_what_a_plain_map_would(history in vec(step(), 0..80)) {
        let mut reference = BTreeStore::default();
        let mut concurrent = ConcurrentStore::default();
        let mut model = Contents::new();
        let mut given: Vec<Dot> = Vec::new();
        let mut open = false;
        for step in &history {
            if step.turns {
                let turn = if open { Store::commit } else { Store::begin };
                turn(&mut concurrent);
                open = !open;
            }
            let key = [step.key];
            let named = step.gone.iter().filter_map(|back| given.iter().rev().nth(*back));
            let gone: Vec<Dot> = named.copied().collect();
            let new = step.new.map(|is_value| {
                let dot = dot(given.len() as u64 % 3, given.len() as u64);
                given.push(dot);
                let value = is_value.then(|| value_of(dot).value).flatten();
                Entry { value, expires: step.expires.map(Millis), ..entry(dot, None) }
            });
            reference.replace(&key, &gone, new.as_ref().map(Entry::as_ref));
            concurrent.replace(&key, &gone, new.as_ref().map(Entry::as_ref));
            apply_to_model(&mut model, &key, &gone, new.as_ref());
            let expected = model.get(key.as_slice()).cloned().unwrap_or_default();
            prop_assert_eq!(held(&reference, &key), expected.clone());
            prop_assert_eq!(held(&concurrent, &key), expected);
        }
        prop_assert_eq!(walk(&reference), model.clone());
        prop_assert_eq!(walk(&concurrent), model);
    }
}
