//! Writes that wait for a peer that does not answer, dies, or says goodbye.

use super::freezing::{Freezer, freezable};
use super::{assert_read, write};
use crate::common::{PATIENCE, cluster, equal, start, tables, until, whole};
use std::time::Duration;
use tokio::task::JoinHandle;
use tombolo::{Ack, AckTimeout, Acked, Node, RawTable, Receipt, WriteError};

type Waiter = JoinHandle<Result<Acked, AckTimeout>>;

fn wait(table: &RawTable, receipt: Receipt, ack: Ack, timeout: Duration) -> Waiter {
    let table = table.clone();
    tokio::spawn(async move { table.acknowledged(receipt, ack, timeout).await })
}

/// Three nodes with the table `t`; the last can be frozen.
async fn three() -> (Vec<Node>, Vec<RawTable>, Freezer) {
    let first = start("n1", &[]).await;
    let second = start("n2", &[&first]).await;
    let (third, freezer) = freezable("n3", &[&first]).await;
    let nodes = vec![first, second, third];
    whole(&nodes).await;
    let tables = tables(&nodes, "t").await;
    (nodes, tables, freezer)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_wait_for_a_peer_are_answered_when_it_is_killed() {
    let (mut nodes, mut shared, freezer) = three().await;
    let mut other = tables(&nodes, "other").await;
    let frozen = freezer.freeze().await;
    let mut waiters = Vec::new();
    for number in 0..50u32 {
        let receipt = shared[0].put(&number.to_be_bytes(), b"v", None).unwrap();
        waiters.push(wait(&shared[0], receipt, Ack::All, PATIENCE));
        let receipt = other[1].put(&number.to_be_bytes(), b"v", None).unwrap();
        waiters.push(wait(&other[1], receipt, Ack::All, PATIENCE));
    }
    let deleted = shared[0].delete(&7u32.to_be_bytes()).unwrap().unwrap();
    waiters.push(wait(&shared[0], deleted, Ack::All, PATIENCE));
    let enough = shared[0].acknowledged(deleted, Ack::Count(2), PATIENCE).await.unwrap();
    assert_eq!(*enough.by, ["n2"]);
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "n3 has none of it");
    // Its handles would keep its sockets open.
    drop((nodes.pop(), shared.pop(), other.pop()));
    frozen.crash();
    for waiter in waiters {
        let acked = waiter.await.unwrap().unwrap();
        assert!(*acked.by == ["n1"] || *acked.by == ["n2"], "{acked:?}");
    }
    equal(&shared).await;
    assert_eq!((shared[1].len(), other[0].len()), (49, 50));
    // A new one waits for nobody that is gone.
    write(&shared[1], "after", "v").await;
    assert_read(&shared, "after", Some("v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_fewer_or_for_less_time_is_answered_by_itself() {
    let (_nodes, tables, freezer) = three().await;
    let frozen = freezer.freeze().await;
    let short = Duration::from_millis(200);
    let receipt = tables[0].put(b"k", b"v", None).unwrap();
    let all = wait(&tables[0], receipt, Ack::All, PATIENCE);
    let hasty = wait(&tables[0], receipt, Ack::All, short);
    let two = wait(&tables[0], receipt, Ack::Count(2), PATIENCE);
    let alone = wait(&tables[0], receipt, Ack::Local, PATIENCE);
    let hasty = hasty.await.unwrap().unwrap_err();
    assert_eq!((hasty.by, hasty.missing), (vec!["n2".to_owned()], vec!["n3".to_owned()]));
    assert_eq!(*two.await.unwrap().unwrap().by, ["n2"]);
    alone.await.unwrap().unwrap();
    assert!(!all.is_finished());
    frozen.thaw();
    all.await.unwrap().unwrap();
    until("n3 has it after all", || tables[0].acknowledged_by(receipt).len() == 2).await;
    assert_read(&tables, "k", Some("v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_silent_peer_is_answered_when_it_counts_as_gone() {
    let (nodes, tables, freezer) = three().await;
    let frozen = freezer.freeze().await;
    let receipt = tables[1].put(b"k", b"v", None).unwrap();
    let acked = tables[1].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(*acked.by, ["n1"]);
    frozen.thaw();
    whole(&nodes).await;
    equal(&tables).await;
    assert_read(&tables, "k", Some("v"));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_through_while_a_peer_says_goodbye() {
    let (mut nodes, mut tables) = cluster(3).await;
    let writers = [0, 1].map(|node| {
        let table: RawTable = tables[node].clone();
        tokio::spawn(async move {
            for number in 0..400u32 {
                write(&table, &format!("{node}/{number}"), "v").await;
            }
        })
    });
    until("they are at it", || tables[0].len() > 100).await;
    nodes[2].leave().await;
    drop((nodes.pop(), tables.pop()));
    for writer in writers {
        writer.await.unwrap();
    }
    equal(&tables).await;
    assert_eq!(tables[1].len(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_on_a_node_that_leaves_is_told_that_not_all_have_the_write() {
    let (nodes, tables, freezer) = three().await;
    let frozen = freezer.freeze().await;
    let mut waiters = Vec::new();
    for number in 0..20u32 {
        let receipt = tables[0].put(&number.to_be_bytes(), b"v", None).unwrap();
        waiters.push(wait(&tables[0], receipt, Ack::All, Duration::from_secs(3_600)));
    }
    until("n2 has it", || tables[1].len() == 20).await;
    nodes[0].leave().await;
    for waiter in waiters {
        let ended = tokio::time::timeout(PATIENCE, waiter).await.expect("the node has ended");
        let error = ended.unwrap().expect_err("n3 never had it");
        assert!(!error.by.contains(&"n3".to_owned()), "{error}");
    }
    assert_eq!(tables[0].put(b"late", b"v", None), Err(WriteError::Stopped));
    assert_eq!(tables[0].delete(b"late"), Err(WriteError::Stopped));
    frozen.thaw();
    equal(&tables[1..]).await;
    assert_eq!(tables[2].len(), 20, "n2 passes on what the writer could not");
}
