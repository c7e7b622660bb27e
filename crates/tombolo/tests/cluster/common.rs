//! Starting nodes and waiting for what must become true.

use std::sync::mpsc;
use std::time::{Duration, Instant};
use tombolo::{Change, Declaration, Node, NodeBuilder, RawTable, Verdict};

pub fn builder(name: &str) -> NodeBuilder {
    Node::builder().name(name).listen("127.0.0.1:0".parse().unwrap())
}

pub async fn start(name: &str, join: &[&Node]) -> Node {
    let join = join.iter().map(|node| node.status().address);
    builder(name).join(join).start().await.unwrap()
}

/// Starts `count` nodes and waits until they are one cluster with the table `t`.
pub async fn cluster(count: usize) -> (Vec<Node>, Vec<RawTable>) {
    let mut nodes = vec![start("n1", &[]).await];
    for number in 2..=count {
        nodes.push(start(&format!("n{number}"), &[&nodes[0]]).await);
    }
    whole(&nodes).await;
    let tables = tables(&nodes, "t").await;
    (nodes, tables)
}

pub async fn tables(nodes: &[Node], name: &str) -> Vec<RawTable> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.create_table(name, Declaration::default()).await.unwrap());
    }
    tables
}

pub async fn whole(nodes: &[Node]) {
    until("the cluster is whole", || {
        nodes.iter().all(|node| {
            let status = node.status();
            let here = status.members.iter().filter(|member| !member.linked_to.is_empty());
            let alone = nodes.len() == 1 && status.verdict == Verdict::Alone;
            alone || status.verdict == Verdict::Whole && here.count() == nodes.len()
        })
    })
    .await;
}

pub async fn equal(tables: &[RawTable]) {
    until("the tables are equal", || {
        let first = content(&tables[0]);
        let equal = |table: &RawTable| {
            table.fingerprint() == tables[0].fingerprint() && content(table) == first
        };
        tables.iter().all(equal)
    })
    .await;
}

pub fn content(table: &RawTable) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    table.for_each(|key, record| records.push((key.to_vec(), record.value.to_vec())));
    records.sort();
    records
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "not in 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn value(table: &RawTable, key: &[u8]) -> Option<Vec<u8>> {
    table.read(key, |record| record.map(|record| record.value.to_vec()))
}

pub fn cut_apart(one: &[Node], other: &[Node]) {
    for a in one {
        for b in other {
            a.cut(b.name()).unwrap();
            b.cut(a.name()).unwrap();
        }
    }
}

pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `during` while the table's lock is held, so that its node takes nothing from its links.
pub fn while_held(table: &RawTable, during: impl FnOnce()) {
    let table = table.clone();
    let (holds, held) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let holder = std::thread::spawn(move || {
        table.decide(b"held", |_| {
            holds.send(()).unwrap();
            released.recv().unwrap();
            (Change::Keep, ())
        })
    });
    held.recv().unwrap();
    during();
    release.send(()).unwrap();
    holder.join().unwrap().unwrap();
}
