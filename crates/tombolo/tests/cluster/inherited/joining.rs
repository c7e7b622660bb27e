//! Clusters that lived on their own meet for the first time.

use super::{assert_read, declare, declared, everywhere, greatest, later, remove, write};
use crate::common::{PATIENCE, builder, equal, start, tables, until, whole};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tombolo::discovery::File;
use tombolo::{Ack, Node, NodeBuilder, RawTable, Resolution, Sibling, Verdict};

type Asked = Arc<Mutex<BTreeSet<String>>>;

/// A node with the resolver `max`, which notes what it is asked about.
fn asking(name: &str, asked: &Asked) -> NodeBuilder {
    let asked = Arc::clone(asked);
    builder(name).resolver("max", move |key: &[u8], siblings: &[Sibling<'_>]| {
        asked.lock().unwrap().insert(String::from_utf8(key.to_vec()).unwrap());
        Resolution::Value(greatest(siblings))
    })
}

async fn fill(table: &RawTable, records: &[(&str, &str)]) {
    for (key, value) in records {
        write(table, key, value).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pairs_that_never_met_become_four_with_the_records_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes");
    let asked = Asked::default();
    let n1 = asking("n1", &asked).discovery(File::new(&path)).start().await.unwrap();
    let n2 = asking("n2", &asked).join([n1.status().address]).start().await.unwrap();
    let n3 = asking("n3", &asked).start().await.unwrap();
    let n4 = asking("n4", &asked).join([n3.status().address]).start().await.unwrap();
    let nodes = [n1, n2, n3, n4];
    whole(&nodes[..2]).await;
    whole(&nodes[2..]).await;
    let people = declare(&nodes, "people", &declared("resolve(max)")).await;
    let plain = tables(&nodes, "plain").await;
    fill(&people[0], &[("alice", "32"), ("bob", "10"), ("same", "7")]).await;
    fill(&people[1], &[("michal", "40")]).await;
    fill(&people[3], &[("alice", "33"), ("kate", "3"), ("michal", "2"), ("same", "7")]).await;
    fill(&plain[2], &[("one", "of the second pair"), ("twice", "x"), ("twice", "x")]).await;
    later().await;
    fill(&plain[1], &[("one", "of the first pair"), ("lone", "y")]).await;
    assert!(asked.lock().unwrap().is_empty(), "nothing met yet");
    std::fs::write(&path, nodes[2].status().address).unwrap();
    whole(&nodes).await;
    until("the greater numbers stay", || {
        people.iter().all(|table| table.len() == 5)
            && everywhere(&people, "alice", Some("33"))
            && everywhere(&people, "michal", Some("40"))
            && nodes.iter().all(|node| super::siblings(node) == 0)
    })
    .await;
    for (key, number) in [("bob", "10"), ("kate", "3"), ("same", "7")] {
        assert_read(&people, key, Some(number));
    }
    let expected: BTreeSet<String> = ["alice", "michal"].map(str::to_owned).into();
    assert_eq!(*asked.lock().unwrap(), expected, "only these were written differently");
    assert!(people.iter().all(|table| table.conflicts().iter().all(|one| one.key != b"same")));
    for (key, value) in [("one", "of the first pair"), ("twice", "x"), ("lone", "y")] {
        assert_read(&plain, key, Some(value));
    }
    equal(&people).await;
    equal(&plain).await;
    go_on(&plain).await;
}

/// Writes and deletes of every node, also of what others wrote, reach every node.
async fn go_on(tables: &[RawTable]) {
    for (number, table) in tables.iter().enumerate() {
        write(table, &format!("by {number}"), "v").await;
    }
    for (number, table) in tables.iter().enumerate() {
        let other = format!("by {}", (number + 1) % tables.len());
        assert_read(tables, &other, Some("v"));
        remove(table, &other).await;
        assert_read(tables, &other, None);
    }
    let mut last = None;
    for number in 0..100u32 {
        last = Some(tables[3].put(&number.to_be_bytes(), b"bulk", None).unwrap());
    }
    tables[3].acknowledged(last.unwrap(), Ack::All, PATIENCE).await.unwrap();
    let before = tables[0].len();
    for number in 0..100u32 {
        last = tables[0].delete(&number.to_be_bytes()).unwrap();
    }
    tables[0].acknowledged(last.unwrap(), Ack::All, PATIENCE).await.unwrap();
    assert!(tables.iter().all(|table| table.len() == before - 100));
    equal(tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_node_that_knows_two_strangers_brings_them_together() {
    let strangers = [start("n1", &[]).await, start("n2", &[]).await];
    let policies = ["last_writer_wins", "newest", "merge_only", "last_version(/v)"];
    let mut pairs = Vec::new();
    for policy in policies {
        pairs.push(declare(&strangers, policy, &declared(policy)).await);
    }
    for pair in &pairs {
        fill(&pair[0], &[("mine", "1"), ("same", "s"), ("both", r#"{"v":2}"#)]).await;
        later().await;
        fill(&pair[1], &[("yours", "2"), ("same", "s"), ("both", r#"{"v":1}"#)]).await;
    }
    let bridge = start("n3", &[&strangers[0], &strangers[1]]).await;
    let nodes = [strangers[0].clone(), strangers[1].clone(), bridge];
    whole(&nodes).await;
    for policy in policies {
        let tables = declare(&nodes, policy, &declared(policy)).await;
        equal(&tables).await;
        for (key, value) in [("mine", "1"), ("yours", "2"), ("same", "s")] {
            assert_read(&tables, key, Some(value));
        }
        let stays = if policy.contains("version") { r#"{"v":2}"# } else { r#"{"v":1}"# };
        assert_read(&tables, "both", Some(stays));
        let open = usize::from(policy == "merge_only");
        until("what differs is open, what is equal is not", || {
            let open_keys = |table: &RawTable| table.undecided(9).len() == open;
            let held = |table: &RawTable| {
                table.siblings(b"same").len() == 1 && table.siblings(b"both").len() == 1 + open
            };
            tables.iter().all(|table| open_keys(table) && held(table))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_join_itself_stays_what_it_was() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let myself = builder("n1").listen(free).join([free.to_string()]).start().await.unwrap();
    let table = tables(std::slice::from_ref(&myself), "t").await.pop().unwrap();
    write(&table, "k", "v").await;
    let status = myself.status();
    assert_eq!((status.verdict, status.links.len(), status.members.len()), (Verdict::Alone, 0, 1));
    // Others who are told the same two addresses find one another all the same.
    let other = builder("n2").join([free.to_string(), free.to_string()]).start().await.unwrap();
    let nodes: [Node; 2] = [myself, other];
    whole(&nodes).await;
    let there = nodes[1].raw_table("t").unwrap();
    equal(&[table.clone(), there.clone()]).await;
    assert_read(&[table, there], "k", Some("v"));
}
