//! Links that come back, and processes that come back.

use super::freezing::freezable;
use super::{assert_read, declare, declared, everywhere, rejoin, remove, split, text, write};
use crate::common::{PATIENCE, cluster, equal, start, tables, until, whole};
use tombolo::{Ack, Declaration, Node, RawTable};

fn started(node: &Node, name: &str) -> u64 {
    let status = node.status();
    status.members.iter().find(|member| member.name == name).unwrap().started
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waited_when_its_link_broke_arrives_when_the_link_is_back() {
    let first = start("n1", &[]).await;
    let (second, freezer) = freezable("n2", &[&first]).await;
    let nodes = [first, second];
    whole(&nodes).await;
    let tables = tables(&nodes, "t").await;
    write(&tables[0], "k", "before").await;
    let process = started(&nodes[0], "n2");
    let frozen = freezer.freeze().await;
    let receipt = tables[0].put(b"k", b"pending", None).unwrap();
    let table = tables[0].clone();
    let waiter = tokio::spawn(async move { table.acknowledged(receipt, Ack::All, PATIENCE).await });
    assert!(tables[0].acknowledged_by(receipt).is_empty());
    nodes[0].cut("n2").unwrap();
    assert!(waiter.await.unwrap().unwrap().by.is_empty(), "nobody is linked any more");
    write(&tables[0], "while it was away", "v").await;
    frozen.thaw();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("n2 has it", || text(&tables[1], "k").as_deref() == Some("pending")).await;
    // Nothing else is needed for the two to be one again.
    write(&tables[1], "k", "from n2").await;
    assert_read(&tables, "k", Some("from n2"));
    write(&tables[0], "k", "from n1").await;
    assert_read(&tables, "k", Some("from n1"));
    equal(&tables).await;
    assert_eq!(started(&nodes[0], "n2"), process, "it is still the same process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_again_reads_what_was_written_and_deleted_without_it() {
    let master = start("master", &[]).await;
    let table = master.create_table("unique", Declaration::default()).await.unwrap();
    write(&table, "early", "1").await;
    let mut nodes = vec![master];
    for name in ["one", "two", "three"] {
        nodes.push(start(name, &[&nodes[0]]).await);
    }
    whole(&nodes).await;
    let mut shared = tables(&nodes, "unique").await;
    assert_read(&shared, "early", Some("1"));
    write(&shared[2], "of two", "2").await;
    remove(&shared[1], "early").await;
    assert_read(&shared, "early", None);
    write(&shared[0], "shared", "old").await;
    for (round, graceful) in [true, false].into_iter().enumerate() {
        let process = started(&nodes[0], "two");
        if graceful {
            nodes[2].leave().await;
        }
        drop((nodes.remove(2), shared.remove(2)));
        let value = format!("round {round}");
        write(&shared[2], "shared", &value).await;
        write(&shared[0], "short-lived", "x").await;
        remove(&shared[1], "short-lived").await;
        let again = start("two", &[&nodes[2]]).await;
        shared.insert(2, tables(std::slice::from_ref(&again), "unique").await.remove(0));
        assert_eq!(text(&shared[2], "shared").as_ref(), Some(&value), "it is filled at once");
        assert_eq!(text(&shared[2], "early"), None);
        nodes.insert(2, again);
        whole(&nodes).await;
        equal(&shared).await;
        assert!(started(&nodes[0], "two") > process, "another process of the name");
        // What the process before wrote is still there, and the new one may write it.
        write(&shared[2], "of two", &value).await;
        assert_read(&shared, "of two", Some(&value));
        assert_read(&shared, "short-lived", None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_alone_before_it_died_lives_on_where_it_was_seen() {
    let (mut nodes, mut shared) = cluster(3).await;
    write(&shared[2], "k", "before").await;
    split(&nodes, 1).await;
    write(&shared[2], "k", "of n3's island").await;
    write(&shared[2], "seen by n2", "v").await;
    remove(&shared[1], "seen by n2").await;
    drop((nodes.pop(), shared.pop()));
    let again = start("n3", &[&nodes[1]]).await;
    shared.extend(tables(std::slice::from_ref(&again), "t").await);
    assert_eq!(text(&shared[2], "k").as_deref(), Some("of n3's island"));
    nodes.push(again);
    rejoin(&nodes, &[&shared]).await;
    assert_read(&shared, "k", Some("of n3's island"));
    assert_read(&shared, "seen by n2", None);
}

async fn own_keys(tables: &[RawTable], names: &[&str], value: &str) {
    for (table, name) in tables.iter().zip(names) {
        write(table, name, value).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_write_only_their_own_keys_never_conflict() {
    let (nodes, _) = cluster(3).await;
    let names = ["n1", "n2", "n3"];
    let tables = declare(&nodes, "own", &declared("merge_only")).await;
    own_keys(&tables, &names, "value0").await;
    // Two are apart, and all three write; then one by one is apart.
    nodes[1].cut("n3").unwrap();
    until("n2 and n3 are apart", || nodes[2].status().links.len() == 1).await;
    own_keys(&tables, &names, "value1").await;
    until("n1 passes it on", || names.iter().all(|key| everywhere(&tables, key, Some("value1"))))
        .await;
    rejoin(&nodes, &[&tables]).await;
    for alone in [0, 2] {
        split(&nodes, if alone == 0 { 1 } else { 2 }).await;
        own_keys(&tables, &names, &format!("alone {alone}")).await;
        rejoin(&nodes, &[&tables]).await;
        for name in names {
            assert_read(&tables, name, Some(&format!("alone {alone}")));
        }
    }
    let open = |table: &RawTable| table.undecided(9).len() + table.conflicts().len();
    assert_eq!(tables.iter().map(open).sum::<usize>(), 0);
}
