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
    until("no delete is remembered", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
    rejoin(&nodes, &[&tables]).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_of_the_two_ends_of_a_line_are_settled_along_it() {
    let join = |_: &[u8], siblings: &[Sibling<'_>]| {
        let mut all: Vec<&[u8]> = siblings.iter().map(|one| one.value).collect();
        all.sort_unstable();
        Resolution::Value(all.join(&b'+'))
    };
    let mut nodes: Vec<Node> = Vec::new();
    for name in ["n1", "n2", "n3", "n4"] {
        let seeds = nodes.first().map(|first| first.status().address);
        let node = builder(name).join(seeds).resolver("join", join).start().await;
        nodes.push(node.unwrap());
    }
    whole(&nodes).await;
    let newest = declare(&nodes, "newest", &declared("newest")).await;
    let joined = declare(&nodes, "joined", &declared("resolve(join)")).await;
    let open = declare(&nodes, "open", &declared("merge_only")).await;
    let all = [&newest[..], &joined[..], &open[..]];
    for tables in all {
        write(&tables[1], "gone", "x").await;
    }
    cut_apart(&nodes[..1], &nodes[2..]);
    cut_apart(&nodes[1..2], &nodes[3..]);
    until("they are a line", || linked(&nodes[0]) == ["n2"] && linked(&nodes[3]) == ["n3"]).await;
    for tables in all {
        tables[0].put(b"both", b"a", None).unwrap();
        tables[3].put(b"both", b"b", None).unwrap();
        tables[0].put(b"from the left", b"1", None).unwrap();
        tables[3].delete(b"gone").unwrap();
    }
    until("the other end has it", || {
        let arrived = |tables: &&[RawTable]| {
            everywhere(tables, "from the left", Some("1")) && everywhere(tables, "gone", None)
        };
        all.iter().all(arrived)
    })
    .await;
    until("the ends agree", || {
        let settled = |tables: &[RawTable]| tables.iter().all(|t| t.siblings(b"both").len() == 1);
        settled(&newest) && settled(&joined) && everywhere(&joined, "both", Some("a+b"))
    })
    .await;
    until("all four have the alarm", || open.iter().all(|t| t.undecided(9).len() == 1)).await;
    tables_equal(&all).await;
    write(&open[3], "both", "decided").await;
    rejoin(&nodes, &all).await;
    assert_read(&open, "both", Some("decided"));
    assert!(open.iter().all(|table| table.undecided(9).is_empty()));
}

async fn tables_equal(all: &[&[RawTable]]) {
    for tables in all {
        equal(tables).await;
    }
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
