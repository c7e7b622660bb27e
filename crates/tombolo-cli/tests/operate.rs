//! What operators do about splits, with the commands that they type: conflicts, resolve, undo,
//! verify, join, approve, choose, create, alter, join-progress.

mod common;

use std::time::Duration;

use common::{Node, Process, free_ports, tombolo, trio, wait_for, wait_until, wait_until_whole};
use serde_json::Value;
use tombolo_cli::client::{Client, Reply};
use tombolo_server::http::view::{ConflictsView, StatusView};

/// Far enough apart that of two writes on two nodes one is the later.
const LATER: Duration = Duration::from_millis(20);

/// What a command that asks `node` ended with, and printed to stdout and stderr.
fn run(node: &Node, arguments: &[&str]) -> (i32, String, String) {
    run_at(&node.http(), arguments)
}

fn run_at(http: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = tombolo().args(arguments).args(["--http", http]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a command that must succeed, and returns what it printed.
fn done(node: &Node, arguments: &[&str]) -> String {
    let (code, out, error) = run(node, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{error}");
    out
}

/// Runs a command that the node must refuse, and returns why.
fn refused(node: &Node, arguments: &[&str]) -> String {
    let (code, out, error) = run(node, arguments);
    assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {error}");
    error
}

fn ask(node: &Node, table: &str, command: &[&str]) -> Reply {
    let mut client = Client::connect(&node.resp(), common::PATIENCE).unwrap();
    assert_eq!(client.call(&["SELECT", table]).unwrap(), Reply::Simple("OK".into()));
    client.call(command).unwrap()
}

fn set(node: &Node, table: &str, key: &str, value: &str) {
    assert_eq!(ask(node, table, &["SET", key, value]), Reply::Simple("OK".into()));
}

fn wait_for_value(nodes: &[Node], table: &str, key: &str, value: &str) {
    let wanted = Reply::Bulk(Some(value.to_owned()));
    wait_until(&format!("{key}={value}"), || {
        nodes.iter().all(|node| ask(node, table, &["GET", key]) == wanted)
    });
}

/// Makes a table and waits until all nodes have it.
fn create(nodes: &[Node], arguments: &[&str]) {
    let made = done(&nodes[0], &[&["create"], arguments].concat());
    assert!(made.starts_with(&format!("table {}: kind=", arguments[0])), "{made}");
    wait_until("the table everywhere", || {
        let has = |node: &Node| {
            let tables = node.status().unwrap().tables;
            tables.iter().any(|table| table.name == arguments[0] && table.complete)
        };
        nodes.iter().all(has)
    });
}

/// Cuts the first node off from the others.
fn split(nodes: &[Node; 3]) {
    for (node, peer) in [(0, "n2"), (0, "n3"), (1, "n1"), (2, "n1")] {
        let path = format!("/api/v1/drills/cut?peer={peer}");
        assert_eq!(nodes[node].request("POST", &path).code, 200);
    }
    wait_until("the split", || {
        nodes.iter().all(|node| node.status().is_some_and(|view| view.verdict == "split"))
    });
}

fn heal(nodes: &[Node; 3]) {
    for node in nodes {
        assert_eq!(node.request("POST", "/api/v1/drills/heal").code, 200);
    }
}

#[test]
fn a_conflict_is_shown_decided_and_undone() {
    let nodes = trio(&["--drills"]);
    assert_eq!(
        done(&nodes[0], &["conflicts"]),
        "no conflict was noted, and no key waits for somebody\n"
    );
    create(&nodes, &["notes", "--policy", "merge_only"]);
    create(&nodes, &["news", "--policy", "newest"]);
    split(&nodes);
    for table in ["notes", "news"] {
        set(&nodes[0], table, "it's", "left");
        std::thread::sleep(LATER);
        set(&nodes[2], table, "it's", "right");
    }
    heal(&nodes);
    wait_until_whole(&nodes);
    for table in ["notes", "news"] {
        wait_for_value(&nodes, table, "it's", "right");
    }
    wait_until("the alarm", || done(&nodes[1], &["conflicts"]).starts_with("1 key waits"));
    let shown = done(&nodes[1], &["conflicts", "--table", "notes"]);
    assert!(shown.contains("table notes, key it's, for "), "{shown}");
    assert!(shown.contains("decide: tombolo resolve notes 'it'\\''s' --take n3:"), "{shown}");
    assert!(shown.contains(&format!("--http {}", nodes[1].http())), "{shown}");
    let (_, status, _) = run(&nodes[1], &["status"]);
    assert!(status.contains("table notes: 1 key waits for somebody to decide"), "{status}");

    let error = refused(&nodes[1], &["resolve", "notes", "it's", "--take", "n9:1"]);
    assert!(error.contains("n9:1") && error.contains("n1:"), "{error}");
    assert!(error.contains("see `tombolo conflicts"), "{error}");
    // What the newest value replaced is noted once every node is known to have both.
    let view = wait_for("both entries", || {
        let json = done(&nodes[1], &["conflicts", "--json"]);
        let view: ConflictsView = serde_json::from_str(&json).unwrap();
        view.conflicts.iter().any(|one| one.table == "news").then_some(view)
    });
    let left = |value: &Option<String>| value.as_deref() == Some("left");
    let sibling = view.undecided[0].siblings.iter().find(|one| left(&one.value)).unwrap();
    let said = done(&nodes[1], &["resolve", "notes", "it's", "--take", &sibling.dot]);
    assert!(said.contains(&format!("holds the value of {} now", sibling.dot)), "{said}");
    wait_for_value(&nodes, "notes", "it's", "left");
    wait_until("no alarm", || done(&nodes[2], &["conflicts"]).starts_with("no key waits"));

    let lost = view.conflicts.iter().find(|one| one.table == "news").unwrap();
    assert!(done(&nodes[1], &["undo", &lost.id, "--table", "news"]).contains("undone"));
    wait_for_value(&nodes, "news", "it's", "left");
    let error = refused(&nodes[1], &["undo", &lost.id, "--table", "news"]);
    assert!(error.contains("written since"), "{error}");

    let key = ["resolve", "notes", "aXQncw==", "--base64"];
    done(&nodes[0], &[&key[..], &["--value", "Ym90aA=="]].concat());
    wait_for_value(&nodes, "notes", "it's", "both");
    done(&nodes[0], &["resolve", "notes", "it's", "--delete"]);
    wait_until("gone", || ask(&nodes[2], "notes", &["GET", "it's"]) == Reply::Bulk(None));
}

#[test]
fn a_held_table_is_looked_at_before_it_joins() {
    let nodes = trio(&["--drills"]);
    create(&nodes, &["plans", "--policy", "newest", "--merge", "hold"]);
    set(&nodes[0], "plans", "old", "1");
    let none = done(&nodes[0], &["join", "--dry-run"]);
    assert!(none.starts_with("no table of n1 is kept apart from a node"), "{none}");
    assert!(refused(&nodes[0], &["approve", "plans"]).contains("not kept apart"));

    split(&nodes);
    set(&nodes[0], "plans", "both", "left");
    std::thread::sleep(LATER);
    set(&nodes[1], "plans", "both", "right");
    set(&nodes[1], "plans", "new", "2");
    assert_eq!(ask(&nodes[1], "plans", &["DEL", "old"]), Reply::Integer(1));
    heal(&nodes);
    wait_until("a preview", || {
        let shown = done(&nodes[0], &["join", "--dry-run", "--table", "plans"]);
        shown.contains("added: new") && shown.contains("deleted: old")
    });
    let shown = done(&nodes[0], &["join", "--dry-run"]);
    assert!(shown.contains("in conflict: both"), "{shown}");
    assert!(shown.contains("conflicts: the newest value stays"), "{shown}");
    assert!(shown.contains(&format!("tombolo approve plans --http {}", nodes[0].http())));
    let (code, out, _) = run(&nodes[0], &["verify", "--table", "plans", "--within", "300ms"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("n1 is behind by ") && out.contains("n1 keeps it apart from"), "{out}");

    done(&nodes[0], &["approve", "plans"]);
    wait_for_value(&nodes, "plans", "both", "right");
    wait_for_value(&nodes, "plans", "new", "2");
    let out = done(&nodes[2], &["verify"]);
    assert!(out.starts_with("equal: 2 tables on n1, n2, n3\n"), "{out}");
}

#[test]
fn a_side_is_chosen() {
    let nodes = trio(&["--drills"]);
    create(&nodes, &["plans", "--policy", "ignore"]);
    split(&nodes);
    set(&nodes[0], "plans", "both", "left");
    set(&nodes[1], "plans", "both", "right");
    heal(&nodes);
    wait_until("two islands", || {
        let shown = done(&nodes[0], &["join", "--dry-run"]);
        shown.contains("in conflict: both") && !shown.contains("approve")
    });
    done(&nodes[0], &["choose", "plans"]);
    wait_for_value(&nodes, "plans", "both", "left");
}

#[test]
fn tables_are_altered_while_they_run() {
    let nodes = trio(&[]);
    create(&nodes, &["list", "--kind", "ordered_set", "--policy", "newest", "--ttl", "1h"]);
    let altered = done(&nodes[1], &["alter", "list", "--owner-down", "hide", "--ttl", "none"]);
    assert_eq!(altered, "table list: kind=ordered_set policy=newest owner_down=hide epoch=1\n");
    wait_until("altered everywhere", || {
        run(&nodes[2], &["status"]).1.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words == ["list", "ordered_set", "newest", "hide", "auto", "-", "1"]
        })
    });
    assert!(refused(&nodes[0], &["alter", "nothing", "--merge", "hold"]).contains("no table"));
    assert!(refused(&nodes[0], &["create", "12"]).contains("must not be a number"));
    let error = refused(&nodes[0], &["create", "x", "--owner-down", "hide"]);
    assert!(error.contains("declare policy=newest"), "{error}");
}

#[test]
fn verify_is_sure_only_of_nodes_that_it_asked() {
    let nodes = trio(&[]);
    set(&nodes[0], "default", "a", "1");
    let json = done(&nodes[1], &["verify", "--json"]);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["equal"], value["nodes"].as_array().unwrap().len()), (&true.into(), 3));
    assert_eq!(value["tables"]["default"]["result"], "equal");
    let error = refused(&nodes[0], &["verify", "--table", "nothing"]);
    assert!(error.contains("no node has a table nothing. There are: default"), "{error}");

    let [one, two, mut three] = nodes;
    three.process.signal(rustix::process::Signal::KILL);
    three.process.wait();
    let is_down = |view: StatusView| {
        view.members.iter().any(|member| member.name == "n3" && member.state == "down")
    };
    wait_until("the death", || [&one, &two].iter().all(|node| node.status().is_some_and(is_down)));
    let both = format!("{},{}", one.http(), two.http());
    let (code, out, _) = run_at(&both, &["verify"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("n3 was not compared: it is down"), "{out}");

    // A node whose HTTP is not where the first one's is, is found only when it is named.
    let (ports, http) = (free_ports(3), format!("127.0.0.1:{}", free_ports(1)));
    let mut command = tombolo();
    command.args(["serve", "--name", "n4", "--http", &http, "--join", &one.cluster()]);
    command.args(["--resp", &format!("127.0.0.1:{ports}")]);
    command.args(["--listen", &format!("127.0.0.1:{}", ports + 2)]);
    let _four = Process::start(command);
    wait_until("n4", || run(&one, &["status"]).1.contains("\nn4 "));
    let (_, out, _) = run_at(&one.http(), &["verify", "--within", "1ms"]);
    assert!(out.contains("n4 was not compared: no node answers at"), "{out}");
    assert!(out.contains("name its HTTP address too, with --http"), "{out}");
    let named = format!("{},{http}", one.http());
    let (_, out, _) = run_at(&named, &["verify"]);
    assert!(!out.contains("n4 was not compared"), "{out}");
}

#[test]
fn the_filling_of_a_table_can_be_watched() {
    let first = Node::start("n1", &["--sync-rate", "400KB"]);
    first.wait_until_ready();
    let value = "x".repeat(1_000);
    let keys: Vec<String> = (0..1_500).map(|index| format!("key:{index}")).collect();
    let commands: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, &value]).collect();
    let mut client = Client::connect(&first.resp(), common::PATIENCE).unwrap();
    for batch in commands.chunks(500) {
        client.pipeline(batch).unwrap();
    }
    let second = Node::start("n2", &["--join", &first.cluster()]);
    wait_until("an answer", || second.status().is_some());
    let mut command = tombolo();
    command.args(["join-progress", "--http", &second.http()]);
    let mut watch = Process::start(command);
    assert_eq!(watch.wait().code(), Some(0));
    let output = watch.output();
    assert!(output.contains(" of 1,500 records from n1"), "{output}");
    assert!(output.contains("default  complete, 1,500 records\n"), "{output}");
    assert!(done(&second, &["join-progress", "--once"]).contains("complete, 1,500 records"));
}

