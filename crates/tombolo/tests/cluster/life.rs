//! Who is there, whether they answer, how old a copy is, and why a node went down.

use crate::common::{PATIENCE, builder, cluster, start, tables, until, whole};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tombolo::{Declaration, DownReason, NodeEvent, OwnerDown, PingError, Reach};

#[tokio::test(flavor = "current_thread")]
async fn members_and_their_leader_are_named_and_answer() {
    let (nodes, _tables) = cluster(3).await;
    for node in &nodes {
        assert_eq!(node.members(), ["n1", "n2", "n3"]);
        assert_eq!(node.leader(), "n1");
    }
    assert_eq!(nodes[1].other_nodes(), ["n1", "n3"]);
    nodes[0].ping("n3").await.unwrap();
    let unknown = nodes[0].ping("n9").await.unwrap_err();
    let linked = vec!["n2".to_owned(), "n3".to_owned()];
    let PingError::NotLinked { node, linked: mut known } = unknown else { panic!("{unknown}") };
    known.sort();
    assert_eq!((node.as_str(), known), ("n9", linked));
}

#[tokio::test(flavor = "current_thread")]
async fn a_ping_of_all_is_answered_when_all_have_every_write() {
    let (nodes, tables) = cluster(3).await;
    let others = crate::common::tables(&nodes, "u").await;
    for number in 0..500_u32 {
        tables[0].put(&number.to_be_bytes(), b"v", None).unwrap();
        others[0].put(&number.to_be_bytes(), b"v", None).unwrap();
    }
    nodes[0].ping_all(PATIENCE).await.unwrap();
    for table in tables[1..].iter().chain(&others[1..]) {
        assert_eq!(table.len(), 500);
    }
    nodes[0].leave().await;
    assert!(nodes[0].ping_all(PATIENCE).await.is_err(), "a node that has ended pings nobody");
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_is_ready_when_its_tables_are_synced_and_says_what_is_missing() {
    let (nodes, tables) = cluster(2).await;
    nodes[0].wait_for_ready(PATIENCE).await.unwrap();
    let guard = tables[0].pause();
    let late = nodes[0].wait_for_ready(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.to_string(), "not ready: table \"t\" is paused");
    assert!(nodes[0].status().verdict_line.contains("table t is paused"));
    drop(guard);
    nodes[0].wait_for_ready(PATIENCE).await.unwrap();
    let late = nodes[0].wait_for_members(3, Duration::from_millis(50)).await.unwrap_err();
    assert!(late.to_string().contains("2 of 3 members"), "{late}");
    let third = start("n3", &[&nodes[0]]).await;
    nodes[0].wait_for_members(3, PATIENCE).await.unwrap();
    third.wait_for_ready(PATIENCE).await.unwrap();
    assert!(third.raw_table("t").is_some(), "ready means that the tables are there");
    third.leave().await;
    assert!(third.wait_for_members(9, PATIENCE).await.is_err(), "it has stopped");
}

#[tokio::test(flavor = "current_thread")]
async fn downs_are_remembered_with_their_reasons() {
    let (nodes, _tables) = cluster(3).await;
    let mut events = nodes[0].events();
    nodes[1].leave().await;
    until("n2 is down", || nodes[0].down_history().len() == 1).await;
    let left = &nodes[0].down_history()[0];
    assert_eq!((left.node.as_str(), &left.reason), ("n2", &DownReason::Left));
    // One that ends without a word.
    drop(_tables);
    let mut nodes = nodes;
    drop(nodes.pop());
    until("n3 is down", || nodes[0].down_history().len() == 2).await;
    let silent = &nodes[0].down_history()[1];
    assert_eq!(silent.node, "n3");
    assert!(matches!(silent.reason, DownReason::Silent { .. }), "{silent:?}");
    let mut downs = Vec::new();
    while downs.len() < 2 {
        if let Some(NodeEvent::NodeDown { node, left }) = events.next().await {
            downs.push((node, left));
        }
    }
    assert_eq!(downs, [("n2".to_owned(), true), ("n3".to_owned(), false)]);
    let status = nodes[0].status();
    assert_eq!(status.downs, nodes[0].down_history());
    assert_eq!(status.unavailable, ["n3"], "who said goodbye is not missed");
}

#[tokio::test(flavor = "current_thread")]
async fn a_newer_process_of_a_name_is_a_reason_to_be_down() {
    let (nodes, tables) = cluster(2).await;
    drop(tables);
    let mut nodes = nodes;
    drop(nodes.pop());
    let again = start("n2", &[&nodes[0]]).await;
    whole(&[nodes[0].clone(), again.clone()]).await;
    let reasons: Vec<DownReason> =
        nodes[0].down_history().into_iter().map(|down| down.reason).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_ne!(reasons[0], DownReason::Left);
}

#[tokio::test(flavor = "current_thread")]
async fn the_freshness_of_a_copy_is_bounded_and_grows_in_a_split() {
    let (nodes, tables) = cluster(3).await;
    until("all is fresh", || tables[0].fresh_within(Duration::from_secs(2)).is_ok()).await;
    let fresh = tables[0].freshness();
    assert_eq!(fresh.members.len(), 2);
    assert!(fresh.to_string().starts_with("every reachable member heard within"), "{fresh}");
    nodes[0].cut("n3").unwrap();
    nodes[2].cut("n1").unwrap();
    until("n3 is silent", || {
        let fresh = nodes[0].freshness();
        fresh.to_string().contains("; n3 silent for 1 s") && fresh.reachable().is_some()
    })
    .await;
    // What is shown is rounded.
    let less = Duration::from_millis(900);
    let stale = tables[0].fresh_within(less).unwrap_err();
    assert!(stale.freshness.age() > Some(less));
    nodes[0].heal();
    nodes[2].heal();
    until("all is fresh again", || tables[0].fresh_within(less).is_ok()).await;
    // What stands still is not fresh, whoever is heard.
    let guard = tables[0].pause();
    assert_eq!(tables[0].freshness().reachable(), None);
    assert!(tables[0].fresh_within(Duration::from_secs(60)).is_err());
    drop(guard);
    until("it is fresh after a sync", || tables[0].freshness().age().is_some()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn nodes_are_available_joined_or_in_conflict_as_cets_has_it() {
    let a = start("a", &[]).await;
    let b = start("b", &[]).await;
    let hides = Declaration { owner_down: OwnerDown::Hide, ..Declaration::default() };
    let hides = Declaration { policy: tombolo::Policy::Newest, ..hides };
    a.create_table("same", Declaration::default()).await.unwrap();
    a.create_table("other", Declaration::default()).await.unwrap();
    b.create_table("other", hides).await.unwrap();
    let c = builder("c").join([a.status().address, b.status().address]).start().await.unwrap();
    until("the conflict is seen", || {
        let status = a.status();
        status.peer_tables.iter().any(|peer| peer.node == "b" && peer.conflicts == ["other"])
            && status.joined.is_empty() == status.available.is_empty()
            && !status.available.contains(&"b".to_owned())
    })
    .await;
    // And with c, if that has heard of b's declaration first.
    assert!(a.status().tables[0].conflicts_with.contains(&"b".to_owned()));
    drop(c);
}

#[tokio::test(flavor = "current_thread")]
async fn joined_are_those_with_which_every_table_is_synced() {
    let (nodes, _tables) = cluster(3).await;
    let _more = tables(&nodes, "u").await;
    until("all joined", || nodes[0].status().joined == ["n2", "n3"]).await;
    let status = nodes[0].status();
    assert_eq!(status.available, ["n2", "n3"]);
    assert!(status.unavailable.is_empty() && status.peer_tables.is_empty());
    let info = nodes[0].raw_table("t").unwrap().info();
    assert_eq!((info.other_nodes, info.joined), (status.available.clone(), status.available));
    assert_eq!((info.leader.as_str(), info.records, info.bytes), ("n1", 0, 0));
}

#[tokio::test(flavor = "current_thread")]
async fn addresses_without_tombolo_are_told_apart() {
    let a = start("a", &[]).await;
    // Somebody who speaks something else, and nobody at all.
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let strange = stranger.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = stranger.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let empty = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().to_string()
    };
    let there = a.status().address;
    let join = [strange.clone(), empty.clone(), there.clone()];
    let b = builder("b").join(join).start().await.unwrap();
    until("each address is known for what it is", || {
        let nodes = b.status().discovery.nodes;
        let at = |address: &str| nodes.iter().find(|node| node.address == address).cloned();
        let is =
            |address: &str, is: fn(&Reach) -> bool| at(address).is_some_and(|node| is(&node.reach));
        is(&strange, |reach| matches!(reach, Reach::NotTombolo(_)))
            && is(&empty, |reach| matches!(reach, Reach::Nobody(_)))
            && is(&there, |reach| *reach == Reach::Linked("a".to_owned()))
            && at(&strange).is_some_and(|node| node.is_without_tombolo())
    })
    .await;
}
