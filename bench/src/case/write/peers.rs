//! Mnesia and CETS under the same loads, by the programs in `bench/peers`.

use crate::erlang;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The peers of all cases that write.
#[derive(Clone)]
pub struct Peers {
    pub mnesia: Arc<Program>,
    pub cets: Arc<Program>,
}

impl Peers {
    /// Nothing is measured yet.
    pub fn new() -> Peers {
        let mnesia = [
            "sync_dirty:1",
            "sync_dirty:64",
            "sync_dirty:3x64",
            "sync_dirty100:64",
            "dirty:64",
            "transaction:64",
        ];
        let cets = ["insert:64", "insert:3x64", "insert_many:64", "insert_new:64"];
        Peers {
            mnesia: Arc::new(Program::new("mnesia", &mnesia)),
            cets: Arc::new(Program::new("cets", &cets)),
        }
    }
}

/// One of them, and what it came to in the last round that asked. Most of what a measurement takes
/// is starting and filling its nodes, so the first case of a round that asks measures all loads,
/// for all cases.
pub struct Program {
    name: &'static str,
    /// What is done, and by how many writers.
    loads: Vec<&'static str>,
    last: Mutex<Option<(usize, BTreeMap<String, f64>)>>,
}

impl Program {
    fn new(name: &'static str, loads: &[&'static str]) -> Program {
        Program { name, loads: loads.into(), last: Mutex::default() }
    }

    /// Some of the loads, each as a subject of a case.
    pub fn samples(
        &self,
        bench: &Bench,
        row: &'static str,
        title: &str,
        loads: &[(&str, &str)],
    ) -> Result<Vec<Sample>> {
        let numbers = self.numbers(bench)?;
        let samples = loads.iter().map(|(load, subject)| {
            let item = format!("{}.{}", self.name, load.replace(':', "."));
            read(&numbers, row, title, &item, subject)
        });
        Ok(samples.collect::<Result<Vec<_>>>()?.concat())
    }

    fn numbers(&self, bench: &Bench) -> Result<BTreeMap<String, f64>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((round, numbers)) = &*last
            && *round == bench.round
        {
            return Ok(numbers.clone());
        }
        bench.show(self.name);
        let numbers = erlang::run(&format!("peer_{}", self.name), &self.loads)?;
        *last = Some((bench.round, numbers.clone()));
        Ok(numbers)
    }
}

/// Reads the numbers `NAME.WAY.WRITERS.METRIC` of one load.
fn read(
    numbers: &BTreeMap<String, f64>,
    row: &'static str,
    title: &str,
    item: &str,
    subject: &str,
) -> Result<Vec<Sample>> {
    let value = |name: &str| {
        let name = format!("{item}.{name}");
        numbers.get(&name).copied().with_context(|| format!("no number {name} was told"))
    };
    let measured = Measured::of(row, title, subject)
        .with(Metric::PerSecond, value("per_second")?)
        .with(Metric::P50, value("p50_us")?)
        .with(Metric::P99, value("p99_us")?)
        .with(Metric::P999, value("p999_us")?)
        .with(Metric::Max, value("max_us")?);
    Ok(measured.samples())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_once_serves_every_case_of_the_round() {
        let names = ["per_second", "p50_us", "p99_us", "p999_us", "max_us"];
        let number = |name| (format!("mnesia.sync_dirty.64.{name}"), 2.0);
        let numbers = BTreeMap::from(names.map(number));
        let mnesia = Program::new("mnesia", &[]);
        *mnesia.last.lock().unwrap() = Some((0, numbers));
        let bench = Bench::for_tests();
        let ask = |load| mnesia.samples(&bench, "4", "64 writers", &[(load, "Mnesia")]);
        let samples = ask("sync_dirty:64").unwrap();
        assert_eq!((samples.len(), samples[0].value), (5, 2.0));
        assert!(ask("dirty:64").is_err(), "what was not told is missed");
    }
}
