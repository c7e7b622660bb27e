//! Real processes for the tests: started on free ports, watched with deadlines, killed on drop.
//!
//! Every test binary uses a part of this.
#![allow(dead_code)]

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tombolo_cli::client::{Answer, Client, Reply, request};
use tombolo_cli::status;
use tombolo_server::http::view::StatusView;

/// Long enough for a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The first of `count` ports in a row that are free. They lie below the ports that the system
/// hands out, and test processes begin to look at different places.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() * 97 % 20_000) as u16;
    for _ in 0..1_000 {
        let offset = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = 10_000 + (start + offset) % 20_000;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no free ports");
}

/// Waits until `look` finds something. `what` is for the message when time runs out.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `holds`.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// The binary, with nothing of the environment that could configure it.
pub fn tombolo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tombolo"));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"TOMBOLO_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A process whose output goes to a file, killed when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    folder: TempDir,
}

impl Process {
    /// Starts `command` with stdout and stderr in one file.
    pub fn start(mut command: Command) -> Process {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let file = File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        // Temporary files of the process go with it.
        command.env("TMPDIR", folder.path());
        Process { child: command.spawn().unwrap(), log, folder }
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until the output has `text` in it.
    pub fn wait_for_output(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.output().contains(text) {
            assert!(Instant::now() < deadline, "no `{text}` in\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the output of process {}:\n{}", self.child.id(), self.output());
        }
    }
}

/// One `tombolo serve` on free ports.
pub struct Node {
    pub process: Process,
    pub ports: u16,
}

impl Node {
    /// Starts a node with three free ports, and `arguments` beside those.
    pub fn start(name: &str, arguments: &[&str]) -> Node {
        Node::start_on(free_ports(3), name, arguments)
    }

    /// Starts a node on `ports` (RESP) and the two that follow (HTTP, cluster).
    pub fn start_on(ports: u16, name: &str, arguments: &[&str]) -> Node {
        let mut command = tombolo();
        command.arg("serve").args(addresses(ports)).args(["--name", name]).args(arguments);
        Node { process: Process::start(command), ports }
    }

    pub fn resp(&self) -> String {
        format!("127.0.0.1:{}", self.ports)
    }

    pub fn http(&self) -> String {
        format!("127.0.0.1:{}", self.ports + 1)
    }

    pub fn cluster(&self) -> String {
        format!("127.0.0.1:{}", self.ports + 2)
    }

    pub fn request(&self, method: &str, path: &str) -> Answer {
        request(&self.http(), method, path, PATIENCE).unwrap()
    }

    pub fn status(&self) -> Option<StatusView> {
        status::ask(&self.http(), PATIENCE).ok().map(|(_, view)| view)
    }

    pub fn wait_until_ready(&self) {
        wait_until("ready", || self.status().is_some_and(|view| view.ready));
    }

    pub fn call(&self, command: &[&str]) -> Reply {
        Client::connect(&self.resp(), PATIENCE).unwrap().call(command).unwrap()
    }
}

/// Flags for three ports in a row.
pub fn addresses(ports: u16) -> Vec<String> {
    let flags = ["--resp", "--http", "--listen"].into_iter().zip(ports..);
    flags.flat_map(|(flag, port)| [flag.to_owned(), format!("127.0.0.1:{port}")]).collect()
}

/// Three nodes that know each other, whole.
pub fn trio(arguments: &[&str]) -> [Node; 3] {
    let ports = [free_ports(3), free_ports(3), free_ports(3)];
    let join = ports.map(|port| format!("127.0.0.1:{}", port + 2)).join(",");
    let all: Vec<&str> = ["--join", &join].into_iter().chain(arguments.iter().copied()).collect();
    let nodes =
        [0, 1, 2].map(|index| Node::start_on(ports[index], &format!("n{}", index + 1), &all));
    wait_until_whole(&nodes);
    nodes
}

/// Waits until every node hears every other and every table is complete.
pub fn wait_until_whole(nodes: &[Node]) {
    let up = |view: &StatusView| view.members.iter().filter(|it| it.state == "up").count();
    wait_until("whole", || {
        nodes.iter().all(|node| {
            let view = node.status();
            view.is_some_and(|it| it.ready && it.verdict == "whole" && up(&it) == nodes.len())
        })
    });
}

/// Waits until all tables of all nodes are equal, and returns their fingerprints.
pub fn wait_until_equal(nodes: &[Node]) -> Vec<(String, usize, String)> {
    wait_for("equal tables", || {
        let prints = nodes.iter().map(|node| {
            let tables = node.status()?.tables.into_iter();
            Some(tables.map(|it| (it.name, it.records, it.fingerprint)).collect::<Vec<_>>())
        });
        let prints: Option<Vec<_>> = prints.collect();
        let prints = prints?;
        let equal = prints.windows(2).all(|pair| pair[0] == pair[1]);
        equal.then(|| prints[0].clone())
    })
}
