//! What a write costs as the cluster grows (row 13).

use super::Case;
use crate::pair::{Node, State, until};
use crate::report::{Panel, Shape};
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::stream::{BATCH, Copy};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;
use std::time::{Duration, Instant};
use tombolo_core::Incarnation;

/// The sizes that are run as processes.
const PROCESSES: [u64; 4] = [3, 5, 9, 17];

/// The sizes that are run with links of memory.
const SIMULATED: [u64; 7] = [3, 5, 9, 17, 33, 65, 100];

/// How many records all copies have together over links of memory: always the same, or the caches
/// of the one processor would make small clusters look better than they are.
const RECORDS: u64 = 2_000_000;

/// How many writes are measured over links of memory.
const WRITES: u64 = 32_000;

/// How many keys the table has in processes.
const KEYS: u64 = 20_000;

/// How many write at once on the one node that is written on.
const WRITERS: u64 = 64;

const WRITER: &str = "writer, links of memory";
const RECEIVER: &str = "receiver, links of memory";
const REAL_WRITER: &str = "writer, processes";
const REAL_RECEIVER: &str = "receiver, processes";
const PER_PEER: &str = "writer, for each peer";
const AT_RECEIVER: &str = "receiver";

/// Row 13.
pub(super) struct Growth;

impl Case for Growth {
    fn name(&self) -> &'static str {
        "growth"
    }

    fn group(&self) -> &'static str {
        "growth"
    }

    fn targets(&self) -> Vec<Target> {
        let flat = |what, metric, load: &str, ours, peer| Target {
            row: "13",
            what,
            metric,
            load: load.to_owned(),
            ours,
            peer: Peer::Subject(peer),
            rule: Rule::AtMost(1.5),
        };
        let (cpu, bytes) = (Metric::CpuNanosPerOp, Metric::BytesPerOp);
        vec![
            flat("linear at the writer", cpu, PER_PEER, "100 nodes", "9 nodes"),
            flat("linear at the writer", bytes, PER_PEER, "100 nodes", "9 nodes"),
            flat("linear at the writer", cpu, PER_PEER, "17 processes", "5 processes"),
            flat("constant at receivers", cpu, AT_RECEIVER, "100 nodes", "3 nodes"),
            flat("constant at receivers", cpu, AT_RECEIVER, "17 processes", "3 processes"),
            flat("constant at receivers", bytes, AT_RECEIVER, "17 processes", "3 processes"),
        ]
    }

    fn panels(&self) -> Vec<Panel> {
        let lines = |metric| Panel { row: "13", metric, shape: Shape::Lines { x: "nodes" } };
        [Metric::CpuNanosPerOp, Metric::BytesPerOp].map(lines).into()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for nodes in SIMULATED {
            bench.show(&format!("{nodes} nodes, links of memory"));
            let cost = simulated(nodes);
            samples.extend(cost.samples(nodes, &format!("{nodes} nodes"), [WRITER, RECEIVER]));
        }
        for nodes in PROCESSES {
            bench.show(&format!("{nodes} processes"));
            let cost = processes(nodes, bench.window())?;
            let name = format!("{nodes} processes");
            samples.extend(cost.samples(nodes, &name, [REAL_WRITER, REAL_RECEIVER]));
        }
        Ok(samples)
    }
}

/// What a write costs: CPU and bytes, at the writer what it sends, at one receiver what it gets.
struct Cost {
    writer: [f64; 2],
    receiver: [f64; 2],
}

impl Cost {
    fn samples(&self, nodes: u64, name: &str, lines: [&str; 2]) -> Vec<Sample> {
        let measured = |load: &str, subject: &str, [cpu, bytes]: [f64; 2]| {
            let measured = Measured::of("13", load, subject).with(Metric::CpuNanosPerOp, cpu);
            measured.with(Metric::BytesPerOp, bytes).samples()
        };
        let load = format!("{nodes} nodes");
        let per_peer = self.writer.map(|cost| cost / (nodes - 1) as f64);
        [
            measured(&load, lines[0], self.writer),
            measured(&load, lines[1], self.receiver),
            measured(PER_PEER, name, per_peer),
            measured(AT_RECEIVER, name, self.receiver),
        ]
        .concat()
    }
}

/// Everything on this thread: the op is encoded once, copied to every link, decoded and taken in at
/// every peer, and acknowledged once a batch.
fn simulated(nodes: u64) -> Cost {
    let mut writer = Copy::new(Incarnation(1));
    let mut peers: Vec<Copy> = (2..=nodes).map(|me| Copy::new(Incarnation(me))).collect();
    peers.iter_mut().for_each(|peer| writer.link(peer));
    let mut links = vec![(Vec::new(), Vec::new()); peers.len()];
    let (mut writing, mut receiving, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let mut op = Vec::new();
    let keys = RECORDS / nodes;
    for first in (0..keys + WRITES).step_by(BATCH) {
        let start = Instant::now();
        for number in first..first + BATCH as u64 {
            op.clear();
            writer.write(number * 7_919 % keys, first, &mut op);
            links.iter_mut().for_each(|(ops, _)| ops.extend_from_slice(&op));
        }
        let written = start.elapsed();
        let start = Instant::now();
        for (peer, (ops, acks)) in peers.iter_mut().zip(&mut links) {
            peer.take_in(writer.me(), ops, acks);
        }
        let received = start.elapsed();
        let start = Instant::now();
        for (peer, (_, acks)) in peers.iter().zip(&links) {
            writer.on_acks(peer.me(), acks);
        }
        assert!(writer.is_acknowledged(), "every peer has the batch");
        if first >= keys {
            writing += written + start.elapsed();
            receiving += received;
            bytes += links.iter().map(|(ops, _)| ops.len()).sum::<usize>();
        }
        links.iter_mut().for_each(|(ops, acks)| (*ops, *acks) = Default::default());
    }
    let (writes, peers) = (WRITES as f64, peers.len() as f64);
    let (nanos, bytes) = (|took: Duration| took.as_nanos() as f64 / writes, bytes as f64 / writes);
    Cost { writer: [nanos(writing), bytes], receiver: [nanos(receiving) / peers, bytes / peers] }
}

/// Nodes as processes; one is written by many at once.
fn processes(nodes: u64, window: Duration) -> Result<Cost> {
    let mut all = vec![Node::start("n1", &[])?];
    for number in 2..=nodes {
        let node = Node::start(&format!("n{number}"), &[&all[0]])?;
        all.push(node);
    }
    let linked = (nodes - 1) as f64;
    for node in &mut all {
        until(|| Ok(node.state()?.get("links") == linked))?;
    }
    all[0].ask(&format!("fill {KEYS}"))?;
    let before = all.iter_mut().map(Node::state).collect::<Result<Vec<State>>>()?;
    let writes = all[0].ask(&format!("crowd {WRITERS} {}", window.as_millis()))?.get("writes");
    let after = all.iter_mut().map(Node::state).collect::<Result<Vec<State>>>()?;
    let cost = |at: usize, name: &str| (after[at].get(name) - before[at].get(name)) / writes;
    let mean = |name: &str| (1..all.len()).map(|at| cost(at, name)).sum::<f64>() / linked;
    Ok(Cost {
        writer: [cost(0, "cpu"), cost(0, "bytes-out")],
        receiver: [mean("cpu"), mean("bytes-in")],
    })
}
