//! Watching tables.

use crate::common::{builder, cluster, content, cut_apart, equal, start, until, whole};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use tombolo::{Cursor, Declaration, Filter, Kind, Node, OwnerDown, RawTable, Watch, WatchEvent};

/// Somebody who makes a copy of the table from what the watch tells.
struct Follower {
    watch: Watch,
    copy: BTreeMap<Vec<u8>, Vec<u8>>,
    resets: usize,
}

impl Follower {
    fn new(watch: Watch) -> Follower {
        Follower { watch, copy: BTreeMap::new(), resets: 0 }
    }

    async fn next(&mut self) -> WatchEvent {
        let next = tokio::time::timeout(Duration::from_secs(30), self.watch.next()).await;
        let event = next.expect("an event in 30 s").expect("the node runs");
        match event.clone() {
            WatchEvent::Insert { key, value, .. }
            | WatchEvent::Update { key, value, .. }
            | WatchEvent::Shown { key, value, .. }
            | WatchEvent::Conflict { key, value, .. } => {
                self.copy.insert(key.to_vec(), value.to_vec());
            }
            WatchEvent::Delete { key, .. } | WatchEvent::Hidden { key, .. } => {
                self.copy.remove(&key[..]);
            }
            WatchEvent::Reset => {
                self.copy.clear();
                self.resets += 1;
            }
            _ => {}
        }
        event
    }

    async fn until(&mut self, is_meant: impl Fn(&WatchEvent) -> bool) -> WatchEvent {
        loop {
            let event = self.next().await;
            if is_meant(&event) {
                return event;
            }
        }
    }

    async fn current(&mut self) {
        self.until(|event| *event == WatchEvent::Current).await;
    }

    async fn until_key(&mut self, key: &[u8]) {
        while !self.copy.contains_key(key) {
            self.next().await;
        }
    }

    /// Follows until the copy is the table, which nobody writes any more.
    async fn assert_equal(&mut self, table: &RawTable) {
        while content(table) != self.copy.clone().into_iter().collect::<Vec<_>>() {
            self.next().await;
        }
    }
}

