use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tombolo_server::http::view::StatusView;

use crate::client::{self, Client};
use crate::status;

/// How much of a log is read for its last lines.
const LOG_TAIL: u64 = 16 * 1024;
/// How long a node may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a write may take: longer than a node waits for its peers.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// What one node of the demo is called, and where it listens.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) resp: String,
    pub(super) http: String,
    pub(super) cluster: String,
    /// The cluster addresses of the other nodes.
    pub(super) others: Vec<String>,
}

impl Plan {
    /// Plans for `count` nodes; each has three ports, ten higher than the one before.
    pub(super) fn all(count: u16, base_port: u16) -> Vec<Plan> {
        let address =
            |node: u16, offset: u16| format!("127.0.0.1:{}", base_port + 10 * node + offset);
        let plan = |node: u16| Plan {
            name: format!("n{}", node + 1),
            resp: address(node, 0),
            http: address(node, 1),
            cluster: address(node, 2),
            others: (0..count).filter(|other| *other != node).map(|it| address(it, 2)).collect(),
        };
        (0..count).map(plan).collect()
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned()];
        let mut add =
            |flag: &str, value: &str| arguments.extend([flag.to_owned(), value.to_owned()]);
        add("--name", &self.name);
        add("--resp", &self.resp);
        add("--http", &self.http);
        add("--listen", &self.cluster);
        if !self.others.is_empty() {
            add("--join", &self.others.join(","));
        }
        arguments.push("--drills".to_owned());
        arguments
    }

    /// The command with which a person starts this node.
    pub(super) fn command_line(&self) -> String {
        format!("{} {}", super::program(), self.arguments().join(" "))
    }
}

/// One node of the demo, a process that ends with this one.
pub(super) struct Node {
    pub(super) plan: Plan,
    log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Node {
    pub(super) fn start(plan: Plan, folder: &Path) -> Result<Node, String> {
        let log = folder.join(format!("{}.log", plan.name));
        let child = spawn(&plan, &log)
            .map_err(|error| format!("cannot start the node {}: {error}", plan.name))?;
        Ok(Node { plan, log, child, ended: None })
    }

    /// Starts the process again, after it ended.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        let child = spawn(&self.plan, &self.log);
        self.child =
            child.map_err(|error| format!("cannot start {} again: {error}", self.plan.name))?;
        self.ended = None;
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process ran when it was last looked at.
    pub(super) fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Looks at the process. When it has ended since the last look: how, in words.
    pub(super) fn look(&mut self) -> Option<String> {
        if self.ended.is_some() {
            return None;
        }
        let status = self.child.try_wait().ok().flatten()?;
        self.ended = Some(status);
        Some(in_words(status))
    }

    /// SIGKILL: no goodbye, as in a crash.
    pub(super) fn kill(&mut self) {
        // Both only fail when the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }

    /// SIGTERM: an orderly end.
    pub(super) fn terminate(&self) {
        if self.is_running() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
    }

    /// Waits for the end of the process until `deadline`, then kills it.
    pub(super) fn wait(&mut self, deadline: Instant) {
        while self.is_running() && Instant::now() < deadline {
            if self.look().is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if self.is_running() {
            self.kill();
        }
    }

    pub(super) fn status(&self) -> Result<StatusView, String> {
        status::ask(&self.plan.http, PATIENCE).map(|(_, view)| view)
    }

    pub(super) fn redis(&self) -> Result<Client, String> {
        Client::connect(&self.plan.resp, WRITE_PATIENCE).map_err(|error| {
            format!("cannot connect to {} at {}: {error}", self.plan.name, self.plan.resp)
        })
    }

    /// Runs a drill of this node.
    pub(super) fn drill(&self, path: &str) -> Result<(), String> {
        let path = format!("/api/v1/drills/{path}");
        let answer = client::request(&self.plan.http, "POST", &path, PATIENCE)
            .map_err(|error| format!("{} does not answer POST {path}: {error}", self.plan.name))?;
        if answer.code == 200 {
            return Ok(());
        }
        Err(format!("{} refuses POST {path}: {}", self.plan.name, answer.body.trim()))
    }

    /// The last `count` lines of the log, each behind the node's name.
    pub(super) fn last_log_lines(&self, count: usize) -> String {
        let text = tail(&self.log).unwrap_or_else(|error| format!("no log: {error}"));
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(count)..];
        let marked: Vec<String> =
            last.iter().map(|line| format!("  {} | {line}", self.plan.name)).collect();
        marked.join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

fn spawn(plan: &Plan, log: &Path) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    // What is set for a node of the user must not reach the demo's.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"TOMBOLO_") {
            command.env_remove(name);
        }
    }
    command
        .args(plan.arguments())
        // The node holds one end of this pipe and sees it close when this process ends, even by
        // SIGKILL. The other end is closed on exec, so no other node holds it open.
        .arg("--exit-with-parent")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C in the terminal goes to this process alone, which ends the nodes in order.
        .process_group(0)
        .spawn()
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "killed by SIGKILL".to_owned(),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "no known reason".to_owned(),
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
