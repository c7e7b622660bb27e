//! Tables of several fragments: one table to their users, apart beneath.

use crate::common::{PATIENCE, cluster, content, cut_apart, equal, start, until, value, whole};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::time::Duration;
use tombolo::{
    Ack, AlterError, Choice, CreateError, Declaration, Kind, Merge, Node, OwnerDown, Policy,
    RawTable, Receipt, TableStatus,
};

/// Four fragments of the table.
fn four(kind: Kind) -> Declaration {
    Declaration { kind, fragments: 4, ..Declaration::default() }
}

async fn declare(nodes: &[Node], declaration: &Declaration) -> Vec<RawTable> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.create_table("x", declaration.clone()).await.unwrap());
    }
    tables
}

async fn write(table: &RawTable, key: &[u8], new: &[u8]) -> Receipt {
    let receipt = table.put(key, new, None).unwrap();
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    receipt
}

fn status(node: &Node) -> TableStatus {
    let mut tables = node.status().tables;
    tables.retain(|table| table.name.starts_with('x'));
    assert_eq!(tables.len(), 1, "fragments are no tables of their own");
    tables.remove(0)
}

fn fill(table: &RawTable, keys: &[Vec<u8>], value: &[u8]) {
    for key in keys {
        table.put(key, value, None).unwrap();
    }
}

fn keys(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("key:{number:05}").into_bytes()).collect()
}

fn range(table: &RawTable, from: Bound<&[u8]>, to: Bound<&[u8]>, back: bool) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let see = |key: &[u8], _: tombolo::RawRecord<'_>| {
        found.push(key.to_vec());
        ControlFlow::Continue(())
    };
    if back {
        table.range_back(from, to, see).unwrap();
    } else {
        table.range(from, to, see).unwrap();
    }
    found
}

