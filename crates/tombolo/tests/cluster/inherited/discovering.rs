//! Discovery back-ends that change their minds, and what the status says of what they find.

use super::{assert_read, split, write};
use crate::common::{PATIENCE, builder, equal, start, tables, until, whole};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tombolo::discovery::{Discovery, DiscoveryError, Found};
use tombolo::{Declaration, DiscoveryPhase, DownReason, Node, NodeBuilder, NodeEvent, Reach};

/// A registry of addresses that a test changes; an error is what it says instead.
#[derive(Clone)]
struct Registry {
    says: Arc<Mutex<Result<Vec<String>, String>>>,
    readied: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Registry {
    fn says(addresses: Result<Vec<String>, String>) -> Registry {
        let says = Arc::new(Mutex::new(addresses));
        Registry { says, readied: Arc::default(), asked: Arc::default() }
    }

    fn say(&self, addresses: Result<Vec<String>, String>) {
        *self.says.lock().unwrap() = addresses;
    }

    fn found(&self) -> Result<Found, DiscoveryError> {
        let says = self.says.lock().unwrap().clone();
        let mut found = Found::default();
        for address in says.map_err(|error| DiscoveryError::Other(error.into()))? {
            found.add(&address).map_err(|error| DiscoveryError::Other(error.into()))?;
        }
        Ok(found)
    }
}

impl Discovery for Registry {
    fn name(&self) -> String {
        "registry".to_owned()
    }

    fn init(&mut self) -> Result<(), DiscoveryError> {
        let failed = self.found().map(drop);
        if failed.is_ok() {
            self.readied.fetch_add(1, SeqCst);
        }
        failed
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        self.asked.fetch_add(1, SeqCst);
        self.found()
    }
}

fn addresses(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|node| node.status().address).collect()
}

fn finding(name: &str, registry: &Registry) -> NodeBuilder {
    builder(name).discovery(registry.clone())
}

fn phase(node: &Node) -> DiscoveryPhase {
    node.status().discovery.backends[0].phase
}

