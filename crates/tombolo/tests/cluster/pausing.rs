//! Tables that stand still, as CETS has them in its pause tests.

use crate::common::{PATIENCE, cluster, content, equal, until, value};
use std::sync::Arc;
use std::time::Duration;
use tombolo::{Ack, RawTable, Table, WriteError};

/// A typed view of a table of bytes that the other helpers can compare.
async fn typed(nodes: &[tombolo::Node]) -> Table<u32, u32> {
    nodes[0].table::<u32, u32>("t").await.unwrap()
}

fn sorted(table: &Table<u32, u32>) -> Vec<(u32, u32)> {
    let mut records: Vec<_> = table.iter().map(|record| record.unwrap()).collect();
    records.sort_unstable();
    records
}

/// Resolves when so many writers wait, which only their own yields tell.
async fn let_them_wait() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_table_that_is_paused_twice_moves_when_both_guards_are_gone() {
    let (nodes, tables) = cluster(2).await;
    let table = typed(&nodes).await;
    let (first, second) = (tables[0].pause(), table.pause());
    let paused = nodes[0].status().tables[0].paused.clone().unwrap();
    assert_eq!(paused.guards, 2);
    assert_eq!(tables[0].put(b"k", b"v", None), Err(WriteError::Paused));
    let writer = tokio::spawn({
        let table = table.clone();
        async move { table.insert(&1, &1).await }
    });
    let_them_wait().await;
    drop(first);
    let_them_wait().await;
    assert!(!writer.is_finished() && tables[0].is_paused());
    assert_eq!(table.get(&1).unwrap(), None);
    drop(second);
    writer.await.unwrap().unwrap();
    assert_eq!(table.get(&1).unwrap(), Some(1));
    assert!(!tables[0].is_paused() && nodes[0].status().tables[0].paused.is_none());
    equal(&tables).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_guard_goes_with_the_task_that_owns_it_when_that_is_aborted_or_panics() {
    let (_nodes, tables) = cluster(1).await;
    let table = tables[0].clone();
    let owner = tokio::spawn(async move {
        let _guard = table.pause();
        std::future::pending::<()>().await;
    });
    until("the owner has paused the table", || tables[0].is_paused()).await;
    owner.abort();
    assert!(owner.await.unwrap_err().is_cancelled());
    assert!(tables[0].put(b"k", b"v", None).is_ok());
    let table = tables[0].clone();
    let owner = tokio::spawn(async move {
        let _guard = table.pause();
        panic!("the owner dies");
    });
    assert!(owner.await.unwrap_err().is_panic());
    assert!(tables[0].put(b"k", b"w", None).is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn writes_that_wait_are_made_in_the_order_in_which_they_came() {
    let (nodes, tables) = cluster(2).await;
    let table = typed(&nodes).await;
    let guard = table.pause();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut writers = Vec::new();
    for number in 0..20 {
        let (table, order) = (table.clone(), Arc::clone(&order));
        writers.push(tokio::spawn(async move {
            let acked = table.insert(&7, &number).await.unwrap();
            order.lock().unwrap().push((acked.receipt.unwrap().sequence(), number));
        }));
        // Each is in the line before the next comes.
        let_them_wait().await;
    }
    assert_eq!(table.get(&7).unwrap(), None);
    drop(guard);
    for writer in writers {
        writer.await.unwrap();
    }
    let mut order = order.lock().unwrap().clone();
    order.sort_unstable();
    let written: Vec<u32> = order.iter().map(|(_, number)| *number).collect();
    assert_eq!(written, (0..20).collect::<Vec<u32>>());
    assert_eq!(table.get(&7).unwrap(), Some(19));
    equal(&tables).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_pause_in_the_middle_of_the_line_costs_nobody_his_place() {
    let (nodes, _tables) = cluster(1).await;
    let table = typed(&nodes).await;
    let guard = table.pause();
    let turn_taker = table.raw().clone();
    let mut line = Box::pin(turn_taker.unpaused());
    assert!(futures_poll(&mut line).is_none());
    let behind = tokio::spawn({
        let table = table.clone();
        async move { table.insert(&1, &1).await }
    });
    let_them_wait().await;
    drop(guard);
    let turn = line.await.unwrap();
    // Whoever is behind waits for the turn to end, and then for the guard that was taken in it.
    let guard = table.pause();
    drop(turn);
    let_them_wait().await;
    assert!(!behind.is_finished());
    drop(guard);
    behind.await.unwrap().unwrap();
}

/// Polls once.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_writer_that_gives_up_leaves_the_line_and_writes_nothing() {
    let (nodes, _tables) = cluster(1).await;
    let table = typed(&nodes).await;
    let guard = table.pause();
    let mut first = Box::pin(table.insert(&1, &1));
    assert!(futures_poll(&mut first).is_none());
    let second = tokio::spawn({
        let table = table.clone();
        async move { table.insert(&2, &2).await }
    });
    let_them_wait().await;
    drop(first);
    drop(guard);
    second.await.unwrap().unwrap();
    assert_eq!(sorted(&table), [(2, 2)]);
}

async fn writes_elsewhere_wait(tables: &[RawTable]) {
    let guard = tables[1].pause();
    let receipt = tables[0].put(b"far", b"1", None).unwrap();
    let late = tables[0].acknowledged(receipt, Ack::All, Duration::from_millis(150)).await;
    assert_eq!(late.unwrap_err().missing, ["n2"]);
    assert_eq!(value(&tables[1], b"far"), None, "it is not let in");
    drop(guard);
    tables[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(value(&tables[1], b"far").as_deref(), Some(&b"1"[..]));
}

#[tokio::test(flavor = "current_thread")]
async fn a_write_on_another_node_waits_for_the_paused_one() {
    let (_nodes, tables) = cluster(3).await;
    writes_elsewhere_wait(&tables).await;
    equal(&tables).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_ping_of_all_names_the_node_that_is_paused() {
    let (nodes, tables) = cluster(3).await;
    nodes[0].ping_all(PATIENCE).await.unwrap();
    let guard = tables[2].pause();
    tables[0].put(b"k", b"v", None).unwrap();
    let missing = nodes[0].ping_all(Duration::from_millis(200)).await.unwrap_err().missing;
    assert_eq!(missing, ["n3"]);
    drop(guard);
    nodes[0].ping_all(PATIENCE).await.unwrap();
    assert_eq!(value(&tables[2], b"k").as_deref(), Some(&b"v"[..]));
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_that_joins_during_a_pause_is_served_by_the_paused_one() {
    let (nodes, tables) = cluster(1).await;
    for number in 0..200_u32 {
        tables[0].put(&number.to_be_bytes(), b"v", None).unwrap();
    }
    let _guard = tables[0].pause();
    let before = content(&tables[0]);
    let second = crate::common::start("n2", &[&nodes[0]]).await;
    let copy = second.create_table("t", Default::default()).await.unwrap();
    copy.put(b"new", b"v", None).unwrap();
    until("the newcomer has all", || copy.len() == 201).await;
    assert_eq!(content(&tables[0]), before, "and the paused table has not moved");
}
