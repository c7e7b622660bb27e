//! Nodes in processes of their own that are joined, cut apart and healed.

use crate::role::Child;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long reports and what was left to do may take after a sync, before bytes are counted.
const REST: Duration = Duration::from_millis(300);

/// One node.
pub struct Node {
    child: Child,
    name: String,
    address: String,
}

/// What a node says of itself.
pub struct State(BTreeMap<String, f64>);

impl State {
    /// A number of this name; one that was not said is not a number.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }

    /// Megabytes of memory that the process holds beyond `before`, at most since it started.
    pub fn extra_memory(&self, before: f64) -> f64 {
        (self.get("most-memory") - before) * 1_024.0 / 1e6
    }
}

impl Node {
    /// Starts a node that joins others, and waits until its table is open: until it was filled.
    pub fn start(name: &str, join: &[&Node]) -> Result<Node> {
        let mut arguments = vec!["replica", name];
        arguments.extend(join.iter().map(|node| node.address.as_str()));
        let mut child = Child::spawn(&arguments)?;
        let address = child.ready()?;
        Ok(Node { child, name: name.to_owned(), address })
    }

    /// Has it do something; the numbers that it says of it.
    pub fn ask(&mut self, command: &str) -> Result<State> {
        Ok(State(self.child.ask(command).with_context(|| command.to_owned())?))
    }

    /// Waits until a sync was complete since it was healed or started. The question costs the node
    /// next to nothing.
    pub fn until_synced(&mut self) -> Result<()> {
        until(|| Ok(self.ask("synced")?.get("synced") > 0.0))
    }

    /// What it is now.
    pub fn state(&mut self) -> Result<State> {
        self.ask("state")
    }
}

/// Waits until both hold the same.
pub fn until_equal(one: &mut Node, other: &mut Node) -> Result<()> {
    until(|| {
        let (one, other) = (one.state()?, other.state()?);
        Ok(["records", "fingerprint"].iter().all(|name| one.get(name) == other.get(name)))
    })
}

/// Looks every few milliseconds until it holds.
pub fn until(mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds()? {
        ensure!(start.elapsed() < PATIENCE, "it did not come to rest");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Two nodes with the same `records`.
pub fn equal(records: u64) -> Result<[Node; 2]> {
    let mut one = Node::start("one", &[])?;
    one.ask(&format!("fill {records}"))?;
    let mut other = Node::start("other", &[&one])?;
    until_equal(&mut one, &mut other)?;
    Ok([one, other])
}

/// What a heal came to.
#[derive(Clone, Copy, Debug)]
pub struct Healed {
    /// From the link until both have what the other had, in milliseconds.
    pub millis: f64,
    /// What came in on both sides of the link.
    pub megabytes: f64,
    /// CPU of both, in nanoseconds.
    pub cpu_nanos: f64,
    /// The longest time in which one of the writers got nothing done, in milliseconds, if they
    /// wrote; and until a write was applied on its own node.
    pub gap: f64,
    /// The longest time until a write was applied on its own node, in milliseconds.
    pub applied: f64,
}

/// Cuts the two apart, has each overwrite half of the `differences` among its `records`, and lets
/// them find each other again, with a writer on each if `write`.
pub fn heal(nodes: &mut [Node; 2], records: u64, differences: u64, write: bool) -> Result<Healed> {
    let names = [nodes[0].name.clone(), nodes[1].name.clone()];
    for (node, peer) in nodes.iter_mut().zip(names.iter().rev()) {
        node.ask(&format!("cut {peer}"))?;
    }
    let mut before = 0.0;
    for (side, node) in nodes.iter_mut().enumerate() {
        until(|| Ok(node.state()?.get("links") == 0.0))?;
        node.ask(&format!("differ {side} {} {records}", differences / 2))?;
        before += node.state()?.get("cpu");
        if write {
            node.ask("write")?;
        }
    }
    for node in nodes.iter_mut() {
        node.ask("heal")?;
    }
    let (mut linked, mut synced) = (f64::MAX, 0f64);
    for node in nodes.iter_mut() {
        node.until_synced()?;
    }
    for node in nodes.iter_mut() {
        let state = node.state()?;
        linked = linked.min(state.get("linked"));
        synced = synced.max(state.get("synced"));
    }
    let (mut gap, mut applied) = (0f64, 0f64);
    for node in nodes.iter_mut().filter(|_| write) {
        let written = node.ask("rest")?;
        gap = gap.max(written.get("gap"));
        applied = applied.max(written.get("applied"));
    }
    std::thread::sleep(REST);
    let (mut bytes, mut cpu_nanos) = (0.0, -before);
    for node in nodes.iter_mut() {
        let state = node.state()?;
        bytes += state.get("bytes-in");
        cpu_nanos += state.get("cpu");
    }
    let [one, other] = nodes;
    until_equal(one, other)?;
    let millis = synced - linked;
    Ok(Healed { millis, megabytes: bytes / 1e6, cpu_nanos, gap, applied })
}
