//! Records of nodes that are down.

use super::{assert_read, declare, declared, rejoin, remove, split, text, write};
use crate::common::{builder, equal, start, until, whole};
use std::sync::{Arc, Mutex, OnceLock};
use tombolo::{Ack, Declaration, Node, NodeBuilder, OwnerDown, RawTable};

/// What a hook of a survivor saw: who is down, and whether the record `stays` is still read.
type Seen = Arc<Mutex<Vec<(String, bool)>>>;

type Late = Arc<OnceLock<RawTable>>;

fn hiding() -> Declaration {
    Declaration { owner_down: OwnerDown::Hide, ..declared("newest") }
}

fn hidden(node: &Node) -> u64 {
    node.status().tables.iter().map(|table| table.hidden).sum()
}

fn survivor(name: &str, seen: &Seen, table: &Late) -> NodeBuilder {
    let (seen, table) = (Arc::clone(seen), Arc::clone(table));
    builder(name).on_node_down(move |node| {
        let read = table.get().is_some_and(|table| text(table, "stays").is_some());
        seen.lock().unwrap().push((node.to_owned(), read));
        assert!(read, "a hook that panics; the others are called all the same");
    })
}

/// Three survivors with a hook each, and a fourth node.
async fn four() -> (Vec<Node>, Vec<RawTable>, Vec<Seen>) {
    let (mut nodes, mut seen, mut late) = (Vec::<Node>::new(), Vec::new(), Vec::new());
    for name in ["n1", "n2", "n3"] {
        seen.push(Seen::default());
        late.push(Late::default());
        let node = survivor(name, seen.last().unwrap(), late.last().unwrap());
        let seed = nodes.first().map(|first| first.status().address);
        nodes.push(node.join(seed).start().await.unwrap());
    }
    nodes.push(start("n4", &[&nodes[0]]).await);
    whole(&nodes).await;
    let tables = declare(&nodes, "owned", &hiding()).await;
    for (table, late) in tables.iter().zip(&late) {
        late.set(table.clone()).ok().expect("it is set once");
    }
    (nodes, tables, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_survivor_hides_what_the_dead_node_wrote_and_calls_its_hook_once() {
    let (mut nodes, mut tables, seen) = four().await;
    for key in ["stays", "rewritten", "deleted", "rewritten by both"] {
        write(&tables[3], key, "of n4").await;
    }
    write(&tables[0], "of n1", "v").await;
    split(&nodes, 3).await;
    let called = |times: usize| {
        let calls = |seen: &Seen| seen.lock().unwrap().iter().filter(|one| one.0 == "n4").count();
        seen.iter().all(|seen| calls(seen) == times)
    };
    until("n4's records are hidden by all", || nodes[..3].iter().all(|n| hidden(n) == 4)).await;
    until("every hook was called", || called(1)).await;
    assert_read(&tables[..3], "stays", None);
    assert_read(&tables[..3], "of n1", Some("v"));
    until("n4 sees only its own", || hidden(&nodes[3]) == 1).await;
    assert_eq!(text(&tables[3], "stays").as_deref(), Some("of n4"));
    write(&tables[1], "rewritten", "of n2").await;
    write(&tables[3], "rewritten by both", "of n4, again").await;
    super::later().await;
    write(&tables[2], "rewritten by both", "of n3").await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&tables).await;
    assert_read(&tables, "stays", Some("of n4"));
    assert_read(&tables, "rewritten", Some("of n2"));
    assert_read(&tables, "rewritten by both", Some("of n3"));
    assert_eq!(nodes.iter().map(hidden).sum::<u64>(), 0);
    remove(&tables[0], "deleted").await;
    // Now it dies, and a new process takes its name.
    drop((nodes.pop(), tables.pop()));
    until("every hook was called again", || called(2)).await;
    assert_read(&tables, "stays", None);
    assert_read(&tables, "rewritten", Some("of n2"));
    nodes.push(start("n4", &[&nodes[2]]).await);
    tables.extend(declare(&nodes[3..], "owned", &hiding()).await);
    whole(&nodes).await;
    equal(&tables).await;
    assert_read(&tables, "stays", None);
    write(&tables[3], "stays", "of the new n4").await;
    assert_read(&tables, "stays", Some("of the new n4"));
    assert_eq!(tables[0].len(), 4);
    for seen in seen {
        let seen = seen.lock().unwrap();
        let expected = [("n4".to_owned(), false), ("n4".to_owned(), false)];
        assert_eq!(*seen, expected, "hidden before the hook, and nobody else was ever down");
    }
}

/// Deletes the records that a node put its name to, once it is down, and waits until all have that.
fn cleaning(name: &str, table: &Late) -> NodeBuilder {
    let table = Arc::clone(table);
    builder(name).on_node_down(move |node| {
        let Some(table) = table.get() else { return };
        let mut owned = Vec::new();
        table.for_each(|key, _| {
            if key.starts_with(format!("{node}/").as_bytes()) {
                owned.push(key.to_vec());
            }
        });
        let mut last = None;
        for key in owned {
            last = table.delete(&key).unwrap().or(last);
        }
        let Some(last) = last else { return };
        let patience = crate::common::PATIENCE;
        let runtime = tokio::runtime::Handle::current();
        runtime.block_on(table.acknowledged(last, Ack::All, patience)).unwrap();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_deletes_what_the_dead_node_left_loses_nothing_it_writes_afterwards() {
    let late = [Late::default(), Late::default()];
    let n1 = cleaning("n1", &late[0]).start().await.unwrap();
    let n2 = cleaning("n2", &late[1]).join([n1.status().address]).start().await.unwrap();
    let n3 = start("n3", &[&n1]).await;
    let nodes = [n1, n2, n3];
    whole(&nodes).await;
    let tables = declare(&nodes, "sessions", &declared("newest")).await;
    for (late, table) in late.iter().zip(&tables) {
        late.set(table.clone()).ok().expect("it is set once");
    }
    for key in ["n3/one", "n3/two", "n3/busy"] {
        write(&tables[2], key, "v").await;
    }
    write(&tables[0], "n1/one", "v").await;
    split(&nodes, 2).await;
    write(&tables[2], "n3/new", "v").await;
    write(&tables[2], "n3/busy", "w").await;
    until("the survivors have cleaned", || tables[..2].iter().all(|t| t.len() == 1)).await;
    assert_eq!(tables[2].len(), 5);
    rejoin(&nodes, &[&tables]).await;
    for (key, value) in [
        ("n1/one", Some("v")),
        ("n3/one", None),
        ("n3/two", None),
        ("n3/new", Some("v")),
        ("n3/busy", Some("w")),
    ] {
        assert_read(&tables, key, value);
    }
}
