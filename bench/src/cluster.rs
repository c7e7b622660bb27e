//! Three nodes, each in a process of its own, linked over loopback TCP and filled.

use crate::load::KEYS;
use crate::role::{Child, Embedding, Way};
use crate::runner::Bench;
use crate::syscalls::{self, Calls};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The three nodes. Their processes end when this is dropped.
pub struct Cluster {
    members: Vec<Child>,
    /// How many times writers were started, so that no two of them write the same new keys.
    loads: usize,
}

/// Who writes what.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// How they write.
    pub way: Way,
    /// How many write on each of the nodes that are written on.
    pub writers: u64,
    /// Which nodes are written on, 0 being the one that leads serial operations.
    pub on: &'static [usize],
}

/// What a load came to. Costs are of all three processes together, for each record.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Loaded {
    /// Records a second, all writers together.
    pub per_second: f64,
    /// Latencies in microseconds, of the node with the worst.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest call, which is also the longest gap in which a writer got nothing done.
    pub max: f64,
    /// CPU.
    pub cpu_nanos: f64,
    /// Allocations.
    pub allocations: f64,
    /// Involuntary switches.
    pub switches: f64,
}

impl Cluster {
    /// Starts the nodes, links them, and fills the table that they share.
    pub fn start(bench: &Bench, embedding: Embedding) -> Result<Cluster> {
        bench.show("starting three nodes");
        let embedding = match embedding {
            Embedding::Shared => "shared",
            Embedding::Own => "own",
        };
        let (mut members, mut addresses) = (Vec::new(), Vec::<String>::new());
        for name in NAMES {
            let mut arguments = vec!["member", "--name", name, "--embedding", embedding];
            arguments.extend(addresses.iter().flat_map(|address| ["--join", address]));
            let mut member = Child::spawn(&arguments)?;
            let address = member.ready()?;
            members.push(member);
            addresses.push(address);
        }
        let mut cluster = Cluster { members, loads: 0 };
        cluster.all("members 3")?;
        cluster.all("open")?;
        cluster.members[0].ask(&format!("fill {}", bench.records(KEYS)))?;
        Ok(cluster)
    }

    /// Lets writers write: first to warm up, then for a window that is measured. Fails if the
    /// nodes do not have equal tables afterwards.
    pub fn load(&mut self, bench: &Bench, load: &Load) -> Result<Loaded> {
        bench.show(&format!("{} x {} writers on {:?}", load.way.name(), load.writers, load.on));
        self.begin(load, bench.warm_up())?;
        std::thread::sleep(bench.window());
        let answers = self.end(load)?;
        self.check()?;
        summary(load, &answers)
    }

    /// As [`Cluster::load`], for a short while with the system counting the calls made to it,
    /// which slows what it counts a little: so it has no other figure. For each record; nothing
    /// where the system's counters cannot be had.
    pub fn count_calls(&mut self, bench: &Bench, load: &Load) -> Result<Option<Calls>> {
        bench.show("counting system calls");
        self.begin(load, bench.warm_up() / 4)?;
        let processes: Vec<u32> = self.members.iter().map(Child::id).collect();
        let calls = syscalls::count(&processes, bench.window() / 4);
        let answers = self.end(load)?;
        self.check()?;
        let loaded = summary(load, &answers)?;
        Ok(calls.map(|calls| calls.per_record(loaded.per_second)))
    }

    /// Fails unless all have the same records, within some seconds.
    pub fn check(&mut self) -> Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let states = self.all("state")?;
            if states.iter().all(|state| state == &states[0]) {
                return Ok(());
            }
            ensure!(Instant::now() < patience, "the nodes have different tables: {states:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn begin(&mut self, load: &Load, warm_up: Duration) -> Result<()> {
        let Load { way, writers, on } = load;
        for &node in *on {
            let command = format!("load {} {writers} {}", way.name(), self.loads);
            self.members[node].ask(&command)?;
            self.loads += 1;
        }
        std::thread::sleep(warm_up);
        self.all("begin")?;
        Ok(())
    }

    /// Those that write first: what the others do until all is written belongs to it.
    fn end(&mut self, load: &Load) -> Result<Vec<Answer>> {
        let mut answers = vec![Answer::new(); self.members.len()];
        for &node in load.on {
            self.members[node].say("end")?;
        }
        for &node in load.on {
            answers[node] = self.members[node].results()?;
        }
        for (node, answer) in answers.iter_mut().enumerate() {
            if !load.on.contains(&node) {
                *answer = self.members[node].ask("end")?;
            }
        }
        Ok(answers)
    }

    fn all(&mut self, command: &str) -> Result<Vec<Answer>> {
        for member in &mut self.members {
            member.say(command)?;
        }
        self.members.iter_mut().map(Child::results).collect()
    }
}

type Answer = BTreeMap<String, f64>;

fn summary(load: &Load, answers: &[Answer]) -> Result<Loaded> {
    let get = |node: usize, name: &str| {
        let value = answers[node].get(name).copied();
        value.with_context(|| format!("node {} told no {name}", NAMES[node]))
    };
    let mut loaded = Loaded::default();
    let mut records = 0.0;
    for &node in load.on {
        records += get(node, "records")?;
        loaded.per_second += get(node, "records")? / get(node, "seconds")?;
        loaded.p50 = loaded.p50.max(get(node, "p50")?);
        loaded.p99 = loaded.p99.max(get(node, "p99")?);
        loaded.p999 = loaded.p999.max(get(node, "p999")?);
        loaded.max = loaded.max.max(get(node, "max")?);
    }
    ensure!(records > 0.0, "nothing was written");
    for node in 0..answers.len() {
        loaded.cpu_nanos += get(node, "cpu_nanos")? / records;
        loaded.allocations += get(node, "allocations")? / records;
        loaded.switches += get(node, "switches")? / records;
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(records: f64, p99: f64) -> Answer {
        let numbers = [
            ("records", records),
            ("seconds", 2.0),
            ("p50", 1.0),
            ("p99", p99),
            ("p999", 3.0),
            ("max", 4.0),
            ("cpu_nanos", 100.0),
            ("allocations", 10.0),
            ("switches", 0.0),
        ];
        numbers.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[test]
    fn rates_add_up_and_the_worst_latency_counts() {
        let load = Load { way: Way::Insert, writers: 64, on: &[0, 2] };
        let answers = [answer(100.0, 7.0), answer(0.0, 99.0), answer(50.0, 9.0)];
        let loaded = summary(&load, &answers).unwrap();
        assert_eq!((loaded.per_second, loaded.p99, loaded.cpu_nanos), (75.0, 9.0, 2.0));
        assert_eq!(loaded.allocations, 0.2);
        let idle = [answer(0.0, 0.0), answer(0.0, 0.0), answer(0.0, 0.0)];
        assert!(summary(&load, &idle).is_err(), "writers that wrote nothing are a failure");
    }
}
