//! Row 12: three nodes of the daemon, a SET acknowledged by all, beside a Redis server with two
//! replicas that a WAIT follows each SET for. The client is our own, the same for both.

use super::Case;
use crate::load::KEYS;
use crate::role::Child;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::servers::Server;
use crate::target::{Peer, Rule, Target};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;

const ROW: &str = "12";
const TOMBOLO: &str = "Tombolo, acknowledged by all";
const REDIS: &str = "Redis, WAIT 2";

/// Connections, and what the rate is to be of Redis's.
const LOADS: [(usize, f64); 2] = [(1, 1.0), (50, 3.0)];

/// See above.
pub struct Replicated;

fn load(connections: usize) -> String {
    match connections {
        1 => "SET, one connection".to_owned(),
        _ => format!("SET, {connections} connections"),
    }
}

impl Case for Replicated {
    fn name(&self) -> &'static str {
        "replicated"
    }

    fn group(&self) -> &'static str {
        "daemon"
    }

    fn targets(&self) -> Vec<Target> {
        let target = |(connections, times)| Target {
            row: ROW,
            what: "requests/s of three nodes",
            metric: Metric::PerSecond,
            load: load(connections),
            ours: TOMBOLO,
            peer: Peer::Subject(REDIS),
            rule: Rule::AtLeast(times),
        };
        LOADS.map(target).to_vec()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        bench.show("filling Tombolo");
        let nodes = Server::tombolo_cluster()?;
        nodes[0].fill(bench.records(KEYS))?;
        samples.extend(measure(bench, TOMBOLO, &nodes, 0)?);
        std::thread::sleep(bench.window());
        let prints = nodes.iter().map(|node| node.lines("TOMBOLO FINGERPRINT"));
        let prints = prints.collect::<Result<BTreeSet<String>>>()?;
        ensure!(prints.len() == 1, "the nodes' tables differ: {prints:?}");
        drop(nodes);
        bench.show("filling Redis");
        let servers = Server::redis_replicated()?;
        servers[0].fill(bench.records(KEYS))?;
        samples.extend(measure(bench, REDIS, &servers, 2)?);
        drop(servers);
        // What there is without any replication, and without doing anything: no server that gets
        // one request at a time can do more than the last.
        for (subject, server) in [
            ("Tombolo, one node", Server::tombolo(&[])?),
            ("Redis, no replica", Server::redis(None)?),
        ] {
            bench.show(&format!("filling {subject}"));
            server.fill(bench.records(KEYS))?;
            samples.extend(measure(bench, subject, &[server], 0)?);
        }
        samples.extend(measure(bench, "a server that only answers", &[Server::nothing()?], 0)?);
        Ok(samples)
    }
}

/// Loads the first of some servers. A SET is followed by a WAIT for so many replicas, if any.
fn measure(
    bench: &Bench,
    subject: &'static str,
    servers: &[Server],
    replicas: u8,
) -> Result<Vec<Sample>> {
    let records = bench.records(KEYS);
    let mut samples = Vec::new();
    for (connections, _) in LOADS {
        bench.show(&format!("{subject}, {}", load(connections)));
        let times = [bench.warm_up(), bench.window()].map(|time| time.as_millis() as u64);
        let numbers = [servers[0].port.into(), connections as u64, replicas.into(), records];
        let numbers = [&numbers[..], &times].concat();
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let arguments: Vec<&str> =
            ["redis-load"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
        let before: f64 = servers.iter().map(Server::cpu_nanos).sum();
        let found = Child::spawn(&arguments)?.results()?;
        let cpu = servers.iter().map(Server::cpu_nanos).sum::<f64>() - before;
        let seconds = (bench.warm_up() + bench.window()).as_secs_f64();
        let measured = Measured::of(ROW, load(connections), subject)
            .with(Metric::PerSecond, found["per_second"])
            .with(Metric::P50, found["p50"])
            .with(Metric::P99, found["p99"])
            .with(Metric::P999, found["p999"])
            .with(Metric::Max, found["max"])
            .with(Metric::Floors, found["p50"] / bench.floor.p50)
            // The warm-up is as fast as the rest, near enough for this number.
            .with(Metric::CpuNanosPerOp, cpu / (found["per_second"] * seconds));
        samples.extend(measured.samples());
    }
    Ok(samples)
}
