//! Writes as requests whose responses are waited for later, pauses among them.

use super::freezing::freezable;
use crate::common::{PATIENCE, cluster, start, until, whole};
use std::time::Duration;
use tombolo::{Ack, Acked, Bag, InsertError, Node, Table, WriteError};

type Squares = Table<u32, u32>;

async fn squares(nodes: &[Node]) -> Vec<Squares> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.table::<u32, u32>("squares").await.unwrap());
    }
    tables
}

fn sorted(table: &Squares) -> Vec<u32> {
    let mut keys: Vec<u32> = table.keys().map(|key| key.unwrap()).collect();
    keys.sort_unstable();
    keys
}

fn objects(bag: &Bag<u32, u32>) -> Vec<(u32, u32)> {
    let mut objects = bag.dump().unwrap();
    objects.sort_unstable();
    objects
}

/// Sends a request; it is under way when this returns.
async fn request<T: Send + 'static>(
    write: impl Future<Output = Result<T, InsertError>> + Send + 'static,
) -> tokio::task::JoinHandle<Result<T, InsertError>> {
    let request = tokio::spawn(write);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    request
}

#[tokio::test(flavor = "current_thread")]
async fn requests_of_every_kind_are_in_flight_together_and_all_are_answered() {
    let (nodes, _) = cluster(3).await;
    let squares = squares(&nodes).await;
    let mut bags = Vec::new();
    for node in &nodes {
        bags.push(node.bag::<u32, u32>("bag").await.unwrap());
    }
    let mut requests: Vec<tokio::task::JoinHandle<Result<Acked, InsertError>>> = Vec::new();
    for at in 0..3u32 {
        let (table, bag) = (&squares[at as usize], &bags[at as usize]);
        for number in 0..100u32 {
            let number = at * 1_000 + number;
            requests.push(tokio::spawn(table.insert(&number, &(number * number)).ack(Ack::All)));
        }
        requests.push(tokio::spawn(table.insert_many([(at, at), (at + 10, at)])));
        requests.push(tokio::spawn(table.delete(&(at * 1_000 + 50))));
        requests.push(tokio::spawn(table.delete_many([at * 1_000 + 51, at * 1_000 + 52, 77_777])));
        let many = (1..=5).map(|object| (at, object));
        requests.push(tokio::spawn(bag.insert_many(many)));
        requests.push(tokio::spawn(bag.delete_object(&at, &2)));
        requests.push(tokio::spawn(bag.delete_objects([(at, 3), (at, 5), (at, 9)])));
    }
    for request in requests {
        request.await.unwrap().unwrap();
    }
    for (squares, bag) in squares.iter().zip(&bags) {
        // The keys of the first node's hundred are written by the others, too.
        assert_eq!(squares.len(), 3 * (100 - 3));
        assert_eq!(objects(bag), [(0, 1), (0, 4), (1, 1), (1, 4), (2, 1), (2, 4)]);
        let mut remote = bag.remote_dump("n2").await.unwrap();
        remote.sort_unstable();
        assert_eq!(remote, objects(bag));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_waited_for_a_pause_is_done_in_its_order_inserts_and_deletes_alike() {
    let (nodes, _) = cluster(2).await;
    let squares = squares(&nodes).await;
    let table = &squares[0];
    let guard = table.pause();
    let mut requests = vec![request(table.insert(&1, &1)).await];
    requests.push(request(table.delete(&1)).await);
    requests.push(request(table.delete(&2)).await);
    for number in 2..=5 {
        requests.push(request(table.insert(&number, &number)).await);
    }
    requests.push(request(table.insert_many([(6, 6), (7, 7)])).await);
    requests.push(request(table.delete_many([5, 4])).await);
    assert_eq!(sorted(table), [0u32; 0]);
    drop(guard);
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert!(squares.iter().all(|table| sorted(table) == [2, 3, 6, 7]));
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_to_a_paused_table_is_over_in_its_time_and_another_is_answered() {
    let (nodes, _) = cluster(2).await;
    let one = squares(&nodes).await.remove(0);
    let other = nodes[0].table::<u32, u32>("other").await.unwrap();
    let guard = one.pause();
    let begun = std::time::Instant::now();
    let (late, done) = tokio::join!(
        one.insert_many([(1, 1), (2, 2)]).timeout(Duration::from_millis(100)),
        other.insert_many([(1, 1), (2, 2)]),
    );
    done.unwrap();
    assert_eq!(late.unwrap_err(), InsertError::Write(WriteError::Paused));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    // One that is not waited for any more, but kept, is made all the same.
    let kept = request(one.insert(&3, &3)).await;
    drop(guard);
    kept.await.unwrap().unwrap();
    assert_eq!(sorted(&one), [3], "the error said that nothing was changed");
    assert_eq!(other.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_late_leaves_its_write_and_another_dropped_one_too() {
    let first = start("n1", &[]).await;
    let (second, freezer) = freezable("n2", &[&first]).await;
    let nodes = vec![first, second];
    whole(&nodes).await;
    let squares = squares(&nodes).await;
    let frozen = freezer.freeze().await;
    let late = squares[0].insert(&1, &1).timeout(Duration::from_millis(50)).await.unwrap_err();
    let InsertError::Timeout(late) = late else { panic!("{late}") };
    assert_eq!((late.missing, late.ended), (vec!["n2".to_owned()], false));
    let dropped = tokio::time::timeout(Duration::from_millis(50), squares[0].insert(&2, &2)).await;
    assert!(dropped.is_err());
    assert_eq!(sorted(&squares[0]), [1, 2], "both were made");
    frozen.thaw();
    squares[0].wait(late.receipt.unwrap(), Ack::All, PATIENCE).await.unwrap();
    until("n2 has both", || sorted(&squares[1]) == [1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_of_all_is_answered_alone_and_when_one_of_them_dies_meanwhile() {
    let first = start("n1", &[]).await;
    first.ping_all(Duration::MAX).await.unwrap();
    let second = start("n2", &[&first]).await;
    let (third, freezer) = freezable("n3", &[&first]).await;
    let nodes = vec![first.clone(), second, third];
    whole(&nodes).await;
    let squares = squares(&nodes).await;
    let frozen = freezer.freeze().await;
    squares[0].insert(&1, &1).ack(Ack::Local).await.unwrap();
    let missing = first.ping_all(Duration::from_millis(100)).await.unwrap_err().missing;
    assert_eq!(missing, ["n3"]);
    let ping = tokio::spawn(async move { first.ping_all(PATIENCE).await });
    let kept = squares[1].clone();
    drop((nodes, squares));
    frozen.crash();
    ping.await.unwrap().unwrap();
    assert_eq!(kept.get(&1).unwrap(), Some(1));
}

#[tokio::test(flavor = "current_thread")]
async fn who_waits_for_a_pause_is_told_when_the_node_ends_and_the_guard_may_outlive_it() {
    let (nodes, _) = cluster(2).await;
    let squares = squares(&nodes).await;
    squares[0].insert(&1, &1).await.unwrap();
    let guard = squares[0].pause();
    let waits = request(squares[0].insert(&2, &2)).await;
    nodes[0].leave().await;
    let error = waits.await.unwrap().unwrap_err();
    assert_eq!(error, InsertError::Write(WriteError::Stopped));
    drop(guard);
    squares[1].insert(&3, &3).await.unwrap();
    assert_eq!(sorted(&squares[1]), [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_with_the_thread_that_holds_it_however_that_ends() {
    let (nodes, _) = cluster(1).await;
    let table = squares(&nodes).await.remove(0);
    for crashes in [true, false] {
        let owned = table.clone();
        let owner = std::thread::spawn(move || {
            let _guard = owned.pause();
            assert!(!crashes, "the owner crashes");
        });
        assert_eq!(owner.join().is_err(), crashes);
        table.insert(&1, &u32::from(crashes)).await.unwrap();
    }
    // A guard that is dropped frees what it holds and no more.
    let (one, other) = (table.pause(), table.pause());
    assert_eq!(table.raw().info().paused.unwrap().guards, 2);
    drop(one);
    assert_eq!(table.raw().info().paused.unwrap().guards, 1);
    drop(other);
    assert_eq!(table.raw().info().paused, None);
}