/// An address where nobody is.
fn nowhere() -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    closed.local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_at_first_is_prepared_and_asked_again_until_it_answers() {
    let first = start("n1", &[]).await;
    let registry = Registry::says(Err("the database is starting".to_owned()));
    let second = finding("n2", &registry).start().await.unwrap();
    until("it is told", || {
        let discovery = second.status().discovery;
        let told = discovery.error.is_some_and(|error| error.contains("the database is starting"));
        told && !discovery.works && discovery.backends[0].phase == DiscoveryPhase::Retrying
    })
    .await;
    assert_eq!(registry.asked.load(SeqCst), 0, "it is not asked before it is prepared");
    // A failure is an answer, and holds up nobody.
    second.wait_for_ready(PATIENCE).await.unwrap();
    registry.say(Ok(addresses(&[&first])));
    whole(&[first.clone(), second.clone()]).await;
    until("it works", || phase(&second) == DiscoveryPhase::Regular).await;
    let discovery = second.status().discovery;
    assert!(discovery.works && discovery.error.is_none());
    assert_eq!(registry.readied.load(SeqCst), 1);
    // What it found last counts while it fails again.
    registry.say(Err("the database is away".to_owned()));
    until("it fails", || phase(&second) == DiscoveryPhase::Retrying).await;
    assert_eq!(second.status().discovery.addresses, addresses(&[&first]));
    split(&[first.clone(), second.clone()], 1).await;
    first.heal();
    second.heal();
    whole(&[first, second]).await;
    assert_eq!(registry.readied.load(SeqCst), 1, "an error is no reason to prepare it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_appear_as_the_registry_names_them_and_stay_when_it_forgets_them() {
    let (registry, another) = (Registry::says(Ok(Vec::new())), Registry::says(Ok(Vec::new())));
    let mut nodes = Vec::new();
    for (name, registry) in [("n1", &registry), ("n2", &registry), ("n3", &another)] {
        nodes.push(finding(name, registry).start().await.unwrap());
    }
    nodes[0].wait_for_ready(PATIENCE).await.unwrap();
    assert_eq!(phase(&nodes[0]), DiscoveryPhase::StartUp, "it has found nobody yet");
    assert!(nodes.iter().all(|node| node.other_nodes().is_empty()));
    registry.say(Ok(addresses(&[&nodes[0], &nodes[1]])));
    whole(&nodes[..2]).await;
    let table = tables(&nodes[..2], "t").await;
    write(&table[0], "k", "v").await;
    another.say(Ok(addresses(&[&nodes[2], &nodes[0]])));
    whole(&nodes).await;
    let shared = tables(&nodes, "t").await;
    assert_read(&shared, "k", Some("v"));
    // Forgetting a node cuts nobody off.
    registry.say(Ok(addresses(&[&nodes[0]])));
    another.say(Ok(addresses(&[&nodes[0]])));
    until("all heard that", || {
        let known = addresses(&[&nodes[0]]);
        nodes.iter().all(|node| node.status().discovery.addresses == known)
    })
    .await;
    write(&shared[2], "k", "w").await;
    assert_read(&shared, "k", Some("w"));
    whole(&nodes).await;
    // They even find each other again.
    split(&nodes, 1).await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_is_holds_up_nobody_and_goes_with_the_registrys_word() {
    let first = start("n1", &[]).await;
    let bad = nowhere();
    let registry = Registry::says(Ok([addresses(&[&first]), vec![bad.clone()]].concat()));
    let second = finding("n2", &registry).start().await.unwrap();
    second.wait_for_ready(PATIENCE).await.unwrap();
    whole(&[first.clone(), second.clone()]).await;
    let shared = tables(&[first.clone(), second.clone()], "t").await;
    write(&shared[1], "k", "v").await;
    let at = |address: &str| {
        let nodes = second.status().discovery.nodes;
        nodes.into_iter().find(|node| node.address == address).map(|node| node.reach)
    };
    until("it is known", || matches!(at(&bad), Some(Reach::Nobody(_)))).await;
    let status = second.status();
    assert!(status.discovery.works, "the back-end did what it could");
    assert_eq!((status.available, status.joined), (vec!["n1".to_owned()], vec!["n1".to_owned()]));
    assert!(status.unavailable.is_empty(), "nobody was ever a member there");
    registry.say(Ok(addresses(&[&first])));
    until("it is forgotten", || at(&bad).is_none()).await;
    assert_eq!(at(&first.status().address), Some(Reach::Linked("n1".to_owned())));
    // A node that starts there later is found.
    registry.say(Ok([addresses(&[&first]), vec![bad.clone()]].concat()));
    let third = Node::builder().name("n3").listen(bad.parse().unwrap()).start().await.unwrap();
    let nodes = [first, second.clone(), third];
    whole(&nodes).await;
    until("it is named", || at(&bad) == Some(Reach::Linked("n3".to_owned()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_declared_later_or_twice_are_joined() {
    let first = start("n1", &[]).await;
    let second = start("n2", &[&first]).await;
    let nodes = [first, second];
    whole(&nodes).await;
    for name in ["one", "two"] {
        // On one node, with records, before the other knows it.
        let here = nodes[0].create_table(name, Declaration::default()).await.unwrap();
        for number in 0..100u32 {
            here.put(&number.to_be_bytes(), b"v", None).unwrap();
        }
        let there = nodes[1].create_table(name, Declaration::default()).await.unwrap();
        let again = nodes[1].create_table(name, Declaration::default()).await.unwrap();
        equal(&[here, there.clone(), again.clone()]).await;
        write(&again, "k", "w").await;
        assert_read(&[there], "k", Some("w"));
    }
    for node in &nodes {
        node.wait_for_ready(PATIENCE).await.unwrap();
        let status = node.status();
        let names: Vec<_> = status.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["one", "two"], "each is there once");
        assert_eq!(status.joined.len(), 1);
        assert!(status.peer_tables.is_empty());
        let info = node.raw_table("two").unwrap().info();
        assert_eq!((info.records, info.joined.len(), info.paused), (101, 1, None));
        assert_eq!(info.declaration, Declaration::default());
        assert!(info.bytes > 400 && info.writable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_is_unavailable_remembered_and_available_again() {
    let first = start("n1", &[]).await;
    let second = start("n2", &[&first]).await;
    let nodes = vec![first, second];
    whole(&nodes).await;
    let _tables = tables(&nodes, "t").await;
    let names = |names: &[String], expected: &[&str]| names == expected;
    until("both joined", || names(&nodes[0].status().joined, &["n2"])).await;
    let mut events = nodes[0].events();
    split(&nodes, 1).await;
    until("n2 is missed", || {
        let status = nodes[0].status();
        names(&status.unavailable, &["n2"])
            && status.available.is_empty()
            && status.downs.len() == 1
    })
    .await;
    assert!(nodes[0].other_nodes().is_empty());
    assert_eq!(nodes[0].members(), ["n1", "n2"], "it has not said goodbye");
    until("each remembers the other", || {
        let of = |node: &Node| node.down_history().iter().map(|down| down.node.clone()).collect();
        let both: [Vec<String>; 2] = [of(&nodes[0]), of(&nodes[1])];
        both == [vec!["n2".to_owned()], vec!["n1".to_owned()]]
    })
    .await;
    let down = nodes[0].down_history().remove(0);
    assert!(matches!(down.reason, DownReason::Silent { .. }), "{down:?}");
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("both joined again", || {
        let status = nodes[0].status();
        names(&status.joined, &["n2"]) && status.unavailable.is_empty()
    })
    .await;
    assert_eq!(nodes[0].down_history(), [down], "being up again is no down");
    let mut told = Vec::new();
    while told.len() < 2 {
        match events.next().await.expect("the node runs") {
            NodeEvent::NodeDown { node, left } => told.push((node, Some(left))),
            NodeEvent::NodeUp { node } => told.push((node, None)),
            _ => {}
        }
    }
    assert_eq!(told, [("n2".to_owned(), Some(false)), ("n2".to_owned(), None)]);
}
