//! Serial operations, and the node that carries them out.

use super::freezing::{Freezer, freezable};
use super::{assert_read, siblings, write};
use crate::common::{PATIENCE, builder, cluster, equal, start, tables, until, whole};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tombolo::{Ack, Node, NodeBuilder, RawTable, SerialError, Table, UpdateError};

type Ages = Table<String, u32>;

async fn ages(nodes: &[Node]) -> Vec<Ages> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.table::<String, u32>("ages").await.unwrap());
    }
    tables
}

fn of_alice(ages: &Ages) -> Option<u32> {
    ages.get("alice").unwrap()
}

/// Three nodes, of which the first, the leader, can be frozen.
async fn with_leader() -> (Vec<Node>, Vec<Ages>, Freezer) {
    let (first, freezer) = freezable("n1", &[]).await;
    let second = start("n2", &[&first]).await;
    let third = start("n3", &[&first]).await;
    let nodes = vec![first, second, third];
    whole(&nodes).await;
    let ages = ages(&nodes).await;
    (nodes, ages, freezer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_inserted_anew_wherever_it_is_tried() {
    let (nodes, _) = cluster(2).await;
    let ages = ages(&nodes).await;
    assert!(ages[1].insert_new("alice", &32).await.unwrap());
    for (at, age) in [(1, 32), (0, 32), (1, 33), (0, 33)] {
        assert!(!ages[at].insert_new("alice", &age).await.unwrap());
        let there = ages[at].insert_new_or_lookup("alice", &age).await.unwrap();
        assert_eq!(there, Some(32), "at node {}", at + 1);
    }
    assert!(ages.iter().all(|ages| of_alice(ages) == Some(32)));
    // What was deleted or has expired is not there.
    ages[0].delete("alice").await.unwrap();
    assert_eq!(ages[1].insert_new_or_lookup("alice", &40).await.unwrap(), None);
    ages[1].insert("alice", &41).ttl(Duration::from_millis(1)).await.unwrap();
    until("it has expired", || ages.iter().all(|ages| of_alice(ages).is_none())).await;
    assert!(ages[0].insert_new("alice", &42).await.unwrap());
    assert!(ages.iter().all(|ages| of_alice(ages) == Some(42)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_insert_at_the_same_moment_one_is_told_of_the_other() {
    let (nodes, _) = cluster(2).await;
    let ages = ages(&nodes).await;
    for round in 0..50u32 {
        let key = round.to_string();
        let (one, other) = tokio::join!(
            ages[0].insert_new_or_lookup(&key, &1),
            ages[1].insert_new_or_lookup(&key, &2),
        );
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!([(None, Some(1)), (Some(2), None)].contains(&(one, other)), "{one:?} {other:?}");
        let stays = Some(one.unwrap_or(1));
        assert!(ages.iter().all(|ages| ages.get(&key).unwrap() == stays));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_inserts_overwrite_each_other_in_one_order_on_all_nodes() {
    let (nodes, _) = cluster(3).await;
    let ages = ages(&nodes).await;
    for age in 0..20u32 {
        ages[age as usize % 3].insert_serial("alice", &age).await.unwrap();
        assert!(ages.iter().all(|ages| of_alice(ages) == Some(age)));
    }
    for round in 0..20u32 {
        let [a, b, c] = [100, 200, 300].map(|of| of + round);
        let (one, two, three) = tokio::join!(
            ages[0].insert_serial("alice", &a),
            ages[1].insert_serial("alice", &b),
            ages[2].insert_serial("alice", &c),
        );
        let written = [one, two, three].map(|acked| acked.unwrap().receipt.unwrap());
        // All are written by the leader, one after the other.
        let last = (0..3).max_by_key(|at| written[*at].sequence()).unwrap();
        let stays = Some((last as u32 + 1) * 100 + round);
        assert!(ages.iter().all(|ages| of_alice(ages) == stays), "{stays:?}");
    }
    assert_eq!(nodes.iter().map(siblings).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_waits_for_a_leader_that_stands_still_and_is_made_once() {
    let (_nodes, ages, freezer) = with_leader().await;
    assert!(ages[1].insert_new("bob", &1).await.unwrap(), "the leader works");
    let frozen = freezer.freeze().await;
    let mut writers = tokio::task::JoinSet::new();
    for ages in &ages[1..] {
        let ages = ages.clone();
        writers.spawn(async move { ages.insert_new("alice", &32).await });
    }
    let none = tokio::time::timeout(Duration::from_millis(200), writers.join_next()).await;
    assert!(none.is_err(), "nobody else decides");
    frozen.thaw();
    let mut done: Vec<bool> =
        writers.join_all().await.into_iter().map(|done| done.unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, [false, true]);
    assert!(ages.iter().all(|ages| of_alice(ages) == Some(32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_that_was_under_way_when_the_leader_died_is_made_by_the_next() {
    let (mut nodes, mut ages, freezer) = with_leader().await;
    assert!(ages[2].insert_new("bob", &1).await.unwrap(), "the leader works");
    let frozen = freezer.freeze().await;
    let asker = ages[2].clone().with_ack(Ack::All, PATIENCE * 2);
    let writer = tokio::spawn(async move { asker.insert_new("alice", &32).await });
    // The request has gone out before the leader ends.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop((nodes.remove(0), ages.remove(0)));
    frozen.crash();
    assert!(writer.await.unwrap().unwrap(), "the next leader has made it");
    assert!(ages.iter().all(|ages| of_alice(ages) == Some(32)));
    assert!(!ages[0].insert_new("alice", &33).await.unwrap());
    assert_eq!(nodes[1].leader(), "n2");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_go_on_hear_of_no_failure_when_the_leader_says_goodbye() {
    let (nodes, _) = cluster(3).await;
    let ages = ages(&nodes).await;
    let writers = ages[1..].iter().cloned().map(|ages| {
        tokio::spawn(async move {
            let mut made = 0;
            for round in 0..150u32 {
                // Both try each key.
                made += u32::from(ages.insert_new(&format!("k{round}"), &round).await.unwrap());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            made
        })
    });
    let writers: Vec<_> = writers.collect();
    until("they are at work", || ages[0].len() > 20).await;
    nodes[0].leave().await;
    let mut made = 0;
    for writer in writers {
        made += writer.await.unwrap();
    }
    assert_eq!((made, ages[1].len(), ages[2].len()), (150, 150, 150));
    assert_eq!(nodes[2].leader(), "n2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_the_same_everywhere_and_another_when_it_goes_or_a_lower_name_comes() {
    let (mut nodes, mut shared) = cluster(3).await;
    let led_by = |nodes: &[Node], shared: &[RawTable], name: &str| {
        nodes.iter().all(|node| node.leader() == name && node.status().leader == name)
            && shared.iter().all(|table| table.info().leader == name)
    };
    assert!(led_by(&nodes, &shared, "n1"));
    nodes.remove(0).leave().await;
    shared.remove(0);
    until("n2 leads", || led_by(&nodes, &shared, "n2")).await;
    nodes.push(start("n0", &[&nodes[1]]).await);
    until("n0 is linked", || nodes.iter().all(|node| node.status().links.len() == 2)).await;
    shared.extend(tables(&nodes[2..], "t").await);
    until("n0 leads", || led_by(&nodes, &shared, "n0")).await;
    drop((nodes.pop(), shared.pop()));
    until("n2 leads again", || led_by(&nodes, &shared, "n2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_leader_that_joins_meanwhile_brings_along_is_not_overwritten() {
    let second = start("n2", &[]).await;
    let third = start("n3", &[&second]).await;
    let mut nodes = vec![second, third];
    whole(&nodes).await;
    let mut all = ages(&nodes).await;
    let first = start("n1", &[]).await;
    let brought = ages(std::slice::from_ref(&first)).await;
    assert!(brought[0].insert_new("alice", &33).await.unwrap());
    let guard = all[0].pause();
    let asker = all[1].clone().with_ack(Ack::All, PATIENCE * 2);
    let writer = tokio::spawn(async move { asker.insert_new("alice", &32).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!writer.is_finished(), "n2 leads, and its table is paused");
    // A fourth node brings the two clusters together.
    let fourth = builder("n4").join([&nodes[0], &first].map(|node| node.status().address));
    nodes.extend([first, fourth.start().await.unwrap()]);
    all.extend(brought);
    until("all are linked", || nodes.iter().all(|node| node.status().links.len() == 3)).await;
    drop(guard);
    let made = writer.await.unwrap().unwrap();
    whole(&nodes).await;
    all.extend(ages(&nodes[3..]).await);
    until("all read the same", || {
        let stays = of_alice(&all[0]);
        stays.is_some() && all.iter().all(|ages| of_alice(ages) == stays)
    })
    .await;
    // n1 leads now, and has one.
    assert_eq!((made, of_alice(&all[0])), (false, Some(33)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_on_a_node_that_has_ended_says_so() {
    let (nodes, _) = cluster(2).await;
    let ages = ages(&nodes).await;
    nodes[0].leave().await;
    let error = ages[0].insert_new("alice", &32).await.unwrap_err();
    let UpdateError::Serial(SerialError::Write(error)) = error else { panic!("{error}") };
    assert_eq!(error.to_string(), "the node has stopped");
    assert!(ages[1].insert_new("alice", &33).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_insert_waits_while_the_leaders_table_is_paused_and_others_go_on() {
    let (nodes, shared) = cluster(2).await;
    let ages = ages(&nodes).await;
    let guard = ages[0].pause();
    let impatient = ages[1].clone().with_ack(Ack::All, Duration::from_millis(150));
    let error = impatient.insert_serial("alice", &31).await.unwrap_err();
    assert!(matches!(error, UpdateError::Serial(SerialError::NoLeader)), "{error}");
    let writers =
        ages.iter().cloned().zip([32, 33]).map(|(ages, age)| {
            tokio::spawn(async move { ages.insert_serial("alice", &age).await })
        });
    let writers: Vec<_> = writers.collect();
    write(&shared[1], "k", "v").await;
    nodes[1].ping("n1").await.unwrap();
    assert_read(&shared, "k", Some("v"));
    assert!(writers.iter().all(|writer| !writer.is_finished()));
    assert_eq!(of_alice(&ages[0]), None);
    drop(guard);
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    equal(&[ages[0].raw().clone(), ages[1].raw().clone()]).await;
    assert!([Some(32), Some(33)].contains(&of_alice(&ages[0])));
}

/// What a hook saw: who is down, and who leads then.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

fn watching(name: &str, seen: &Seen, late: &Arc<OnceLock<Node>>) -> NodeBuilder {
    let (seen, late) = (Arc::clone(seen), Arc::clone(late));
    builder(name).on_node_down(move |down| {
        let leader = late.get().map(Node::leader).unwrap_or_default();
        seen.lock().unwrap().push((down.to_owned(), leader));
    })
}

/// Three nodes, of which the second has the hook.
async fn hooked(seen: &Seen) -> [Node; 3] {
    let late = Arc::default();
    let first = start("n1", &[]).await;
    let second = watching("n2", seen, &late).join([first.status().address]);
    let second = second.start().await.unwrap();
    let third = start("n3", &[&first]).await;
    let nodes = [first, second, third];
    whole(&nodes).await;
    late.set(nodes[1].clone()).ok().expect("it is set once");
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_called_for_a_silent_leader_sees_the_next() {
    let seen = Seen::default();
    let [first, second, third] = hooked(&seen).await;
    drop(first);
    until("the hook was called", || !seen.lock().unwrap().is_empty()).await;
    assert_eq!(*seen.lock().unwrap(), [("n1".to_owned(), "n2".to_owned())]);
    assert_eq!((second.leader(), third.leader()), ("n2".to_owned(), "n2".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_is_called_for_a_leaders_goodbye_sees_the_next() {
    let seen = Seen::default();
    let [first, _second, _third] = hooked(&seen).await;
    first.leave().await;
    until("the hook was called", || !seen.lock().unwrap().is_empty()).await;
    assert_eq!(*seen.lock().unwrap(), [("n1".to_owned(), "n2".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_left_leads_nobody_even_while_its_tables_are_read() {
    let (nodes, shared) = cluster(2).await;
    let ages = ages(&nodes).await;
    ages[1].insert_new("alice", &32).await.unwrap();
    nodes[0].leave().await;
    // Long before it would count as silent.
    let soon = ages[1].clone().with_ack(Ack::All, Duration::from_millis(1_500));
    assert!(soon.insert_new("bob", &1).await.unwrap());
    assert_eq!(nodes[1].leader(), "n2");
    assert!(nodes[1].status().links.is_empty());
    assert_eq!((of_alice(&ages[0]), shared[0].len()), (Some(32), 0), "it reads what it had");
}
