//! Typed resolvers: asked for keys that are in conflict, about nothing else.

use super::{declared, later, siblings, split};
use crate::common::{builder, equal, until, whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tombolo::{Declaration, Kind, Node, NodeBuilder, Record, Table};

/// The keys that a resolver was asked about.
type Asked = Arc<Mutex<BTreeSet<String>>>;

fn highest(name: &str, asked: &Asked) -> NodeBuilder {
    let asked = Arc::clone(asked);
    builder(name).resolver_of("highest", move |key: &String, ages: Vec<u32>| {
        asked.lock().unwrap().insert(key.clone());
        ages.into_iter().max()
    })
}

async fn three(asked: &Asked) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in ["n1", "n2", "n3"] {
        let seed = nodes.first().map(|first| first.status().address);
        nodes.push(highest(name, asked).join(seed).start().await.unwrap());
    }
    whole(&nodes).await;
    nodes
}

async fn ages(nodes: &[Node], declaration: Declaration) -> Vec<Table<String, u32>> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.table_with("ages", declaration.clone()).await.unwrap());
    }
    tables
}

fn named(ages: &[(&str, u32)]) -> Vec<(String, u32)> {
    ages.iter().map(|(name, age)| ((*name).to_owned(), *age)).collect()
}

fn sorted(table: &Table<String, u32>) -> Vec<(String, u32)> {
    let mut records = table.dump().unwrap();
    records.sort();
    records
}

async fn the_highest_stays(declaration: Declaration) {
    let asked = Asked::default();
    let nodes = three(&asked).await;
    let ages = ages(&nodes, declaration).await;
    ages[0].insert_many(named(&[("seen", 1), ("gone", 1)])).await.unwrap();
    split(&nodes, 1).await;
    let one = named(&[("alice", 32), ("bob", 10), ("michal", 40), ("same", 7), ("seen", 2)]);
    ages[0].insert_many(one).await.unwrap();
    let other = named(&[("alice", 33), ("kate", 3), ("michal", 2), ("same", 7)]);
    ages[1].insert_many(other).await.unwrap();
    ages[1].delete("gone").await.unwrap();
    // Overwriting what was seen is no conflict, however often.
    ages[2].insert("kate", &1).await.unwrap();
    ages[2].insert("kate", &3).await.unwrap();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    let stays =
        named(&[("alice", 33), ("bob", 10), ("kate", 3), ("michal", 40), ("same", 7), ("seen", 2)]);
    until("the highest stay", || ages.iter().all(|table| sorted(table) == stays)).await;
    until("all is settled", || nodes.iter().map(siblings).sum::<usize>() == 0).await;
    let asked: Vec<String> = asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(asked, ["alice", "michal"], "only what differs");
    equal(&ages.iter().map(|table| table.raw().clone()).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_resolver_is_asked_for_the_keys_in_conflict_alone() {
    the_highest_stays(declared("resolve(highest)")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_an_ordered_table_are_read_by_its_typed_resolver() {
    let declaration = Declaration { kind: Kind::OrderedSet, ..declared("resolve(highest)") };
    the_highest_stays(declaration).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fragment_of_a_table_has_the_resolver() {
    the_highest_stays(Declaration { fragments: 4, ..declared("resolve(highest)") }).await;
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
struct User {
    name: String,
    age: u32,
    updated: u64,
}

impl Record for User {
    type Key = String;

    fn key(&self) -> String {
        self.name.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_carry_their_keys_are_decided_by_what_stands_in_them() {
    let describe = |name: &str| {
        builder(name).resolver_of("users", |name: &String, users: Vec<User>| {
            assert!(users.iter().all(|user| user.name == *name));
            users.into_iter().max_by_key(|user| user.updated)
        })
    };
    let one = describe("n1").start().await.unwrap();
    let two = describe("n2").join([one.status().address]).start().await.unwrap();
    let nodes = [one, two];
    whole(&nodes).await;
    let mut users = Vec::new();
    for node in &nodes {
        users.push(node.records_with::<User>("users", declared("resolve(users)")).await.unwrap());
    }
    split(&nodes, 1).await;
    let user = |age, updated| User { name: "alice".to_owned(), age, updated };
    // The one that was written last is not the one that was updated last.
    users[1].insert(&user(25, 900)).await.unwrap();
    later().await;
    users[0].insert(&user(30, 100)).await.unwrap();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("the later update stays", || {
        users.iter().all(|users| users.get("alice").unwrap() == Some(user(25, 900)))
    })
    .await;
    assert_eq!(users[0].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_with_a_resolver_keeps_the_objects_of_both_sides() {
    let asked = Asked::default();
    let nodes = three(&asked).await;
    let bag = Declaration { kind: Kind::Bag, ..declared("resolve(highest)") };
    let mut bags = Vec::new();
    for node in &nodes {
        bags.push(node.bag_with::<String, u32>("bag", bag.clone()).await.unwrap());
    }
    split(&nodes, 2).await;
    bags[0].insert("k", &1).await.unwrap();
    bags[2].insert("k", &2).await.unwrap();
    bags[2].insert("k", &1).await.unwrap();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("all have both", || {
        bags.iter().all(|bag| {
            let mut objects = bag.get_all("k").unwrap();
            objects.sort_unstable();
            objects == [1, 2]
        })
    })
    .await;
    assert!(asked.lock().unwrap().is_empty(), "different objects are in no conflict");
}
