//! What users of other replicated tables rely on: the cases that such systems are tested with,
//! asked of real nodes.

mod counters;
mod deciding;
mod deletes;
mod discovering;
mod freezing;
mod joining;
mod leading;
mod lifetimes;
mod mapping;
mod order;
mod owners;
mod partial;
mod registers;
mod requests;
mod returns;
mod strategies;
mod waiting;

use crate::common::{PATIENCE, cut_apart, equal, until, value, whole};
use std::time::Duration;
use tombolo::{Ack, Declaration, Node, RawTable, Sibling};

fn declared(policy: &str) -> Declaration {
    Declaration { policy: policy.parse().unwrap(), ..Declaration::default() }
}

async fn declare(nodes: &[Node], name: &str, declaration: &Declaration) -> Vec<RawTable> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.create_table(name, declaration.clone()).await.unwrap());
    }
    tables
}

async fn write(table: &RawTable, key: &str, new: &str) {
    let receipt = table.put(key.as_bytes(), new.as_bytes(), None).unwrap();
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
}

async fn remove(table: &RawTable, key: &str) {
    let receipt = table.delete(key.as_bytes()).unwrap().expect("there is something to delete");
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
}

/// What is written next is later by every clock.
async fn later() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// Cuts the first `at` nodes from the others.
async fn split(nodes: &[Node], at: usize) {
    cut_apart(&nodes[..at], &nodes[at..]);
    until("they are apart", || {
        nodes.iter().enumerate().all(|(number, node)| {
            let island = if number < at { at } else { nodes.len() - at };
            node.status().links.len() == island - 1
        })
    })
    .await;
}

/// Ends all cuts, and waits until the nodes are one cluster with equal tables without siblings.
async fn rejoin(nodes: &[Node], tables: &[&[RawTable]]) {
    nodes.iter().for_each(Node::heal);
    whole(nodes).await;
    until("no key holds several values", || nodes.iter().all(|node| siblings(node) == 0)).await;
    for tables in tables {
        equal(tables).await;
    }
}

fn siblings(node: &Node) -> usize {
    node.status().tables.iter().map(|table| table.siblings).sum()
}

fn text(table: &RawTable, key: &str) -> Option<String> {
    value(table, key.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// Whether every node reads the same: what is expected.
fn everywhere(tables: &[RawTable], key: &str, expected: Option<&str>) -> bool {
    tables.iter().all(|table| text(table, key).as_deref() == expected)
}

/// As [`everywhere`], but says what is wrong.
fn assert_read(tables: &[RawTable], key: &str, expected: Option<&str>) {
    for (number, table) in tables.iter().enumerate() {
        let name = table.name();
        assert_eq!(text(table, key).as_deref(), expected, "{name}/{key} at node {}", number + 1);
    }
}

/// The greatest of the numbers that siblings are.
fn greatest(siblings: &[Sibling<'_>]) -> Vec<u8> {
    let number = |one: &Sibling<'_>| std::str::from_utf8(one.value).unwrap().parse::<u64>();
    let greatest = siblings.iter().map(|one| number(one).unwrap()).max();
    greatest.unwrap().to_string().into_bytes()
}
