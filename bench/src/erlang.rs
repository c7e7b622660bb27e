//! The peers that are programs in Erlang, in `bench/peers`.

use crate::sample::{Measured, Metric};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;

/// Whether CETS is measured: it is where its user says that it was built.
pub fn cets_is_here() -> bool {
    env::var_os("CETS_EBIN").is_some()
}

/// Runs one of the programs to its end and returns its numbers by name. It cleans up after itself,
/// so it is waited for rather than killed.
pub fn run(program: &str, arguments: &[&str]) -> Result<BTreeMap<String, f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/run");
    let output = Command::new(&script).arg(program).args(arguments).output();
    let output = output.with_context(|| format!("starting {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {arguments:?} failed ({}): {said}{errors}", output.status);
    }
    parse(&said)
}

/// What CETS takes to join two tables of a million records, both of them written meanwhile: in
/// milliseconds and megabytes, and how long a writer got nothing done.
pub struct CetsJoin {
    millis: f64,
    megabytes: f64,
    gap: f64,
}

impl CetsJoin {
    /// Measures it where CETS is here.
    pub fn measure(shape: &str) -> Result<Option<CetsJoin>> {
        if !cets_is_here() {
            return Ok(None);
        }
        let found = run("peer_cets_join", &[shape])?;
        let number = |metric: &str| {
            let name = format!("cets.join.{shape}.{metric}");
            found.get(&name).copied().with_context(|| format!("no number {name} was told"))
        };
        let (millis, megabytes, gap) = (number("ms")?, number("mb")?, number("gap_ms")?);
        Ok(Some(CetsJoin { millis, megabytes, gap }))
    }

    /// The same as numbers of the report.
    pub fn of(&self, measured: Measured) -> Measured {
        let measured = measured.with(Metric::Millis, self.millis);
        measured.with(Metric::MegaBytes, self.megabytes).with(Metric::LongestGap, self.gap)
    }
}

fn parse(said: &str) -> Result<BTreeMap<String, f64>> {
    let numbers = said.lines().filter_map(|line| line.strip_prefix("RES ")?.split_once(' '));
    let number = |(name, value): (&str, &str)| {
        let parsed = value.parse().with_context(|| format!("{value:?} is no number"));
        Ok((name.to_owned(), parsed?))
    };
    numbers.map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_among_what_else_is_said() {
        let numbers = parse("hello\nRES a.b 1.5\n\nRES c 2\n").unwrap();
        assert_eq!(numbers, BTreeMap::from([("a.b".to_owned(), 1.5), ("c".to_owned(), 2.0)]));
        assert!(parse("RES a x").is_err());
    }
}
