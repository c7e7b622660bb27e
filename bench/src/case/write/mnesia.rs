//! Mnesia under the same loads, by the program in `bench/peers`.

use crate::erlang;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Each mode, and by how many writers.
const LOADS: [&str; 6] = [
    "sync_dirty:1",
    "sync_dirty:64",
    "sync_dirty:3x64",
    "sync_dirty100:64",
    "dirty:64",
    "transaction:64",
];

/// What Mnesia came to in the last round that asked. Most of what a measurement takes is filling
/// its nodes, so the first case of a round that asks measures all loads, for all cases.
#[derive(Default)]
pub struct Mnesia {
    last: Mutex<Option<(usize, BTreeMap<String, f64>)>>,
}

impl Mnesia {
    /// Some of the loads, each as a subject of a case.
    pub fn samples(
        &self,
        bench: &Bench,
        row: &'static str,
        title: &str,
        loads: &[(&str, &str)],
    ) -> Result<Vec<Sample>> {
        let numbers = self.numbers(bench)?;
        let samples = loads.iter().map(|(load, subject)| read(&numbers, row, title, load, subject));
        Ok(samples.collect::<Result<Vec<_>>>()?.concat())
    }

    fn numbers(&self, bench: &Bench) -> Result<BTreeMap<String, f64>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((round, numbers)) = &*last
            && *round == bench.round
        {
            return Ok(numbers.clone());
        }
        bench.show("Mnesia");
        let numbers = erlang::run("peer_mnesia", &LOADS)?;
        *last = Some((bench.round, numbers.clone()));
        Ok(numbers)
    }
}

/// Reads the numbers `mnesia.MODE.WRITERS.METRIC` of one load.
fn read(
    numbers: &BTreeMap<String, f64>,
    row: &'static str,
    title: &str,
    load: &str,
    subject: &str,
) -> Result<Vec<Sample>> {
    let item = format!("mnesia.{}", load.replace(':', "."));
    let value = |name: &str| {
        let name = format!("{item}.{name}");
        numbers.get(&name).copied().with_context(|| format!("peer_mnesia told no {name}"))
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
        let mnesia = Mnesia { last: Mutex::new(Some((0, numbers))) };
        let bench = Bench::for_tests();
        let ask = |load| mnesia.samples(&bench, "4", "64 writers", &[(load, "Mnesia")]);
        let samples = ask("sync_dirty:64").unwrap();
        assert_eq!((samples.len(), samples[0].value), (5, 2.0));
        assert!(ask("dirty:64").is_err(), "what was not told is missed");
    }
}
