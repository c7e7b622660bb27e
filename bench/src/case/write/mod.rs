//! Writes on three nodes: rows 3 to 7.

mod loads;
mod peers;

use crate::case::Case;
use crate::cluster::{Cluster, Load, Loaded};
use crate::erlang::cets_is_here;
use crate::role::Embedding;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::syscalls::Calls;
use crate::target::Target;
use anyhow::Result;
use peers::Peers;

pub use loads::all;

/// The subject that the targets are about: program and node share one thread.
const OURS: &str = "Tombolo";
/// The same, with the program on two threads and the node on one of its own.
const APART: &str = "Tombolo, node on its own thread";
/// The same as the first, on a table of bytes.
const RAW: &str = "Tombolo, table of bytes";

/// One load on three nodes, and the peers that do the like.
pub struct Write {
    name: &'static str,
    row: &'static str,
    /// What the report calls the load.
    title: &'static str,
    load: Load,
    /// The load on a table of bytes, where it is measured, too.
    raw: Option<Load>,
    /// Whether a node on its own thread is measured, too.
    apart: bool,
    /// Mnesia's loads, with the subjects that they are called here.
    mnesia: &'static [(&'static str, &'static str)],
    /// The same of CETS, where it is measured.
    cets: &'static [(&'static str, &'static str)],
    /// All cases have them in common.
    peers: Peers,
    targets: fn() -> Vec<Target>,
}

impl Case for Write {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> &'static str {
        "writes"
    }

    fn targets(&self) -> Vec<Target> {
        (self.targets)()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let mut cluster = Cluster::start(bench, Embedding::Shared)?;
        let mut samples = self.measure(bench, &mut cluster, &self.load, OURS)?;
        if let Some(load) = &self.raw {
            samples.extend(self.measure(bench, &mut cluster, load, RAW)?);
        }
        drop(cluster);
        if self.apart {
            let mut cluster = Cluster::start(bench, Embedding::Own)?;
            samples.extend(self.measure(bench, &mut cluster, &self.load, APART)?);
        }
        let (row, title, peers) = (self.row, self.title, &self.peers);
        samples.extend(peers.mnesia.samples(bench, row, title, self.mnesia)?);
        if cets_is_here() && !self.cets.is_empty() {
            samples.extend(peers.cets.samples(bench, row, title, self.cets)?);
        }
        Ok(samples)
    }
}

impl Write {
    fn measure(
        &self,
        bench: &Bench,
        cluster: &mut Cluster,
        load: &Load,
        subject: &str,
    ) -> Result<Vec<Sample>> {
        let loaded = cluster.load(bench, load)?;
        // Counts do not drift, so they are taken once.
        let calls = if bench.round == 0 { cluster.count_calls(bench, load)? } else { None };
        Ok(self.samples(bench, subject, &loaded, calls))
    }

    fn samples(
        &self,
        bench: &Bench,
        subject: &str,
        loaded: &Loaded,
        calls: Option<Calls>,
    ) -> Vec<Sample> {
        let mut measured = Measured::of(self.row, self.title, subject)
            .with(Metric::PerSecond, loaded.per_second)
            .with(Metric::P50, loaded.p50)
            .with(Metric::P99, loaded.p99)
            .with(Metric::P999, loaded.p999)
            .with(Metric::Max, loaded.max)
            .with(Metric::Floors, loaded.p50 / bench.floor.p50)
            .with(Metric::CpuNanosPerOp, loaded.cpu_nanos)
            .with(Metric::AllocationsPerOp, loaded.allocations)
            .with(Metric::InvoluntarySwitchesPerOp, loaded.switches);
        if let Some(calls) = calls {
            measured = measured
                .with(Metric::SendsPerOp, calls.sends)
                .with(Metric::ReceivesPerOp, calls.receives)
                .with(Metric::SystemCallsPerOp, calls.all);
        }
        measured.samples()
    }
}
