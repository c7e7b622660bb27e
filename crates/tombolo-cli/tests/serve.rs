//! `tombolo serve` as an operator meets it: defaults, wrong values, taken ports, logs.

mod common;

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::process::Stdio;

use common::{Node, addresses, free_ports, tombolo, wait_until};
use rustix::process::Signal;
use tombolo_cli::client::{Client, Reply};

/// The exit status and stderr of a `serve` that should not get far.
fn refused(arguments: &[String]) -> (i32, String) {
    let output = tombolo().arg("serve").args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_node_alone_serves_and_leaves_in_order() {
    let mut node = Node::start("solo", &[]);
    node.wait_until_ready();
    assert_eq!(node.call(&["SET", "greeting", "hello"]), Reply::Simple("OK".into()));
    assert_eq!(node.call(&["GET", "greeting"]), Reply::Bulk(Some("hello".into())));

    assert_eq!(node.request("GET", "/health").code, 200);
    let ready = node.request("GET", "/ready");
    assert_eq!((ready.code, ready.body.contains("\"ready\": true")), (200, true));
    let metrics = node.request("GET", "/metrics").body;
    assert!(metrics.contains("tombolo_table_records{table=\"default\"} 1\n"), "{metrics}");
    let tables = node.request("GET", "/api/v1/tables").body;
    assert!(tables.contains("\"policy\": \"last_writer_wins\""), "{tables}");

    let unknown = node.request("GET", "/metric");
    assert_eq!((unknown.code, unknown.body.contains("/metrics")), (404, true));
    let wrong = node.request("POST", "/health");
    assert_eq!((wrong.code, wrong.body.contains("answers to GET only")), (405, true));
    let drill = node.request("POST", "/api/v1/drills/heal");
    assert_eq!((drill.code, drill.body.contains("--drills")), (403, true));

    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait().code(), Some(0));
    let log = node.process.output();
    let addresses = format!(
        "solo of cluster tombolo serves RESP on {}, HTTP on {}, other nodes on {}",
        node.resp(),
        node.http(),
        node.cluster()
    );
    assert!(log.contains(&addresses), "{log}");
    assert!(log.contains("solo left the cluster"), "{log}");
}

#[test]
fn a_wrong_value_names_the_flag_and_what_is_accepted() {
    for (flag, value, accepted) in [
        ("--resp", "7379", "IP:PORT"),
        ("--http", "nowhere:80", "IP:PORT"),
        ("--listen", "127.0.0.1:99999", "IP:PORT"),
        ("--advertise", "me", "HOST:PORT"),
        ("--join", "a:1,b", "HOST:PORT with commas"),
        ("--discovery", "dns:x", "file:PATH"),
        ("--name", "", "letters"),
        ("--ack", "most", "all (linked nodes), local, or how many"),
        ("--ack-timeout", "5", "500ms, 5s or 2m"),
        ("--max-drift", "0s", "500ms, 5s or 2m"),
        ("--sync-rate", "fast", "50MB, 20MiB/s"),
        ("--ledger-bytes", "0", "64KiB"),
        ("--drills=maybe", "", "true or false"),
        ("--log", "loud", "info, debug"),
    ] {
        let mut arguments = vec![flag.to_owned()];
        if !flag.contains('=') {
            arguments.push(value.to_owned());
        }
        let (code, error) = refused(&arguments);
        let name = flag.split('=').next().unwrap();
        assert_eq!(code, 2, "{error}");
        assert!(error.starts_with(&format!("tombolo: {name}: `")), "{error}");
        assert!(error.contains(accepted), "{error}");
    }
}

#[test]
fn an_unknown_key_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, "cluster_name = 'x'\nrespp = '127.0.0.1:1'\n").unwrap();
    let (code, error) = refused(&["--config".to_owned(), path.display().to_string()]);
    assert_eq!(code, 2);
    assert!(error.contains("there is no key `respp`. The keys are name,"), "{error}");
}

#[test]
fn a_port_in_use_names_its_flag() {
    for (index, flag) in ["--resp", "--http", "--listen"].into_iter().enumerate() {
        let ports = free_ports(3);
        let taken = ports + index as u16;
        let _holder = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let (code, error) = refused(&addresses(ports));
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(&format!("{flag}: port {taken} on 127.0.0.1 is in use")), "{error}");
    }
}

/// Starts a node that logs all it can to `stderr`, and uses it.
fn serve_with(stderr: Stdio) {
    let ports = free_ports(3);
    let mut command = tombolo();
    command.arg("serve").args(addresses(ports)).args(["--log", "trace"]);
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let address = format!("127.0.0.1:{ports}");
    wait_until("RESP", || Client::connect(&address, common::PATIENCE).is_ok());
    // More lines than the queue of the log and the buffer of a pipe hold.
    for _ in 0..2_000 {
        let mut client = Client::connect(&address, common::PATIENCE).unwrap();
        assert_eq!(client.call(&["SET", "a", "b"]).unwrap(), Reply::Simple("OK".into()));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let mut status = None;
    wait_until("its end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_for_the_log_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    serve_with(full.into());
}

#[test]
fn a_closed_stderr_stops_nothing() {
    // Opened for reading, so every write fails.
    serve_with(File::open("/dev/null").unwrap().into());
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    // The child's end of a pipe whose other end stays open and is never read.
    serve_with(Stdio::piped());
}
