//! Deletes and inserts while the cluster is split, and while a node is filled.

use super::{assert_read, declare, declared, later, rejoin, remove, split, write};
use crate::common::{builder, cluster, equal, start, tables, until, value, whole};
use tombolo::{Declaration, Node, RawTable};

const POLICIES: [&str; 5] =
    ["last_writer_wins", "newest", "merge_only", "last_version(/v)", "last_modified"];

async fn one_of_each(nodes: &[Node]) -> Vec<Vec<RawTable>> {
    let mut all = Vec::new();
    for policy in POLICIES {
        all.push(declare(nodes, policy, &declared(policy)).await);
    }
    all
}

async fn rejoin_all(nodes: &[Node], all: &[Vec<RawTable>]) {
    let all: Vec<&[RawTable]> = all.iter().map(Vec::as_slice).collect();
    rejoin(nodes, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_side_inserts_or_deletes_holds_on_both_whatever_the_policy() {
    let (nodes, _) = cluster(3).await;
    let all = one_of_each(&nodes).await;
    for tables in &all {
        for key in ["key1", "key2", "key5", "both", "again", "churned"] {
            write(&tables[0], key, r#"{"v":5,"modified":5}"#).await;
        }
    }
    split(&nodes, 1).await;
    for tables in &all {
        let (left, right) = (&tables[0], &tables[1]);
        write(left, "key3", "3").await;
        remove(left, "key1").await;
        write(right, "rkey1", "1").await;
        remove(right, "key5").await;
        remove(left, "both").await;
        remove(&tables[2], "both").await;
        // Its version is lower than that of the stale value, and it has been written less often.
        remove(right, "again").await;
        write(right, "again", r#"{"v":1,"modified":1}"#).await;
        for _ in 0..3 {
            remove(left, "churned").await;
            write(left, "churned", "x").await;
        }
        remove(left, "churned").await;
        write(left, "short-lived", "x").await;
        remove(left, "short-lived").await;
    }
    rejoin_all(&nodes, &all).await;
    for tables in &all {
        for key in ["key1", "key5", "both", "churned", "short-lived"] {
            assert_read(tables, key, None);
        }
        assert_read(tables, "key2", Some(r#"{"v":5,"modified":5}"#));
        assert_read(tables, "key3", Some("3"));
        assert_read(tables, "rkey1", Some("1"));
        assert_read(tables, "again", Some(r#"{"v":1,"modified":1}"#));
        assert_eq!(tables[2].len(), 4);
        for table in tables {
            let (name, noted) = (table.name(), table.conflicts());
            assert!(noted.is_empty(), "{name}: nothing was written twice: {noted:?}");
        }
    }
    until("no delete is remembered", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_insert_and_a_delete_the_later_stays_or_what_the_delete_never_saw() {
    let (nodes, _) = cluster(2).await;
    let all = one_of_each(&nodes).await;
    for tables in &all {
        for key in ["update after delete", "delete after update", "insert last", "delete last"] {
            write(&tables[0], key, "before").await;
        }
    }
    split(&nodes, 1).await;
    let each = || all.iter().map(|tables| (&tables[0], &tables[1]));
    for (left, right) in each() {
        remove(left, "update after delete").await;
        write(right, "delete after update", "updated").await;
        remove(left, "insert last").await;
        remove(right, "insert last").await;
        remove(right, "delete last").await;
        write(right, "delete last", "again").await;
    }
    later().await;
    for (left, right) in each() {
        write(right, "update after delete", "updated").await;
        remove(left, "delete after update").await;
        write(right, "insert last", "again").await;
        remove(left, "delete last").await;
    }
    rejoin_all(&nodes, &all).await;
    for tables in &all {
        let by_time = tables[0].name() == "last_writer_wins";
        assert_read(tables, "update after delete", Some("updated"));
        assert_read(tables, "insert last", Some("again"));
        let unseen = |value| if by_time { None } else { Some(value) };
        assert_read(tables, "delete after update", unseen("updated"));
        assert_read(tables, "delete last", unseen("again"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_link_breaks_is_on_both_sides_in_the_end() {
    let (nodes, tables) = cluster(2).await;
    for number in 0..200u32 {
        tables[0].put(&number.to_be_bytes(), b"before", None).unwrap();
    }
    equal(&tables).await;
    for round in 0..5u32 {
        // Nobody waits, so some of it may pass and some not.
        for number in 0..40u32 {
            let number = round * 40 + number;
            tables[0].put(format!("new {number}").as_bytes(), b"v", None).unwrap();
            if number % 2 == 0 {
                tables[1].delete(&number.to_be_bytes()).unwrap();
            }
            if number % 40 == 20 {
                nodes[(round % 2) as usize].cut(nodes[1 - (round % 2) as usize].name()).unwrap();
            }
        }
        nodes.iter().for_each(Node::heal);
        whole(&nodes).await;
        equal(&tables).await;
    }
    assert_eq!(tables[1].len(), 300);
    for number in 0..200u32 {
        let left = value(&tables[0], &number.to_be_bytes());
        assert_eq!(left.is_some(), number % 2 == 1, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_made_while_a_node_is_filled_is_not_undone_by_the_fill() {
    let first = builder("n1").sync_rate(1_500_000).start().await.unwrap();
    let second = start("n2", &[&first]).await;
    let mut nodes = vec![first, second];
    let mut shared = tables(&nodes, "t").await;
    for number in 0..10_000u32 {
        shared[0].put(&number.to_be_bytes(), &[1; 100], None).unwrap();
    }
    equal(&shared).await;
    nodes.push(builder("n3").join([nodes[0].status().address]).start().await.unwrap());
    let progress = || nodes[2].status().tables.iter().find_map(|table| table.progress.clone());
    until("a part is there", || progress().is_some_and(|far| far.received > 500)).await;
    for number in (0..10_000u32).step_by(50) {
        let writer = &shared[(number / 50 % 2) as usize];
        writer.delete(&number.to_be_bytes()).unwrap().unwrap();
        writer.put(&(20_000 + number).to_be_bytes(), b"short-lived", None).unwrap();
        writer.delete(&(20_000 + number).to_be_bytes()).unwrap().unwrap();
    }
    assert!(progress().is_some(), "it is still being filled");
    let filled = nodes[2].create_table("t", Declaration::default()).await.unwrap();
    shared.push(filled);
    whole(&nodes).await;
    equal(&shared).await;
    assert_eq!(shared[2].len(), 9_800);
    assert!((0..10_000u32).step_by(50).all(|n| value(&shared[2], &n.to_be_bytes()).is_none()));
}
