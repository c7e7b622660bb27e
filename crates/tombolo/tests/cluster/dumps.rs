//! Reading another node's copy of a table.

use crate::common::{PATIENCE, cluster, content, start, until};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tombolo::{Ack, Declaration, DumpError, RawTable, Value};

fn records(dump: &[(Vec<u8>, Value)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records: Vec<_> =
        dump.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
    records.sort();
    records
}

async fn fill(table: &RawTable, count: u32, size: usize) {
    let mut last = None;
    for number in 0..count {
        last = Some(table.put(&number.to_be_bytes(), &vec![number as u8; size], None).unwrap());
    }
    table.acknowledged(last.unwrap(), Ack::All, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_nodes_copy_is_read_in_parts() {
    let (nodes, tables) = cluster(2).await;
    fill(&tables[0], 5_000, 300).await;
    let large = vec![7; 2 << 20];
    let receipt = tables[0].put(b"large", &large, Some(u64::MAX)).unwrap();
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    let dump = tables[1].remote_dump("n1", PATIENCE).await.unwrap();
    assert_eq!(records(&dump), content(&tables[0]));
    let (_, value) = dump.iter().find(|(key, _)| key == b"large").unwrap();
    assert_eq!((value.expires(), value.len()), (Some(u64::MAX), large.len()));
    let own = tables[0].remote_dump(nodes[0].name(), Duration::ZERO).await.unwrap();
    assert_eq!(records(&own), content(&tables[0]));

    // Several at a time.
    let dumps = (0..4).map(|_| {
        let table = tables[1].clone();
        tokio::spawn(async move { table.remote_dump("n1", PATIENCE).await.unwrap().len() })
    });
    for dump in dumps.collect::<Vec<_>>() {
        assert_eq!(dump.await.unwrap(), 5_001);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_is_in_a_dump_exactly_once_beside_writers() {
    let (_nodes, tables) = cluster(2).await;
    fill(&tables[0], 3_000, 500).await;
    let over = Arc::new(AtomicBool::new(false));
    let (table, stop) = (tables[0].clone(), Arc::clone(&over));
    let writer = tokio::spawn(async move {
        for round in 0u32.. {
            if stop.load(Relaxed) {
                return;
            }
            table.put(&(round % 3_000).to_be_bytes(), &[1; 400], None).unwrap();
            table.delete(&(5_000 + round % 1_777).to_be_bytes()).unwrap();
            let receipt = table.put(&(5_000 + round % 2_000).to_be_bytes(), b"comes", None);
            table.acknowledged(receipt.unwrap(), Ack::Local, PATIENCE).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..10 {
        let dump = tables[1].remote_dump("n1", PATIENCE).await.unwrap();
        let keys: BTreeSet<&[u8]> = dump.iter().map(|(key, _)| &key[..]).collect();
        assert_eq!(keys.len(), dump.len(), "a key came twice");
        assert!((0..3_000u32).all(|number| keys.contains(&number.to_be_bytes()[..])));
    }
    over.store(true, Relaxed);
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_cannot_be_had_says_why() {
    let (nodes, tables) = cluster(3).await;
    fill(&tables[0], 2_000, 1_000).await;
    let error = tables[0].remote_dump("nobody", PATIENCE).await.unwrap_err();
    let linked = vec!["n2".to_owned(), "n3".to_owned()];
    match error {
        DumpError::NotLinked { node, linked: mut known } => {
            known.sort();
            assert_eq!((node.as_str(), known), ("nobody", linked));
        }
        other => panic!("{other}"),
    }
    let error = tables[0].remote_dump("n2", Duration::ZERO).await.unwrap_err();
    assert_eq!(error, DumpError::Timeout { node: "n2".to_owned() });
    // One that was given up does not disturb the next.
    assert_eq!(tables[0].remote_dump("n2", PATIENCE).await.unwrap().len(), 2_000);

    nodes[0].cut("n2").unwrap();
    let error = tables[0].remote_dump("n2", PATIENCE).await.unwrap_err();
    assert!(matches!(error, DumpError::NotLinked { .. }), "{error}");
    nodes[0].heal();

    let table = tables[0].clone();
    let looking = tokio::spawn(async move {
        loop {
            if let Err(error) = table.remote_dump("n3", PATIENCE).await {
                return error;
            }
        }
    });
    nodes[2].leave().await;
    let error = looking.await.unwrap();
    let told = matches!(error, DumpError::Lost { .. } | DumpError::NotLinked { .. });
    assert!(told, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_table_says_so() {
    let a = start("a", &[]).await;
    let b = start("b", &[&a]).await;
    until("they are linked", || a.status().members.len() == 2 && b.raw_table("t").is_none()).await;
    // Declared over and over, it is asked for before the other node has heard of it, or after.
    for number in 0..20 {
        let name = format!("t{number}");
        let table = a.create_table(&name, Declaration::default()).await.unwrap();
        match table.remote_dump("b", PATIENCE).await {
            Ok(records) => assert!(records.is_empty()),
            Err(DumpError::UnknownTable { node, table }) => {
                assert_eq!((node.as_str(), table), ("b", name));
            }
            Err(DumpError::NotLinked { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
