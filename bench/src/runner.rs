//! Plays the rounds: in each of them every case once, and before each case the floor.

use crate::case::Case;
use crate::floor::Floor;
use crate::sample::Sample;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// What a case needs to know of the run.
pub struct Bench {
    /// Whether to hurry: shorter windows, fewer keys, and figures that say little.
    pub quick: bool,
    /// Which round it is, from 0 on.
    pub round: usize,
    /// The floor that was measured just before.
    pub floor: Floor,
    progress: ProgressBar,
}

impl Bench {
    /// A bench of one round that shows no progress, for tests.
    #[cfg(test)]
    pub fn for_tests() -> Bench {
        let progress = ProgressBar::hidden();
        Bench { quick: true, round: 0, floor: Floor::default(), progress }
    }

    /// How long a load runs before it is measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 1_000 })
    }

    /// How long a load is measured.
    pub fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 2_000 })
    }

    /// How many of `count` records to use.
    pub fn records(&self, count: u64) -> u64 {
        if self.quick { count / 10 } else { count }
    }

    /// Shows what is measured now.
    pub fn show(&self, what: &str) {
        self.progress.set_message(what.to_owned());
    }
}

/// What all rounds gave.
#[derive(Default)]
pub struct Outcome {
    /// Every number.
    pub samples: Vec<Sample>,
    /// The cases that failed in a round, with the reason.
    pub failures: Vec<Failure>,
}

/// A case that failed in a round.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// Its name.
    pub case: &'static str,
    /// The round, from 0 on.
    pub round: usize,
    /// Why.
    pub reason: String,
}

/// Plays `rounds` rounds of `cases`.
pub fn run(cases: &[Box<dyn Case>], rounds: usize, quick: bool) -> Result<Outcome> {
    let progress = ProgressBar::new((rounds * cases.len()) as u64);
    let style = "{bar:30} {pos}/{len} {elapsed_precise} (left: {eta}) {prefix}: {wide_msg}";
    progress.set_style(ProgressStyle::with_template(style)?);
    progress.enable_steady_tick(Duration::from_secs(1));
    let mut bench = Bench { quick, round: 0, floor: Floor::default(), progress };
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        bench.round = round;
        for case in cases {
            bench.progress.set_prefix(case.name());
            bench.show("the floor");
            let time = Duration::from_millis(if quick { 100 } else { 400 });
            bench.floor = Floor::measure(time).context("measuring the floor")?;
            outcome.samples.extend(bench.floor.samples());
            match case.round(&bench) {
                Ok(samples) => outcome.samples.extend(samples),
                Err(error) => {
                    let failure =
                        Failure { case: case.name(), round, reason: format!("{error:#}") };
                    bench.progress.println(failure.to_string());
                    outcome.failures.push(failure);
                }
            }
            bench.progress.inc(1);
        }
    }
    bench.progress.finish_and_clear();
    Ok(outcome)
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} failed in round {}: {}", self.case, self.round + 1, self.reason)
    }
}