/// Every key that a scan shows, in the steps of a client.
fn scanned(table: &RawTable, at_least: usize, mut between: impl FnMut()) -> Vec<Vec<u8>> {
    let (mut found, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = table.scan(cursor, at_least, |key, _| found.push(key.to_vec()));
        between();
        if cursor == 0 {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_all_nodes_make_one_table() {
    let (nodes, _) = cluster(3).await;
    let tables = declare(&nodes, &four(Kind::Set)).await;
    let mut writers = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        for thread in 0..2 {
            let table = table.clone();
            writers.push(tokio::spawn(async move {
                let mut fragments = BTreeSet::new();
                for key in keys(200) {
                    let key = [format!("{number}.{thread}.").as_bytes(), &key].concat();
                    fragments.insert(write(&table, &key, b"v").await.fragment());
                }
                assert_eq!(Vec::from_iter(fragments), [0, 1, 2, 3]);
            }));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    equal(&tables).await;
    for (node, table) in nodes.iter().zip(&tables) {
        assert_eq!((table.len(), content(table).len()), (1_200, 1_200));
        let known = value(table, &table.random_key().unwrap());
        assert_eq!(known.as_deref(), Some(&b"v"[..]));
        until("every member has it", || table.converged().converged).await;
        // Writers may be done before the first sync with every peer is.
        until("it was synced with every peer", || table.is_complete()).await;
        let status = status(node);
        assert_eq!((status.records, status.writes), (1_200, 400));
        assert_eq!(status.fingerprint, table.fingerprint());
        assert_eq!(status.seen.iter().map(|(_, seen)| seen).sum::<u64>(), 1_200);
        assert!(status.complete && status.writable && table.is_complete());
        let names: Vec<_> = node.raw_tables().iter().map(|t| t.name().to_owned()).collect();
        assert_eq!(names, ["t", "x"]);
        assert_eq!(node.raw_table("x").unwrap().len(), 1_200);
        assert!(node.raw_table("x\u{1}1").is_none());
    }
    let digests: Vec<_> = tables.iter().map(RawTable::digest).collect();
    assert!(digests[0].at_rest && digests.iter().all(|digest| *digest == digests[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_shows_each_key_exactly_once_while_others_come() {
    let (nodes, _) = cluster(1).await;
    let table = declare(&nodes, &four(Kind::Set)).await.remove(0);
    let stays = BTreeSet::from_iter(keys(2_000));
    fill(&table, &Vec::from_iter(stays.clone()), b"v");
    for at_least in [1, 7, 500, 9_999] {
        let mut number = 0u32;
        let found = scanned(&table, at_least, || {
            number += 1;
            table.put(&number.to_be_bytes(), b"comes", None).unwrap();
            table.delete(&(number / 2).to_be_bytes()).unwrap();
        });
        let found: Vec<_> = found.into_iter().filter(|key| stays.contains(key)).collect();
        assert_eq!(found.len(), stays.len());
        assert_eq!(BTreeSet::from_iter(found), stays);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_set_is_read_in_the_order_of_its_keys() {
    let (nodes, _) = cluster(2).await;
    let tables = declare(&nodes, &four(Kind::OrderedSet)).await;
    let all = keys(1_000);
    fill(&tables[0], &all, b"v");
    equal(&tables).await;
    let table = &tables[1];
    let (from, to) = (Bound::Included(all[100].as_slice()), Bound::Excluded(all[900].as_slice()));
    assert_eq!(range(table, Bound::Unbounded, Bound::Unbounded, false), all);
    assert_eq!(range(table, from, to, false), all[100..900]);
    let back: Vec<_> = all[100..900].iter().rev().cloned().collect();
    assert_eq!(range(table, from, to, true), back);
    assert_eq!(range(table, to, from, false), Vec::<Vec<u8>>::new());
    let key = |key: &[u8], _: tombolo::RawRecord<'_>| key.to_vec();
    assert_eq!(table.first(key).unwrap().as_ref(), all.first());
    assert_eq!(table.last(key).unwrap().as_ref(), all.last());
    for at in 1..all.len() {
        assert_eq!(table.next(&all[at - 1], key).unwrap().as_ref(), Some(&all[at]));
        assert_eq!(table.previous(&all[at], key).unwrap().as_ref(), Some(&all[at - 1]));
    }
    // What is there throughout is shown once, whatever is written behind and ahead meanwhile.
    let mut found = Vec::new();
    let see = |key: &[u8], _: tombolo::RawRecord<'_>| {
        found.push(key.to_vec());
        table.put(&[key, b"+"].concat(), b"behind", None).unwrap();
        table.put(&[b"a", key].concat(), b"before all", None).unwrap();
        ControlFlow::Continue(())
    };
    table.range(Bound::Included(&b"key"[..]), Bound::Unbounded, see).unwrap();
    assert!(found.is_sorted());
    found.retain(|key| !key.ends_with(b"+"));
    assert_eq!(found, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_objects_of_a_key_of_a_bag_are_found() {
    let (nodes, _) = cluster(2).await;
    let tables = declare(&nodes, &four(Kind::Bag)).await;
    for key in keys(20) {
        for object in [&b"b"[..], b"a", b"c\0"] {
            tables[0].add(&key, object, None).unwrap();
        }
    }
    equal(&tables).await;
    let bag = &tables[1];
    let mut all = Vec::new();
    bag.for_each_object(|key, object| all.push((key.to_vec(), object.to_vec())));
    assert!(all.is_sorted() && all.len() == 60);
    assert_eq!(bag.objects(b"key:00007"), [&b"a"[..], b"b", b"c\0"]);
    assert!(bag.contains_object(b"key:00007", b"c\0"));
    bag.delete_object(b"key:00007", b"a").unwrap().expect("it was there");
    bag.delete(b"key:00008").unwrap().expect("they were there");
    equal(&tables).await;
    assert_eq!(tables[0].objects(b"key:00007"), [&b"b"[..], b"c\0"]);
    assert_eq!((tables[0].objects(b"key:00008").len(), tables[0].len()), (0, 56));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_altered_in_all_fragments_and_not_in_their_number() {
    let (nodes, _) = cluster(2).await;
    let tables = declare(&nodes, &four(Kind::Set)).await;
    fill(&tables[0], &keys(50), b"v");
    let fewer = Declaration { fragments: 2, ..four(Kind::Set) };
    let refused = nodes[0].alter("x", fewer.clone()).unwrap_err();
    assert!(matches!(refused, AlterError::Fragments { ours: 4, wanted: 2, .. }), "{refused}");
    let altered = Declaration { policy: Policy::MergeOnly, ..four(Kind::Set) };
    nodes[1].alter("x", altered.clone()).unwrap();
    until("all know it", || tables.iter().all(|table| table.declaration() == altered)).await;
    assert_eq!((status(&nodes[0]).epoch, status(&nodes[1]).epoch), (1, 1));
    cut_apart(&nodes[..1], &nodes[1..]);
    until("they are apart", || nodes[0].status().links.is_empty()).await;
    for (table, value) in tables.iter().zip([b"a", b"b"]) {
        fill(table, &keys(50), value);
    }
    nodes.iter().for_each(Node::heal);
    until("both values of each key are kept, in every fragment", || {
        tables.iter().all(|table| table.undecided(99).len() == 50)
    })
    .await;
    assert_eq!(tables[0].undecided(7).len(), 7);
    assert_eq!((tables[1].conflicts().len(), tables[1].ledger().undecided), (50, 50));
    assert_eq!(status(&nodes[0]).siblings, 50);
    for key in keys(50) {
        assert_eq!(tables[0].siblings(&key).len(), 2);
        tables[0].resolve(&key, Choice::Value(b"decided")).unwrap();
    }
    until("nothing waits", || tables.iter().all(|table| table.undecided(99).is_empty())).await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_fragments_is_another_table() {
    let (nodes, _) = cluster(2).await;
    declare(&nodes[..1], &four(Kind::Set)).await;
    until("it is on the other node", || nodes[1].raw_table("x").is_some()).await;
    let other = Declaration { fragments: 2, ..four(Kind::Set) };
    let refused = nodes[1].create_table("x", other).await.map(drop).unwrap_err();
    assert!(matches!(refused, CreateError::Mismatch(_)));
    let text = refused.to_string();
    assert!(text.contains(" fragments=4 ") && text.contains(" fragments=2 "), "{text}");
    for wrong in [0, 65] {
        let wrong = Declaration { fragments: wrong, ..Declaration::default() };
        assert!(matches!(
            nodes[0].create_table("y", wrong).await.map(drop),
            Err(CreateError::Invalid(_))
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_that_spread_it_otherwise_keep_their_own() {
    let (a, b) = (start("a", &[]).await, start("b", &[]).await);
    let ours = a.create_table("x", four(Kind::Set)).await.unwrap();
    let theirs = b.create_table("x", Declaration::default()).await.unwrap();
    fill(&ours, &keys(20), b"a");
    write(&theirs, b"k", b"b").await;
    let c = start("c", &[&a, &b]).await;
    let linked = |node: &Node| node.status().links.len() == 2;
    until("all are linked", || [&a, &b, &c].into_iter().all(linked)).await;
    until("both tell of it", || [&a, &b].into_iter().all(|node| status(node).conflict.is_some()))
        .await;
    let conflict = status(&a).conflict.unwrap();
    assert!(conflict.contains(" fragments=4 ") && !conflict.contains("fragments=1"), "{conflict}");
    assert_eq!((ours.len(), theirs.len()), (20, 1));
    // Neither waits for the other.
    assert!(ours.is_writable() && theirs.is_writable());
    until("a is complete", || status(&a).complete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_heals_in_all_fragments() {
    let (nodes, _) = cluster(3).await;
    let tables = declare(&nodes, &four(Kind::Set)).await;
    fill(&tables[0], &keys(300), b"before");
    equal(&tables).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    for key in &keys(300)[..100] {
        tables[0].delete(key).unwrap();
        tables[1].put(&[key, &b"'"[..]].concat(), b"island", None).unwrap();
    }
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&tables).await;
    assert!(tables.iter().all(|table| table.len() == 300));
    // A new node is filled in all fragments before it may write.
    let late = start("late", &[&nodes[0]]).await;
    let table = late.create_table("x", four(Kind::Set)).await.unwrap();
    assert_eq!(content(&table), content(&tables[0]));
}

/// Islands that each wrote in one fragment have both written the table.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_holds_is_kept_apart_and_joined_as_one() {
    let (nodes, _) = cluster(3).await;
    let declaration = Declaration { policy: Policy::Newest, merge: Merge::Hold, ..four(Kind::Set) };
    let tables = declare(&nodes, &declaration).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    let mine = write(&tables[0], b"key:00001", b"n1").await;
    let their_key = keys(99)
        .into_iter()
        .find(|key| tables[1].put(key, b"n2", None).unwrap().fragment() != mine.fragment());
    let their_key = their_key.unwrap();
    nodes.iter().for_each(Node::heal);
    let held = |node: &Node| status(node).held.iter().filter(|held| held.apart).count();
    until("both sides know", || held(&nodes[0]) == 2 && held(&nodes[1]) == 1).await;
    let preview = || status(&nodes[0]).held.into_iter().find_map(|held| held.preview);
    until("n1 has looked", || preview().is_some()).await;
    assert!(preview().unwrap().adds > 0);
    assert_eq!((value(&tables[0], &their_key), value(&tables[1], b"key:00001")), (None, None));
    nodes[1].approve("x").unwrap();
    until("nobody is held", || nodes.iter().all(|node| status(node).held.is_empty())).await;
    equal(&tables).await;
    assert!(value(&tables[0], &their_key).is_some() && value(&tables[2], b"key:00001").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_that_is_down_wrote_is_hidden_in_all_fragments() {
    let (mut nodes, _) = cluster(2).await;
    let hides = Declaration {
        policy: Policy::Newest,
        owner_down: OwnerDown::Hide,
        ..four(Kind::OrderedSet)
    };
    let tables = declare(&nodes, &hides).await;
    fill(&tables[1], &keys(40), b"v");
    equal(&tables).await;
    nodes.pop().unwrap().leave().await;
    until("they are hidden", || status(&nodes[0]).hidden == 40).await;
    assert!(content(&tables[0]).is_empty() && tables[0].random_key().is_none());
    assert_eq!(range(&tables[0], Bound::Unbounded, Bound::Unbounded, false).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writes_are_acknowledged_in_every_fragment() {
    let (nodes, _) = cluster(2).await;
    let table = nodes[0].table_with::<u32, u32>("x", four(Kind::Set)).await.unwrap();
    let numbers = Vec::from_iter(0..100u32);
    let records = numbers.iter().zip(&numbers);
    let acked = table.insert_many(records).await.unwrap();
    assert_eq!(*acked.by, ["n2".to_owned()]);
    let other = nodes[1].raw_table("x").unwrap();
    assert_eq!(other.len(), 100, "all were acknowledged");
    let receipt = acked.receipt.unwrap();
    assert_eq!(table.raw().acknowledged_by(receipt), ["n2"]);
    table.delete_many(&numbers).await.unwrap();
    assert_eq!(other.len(), 0);
    // A write without peers is acknowledged at once; with Ack::Count(2) it waits in its fragment.
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    let waiting = table.with_ack(Ack::Count(2), Duration::from_millis(50));
    waiting.insert_many(numbers.iter().zip(&numbers)).await.unwrap_err();
    nodes.iter().for_each(Node::heal);
    table.with_ack(Ack::Count(2), PATIENCE).insert(&1, &2).await.unwrap();
}

#[test]
fn receipts_compare_within_a_fragment() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (nodes, _) = cluster(1).await;
        let table = declare(&nodes, &four(Kind::Set)).await.remove(0);
        let all = keys(50);
        let receipts = all.iter().map(|key| table.put(key, b"v", None).unwrap());
        let receipts: Vec<Receipt> = receipts.collect();
        let again = table.put(&all[0], b"w", None).unwrap();
        assert!(again > receipts[0] && again.fragment() == receipts[0].fragment());
        let other = receipts.iter().find(|other| other.fragment() != again.fragment()).unwrap();
        assert_eq!(again.partial_cmp(other), None);
    });
}
