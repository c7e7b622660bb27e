//! Batches: whoever has seen one of the records sees all of them from then on.

use crate::common::{
    PATIENCE, builder, cluster, cut_apart, equal, start, until, value, while_held, whole,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tombolo::{Ack, BatchError, Declaration, Kind, Node, RawTable, WriteError};

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

fn number(table: &RawTable, key: &[u8]) -> u64 {
    let eight = |value: Vec<u8>| value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    value(table, key).and_then(eight).unwrap_or(0)
}

fn write(table: &RawTable, number: u64, padding: usize) -> tombolo::Receipt {
    let value = [&number.to_be_bytes()[..], &vec![0; padding]].concat();
    let batch = KEYS.iter().fold(table.batch(), |batch, key| batch.put(key, &value, None));
    batch.write().unwrap().unwrap()
}

/// Reads the keys in their order and back until it is over, and returns how often they changed.
/// `read` is raised with every round.
fn reader(
    table: &RawTable,
    over: &Arc<AtomicBool>,
    read: &Arc<AtomicU64>,
) -> std::thread::JoinHandle<u64> {
    let (table, over, read) = (table.clone(), Arc::clone(over), Arc::clone(read));
    std::thread::spawn(move || {
        let (mut last, mut changes) = (0, 0);
        while !over.load(Ordering::Relaxed) {
            for key in KEYS.iter().chain(KEYS.iter().rev()) {
                let now = number(&table, key);
                assert!(now >= last, "{key:?} is of batch {now}, one of {last} was seen before");
                changes += u64::from(now > last);
                last = now;
            }
            read.fetch_add(1, Ordering::Relaxed);
            std::thread::yield_now();
        }
        changes
    })
}

/// Runs `story` while every node but the first is read.
async fn beside_readers(tables: &[RawTable], story: impl AsyncFnOnce()) {
    let (over, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = tables[1..].iter().map(|table| reader(table, &over, &read)).collect();
    until("the readers read", || read.load(Ordering::Relaxed) > 0).await;
    story().await;
    equal(tables).await;
    let so_far = read.load(Ordering::Relaxed);
    until("they have read the end", || read.load(Ordering::Relaxed) > so_far + 10).await;
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().expect("no part of a batch was seen") > 0, "nothing changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_on_any_node_sees_a_part_of_a_batch() {
    let (_nodes, tables) = cluster(3).await;
    beside_readers(&tables, async || {
        for number in 1..=2_000 {
            let receipt = write(&tables[0], number, 0);
            if number % 10 == 0 {
                tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_stay_whole_through_cuts_and_the_syncs_after_them() {
    let (nodes, tables) = cluster(3).await;
    beside_readers(&tables, async || {
        let mut number = 0;
        for round in 0..4 {
            // Once only one node is cut off from the writer, and gets the batches by a third.
            let cut_off = if round % 2 == 0 { &nodes[1..] } else { &nodes[2..] };
            cut_apart(&nodes[..1], cut_off);
            for _ in 0..50 {
                number += 1;
                write(&tables[0], number, 0);
            }
            nodes.iter().for_each(Node::heal);
            // Writes go on while the syncs answer.
            for _ in 0..200 {
                number += 1;
                write(&tables[0], number, 0);
                tokio::task::yield_now().await;
            }
            whole(&nodes).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_a_full_queue_dropped_come_whole() {
    let (nodes, tables) = cluster(2).await;
    beside_readers(&tables, async || {
        while_held(&tables[1], || {
            for number in 1..=32 {
                write(&tables[0], number, 1 << 20);
            }
        });
    })
    .await;
    let overflows: u64 = nodes[0].status().links.iter().map(|link| link.overflows).sum();
    assert!(overflows > 0, "the test is to drop something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_refused_changes_nothing() {
    let (_nodes, tables) = cluster(1).await;
    let table = &tables[0];
    let many = (0..1_025u32).fold(table.batch(), |b, key| b.put(&key.to_be_bytes(), b"", None));
    assert_eq!(many.write(), Err(BatchError::TooMany { count: 1_025, limit: 1_024 }));
    let large = vec![7; 3 << 20];
    let batch = table.batch().put(b"a", b"", None).put(b"b", &large, None).put(b"c", &large, None);
    assert!(matches!(batch.write(), Err(BatchError::TooLarge { .. })));
    let wrong = table.batch().put(b"a", b"", None).add(b"b", b"object", None);
    assert_eq!(wrong.write(), Err(BatchError::Write(WriteError::Kind(Kind::Set))));
    assert!(table.is_empty());
    assert_eq!(table.batch().write(), Ok(None));
    assert_eq!(table.batch().delete(b"a").delete(b"b").write(), Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_bag_come_and_go_together() {
    let a = start("a", &[]).await;
    let b = builder("b").join([a.status().address]).start().await.unwrap();
    let bag = Declaration { kind: Kind::Bag, ..Declaration::default() };
    let here = a.create_table("bag", bag.clone()).await.unwrap();
    let there = b.create_table("bag", bag).await.unwrap();
    here.add(b"k", b"old", None).unwrap();
    let batch = here.batch().add(b"k", b"also old", None).delete(b"k").add(b"k", b"new", None);
    let batch = batch.add(b"l", b"one", None).delete_object(b"l", b"one").add(b"l", b"two", None);
    let receipt = batch.write().unwrap().unwrap();
    here.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    for table in [&here, &there] {
        assert_eq!(table.objects(b"k"), [b"new"]);
        assert_eq!(table.objects(b"l"), [b"two"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_batch_is_written_and_acknowledged_as_one() {
    let a = start("a", &[]).await;
    let b = start("b", &[&a]).await;
    let here = a.table::<String, u32>("typed").await.unwrap();
    let there = b.table::<String, u32>("typed").await.unwrap();
    let [one, two] = ["one", "two"].map(str::to_owned);
    here.insert(&one, &1).await.unwrap();
    let batch = here.batch().delete(&one).unwrap().insert(&two, &2).unwrap();
    let acked = batch.write().await.unwrap();
    assert_eq!(*acked.by, ["b"]);
    assert_eq!((there.get(&one).unwrap(), there.get(&two).unwrap()), (None, Some(2)));
    let nothing = here.batch().delete(&one).unwrap().write().await.unwrap();
    assert_eq!(nothing.receipt, None);
}
