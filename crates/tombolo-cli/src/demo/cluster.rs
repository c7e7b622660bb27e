use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tombolo_server::http::view::StatusView;

use super::interrupt::Interrupt;
use super::node::{Node, Plan};

/// How long nodes have to leave in order before they are killed.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// How often a condition is looked at; times are measured as exactly as that.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// Log lines that are shown of a node that failed.
const SHOWN_LINES: usize = 12;

/// The processes of the demo. They are ended when it is dropped.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    folder: PathBuf,
}

impl Cluster {
    pub(super) fn start(plans: Vec<Plan>) -> Result<Cluster, String> {
        let folder = make_folder().map_err(|error| format!("no folder for the logs: {error}"))?;
        let mut cluster = Cluster { nodes: Vec::new(), folder };
        for plan in plans {
            cluster.nodes.push(Node::start(plan, &cluster.folder)?);
        }
        Ok(cluster)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn node_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// Where the logs are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The status of every node that runs, in their order.
    pub(super) fn statuses(&self) -> Result<Vec<StatusView>, String> {
        self.nodes.iter().filter(|node| node.is_running()).map(Node::status).collect()
    }

    /// Waits until every node is ready and hears every other.
    pub(super) fn wait_until_whole(
        &mut self,
        within: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), String> {
        let count = self.nodes.len();
        let waited = self.wait_until("one cluster", within, interrupt, |views| {
            views.iter().all(|view| is_whole(view, count))
        });
        waited.map(|_| ())
    }

    /// Waits until `holds` is true of the statuses of all nodes that run, and tells how long that
    /// took. `what` names it, for the message when time runs out.
    pub(super) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        interrupt: &Interrupt,
        holds: impl Fn(&[StatusView]) -> bool,
    ) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            if let Some(death) = self.new_deaths().into_iter().next() {
                return Err(death);
            }
            let views = self.statuses();
            if views.as_ref().is_ok_and(|views| holds(views)) {
                return Ok(began.elapsed());
            }
            if interrupt.is_set() {
                return Err("interrupted".to_owned());
            }
            if began.elapsed() > within {
                return Err(self.why_not(what, within));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What every node says when `what` did not come true in time.
    fn why_not(&self, what: &str, within: Duration) -> String {
        let mut text = format!("no {what} after {} s:", within.as_secs());
        for node in &self.nodes {
            let says = match node.status() {
                Ok(view) if view.ready => view.verdict_line,
                Ok(view) => {
                    format!("{}; not ready: {}", view.verdict_line, view.missing.join(", "))
                }
                Err(error) => error,
            };
            text += &format!("\n{}: {says}\n{}", node.plan.name, node.last_log_lines(SHOWN_LINES));
        }
        text
    }

    /// For every node that ended since the last call: how, its last words, and what to do.
    pub(super) fn new_deaths(&mut self) -> Vec<String> {
        let mut deaths = Vec::new();
        for node in &mut self.nodes {
            if let Some(how) = node.look() {
                deaths.push(format!(
                    "{} ended by itself: {how}. Its last log lines:\n{}\nStart it again with\n  {}",
                    node.plan.name,
                    node.last_log_lines(SHOWN_LINES),
                    node.plan.command_line()
                ));
            }
        }
        deaths
    }

    /// Ends all nodes, in order if they do so in time.
    pub(super) fn end(&mut self) {
        self.nodes.iter().for_each(Node::terminate);
        let deadline = Instant::now() + LEAVE_WITHIN;
        self.nodes.iter_mut().for_each(|node| node.wait(deadline));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether the node that answered is ready, and `count` nodes hear each other.
pub(super) fn is_whole(view: &StatusView, count: usize) -> bool {
    let up = view.members.iter().filter(|member| member.state == "up").count();
    // One node that knows no other is `alone`.
    let verdict = if count == 1 { "alone" } else { "whole" };
    view.ready && view.verdict == verdict && up == count
}

/// A new folder below that for temporary files. It stays, for those who want to read the logs.
fn make_folder() -> io::Result<PathBuf> {
    let pid = std::process::id();
    for attempt in 0..100 {
        let folder = std::env::temp_dir().join(format!("tombolo-demo-{pid}-{attempt}"));
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
