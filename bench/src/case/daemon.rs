//! Row 11: the daemon as one node, beside a Redis server without persistence.

use super::Case;
use crate::load::KEYS;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::servers::{Server, benchmark};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;

const ROW: &str = "11";
const TOMBOLO: &str = "Tombolo";
const REDIS: &str = "Redis";

/// Test, requests on their way in each connection, and how many take a few seconds.
const LOADS: [(&str, usize, u64); 4] =
    [("set", 1, 300_000), ("get", 1, 300_000), ("set", 16, 1_500_000), ("get", 16, 1_500_000)];

/// See above.
pub struct Daemon;

fn load(test: &str, pipeline: usize) -> String {
    format!("redis-benchmark {} -c 50 -P {pipeline}", test.to_uppercase())
}

impl Case for Daemon {
    fn name(&self) -> &'static str {
        "daemon"
    }

    fn group(&self) -> &'static str {
        "daemon"
    }

    fn targets(&self) -> Vec<Target> {
        let target = |(test, pipeline, _)| Target {
            row: ROW,
            what: "requests/s of one node",
            metric: Metric::PerSecond,
            load: load(test, pipeline),
            ours: TOMBOLO,
            peer: Peer::Subject(REDIS),
            rule: Rule::AtLeast(1.0),
        };
        LOADS.map(target).to_vec()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let servers = [(TOMBOLO, Server::tombolo(&[])?), (REDIS, Server::redis(None)?)];
        let keys = bench.records(KEYS);
        for (subject, server) in &servers {
            bench.show(&format!("filling {subject}"));
            server.fill(keys)?;
        }
        let mut samples = Vec::new();
        for (test, pipeline, requests) in LOADS {
            for (subject, server) in &servers {
                let load = load(test, pipeline);
                bench.show(&format!("{subject}, {load}"));
                let requests = bench.records(requests);
                let before = server.cpu_nanos();
                let found = benchmark(server, test, pipeline, requests, keys)?;
                let cpu = (server.cpu_nanos() - before) / requests as f64;
                let measured = Measured::of(ROW, load, *subject)
                    .with(Metric::PerSecond, found.per_second)
                    .with(Metric::P50, found.p50)
                    .with(Metric::P99, found.p99)
                    .with(Metric::CpuNanosPerOp, cpu);
                samples.extend(measured.samples());
            }
        }
        Ok(samples)
    }
}
