//! A table as a map: what a key held is told by each call that changes it.

use super::{later, split};
use crate::common::{cluster, equal, start, until, whole};
use std::collections::BTreeMap;
use tombolo::{Declaration, Kind, Node, Table};

type Key = (Option<String>, Vec<u8>, bool);

/// Keys of every shape: empty ones, ones that begin alike, ones with zero bytes.
fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    for text in [None, Some(""), Some("!"), Some("a"), Some("a\0"), Some("_"), Some("é")] {
        for bytes in [&b""[..], b"\0", b"\0\xff", b"\xff\xff", b"a"] {
            for flag in [true, false] {
                keys.push((text.map(str::to_owned), bytes.to_vec(), flag));
            }
        }
    }
    keys
}

async fn maps(nodes: &[Node], kind: Kind) -> Vec<Table<Key, u64>> {
    let declaration = Declaration { kind, ..Declaration::default() };
    let mut maps = Vec::new();
    for node in nodes {
        maps.push(node.table_with::<Key, u64>("map", declaration.clone()).await.unwrap());
    }
    maps
}

fn all(map: &Table<Key, u64>) -> BTreeMap<Key, u64> {
    map.iter().map(|record| record.unwrap()).collect()
}

async fn put_get_update_and_take(kind: Kind) {
    let (nodes, _) = cluster(2).await;
    let [here, there] = maps(&nodes, kind).await.try_into().ok().unwrap();
    assert_eq!((here.get(&keys()[0]).unwrap(), here.dump().unwrap()), (None, vec![]));
    let mut model = BTreeMap::new();
    for (number, key) in (0u64..).zip(keys()) {
        let (one, other) = if number % 2 == 0 { (&here, &there) } else { (&there, &here) };
        assert_eq!(one.put(&key, &number).await.unwrap().previous, Ok(None));
        assert_eq!(other.get(&key).unwrap(), Some(number));
        assert_eq!(other.put(&key, &(number + 1)).await.unwrap().previous, Ok(Some(number)));
        model.insert(key.clone(), number + 1);
        assert_eq!(all(one), model);
        let found: Result<Vec<_>, _> = one.match_key(|other| *other == key).collect();
        assert_eq!(found.unwrap(), [(key.clone(), number + 1)]);

        let updated = one.update(&key, |held| held.map(|held| held * 2)).await.unwrap();
        assert_eq!(updated, Some((number + 1) * 2));
        assert_eq!(other.update(&key, |_| None).await.unwrap(), None);
        assert_eq!(one.update(&key, |held| held).await.unwrap(), None, "nothing comes of nothing");
        assert!(!one.contains(&key) && !other.contains(&key));
        let added = other.update(&key, |held| held.is_none().then_some(number)).await.unwrap();
        assert_eq!(added, Some(number));
        assert_eq!(one.take(&key).await.unwrap(), Some(number));
        assert_eq!(other.take(&key).await.unwrap(), None, "it was taken");
        model.remove(&key);
        one.insert(&key, &number).await.unwrap();
        model.insert(key, number);
    }
    assert_eq!((all(&here), all(&there)), (model.clone(), model));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_tells_what_the_key_held_and_all_nodes_read_the_outcome() {
    put_get_update_and_take(Kind::Set).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_map_tells_the_same() {
    put_get_update_and_take(Kind::OrderedSet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_map_is_left_changed_or_emptied_by_one_function() {
    let (nodes, _) = cluster(2).await;
    let [here, there] = maps(&nodes, Kind::Set).await.try_into().ok().unwrap();
    assert_eq!(here.update_all(|_, _| None).await.unwrap(), 0, "there is nothing");
    here.insert_many((0u64..).zip(keys()).map(|(number, key)| (key, number))).await.unwrap();
    let many = keys().len();
    let before = here.fingerprint();
    assert_eq!(there.update_all(|_, held| Some(held)).await.unwrap(), 0);
    assert_eq!(there.fingerprint(), before, "what stays the same is not written");
    let changed = there.update_all(|key, held| Some(if key.2 { held + 1_000 } else { held }));
    assert_eq!(changed.await.unwrap(), many / 2);
    assert_eq!(here.filter(|_, held| *held >= 1_000).count(), many / 2);
    let deleted = here.update_all(|key, held| key.2.then_some(held)).await.unwrap();
    assert_eq!((deleted, there.len()), (many / 2, many / 2));
    assert!(there.keys().all(|key| key.unwrap().2));
    assert_eq!(there.update_all(|_, _| None).await.unwrap(), many / 2);
    assert!(here.is_empty() && there.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_run_on_all_nodes_at_once_count_every_call() {
    let (nodes, _) = cluster(3).await;
    let maps = maps(&nodes, Kind::Set).await;
    let key = keys().remove(0);
    let tasks = maps.iter().cloned().map(|map| {
        let key = key.clone();
        tokio::spawn(async move {
            for _ in 0..30 {
                map.update(&key, |held| Some(held.unwrap_or(0) + 1)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(maps.iter().all(|map| map.get(&key).unwrap() == Some(90)));
    // Of all who take it one gets it.
    let (a, b, c) = tokio::join!(maps[0].take(&key), maps[1].take(&key), maps[2].take(&key));
    let mut taken = [a.unwrap(), b.unwrap(), c.unwrap()];
    taken.sort_unstable();
    assert_eq!(taken, [None, None, Some(90)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_made_before_the_others_started_is_theirs_and_outlives_a_restart() {
    let first = start("n1", &[]).await;
    let made = maps(std::slice::from_ref(&first), Kind::Set).await.remove(0);
    let key = keys().remove(3);
    made.put(&key, &1).await.unwrap();
    let mut nodes = vec![first];
    for name in ["n2", "n3", "n4"] {
        nodes.push(start(name, &[&nodes[0]]).await);
    }
    whole(&nodes).await;
    let mut all_maps = maps(&nodes, Kind::Set).await;
    assert!(all_maps.iter().all(|map| map.get(&key).unwrap() == Some(1) && map.len() == 1));
    assert_eq!(all_maps[1].take(&key).await.unwrap(), Some(1));
    assert!(all_maps.iter().all(|map| map.get(&key).unwrap().is_none()));
    drop(all_maps.remove(2));
    nodes.remove(2).leave().await;
    assert_eq!(all_maps[2].put(&key, &2).await.unwrap().previous, Ok(None));
    nodes.push(start("n3", &[&nodes[1]]).await);
    whole(&nodes).await;
    let all_maps = maps(&nodes, Kind::Set).await;
    assert!(all_maps.iter().all(|map| map.get(&key).unwrap() == Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_written_before_a_split_gives_way_to_each_islands_own() {
    let (nodes, _) = cluster(3).await;
    let mut tables = Vec::new();
    for node in &nodes {
        tables.push(node.table::<String, u32>("own").await.unwrap());
    }
    for (node, table) in nodes.iter().zip(&tables) {
        table.put(node.name(), &0).await.unwrap();
    }
    split(&nodes, 1).await;
    later().await;
    for (node, table) in nodes.iter().zip(&tables) {
        assert_eq!(table.put(node.name(), &1).await.unwrap().previous, Ok(Some(0)));
    }
    let of_others = tables[0].filter(|_, value| *value == 0).count();
    assert_eq!(of_others, 2, "the islands do not hear of each other");
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&tables.iter().map(|table| table.raw().clone()).collect::<Vec<_>>()).await;
    until("everybody reads the new ones", || {
        tables.iter().all(|table| table.values().all(|value| value.unwrap() == 1))
    })
    .await;
    assert!(nodes.iter().all(|node| node.status().tables.iter().all(|table| table.siblings == 0)));
}
