use crate::common::{
    PATIENCE, builder, cluster, equal, start, tables, until, value, while_held, whole,
};
use std::time::{Duration, Instant};
use tombolo::{Ack, Change, Declaration, Node, WriteError, unix_millis};

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_write_is_read_on_every_node() {
    let (_nodes, tables) = cluster(3).await;
    for number in 0..100u32 {
        let key = number.to_be_bytes();
        let receipt = tables[0].put(&key, b"value", None).unwrap();
        let acked = tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
        assert_eq!(*acked.by, ["n2", "n3"]);
        assert!(tables.iter().all(|table| value(table, &key).as_deref() == Some(b"value")));
    }
    let receipt = tables[1].delete(&7u32.to_be_bytes()).unwrap().unwrap();
    tables[1].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert!(tables.iter().all(|table| value(table, &7u32.to_be_bytes()).is_none()));
    assert_eq!(tables[1].delete(&7u32.to_be_bytes()).unwrap(), None);
    until("the delete leaves nothing behind", || {
        let left = |node: &Node| node.status().tables.iter().map(|t| t.tombstones).sum::<usize>();
        _nodes.iter().all(|node| left(node) == 0)
    })
    .await;
    equal(&tables).await;
    assert_eq!(tables[2].len(), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_on_every_node_end_with_equal_tables() {
    let (_nodes, tables) = cluster(3).await;
    let writers = tables.iter().enumerate().flat_map(|(node, table)| {
        (0..4u64).map(move |writer| {
            let table = table.clone();
            tokio::spawn(async move {
                for number in 0..500u64 {
                    let key = (number * 7 % 113).to_be_bytes();
                    let value = [node as u8, writer as u8];
                    let receipt = if number % 5 == 4 {
                        table.delete(&key).unwrap()
                    } else {
                        Some(table.put(&key, &value, None).unwrap())
                    };
                    if let Some(receipt) = receipt {
                        table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
                    }
                }
            })
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_copies_and_what_is_missing_are_told() {
    let (_nodes, tables) = cluster(2).await;
    let receipt = tables[0].put(b"k", b"v", None).unwrap();
    tables[0].acknowledged(receipt, Ack::Count(2), PATIENCE).await.unwrap();
    let short = Duration::from_millis(50);
    let error = tables[0].acknowledged(receipt, Ack::Count(3), short).await.unwrap_err();
    assert_eq!((error.by, error.missing), (vec!["n2".to_owned()], vec![]));
    tables[0].acknowledged(receipt, Ack::Local, Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_copy_is_told_when_a_node_that_came_later_has_it() {
    let a = start("a", &[]).await;
    let table = tables(std::slice::from_ref(&a), "t").await.pop().unwrap();
    let receipt = table.put(b"k", b"v", None).unwrap();
    let waiting = table.clone();
    let waiter = tokio::spawn(async move {
        let start = Instant::now();
        waiting.acknowledged(receipt, Ack::Count(2), PATIENCE).await.unwrap();
        start.elapsed()
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _b = start("b", &[&a]).await;
    assert!(waiter.await.unwrap() < PATIENCE / 2, "not only at the end of its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_keeps_its_node_running() {
    let a = start("a", &[]).await;
    let b = start("b", &[&a]).await;
    let here = tables(std::slice::from_ref(&a), "t").await.pop().unwrap();
    drop(a);
    let receipt = here.put(b"k", b"v", None).unwrap();
    assert_eq!(*here.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap().by, ["b"]);
    drop(here);
    until("the node ends with its last table", || b.status().links.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_tells_who_waits_that_a_write_was_not_acknowledged() {
    let (nodes, tables) = cluster(2).await;
    let receipt = tables[0].put(b"k", b"v", None).unwrap();
    let waiting = tables[0].clone();
    let for_ever = Duration::from_secs(3_600);
    let waiter =
        tokio::spawn(async move { waiting.acknowledged(receipt, Ack::Count(3), for_ever).await });
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    nodes[0].leave().await;
    let outcome = tokio::time::timeout(PATIENCE, waiter).await.expect("the node has ended");
    assert!(outcome.unwrap().is_err(), "two nodes had it, not three");
    assert_eq!(tables[0].put(b"late", b"v", None), Err(WriteError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_down_is_no_longer_waited_for() {
    let (nodes, tables) = cluster(3).await;
    nodes[0].cut("n3").unwrap();
    let receipt = tables[0].put(b"k", b"v", None).unwrap();
    let acked = tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(*acked.by, ["n2"]);
    nodes[0].heal();
    whole(&nodes).await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_record_is_hidden_at_once_everywhere_and_swept_later() {
    let (nodes, tables) = cluster(2).await;
    tables[1].put(b"k", b"old", None).unwrap();
    until("the old value is there", || value(&tables[0], b"k").is_some()).await;
    let expires = unix_millis() + 2_000;
    let receipt = tables[0].put(b"k", b"new", Some(expires)).unwrap();
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(value(&tables[1], b"k").as_deref(), Some(&b"new"[..]));
    while unix_millis() < expires {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(tables.iter().all(|table| value(table, b"k").is_none()), "nothing older shows");
    until("it is swept", || tables.iter().all(|table| table.is_empty())).await;
    until("its tombstone is dropped", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deciding_and_writing_are_one_step() {
    let (_nodes, tables) = cluster(1).await;
    let count = |threads: usize| {
        (0..threads).map(|_| {
            let table = tables[0].clone();
            std::thread::spawn(move || {
                for _ in 0..1_000 {
                    let add = |record: Option<tombolo::RawRecord<'_>>| {
                        let old =
                            record.map_or(0, |r| u64::from_be_bytes(r.value.try_into().unwrap()));
                        let value = (old + 1).to_be_bytes().to_vec();
                        (Change::Put { value, expires: None }, ())
                    };
                    table.decide(b"counter", add).unwrap();
                }
            })
        })
    };
    count(4).collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(value(&tables[0], b"counter"), Some(4_000u64.to_be_bytes().to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_changes_nothing() {
    let (_nodes, tables) = cluster(1).await;
    let huge = vec![0; 65 << 20];
    assert!(matches!(tables[0].put(b"k", &huge, None), Err(WriteError::TooLarge { .. })));
    let put = Change::Put { value: huge, expires: None };
    assert!(matches!(tables[0].decide(b"k", |_| (put, ())), Err(WriteError::TooLarge { .. })));
    assert!(tables[0].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_records_cross_and_a_slow_peer_is_made_up_for_by_sync() {
    let (nodes, tables) = cluster(2).await;
    // Far more than a queue holds, and a peer that takes nothing: some ops are dropped.
    let value = vec![7; 1 << 20];
    while_held(&tables[1], || {
        for number in 0..64u32 {
            tables[0].put(&number.to_be_bytes(), &value, None).unwrap();
        }
    });
    equal(&tables).await;
    assert_eq!(tables[1].len(), 64);
    let receipt = tables[0].put(b"last", b"one", None).unwrap();
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    let overflows: u64 = nodes[0].status().links.iter().map(|link| link.overflows).sum();
    assert!(overflows > 0, "the test is to drop something");
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_tables_read_what_was_written_and_name_what_is_not_theirs() {
    let a = start("a", &[]).await;
    let b = start("b", &[&a]).await;
    let here = a.table::<String, (u32, bool)>("typed").await.unwrap();
    let there = b.table::<String, (u32, bool)>("typed").await.unwrap();
    let keys: Vec<String> = (0..50).map(|n| format!("key {n}")).collect();
    let values: Vec<(u32, bool)> = (0..50).map(|n| (n, n % 2 == 0)).collect();
    here.insert_many(keys.iter().zip(&values)).await.unwrap();
    assert_eq!(there.get(&keys[7]).unwrap(), Some((7, false)));
    assert_eq!(there.iter().collect::<Result<Vec<_>, _>>().unwrap().len(), 50);
    there.delete_many(&keys[..10]).await.unwrap();
    assert_eq!((here.len(), here.fingerprint()), (40, there.fingerprint()));
    let wrong = b.table::<String, String>("typed").await.unwrap();
    let error = wrong.get(&keys[20]).unwrap_err();
    assert!(error.to_string().contains("typed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_miss_a_key_that_is_overwritten() {
    let (_nodes, tables) = cluster(2).await;
    let receipt = tables[0].put(b"hot", &[0; 100], None).unwrap();
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    let end = Instant::now() + Duration::from_millis(500);
    let reader = tables[1].clone();
    let reading = std::thread::spawn(move || {
        let mut reads = 0u64;
        while Instant::now() < end {
            assert!(reader.read(b"hot", |record| record.is_some()));
            reads += 1;
        }
        reads
    });
    while Instant::now() < end {
        let receipt = tables[0].put(b"hot", &[1; 100], None).unwrap();
        tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    }
    assert!(reading.join().unwrap() > 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_writer_that_never_waits_lets_others_of_its_thread_run() {
    let node = builder("alone").on_current_runtime().start().await.unwrap();
    let table = node.table::<u32, u32>("t").await.unwrap();
    for ack in [Ack::All, Ack::Local] {
        let writer = table.clone();
        let writer = tokio::spawn(async move {
            for number in 0..10_000_000 {
                writer.insert(&(number % 100), &number).ack(ack).await.unwrap();
            }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!writer.is_finished());
        writer.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_declared_on_one_node_appears_on_all() {
    let (nodes, _) = cluster(3).await;
    nodes[2].create_table("late", Declaration::default()).await.unwrap();
    until("it is everywhere", || nodes.iter().all(|node| node.raw_table("late").is_some())).await;
    let late = tables(&nodes, "late").await;
    let receipt = late[0].put(b"k", b"v", None).unwrap();
    let acked = late[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(acked.by.len(), 2);
}