#[test]
fn wrong_words_are_refused_before_anybody_is_asked() {
    for (arguments, part) in [
        (&["join"][..], "`tombolo join --dry-run` shows"),
        (&["alter", "t"], "--policy, --owner-down, --merge or --ttl"),
        (&["alter", "t", "--policy", "lww"], "last_writer_wins"),
        (&["alter", "t", "--merge", "maybe"], "auto or hold"),
        (&["alter", "t", "--owner-down", "no"], "keep or hide"),
        (&["alter", "t", "--ttl", "5"], "500ms, 5s or 2m, or none"),
        (&["create", "t", "--kind", "list"], "set, ordered_set or bag"),
        (&["resolve", "t", "k"], "--take"),
        (&["resolve", "t", "k", "--value", "?", "--base64"], "`k` is no base64"),
        (&["verify", "--within", "soon"], "500ms, 5s or 2m"),
    ] {
        let (code, out, error) = run_at("127.0.0.1:1", arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

#[test]
fn nobody_there_says_what_to_do() {
    let nowhere = format!("127.0.0.1:{}", free_ports(1));
    for arguments in [
        &["conflicts"][..],
        &["resolve", "t", "k", "--delete"],
        &["undo", "00"],
        &["verify"],
        &["join-progress"],
        &["join", "--dry-run"],
        &["approve", "t"],
        &["choose", "t"],
        &["create", "t"],
        &["alter", "t", "--merge", "hold"],
    ] {
        let (code, out, error) = run_at(&nowhere, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains("no node answers at") && error.contains("--http"), "{error}");
    }
}
