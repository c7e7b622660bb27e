//! What outlives the processes: snapshots, and backups.

mod common;

use std::path::Path;

use common::{Node, free_ports, tombolo, wait_for, wait_until};
use rustix::process::Signal;
use tombolo_cli::client::{Client, Reply};

fn ok() -> Reply {
    Reply::Simple("OK".into())
}

/// Bytes that do not compress, as text.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 94) as u8)
    };
    (0..length).map(|_| letter()).collect()
}

fn file(folder: &Path, ending: &str) -> Option<std::path::PathBuf> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    entries.find(|path| path.to_string_lossy().ends_with(ending))
}

#[test]
fn a_node_killed_while_it_writes_a_snapshot_starts_from_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let arguments = ["--snapshot-dir", dir, "--snapshot-every", "20ms"];
    let ports = free_ports(3);
    let node = Node::start_on(ports, "solo", &arguments);
    node.wait_until_ready();
    let mut client = Client::connect(&node.resp(), common::PATIENCE).unwrap();
    for number in 0..300u64 {
        let (key, value) = (number.to_string(), noise(number, 50_000));
        assert_eq!(client.call(&["SET", &key, &value]).unwrap(), ok());
    }
    let saved = || {
        let snapshots = node.status()?.snapshots?;
        snapshots.tables.get("default").filter(|table| table.bytes > 300 * 50_000).cloned()
    };
    wait_for("a snapshot of everything", saved);
    let mut node = node;
    loop {
        let mut client = Client::connect(&node.resp(), common::PATIENCE).unwrap();
        let unfinished = wait_for("a snapshot that is being written", || {
            assert_eq!(client.call(&["SET", "more", &noise(7, 100)]).unwrap(), ok());
            file(folder.path(), ".tmp")
        });
        node.process.signal(Signal::KILL);
        node.process.wait();
        if unfinished.exists() {
            break;
        }
        // It was complete before the signal came.
        node = Node::start_on(ports, "solo", &arguments);
        node.wait_until_ready();
    }

    let node = Node::start_on(ports, "solo", &arguments);
    node.wait_until_ready();
    for number in [0u64, 150, 299] {
        let value = node.call(&["GET", &number.to_string()]);
        assert_eq!(value, Reply::Bulk(Some(noise(number, 50_000))));
    }
    assert_eq!(node.status().unwrap().snapshots.unwrap().set_aside, Vec::<String>::new());
}

#[test]
fn a_node_that_is_told_to_end_writes_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("of this node");
    let arguments = ["--snapshot-dir", dir.to_str().unwrap(), "--snapshot-every", "1h"];
    let ports = free_ports(3);
    let mut node = Node::start_on(ports, "solo", &arguments);
    node.wait_until_ready();
    assert_eq!(node.call(&["SET", "k", "v"]), ok());
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait().code(), Some(0));
    let node = Node::start_on(ports, "solo", &arguments);
    node.wait_until_ready();
    assert_eq!(node.call(&["GET", "k"]), Reply::Bulk(Some("v".into())));
    // Damage is told in the log, and the node starts without.
    drop(node);
    std::fs::write(file(&dir, ".snapshot").unwrap(), b"TOMBOLO\nbroken").unwrap();
    let node = Node::start_on(ports, "solo", &arguments);
    node.wait_until_ready();
    assert_eq!(node.call(&["GET", "k"]), Reply::Bulk(None));
    node.process.wait_for_output("the node starts with that table empty");
}

fn run(node: &Node, arguments: &[&str]) -> (i32, String) {
    let output = tombolo().args(arguments).args(["--http", &node.http()]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_backup_is_taken_and_restored_with_two_commands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.backup");
    let path = path.to_str().unwrap();
    let node = Node::start("one", &[]);
    node.wait_until_ready();
    let mut client = Client::connect(&node.resp(), common::PATIENCE).unwrap();
    for number in 0..40u64 {
        let value = noise(number, 60_000);
        assert_eq!(client.call(&["SET", &number.to_string(), &value]).unwrap(), ok());
    }
    assert_eq!(run(&node, &["create", "objects", "--kind", "bag"]).0, 0);
    let (code, said) = run(&node, &["backup", path]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("MiB in"), "{said}");
    assert_eq!(run(&node, &["backup", path, "--table", "none"]).0, 1);

    client.call(&["DEL", "7"]).unwrap();
    client.call(&["SET", "8", "changed"]).unwrap();
    let (code, said) = run(&node, &["restore", path, "--dry-run"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("would be done"), "{said}");
    let line = "table default: 1 added, 1 changed, 38 the same, 0 expired";
    assert!(said.contains(line), "{said}");
    assert_eq!(node.call(&["EXISTS", "7"]), Reply::Integer(0));
    let (code, said) = run(&node, &["restore", path, "--table", "default"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(line) && !said.contains("objects"), "{said}");
    assert_eq!(node.call(&["GET", "8"]), Reply::Bulk(Some(noise(8, 60_000))));

    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    let other = Node::start("two", &[]);
    other.wait_until_ready();
    let (code, said) = run(&other, &["restore", path]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("checksum"), "{said}");
    assert_eq!(other.call(&["DBSIZE"]), Reply::Integer(0));
    bytes[middle] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    assert_eq!(run(&other, &["restore", path]).0, 0);
    wait_until("everything is there", || other.call(&["DBSIZE"]) == Reply::Integer(40));
    assert_eq!(other.call(&["GET", "7"]), Reply::Bulk(Some(noise(7, 60_000))));
}
