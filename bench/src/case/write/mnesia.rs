//! Mnesia under the same loads, by the program in `bench/peers`.

use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Measures loads of `peer_mnesia`, each under the name of a subject.
pub fn measure(
    bench: &Bench,
    row: &'static str,
    title: &str,
    loads: &[(&str, &str)],
) -> Result<Vec<Sample>> {
    bench.show("Mnesia");
    let output = Command::new("bench/peers/run")
        .arg("peer_mnesia")
        .args(loads.iter().map(|(load, _)| load))
        .output()
        .context("starting bench/peers/run")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "peer_mnesia failed: {errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    let samples = loads.iter().map(|(load, subject)| samples(&said, row, title, load, subject));
    Ok(samples.collect::<Result<Vec<_>>>()?.concat())
}

/// Reads the lines `RES mnesia.MODE.WRITERS METRIC VALUE` of one load.
fn samples(
    said: &str,
    row: &'static str,
    title: &str,
    load: &str,
    subject: &str,
) -> Result<Vec<Sample>> {
    let item = format!("mnesia.{}", load.replace(':', "."));
    let value = |name: &str| -> Result<f64> {
        let start = format!("RES {item} {name} ");
        let value = said.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.with_context(|| format!("it told no {name} of {item}"))?;
        value.trim().parse().with_context(|| format!("in {name} of {item}"))
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
    fn what_it_says_is_read() {
        let mut said = String::from("RES mnesia.dirty.64 per_second 1.000\n");
        for (name, value) in
            [("per_second", 50_415.5), ("p50_us", 1.0), ("p99_us", 2.0), ("p999_us", 3.0)]
        {
            said += &format!("RES mnesia.sync_dirty.64 {name} {value:.3}\n");
        }
        assert!(samples(&said, "4", "64 writers", "sync_dirty:64", "Mnesia").is_err());
        said += "RES mnesia.sync_dirty.64 max_us 9.000\n";
        let samples = samples(&said, "4", "64 writers", "sync_dirty:64", "Mnesia").unwrap();
        assert_eq!((samples.len(), samples[0].value), (5, 50_415.5));
    }
}