fn bytes(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

fn insert(key: &str, value: &str) -> WatchEvent {
    WatchEvent::Insert { key: bytes(key), value: bytes(value), expires: None }
}

async fn declare(nodes: &[Node], declaration: &Declaration) -> Vec<RawTable> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.create_table("x", declaration.clone()).await.unwrap());
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_writes_is_told_here() {
    let (_nodes, tables) = cluster(2).await;
    tables[1].put(b"before", b"0", None).unwrap();
    equal(&tables).await;
    let mut here = Follower::new(tables[0].watch(Filter::All));
    assert_eq!(here.next().await, insert("before", "0"));
    assert_eq!(here.next().await, WatchEvent::Current);
    tables[1].put(b"k", b"1", None).unwrap();
    assert_eq!(here.next().await, insert("k", "1"));
    let expires = Some(tombolo::unix_millis() + 3_600_000);
    tables[1].put(b"k", b"2", expires).unwrap();
    let (key, value) = (bytes("k"), bytes("2"));
    assert_eq!(here.next().await, WatchEvent::Update { key, value, expires });
    tables[1].delete(b"k").unwrap();
    let (key, value) = (bytes("k"), bytes("2"));
    assert_eq!(here.next().await, WatchEvent::Delete { key, value });
    assert_eq!(here.resets, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_told_when_it_is_swept() {
    let (_nodes, tables) = cluster(1).await;
    let mut here = Follower::new(tables[0].watch(Filter::All));
    here.current().await;
    tables[0].put(b"k", b"v", Some(tombolo::unix_millis() + 100)).unwrap();
    assert!(matches!(here.next().await, WatchEvent::Insert { .. }));
    assert!(matches!(here.next().await, WatchEvent::Delete { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_and_its_outcome_are_told() {
    let (nodes, _) = cluster(2).await;
    let policy = "merge_only".parse().unwrap();
    let tables = declare(&nodes, &Declaration { policy, ..Declaration::default() }).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("they are apart", || nodes.iter().all(|node| node.status().links.is_empty())).await;
    tables[0].put(b"k", b"one", None).unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    tables[1].put(b"k", b"two", None).unwrap();
    let mut here = Follower::new(tables[0].watch(Filter::Key(b"k".to_vec())));
    assert_eq!(here.next().await, insert("k", "one"));
    nodes.iter().for_each(Node::heal);
    let conflict = here.until(|event| matches!(event, WatchEvent::Conflict { .. })).await;
    let (key, value, expires) = (bytes("k"), bytes("two"), None);
    assert_eq!(conflict, WatchEvent::Conflict { key, value, expires });
    tables[0].put(b"k", b"both", None).unwrap();
    let (key, value, expires) = (bytes("k"), bytes("both"), None);
    assert_eq!(here.next().await, WatchEvent::Update { key, value, expires });
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_told_to_be_hidden_with_their_owner_and_shown_with_it() {
    let (nodes, _) = cluster(3).await;
    let (policy, owner_down) = ("newest".parse().unwrap(), OwnerDown::Hide);
    let declaration = Declaration { policy, owner_down, ..Declaration::default() };
    let tables = declare(&nodes, &declaration).await;
    tables[0].put(b"mine", b"1", None).unwrap();
    tables[1].put(b"theirs", b"2", None).unwrap();
    equal(&tables).await;
    let mut here = Follower::new(tables[0].watch(Filter::All));
    here.current().await;
    cut_apart(&nodes[1..2], &[nodes[0].clone(), nodes[2].clone()]);
    let (key, value, expires) = (bytes("theirs"), bytes("2"), None);
    let hidden = WatchEvent::Hidden { key: key.clone(), value: value.clone() };
    assert_eq!(here.next().await, hidden);
    assert_eq!(content(&tables[0]), [(b"mine".to_vec(), b"1".to_vec())]);
    nodes.iter().for_each(Node::heal);
    let shown = WatchEvent::Shown { key, value, expires };
    assert_eq!(here.until(|event| *event != hidden).await, shown);
    whole(&nodes).await;
    nodes[1].leave().await;
    assert_eq!(here.until(|event| *event != shown).await, hidden);
    here.assert_equal(&tables[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_lets_through_only_what_it_means() {
    for kind in [Kind::Set, Kind::OrderedSet] {
        let (nodes, _) = cluster(1).await;
        let tables = declare(&nodes, &Declaration { kind, ..Declaration::default() }).await;
        let prefix = || Filter::Prefix(b"room/1/".to_vec());
        let (from, to) = (Bound::Included(b"room/1/b".to_vec()), Bound::Included(b"z".to_vec()));
        let range = || Filter::Range(from.clone(), to.clone());
        let one = || Filter::Key(b"room/1/a".to_vec());
        let keys: [&[u8]; 5] = [b"room/1", b"room/1/a", b"room/1/b", b"room/2/a", b"z"];
        let meant: [(Filter, &[&[u8]]); 3] =
            [(prefix(), &keys[1..3]), (range(), &keys[2..]), (one(), &keys[1..2])];
        // Some are there before the watch, and all are written after it.
        for key in &keys[..3] {
            tables[0].put(key, b"0", None).unwrap();
        }
        for (filter, meant) in meant {
            let mut here = Follower::new(tables[0].watch(filter.clone()));
            here.current().await;
            let there = here.copy.keys().map(Vec::as_slice).collect::<Vec<_>>();
            let before = meant.iter().filter(|key| tables[0].read(key, |read| read.is_some()));
            assert_eq!(there, before.copied().collect::<Vec<_>>(), "{filter:?}");
            for key in keys {
                tables[0].put(key, b"1", None).unwrap();
            }
            for key in meant {
                let event = here.next().await;
                assert!(here.copy.get(*key).is_some_and(|value| value == b"1"), "{event:?}");
            }
            assert_eq!(here.copy.len(), meant.len(), "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_tells_of_its_objects() {
    let (nodes, _) = cluster(1).await;
    let bag = Declaration { kind: Kind::Bag, ..Declaration::default() };
    let bag = Declaration { policy: "newest".parse().unwrap(), ..bag };
    let tables = declare(&nodes, &bag).await;
    tables[0].add(b"k", b"one", None).unwrap();
    let mut here = Follower::new(tables[0].watch(Filter::Key(b"k".to_vec())));
    assert_eq!(here.next().await, insert("k", "one"));
    here.current().await;
    tables[0].add(b"key", b"not meant", None).unwrap();
    tables[0].add(b"k", b"two", None).unwrap();
    assert_eq!(here.next().await, insert("k", "two"));
    tables[0].delete_object(b"k", b"one").unwrap();
    let (key, value) = (bytes("k"), bytes("one"));
    assert_eq!(here.next().await, WatchEvent::Delete { key, value });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_watcher_is_reset_and_ends_with_the_table() {
    let (_nodes, tables) = cluster(2).await;
    let mut slow = Follower::new(tables[0].watch(Filter::All));
    let mut quick = Follower::new(tables[0].watch(Filter::Key(b"last".to_vec())));
    slow.current().await;
    quick.current().await;
    tables[1].put(b"gone", b"v", None).unwrap();
    slow.until_key(b"gone").await;
    // More than is kept of changes.
    tables[1].delete(b"gone").unwrap();
    let large = vec![7; 64 * 1024];
    for number in 0..200u32 {
        tables[1].put(&number.to_be_bytes(), &large, None).unwrap();
    }
    tables[1].put(b"last", b"v", None).unwrap();
    equal(&tables).await;
    quick.until(|event| *event == insert("last", "v")).await;
    assert_eq!(quick.copy.len(), 1);
    slow.assert_equal(&tables[0]).await;
    assert_eq!(slow.resets, 1);
    tables[1].put(b"after", b"v", None).unwrap();
    assert_eq!(slow.until(|event| *event != WatchEvent::Current).await, insert("after", "v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_whose_box_is_full_misses_nothing_that_is_kept() {
    let (_nodes, tables) = cluster(1).await;
    let mut slow = Follower::new(tables[0].watch(Filter::All));
    slow.current().await;
    for number in 0..5_000u32 {
        tables[0].put(b"k", &number.to_be_bytes(), None).unwrap();
    }
    for number in 0..5_000u32 {
        slow.next().await;
        assert_eq!(slow.copy[&b"k".to_vec()], number.to_be_bytes(), "each write, in its order");
    }
    assert_eq!(slow.resets, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_from_its_cursor() {
    let (_nodes, tables) = cluster(2).await;
    let filter = || Filter::Prefix(b"k".to_vec());
    let mut first = Follower::new(tables[0].watch(filter()));
    let unfinished = first.watch.cursor();
    first.current().await;
    tables[1].put(b"k1", b"1", None).unwrap();
    tables[1].put(b"k2", b"2", None).unwrap();
    first.until_key(b"k1").await;
    let cursor: Cursor = first.watch.cursor().to_string().parse().unwrap();
    drop(first);
    tables[0].put(b"another", b"x", None).unwrap();
    tables[1].put(b"k3", b"3", None).unwrap();
    equal(&tables).await;
    let mut second = Follower::new(tables[0].watch_from(filter(), &cursor));
    assert_eq!(second.next().await, insert("k2", "2"));
    assert_eq!(second.next().await, insert("k3", "3"));
    // Another node, and one that was not told all of the beginning, cannot go on.
    for (table, cursor) in [(&tables[1], &cursor), (&tables[0], &unfinished)] {
        let mut other = Follower::new(table.watch_from(filter(), cursor));
        assert_eq!(other.next().await, WatchEvent::Reset);
        other.current().await;
        assert_eq!(other.copy.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_of_a_watch_that_hears_nothing_moves_on() {
    let (_nodes, tables) = cluster(1).await;
    let narrow = || Filter::Key(b"narrow".to_vec());
    let (mut quiet, mut busy) = (tables[0].watch(narrow()), tables[0].watch(Filter::All));
    assert_eq!(quiet.next().await, Some(WatchEvent::Current));
    assert_eq!(busy.next().await, Some(WatchEvent::Current));
    // Nothing comes, but the watch has looked and is not behind any more.
    let nothing = tokio::time::timeout(Duration::from_millis(1), quiet.next()).await;
    assert!(nothing.is_err());
    let large = vec![7; 64 * 1024];
    for number in 0..200u32 {
        tables[0].put(&number.to_be_bytes(), &large, None).unwrap();
        busy.next().await;
    }
    let mut later = None;
    until("the cursor is one that can be gone on from", || {
        let watch = tables[0].watch_from(narrow(), &quiet.cursor());
        later = (watch.cursor() == quiet.cursor()).then_some(watch);
        later.is_some()
    })
    .await;
    tables[0].put(b"narrow", b"v", None).unwrap();
    assert_eq!(later.unwrap().next().await, Some(insert("narrow", "v")));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watchers_hear_only_of_their_own() {
    let (_nodes, tables) = cluster(1).await;
    let prefix = |number: u32| format!("{number:05}/").into_bytes();
    let mut all = Vec::new();
    for number in 0..10_000 {
        let mut watch = tables[0].watch(Filter::Prefix(prefix(number)));
        assert_eq!(watch.next().await, Some(WatchEvent::Current));
        all.push(watch);
    }
    for number in (0..10_000).rev() {
        tables[0].put(&prefix(number), &number.to_be_bytes(), None).unwrap();
    }
    for (number, watch) in (0u32..).zip(&mut all) {
        let Some(WatchEvent::Insert { key, value, .. }) = watch.next().await else {
            panic!("one insert each");
        };
        assert_eq!((&key[..], &value[..]), (&prefix(number)[..], &number.to_be_bytes()[..]));
    }
    tables[0].put(&prefix(7), b"again", None).unwrap();
    assert!(matches!(all[7].next().await, Some(WatchEvent::Update { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_end_with_the_table_while_all_nodes_write() {
    let (_nodes, tables) = cluster(2).await;
    let write = |table: RawTable, seed: u32| {
        tokio::spawn(async move {
            for number in 0..20_000u32 {
                let mixed = number.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16;
                let key = (mixed % 97).to_be_bytes();
                if mixed.is_multiple_of(3) {
                    table.delete(&key).unwrap();
                } else {
                    table.put(&key, &vec![seed as u8; (mixed % 2_000) as usize], None).unwrap();
                }
                if number.is_multiple_of(50) {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let writers = [write(tables[0].clone(), 1), write(tables[1].clone(), 2)];
    let mut followers = Vec::new();
    for number in 0..4 {
        let mut follower = Follower::new(tables[number % 2].watch(Filter::All));
        // However quick the writers are, so much there is to hear.
        for _ in 0..number * 10 {
            follower.next().await;
        }
        followers.push(follower);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    equal(&tables).await;
    for follower in &mut followers {
        follower.assert_equal(&tables[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_node() {
    let node = start("n1", &[]).await;
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    let (mut left, mut waiting) = (table.watch(Filter::All), table.watch(Filter::All));
    let waiting = tokio::spawn(async move { while waiting.next().await.is_some() {} });
    table.put(b"k", b"v", None).unwrap();
    node.leave().await;
    waiting.await.unwrap();
    let ends = async { while left.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), ends).await.unwrap();
    // A watch alone does not keep a node running.
    let node = builder("n2").start().await.unwrap();
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    let mut watch = table.watch(Filter::All);
    drop((node, table));
    let ends = async { while watch.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(30), ends).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_watch_tells_of_types_and_of_what_has_another() {
    let node = start("n1", &[]).await;
    let table = node.table::<u32, String>("t").await.unwrap();
    let mut watch = table.watch();
    let mut one = table.watch_key(&2).unwrap();
    for watch in [&mut watch, &mut one] {
        assert_eq!(watch.next().await.unwrap().unwrap(), WatchEvent::Current);
    }
    table.insert(&1, &"a".to_owned()).await.unwrap();
    let told = WatchEvent::Insert { key: 1, value: "a".to_owned(), expires: None };
    assert_eq!(watch.next().await.unwrap().unwrap(), told);
    let cursor = watch.cursor();
    table.raw().put(b"\x01", b"\xFF no text", None).unwrap();
    table.insert(&2, &"b".to_owned()).await.unwrap();
    assert!(watch.next().await.unwrap().is_err());
    let told = WatchEvent::Insert { key: 2, value: "b".to_owned(), expires: None };
    assert_eq!(watch.next().await.unwrap().unwrap(), told);
    assert_eq!(one.next().await.unwrap().unwrap(), told);
    assert!(table.watch_from(&cursor).next().await.unwrap().is_err());
}
