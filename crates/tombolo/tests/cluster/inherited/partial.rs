//! Nodes that are not all linked with one another.

use super::{assert_read, declare, declared, everywhere, later, rejoin, remove, split, write};
use crate::common::{PATIENCE, builder, cluster, cut_apart, equal, start, tables, until, whole};
use tombolo::{Ack, Declaration, Node, RawTable, Resolution, Sibling, Verdict};

fn linked(node: &Node) -> Vec<String> {
    let mut names: Vec<String> =
        node.status().links.into_iter().map(|link| link.peer.clone()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pairs_are_joined_through_one_link() {
    let (nodes, tables) = cluster(4).await;
    for key in ["kept", "gone left", "gone right", "both"] {
        write(&tables[0], key, "before").await;
    }
    split(&nodes, 2).await;
    for (number, table) in tables.iter().enumerate() {
        write(table, &format!("by {number}"), "v").await;
    }
    assert_eq!((tables[0].len(), tables[3].len()), (6, 6));
    remove(&tables[0], "gone left").await;
    remove(&tables[3], "gone right").await;
    write(&tables[1], "both", "first").await;
    later().await;
    write(&tables[2], "both", "second").await;
    // All stay cut but n1 and n3.
    nodes[3].heal();
    for (cutter, other) in [(3, "n1"), (3, "n2"), (1, "n3")] {
        nodes[cutter].cut(other).unwrap();
    }
    nodes[0].heal();
    nodes[0].cut("n4").unwrap();
    nodes[2].heal();
    nodes[2].cut("n2").unwrap();
    until("the one link is up", || linked(&nodes[0]) == ["n2", "n3"]).await;
    equal(&tables).await;
    check_pairs(&tables);
    remove(&tables[1], "by 3").await;
    tables[3].put(b"over the bridge", b"v", None).unwrap();
    until("deletes and inserts pass", || {
        everywhere(&tables, "by 3", None) && everywhere(&tables, "over the bridge", Some("v"))
    })
    .await;
    assert_eq!(linked(&nodes[3]), ["n3"]);
    assert_eq!(nodes[3].status().verdict, Verdict::Split);
    rejoin(&nodes, &[&tables]).await;
    until("no delete is remembered", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
    assert_read(&tables, "by 3", None);
    assert_eq!(tables[2].len(), 6);
}

fn check_pairs(tables: &[RawTable]) {
    for number in 0..4 {
        assert_read(tables, &format!("by {number}"), Some("v"));
    }
    assert_read(tables, "kept", Some("before"));
    assert_read(tables, "gone left", None);
    assert_read(tables, "gone right", None);
    assert_read(tables, "both", Some("second"));
}

/// So many nodes that are linked one with the next only, with the resolver `join`.
async fn line(count: usize) -> (Vec<Node>, [Vec<RawTable>; 3]) {
    let join = |_: &[u8], siblings: &[Sibling<'_>]| {
        let mut all: Vec<&[u8]> = siblings.iter().map(|one| one.value).collect();
        all.sort_unstable();
        Resolution::Value(all.join(&b'+'))
    };
    let mut nodes: Vec<Node> = Vec::new();
    for number in 1..=count {
        let seeds = nodes.first().map(|first| first.status().address);
        let node = builder(&format!("n{number}")).join(seeds).resolver("join", join).start();
        nodes.push(node.await.unwrap());
    }
    whole(&nodes).await;
    let mut all = Vec::new();
    for policy in ["newest", "resolve(join)", "merge_only"] {
        let tables = declare(&nodes, policy, &declared(policy)).await;
        write(&tables[1], "gone", "x").await;
        all.push(tables);
    }
    for node in 0..count - 1 {
        cut_apart(&nodes[node..=node], &nodes[node + 2..]);
    }
    until("they are a line", || {
        let links = |node: &Node| node.status().links.len();
        nodes.iter().map(links).sum::<usize>() == 2 * (count - 1)
    })
    .await;
    (nodes, all.try_into().ok().unwrap())
}

/// Both ends write and delete, and both hear of it.
async fn write_at_the_ends(all: &[Vec<RawTable>]) {
    for tables in all {
        let last = tables.last().unwrap();
        tables[0].put(b"both", b"a", None).unwrap();
        last.put(b"both", b"b", None).unwrap();
        tables[0].put(b"from the left", b"1", None).unwrap();
        last.delete(b"gone").unwrap();
    }
    until("the other end has it", || {
        let arrived = |tables: &Vec<RawTable>| {
            everywhere(tables, "from the left", Some("1")) && everywhere(tables, "gone", None)
        };
        all.iter().all(arrived)
    })
    .await;
    for tables in all {
        equal(tables).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_of_the_two_ends_of_a_line_are_settled_in_the_middle() {
    let (nodes, all) = line(3).await;
    let [newest, joined, open] = &all;
    write_at_the_ends(&all).await;
    until("the ends agree", || {
        let settled = |tables: &[RawTable]| tables.iter().all(|t| t.siblings(b"both").len() == 1);
        settled(newest) && settled(joined) && everywhere(joined, "both", Some("a+b"))
    })
    .await;
    until("all have the alarm", || open.iter().all(|table| table.undecided(9).len() == 1)).await;
    write(&open[2], "both", "decided").await;
    until("the alarm is over", || open.iter().all(|table| table.undecided(9).is_empty())).await;
    until("no delete is remembered", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
    assert_eq!(nodes[2].status().verdict, Verdict::Split);
    rejoin(&nodes, &[newest, joined, open]).await;
    assert_read(open, "both", Some("decided"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_a_longer_line_read_the_same() {
    let (nodes, all) = line(4).await;
    let [newest, joined, open] = &all;
    write_at_the_ends(&all).await;
    assert_read(joined, "both", Some("a+b"));
    let read = super::text(&newest[0], "both").unwrap();
    assert_read(newest, "both", Some(&read));
    write(&open[3], "both", "decided").await;
    until("it passes the middle", || everywhere(open, "both", Some("decided"))).await;
    rejoin(&nodes, &[newest, joined, open]).await;
    assert_read(joined, "both", Some("a+b"));
    assert_read(newest, "both", Some(&read));
    assert!(open.iter().all(|table| table.undecided(9).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_only_the_middle_hears_joins_through_it() {
    let (mut nodes, mut shared) = cluster(3).await;
    write(&shared[2], "of the old n3", "1").await;
    nodes[0].cut("n3").unwrap();
    drop((nodes.pop(), shared.pop()));
    write(&shared[0], "while it is away", "2").await;
    remove(&shared[1], "of the old n3").await;
    let again = start("n3", &[&nodes[1]]).await;
    shared.extend(tables(std::slice::from_ref(&again), "t").await);
    nodes.push(again);
    assert_read(&shared, "while it is away", Some("2"));
    assert_read(&shared, "of the old n3", None);
    shared[2].put(b"new", b"3", None).unwrap();
    let receipt = shared[2].put(b"while it is away", b"4", None).unwrap();
    let acked = shared[2].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(*acked.by, ["n2"]);
    until("n1 has it from the middle", || everywhere(&shared, "while it is away", Some("4"))).await;
    // Those that hear each other go on.
    let receipt = shared[0].put(b"k", b"v", None).unwrap();
    let acked = shared[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    assert_eq!(*acked.by, ["n2"]);
    until("n3 has it too", || everywhere(&shared, "k", Some("v"))).await;
    assert_eq!((linked(&nodes[2]), nodes[2].status().verdict), (vec!["n2".into()], Verdict::Split));
    // A table that the middle has never written is there on both ends too.
    let late = nodes[2].create_table("late", Declaration::default()).await.unwrap();
    write(&late, "k", "v").await;
    until("the table passes the middle", || nodes[0].raw_table("late").is_some()).await;
    let far = nodes[0].raw_table("late").unwrap();
    until("and its record", || super::text(&far, "k").is_some()).await;
    rejoin(&nodes, &[&shared]).await;
    assert_read(&shared, "new", Some("3"));
}
