//! Real Redis clients, unmodified, against three nodes at once.
//!
//! `./test` installs them and says where they are: TOMBOLO_TEST_PYTHON is a Python that has
//! redis-py, TOMBOLO_TEST_NODE_PATH a folder with ioredis. Where a variable is set, or
//! TOMBOLO_TEST_CLIENTS=1, a client that is missing is a failure; without them these tests only
//! say that they were skipped.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Node, trio, wait_until_equal};

/// Whether to run a test that needs what `variable` tells.
fn wanted(variable: &str) -> bool {
    let told = std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let all = std::env::var("TOMBOLO_TEST_CLIENTS").is_ok_and(|value| value == "1");
    if !told && !all {
        eprintln!("SKIPPED: neither {variable} nor TOMBOLO_TEST_CLIENTS=1 is set; use ./test");
    }
    told || all
}

/// Runs a client that must succeed, and returns what it printed.
fn run(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run ({error}): use ./test"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn ports(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| node.ports.to_string()).collect()
}

#[test]
fn redis_py_on_three_nodes_at_once() {
    if !wanted("TOMBOLO_TEST_PYTHON") {
        return;
    }
    let python = std::env::var("TOMBOLO_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let nodes = trio(&[]);
    let mut command = Command::new(python);
    command.arg(script("redis_py.py")).args(ports(&nodes));
    let output = run(command);
    assert!(output.contains("redis-py: all checks passed"), "{output}");
    let tables = wait_until_equal(&nodes);
    assert!(tables.iter().all(|(_, records, _)| *records > 0), "{tables:?}");
}

#[test]
fn ioredis_on_three_nodes_at_once() {
    if !wanted("TOMBOLO_TEST_NODE_PATH") {
        return;
    }
    let nodes = trio(&[]);
    let mut command = Command::new("node");
    if let Ok(path) = std::env::var("TOMBOLO_TEST_NODE_PATH") {
        command.env("NODE_PATH", path);
    }
    command.arg(script("ioredis.js")).args(ports(&nodes));
    let output = run(command);
    assert!(output.contains("ioredis: all checks passed"), "{output}");
    wait_until_equal(&nodes);
}

fn redis_cli(node: &Node, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &node.ports.to_string()]).args(words);
    run(command).trim_end().to_owned()
}

#[test]
fn redis_cli_reads_everywhere_what_it_wrote() {
    // redis-cli and redis-benchmark come together with what the other two variables tell of.
    if !wanted("TOMBOLO_TEST_PYTHON") {
        return;
    }
    let nodes = trio(&[]);
    assert_eq!(redis_cli(&nodes[0], &["set", "greeting", "hello"]), "OK");
    for node in &nodes {
        assert_eq!(redis_cli(node, &["get", "greeting"]), "hello");
        assert_eq!(redis_cli(node, &["-3", "get", "greeting"]), "hello");
    }
    assert_eq!(redis_cli(&nodes[1], &["-n", "3", "set", "in", "db3"]), "OK");
    assert_eq!(redis_cli(&nodes[2], &["-n", "3", "get", "in"]), "db3");
    assert_eq!(redis_cli(&nodes[2], &["get", "in"]), "");
    let info = redis_cli(&nodes[0], &["info", "server"]);
    assert!(info.contains("redis_version:"), "{info}");
    let error = redis_cli(&nodes[0], &["nonsense"]);
    assert!(error.starts_with("ERR unknown command"), "{error}");
    assert_eq!(redis_cli(&nodes[1], &["del", "greeting"]), "1");
    assert_eq!(redis_cli(&nodes[0], &["exists", "greeting"]), "0");
    wait_until_equal(&nodes);
}

#[test]
fn a_password_is_asked_for() {
    if !wanted("TOMBOLO_TEST_PYTHON") {
        return;
    }
    let node = Node::start("guarded", &["--password", "let me in"]);
    node.wait_until_ready();
    let refused = redis_cli(&node, &["get", "a"]);
    assert!(refused.starts_with("NOAUTH"), "{refused}");
    let port = node.ports.to_string();
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port, "--no-auth-warning", "-a", "let me in", "set", "a", "b"]);
    assert_eq!(run(command).trim_end(), "OK");
}

#[test]
fn redis_benchmark_on_three_nodes_at_once() {
    if !wanted("TOMBOLO_TEST_PYTHON") {
        return;
    }
    let nodes = trio(&[]);
    let benchmarks = nodes.each_ref().map(|node| {
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &node.ports.to_string(), "-t", "set,get,mset", "-q"]);
        command.args(["-P", "16", "-c", "20", "-n", "20000", "-r", "5000"]);
        std::thread::spawn(move || run(command))
    });
    for benchmark in benchmarks {
        let output = benchmark.join().unwrap();
        let measured = output.matches("requests per second").count();
        assert!(measured >= 3 && !output.contains("rror"), "{output}");
    }
    let tables = wait_until_equal(&nodes);
    assert!(tables[0].1 > 0, "{tables:?}");
}
