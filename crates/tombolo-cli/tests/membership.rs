//! Several real nodes: who finds whom, who is refused, and what both sides say about it.

mod common;

use common::{Node, PATIENCE, free_ports, tombolo, trio, wait_until, wait_until_equal};
use tombolo_cli::client::{Reply, request};

#[test]
fn a_discovery_file_may_come_late_and_have_a_wrong_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes");
    let spec = format!("file:{}", path.display());
    let nodes = ["n1", "n2"].map(|name| Node::start(name, &["--discovery", &spec]));
    for node in &nodes {
        wait_until("an answer", || node.status().is_some());
        assert_eq!(node.status().unwrap().verdict, "alone");
        let ready = node.request("GET", "/ready");
        assert_eq!((ready.code, ready.body.contains("not there yet")), (503, true));
    }
    let lines = format!(
        "# the nodes\nthis is no address\n{}\n\n{} # the second\n",
        nodes[0].cluster(),
        nodes[1].cluster()
    );
    std::fs::write(&path, lines).unwrap();
    common::wait_until_whole(&nodes);
    assert_eq!(nodes[0].call(&["SET", "a", "1"]), Reply::Simple("OK".into()));
    assert_eq!(nodes[1].call(&["GET", "a"]), Reply::Bulk(Some("1".into())));
    for node in &nodes {
        // The wrong line is told, in the status and in the log.
        let error = node.status().unwrap().discovery.error.unwrap();
        assert!(error.contains("this is no address"), "{error}");
        node.process.wait_for_output("this is no address");
    }
}

/// Starts two nodes that should refuse each other, and waits until both say why.
fn both_refuse(first: &[&str], second: &[&str], why: &str) {
    let one = Node::start("n1", first);
    one.wait_until_ready();
    let address = one.cluster();
    let join = [second, &["--join", &address]].concat();
    let other = Node::start("n2", &join);
    for node in [&one, &other] {
        node.process.wait_for_output(why);
        wait_until("a refusal in the status", || {
            node.status().is_some_and(|view| !view.refusals.is_empty())
        });
        let view = node.status().unwrap();
        assert_eq!(view.verdict, "alone");
    }
    let log = one.process.output() + &other.process.output();
    assert!(!log.contains("s3cret-of-n1") && !log.contains("s3cret-of-n2"), "{log}");
}

#[test]
fn a_wrong_secret_is_told_on_both_sides() {
    both_refuse(&["--secret", "s3cret-of-n1"], &["--secret", "s3cret-of-n2"], "secret");
}

#[test]
fn no_secret_against_one_is_told_on_both_sides() {
    both_refuse(&["--secret", "s3cret-of-n1"], &[], "secret");
}

#[test]
fn another_cluster_name_is_told_on_both_sides() {
    both_refuse(&["--cluster-name", "blue"], &["--cluster-name", "green"], "green");
}

#[test]
fn a_second_node_of_a_name_is_refused() {
    let first = Node::start("twin", &[]);
    first.wait_until_ready();
    let mut second = Node::start("twin", &["--join", &first.cluster()]);
    assert_eq!(second.process.wait().code(), Some(1));
    let log = second.process.output();
    assert!(log.contains("\"twin\" is taken by a node at"), "{log}");
    assert!(log.contains("--name"), "{log}");
    assert_eq!(first.call(&["PING"]), Reply::Simple("PONG".into()));
    first.process.wait_for_output("taken");
}

#[test]
fn a_node_may_come_back_under_its_name() {
    let nodes = trio(&[]);
    let ports = nodes[2].ports;
    let [one, two, three] = nodes;
    drop(three);
    assert_eq!(one.call(&["SET", "a", "1"]), Reply::Simple("OK".into()));
    let join = format!("{},{}", one.cluster(), two.cluster());
    let nodes = [one, two, Node::start_on(ports, "n3", &["--join", &join])];
    common::wait_until_whole(&nodes);
    wait_until_equal(&nodes);
    assert_eq!(nodes[2].call(&["GET", "a"]), Reply::Bulk(Some("1".into())));
}

/// `tombolo status` of a node: its exit status and its first line.
fn status(node: &Node) -> (i32, String) {
    let output = tombolo().args(["status", "--http", &node.http()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn the_status_tells_whole_split_and_nobody_there_apart() {
    let nodes = trio(&["--drills"]);
    let (code, line) = status(&nodes[0]);
    assert_eq!((code, line.starts_with("whole: 3 nodes")), (0, true), "{line}");

    let unknown = nodes[0].request("POST", "/api/v1/drills/cut?peer=n9");
    assert_eq!((unknown.code, unknown.body.contains("Known: n2, n3")), (404, true));
    for (node, peer) in [(0, "n3"), (2, "n1")] {
        let path = format!("/api/v1/drills/cut?peer={peer}");
        assert_eq!(nodes[node].request("POST", &path).code, 200);
    }
    // n2 hears both and is told by them that they do not hear each other.
    wait_until("split", || status(&nodes[1]).0 == 1);
    let (_, line) = status(&nodes[1]);
    assert!(line.contains("n1 and n3 cannot hear each other"), "{line}");
    // What is written at one end arrives at the other through the node in the middle.
    assert_eq!(nodes[0].call(&["SET", "far", "away"]), Reply::Simple("OK".into()));
    wait_until("relayed", || nodes[2].call(&["GET", "far"]) == Reply::Bulk(Some("away".into())));

    for node in [0, 2] {
        assert_eq!(nodes[node].request("POST", "/api/v1/drills/heal").code, 200);
    }
    wait_until("whole again", || status(&nodes[1]).0 == 0);
    let json = tombolo().args(["status", "--json", "--http", &nodes[0].http()]).output().unwrap();
    let view: tombolo_server::http::view::StatusView =
        serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(view.name, "n1");

    let nowhere = format!("127.0.0.1:{}", free_ports(1));
    let output = tombolo().args(["status", "--http", &nowhere]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no node answers at") && error.contains("--http"), "{error}");
    assert!(request(&nowhere, "GET", "/", PATIENCE).is_err());
}
