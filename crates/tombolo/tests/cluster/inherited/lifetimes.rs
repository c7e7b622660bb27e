//! Records that expire, tables that are large when they meet, and objects of bags.

use super::split;
use crate::common::{PATIENCE, cluster, equal, start, until, whole};
use std::collections::BTreeSet;
use std::time::Duration;
use tombolo::{Declaration, Node, Table};

async fn codes(nodes: &[Node], declaration: &Declaration) -> Vec<Table<String, u32>> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.table_with("codes", declaration.clone()).await.unwrap());
    }
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_later_has_what_has_not_expired_for_as_long_as_the_others() {
    let (mut nodes, _) = cluster(2).await;
    let declaration = Declaration { ttl: Some(50_000), ..Declaration::default() };
    let made = codes(&nodes, &declaration).await;
    made[0].insert("as declared", &1).await.unwrap();
    made[1].insert("longer", &2).ttl(Duration::from_secs(500)).await.unwrap();
    made[1].insert("gone", &3).ttl(Duration::from_millis(50)).await.unwrap();
    made[0].insert("touched", &4).ttl(Duration::from_secs(2)).await.unwrap();
    assert!(made[1].touch("touched", Duration::from_secs(500)).await.unwrap().receipt.is_some());
    until("one is gone", || made.iter().all(|table| table.len() == 3)).await;
    nodes.push(start("n3", &[&nodes[0]]).await);
    whole(&nodes).await;
    let late = codes(&nodes[2..], &declaration).await.remove(0);
    let keys: BTreeSet<String> = late.keys().map(|key| key.unwrap()).collect();
    assert_eq!(keys, ["as declared", "longer", "touched"].map(str::to_owned).into());
    for (key, most) in [("as declared", 50), ("longer", 500), ("touched", 500)] {
        let left = late.remaining(key).unwrap();
        assert!(left <= Duration::from_secs(most), "{key}: {left:?}");
        assert!(left > Duration::from_secs(most) / 2, "{key}: {left:?}");
    }
    assert!(late.touch("gone", Duration::from_secs(9)).await.unwrap().receipt.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_on_one_side_of_a_split_is_gone_on_both_unless_it_was_touched() {
    let (nodes, _) = cluster(2).await;
    let codes = codes(&nodes, &Declaration::default()).await;
    let soon = Duration::from_secs(3);
    codes[0]
        .insert_many([("a", 1), ("b", 2)].map(|(key, n)| (key.to_owned(), n)))
        .ttl(soon)
        .await
        .unwrap();
    split(&nodes, 1).await;
    assert!(codes[1].touch("b", Duration::from_secs(500)).await.unwrap().receipt.is_some());
    until("both are gone here", || codes[0].is_empty()).await;
    // Each node sweeps at its own pace.
    until("one is gone there", || codes[1].len() == 1).await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("b lives on", || codes[0].get("b").unwrap() == Some(2)).await;
    assert!(codes.iter().all(|table| table.get("a").unwrap().is_none()));
    assert!(codes.iter().all(|table| table.remaining("b") > Some(Duration::from_secs(400))));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_tables_that_meet_are_one_and_every_dump_of_it_is_the_same() {
    let mut nodes = vec![start("n1", &[]).await, start("n2", &[]).await];
    let mut tables = Vec::new();
    for node in &nodes {
        tables.push(node.table::<u32, String>("large").await.unwrap());
    }
    for (table, from) in tables.iter().zip([0u32, 20_000]) {
        // A third of each is in both.
        for part in 0..30 {
            let keys = from + part * 1_000..from + (part + 1) * 1_000;
            table.insert_many(keys.map(|key| (key, format!("value {key}")))).await.unwrap();
        }
    }
    nodes.push(start("n3", &[&nodes[0], &nodes[1]]).await);
    // Writers do not wait for it.
    tables[0].insert(&7, &"new".to_owned()).await.unwrap();
    tables[1].delete(&49_999).await.unwrap();
    whole(&nodes).await;
    tables.push(nodes[2].table::<u32, String>("large").await.unwrap());
    equal(&tables.iter().map(|table| table.raw().clone()).collect::<Vec<_>>()).await;
    let sorted = |mut dump: Vec<(u32, String)>| {
        dump.sort();
        dump
    };
    let dump = sorted(tables[2].dump().unwrap());
    assert_eq!(dump.len(), 49_999);
    assert_eq!(dump[7], (7, "new".to_owned()));
    for table in &tables {
        for name in ["n1", "n2", "n3"] {
            assert!(sorted(table.remote_dump(name).await.unwrap()) == dump, "of {name}");
        }
    }
    for node in &nodes {
        node.wait_for_ready(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_bag_are_there_once_and_deleted_one_by_one_or_together() {
    let (nodes, _) = cluster(2).await;
    let here = nodes[0].bag::<u32, u32>("bag").await.unwrap();
    let there = nodes[1].bag::<u32, u32>("bag").await.unwrap();
    let sorted = || {
        let mut dumps = [here.dump().unwrap(), there.dump().unwrap()];
        dumps.iter_mut().for_each(|dump| dump.sort_unstable());
        assert_eq!(dumps[0], dumps[1]);
        dumps[0].clone()
    };
    for object in [1, 1, 2] {
        here.insert(&1, &object).await.unwrap();
        there.insert(&1, &object).await.unwrap();
    }
    assert_eq!(sorted(), [(1, 1), (1, 2)]);
    here.delete_object(&1, &2).await.unwrap();
    assert_eq!(sorted(), [(1, 1)]);
    there.insert_many([(1, 1), (1, 2), (1, 3), (1, 5), (2, 3)]).await.unwrap();
    here.delete_objects([(1, 2), (1, 5), (1, 4), (3, 3)]).await.unwrap();
    assert_eq!(sorted(), [(1, 1), (1, 3), (2, 3)]);
    there.delete(&1).await.unwrap();
    assert_eq!(sorted(), [(2, 3)]);
    // Of a set an object is deleted if the key holds it.
    let set = nodes[0].table::<u32, u32>("set").await.unwrap();
    set.insert_many([(1, 1), (2, 2)]).await.unwrap();
    set.delete_objects([(1, 1), (2, 1)]).await.unwrap();
    assert_eq!(set.dump().unwrap(), [(2, 2)]);
}
