//! `tombolo demo`: the tour, and that nothing is left behind however it ends.

mod common;

use std::net::TcpListener;

use common::{Process, free_ports, tombolo, wait_until};
use rustix::process::Signal;
use tombolo_cli::client::Client;

/// The ports of three nodes lie within this many.
const PORTS: u16 = 23;

fn demo(base_port: u16, arguments: &[&str]) -> Process {
    let mut command = tombolo();
    command.args(["demo", "--base-port", &base_port.to_string()]).args(arguments);
    Process::start(command)
}

fn nobody_listens(base_port: u16) -> bool {
    let mut ports =
        (0..3).flat_map(|node| (0..3).map(move |offset| base_port + 10 * node + offset));
    ports.all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

#[test]
fn the_tour_holds() {
    let base_port = free_ports(PORTS);
    let mut demo = demo(base_port, &["--tour"]);
    let status = demo.wait();
    let output = demo.output();
    assert_eq!(status.code(), Some(0), "{output}");
    for text in [
        "all 9 steps held",
        "the delete wins",
        "the write wins",
        "SIGKILL n3",
        "the greatest version stays, though it is older",
        "1 key waits for somebody to decide",
        "tombolo resolve by-hand colour --take n1:",
        "--table by-time: red again, on every node",
        "its record is hidden after",
        "equal: 6 tables on n1, n2, n3",
    ] {
        assert!(output.contains(text), "no `{text}` in\n{output}");
    }
    assert!(nobody_listens(base_port));
}

#[test]
fn ctrl_c_ends_all_nodes() {
    let base_port = free_ports(PORTS);
    let mut demo = demo(base_port, &[]);
    demo.wait_for_output("Ctrl-C ends all nodes");
    let output = demo.output();
    assert!(output.contains(&format!("redis-cli -p {base_port} set greeting hello")), "{output}");
    assert!(!nobody_listens(base_port));
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(0));
    assert!(nobody_listens(base_port));
}

#[test]
fn the_death_of_the_parent_ends_all_nodes() {
    let base_port = free_ports(PORTS);
    let mut demo = demo(base_port, &[]);
    demo.wait_for_output("Ctrl-C ends all nodes");
    demo.signal(Signal::KILL);
    demo.wait();
    wait_until("the nodes to end", || nobody_listens(base_port));
}

#[test]
fn a_node_that_dies_is_told_and_the_others_go_on() {
    let base_port = free_ports(PORTS);
    let demo = demo(base_port, &[]);
    demo.wait_for_output("Ctrl-C ends all nodes");
    let output = demo.output();
    let line = output.lines().find(|line| line.trim_start().starts_with("n2 ")).unwrap();
    let pid: i32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    demo.wait_for_output("n2 ended by itself: killed by SIGKILL");
    demo.wait_for_output("tombolo serve --name n2");
    let first = format!("127.0.0.1:{base_port}");
    assert!(Client::connect(&first, common::PATIENCE).unwrap().call(&["PING"]).is_ok());
}

#[test]
fn a_taken_port_is_told_before_anything_starts() {
    let base_port = free_ports(PORTS);
    let _holder = TcpListener::bind(("127.0.0.1", base_port + 11)).unwrap();
    let mut demo = demo(base_port, &[]);
    assert_eq!(demo.wait().code(), Some(1));
    let output = demo.output();
    let words = format!("the HTTP port {} of n2 is not free", base_port + 11);
    assert!(output.contains(&words) && output.contains("Stop what uses it"), "{output}");
    assert!(!output.contains("nodes started"), "{output}");
}

#[test]
fn one_node_is_a_demo_but_no_tour() {
    let base_port = free_ports(PORTS);
    let mut single = demo(base_port, &["--nodes", "1"]);
    single.wait_for_output("Ctrl-C ends all nodes");
    single.signal(Signal::TERM);
    assert_eq!(single.wait().code(), Some(0));

    let mut tour = demo(base_port, &["--nodes", "1", "--tour"]);
    assert_eq!(tour.wait().code(), Some(1));
    assert!(tour.output().contains("--nodes must be 2 or more"), "{}", tour.output());
    let mut many = demo(base_port, &["--nodes", "10"]);
    assert_eq!(many.wait().code(), Some(2));
    assert!(many.output().contains("1..=9"), "{}", many.output());
}
