//! `cargo xtask simulate`: many seeds on all cores, or one with its trace.

use crate::fault::FAULTS;
use crate::run::{Outcome, run_seed};
use crate::sight::SIGHTS;
use crate::world::Counts;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tombolo_core::BTreeStore;
use tombolo_store::ConcurrentStore;

/// How the command is used.
pub const USAGE: &str = "\
simulate [--seeds N] [--first SEED] [--steps K] [--store btree|concurrent] [--threads T]
         [--keep-going yes|no]
    plays N schedules (default 2000) from seed SEED (default 1) on; stops at a violation unless
    told to keep going
simulate --seed S [--steps K]
    plays one schedule and prints everything that happened in it";

/// How many random steps a schedule has if nobody says otherwise.
const STEPS: usize = 600;

/// How many lines of the trace are shown of a violation.
const LINES: usize = 60;

/// How many seeds are named that broke an invariant.
const SEEDS: usize = 5;

/// From how many schedules on every kind of fault must have fired.
const ENOUGH: u64 = 1500;

struct Arguments {
    seeds: u64,
    first: u64,
    one: Option<u64>,
    steps: usize,
    concurrent: bool,
    threads: usize,
    keep_going: bool,
}

/// What all threads found together.
#[derive(Default)]
struct Found {
    counts: Counts,
    /// By invariant: the seeds that broke it.
    broken: BTreeMap<&'static str, BTreeSet<u64>>,
}

/// Runs the command with the arguments after its name.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match arguments.one {
        Some(seed) => replay(&arguments, seed),
        None => sweep(&arguments),
    }
}

fn parse(arguments: &[String]) -> Result<Arguments, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parsed = Arguments {
        seeds: 2000,
        first: 1,
        one: None,
        steps: STEPS,
        concurrent: false,
        threads: cores,
        keep_going: false,
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{flag} takes a number, not {value:?}"));
        match flag.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--first" => parsed.first = number()?,
            "--seed" => parsed.one = Some(number()?),
            "--steps" => parsed.steps = number()? as usize,
            "--threads" => parsed.threads = (number()? as usize).max(1),
            "--keep-going" if value == "yes" => parsed.keep_going = true,
            "--keep-going" if value == "no" => parsed.keep_going = false,
            "--keep-going" => return Err(format!("--keep-going is yes or no, not {value:?}")),
            "--store" if value == "btree" => parsed.concurrent = false,
            "--store" if value == "concurrent" => parsed.concurrent = true,
            "--store" => return Err(format!("--store is btree or concurrent, not {value:?}")),
            _ => return Err(format!("{flag} is no flag of simulate")),
        }
    }
    Ok(parsed)
}

fn play(arguments: &Arguments, seed: u64, traced: bool) -> Outcome {
    if arguments.concurrent {
        run_seed::<ConcurrentStore>(seed, arguments.steps, traced)
    } else {
        run_seed::<BTreeStore>(seed, arguments.steps, traced)
    }
}

fn sweep(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first.saturating_add(arguments.seeds);
    let stop = AtomicBool::new(false);
    let found: Mutex<Found> = Mutex::default();
    std::panic::set_hook(Box::new(|_| ()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let outcome = play(arguments, seed, false);
                    let mut found = found.lock().expect("no holder panics");
                    found.note(&outcome);
                    if outcome.failure.is_some() && !arguments.keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let Found { counts, broken } = found.into_inner().expect("no holder panics");
    report(&counts, begun, arguments.threads);
    for (invariant, seeds) in &broken {
        let first: Vec<String> = seeds.iter().take(SEEDS).map(ToString::to_string).collect();
        let (times, first) = (seeds.len(), first.join(", "));
        println!("broken by {times} schedules, first by the seeds {first}: {invariant}");
    }
    if let Some(first) = broken.values().filter_map(BTreeSet::first).min() {
        show_failure(arguments, *first, LINES);
        return ExitCode::FAILURE;
    }
    let missing = counts.faults.missing();
    if counts.schedules >= ENOUGH && !missing.is_empty() {
        println!("FAILED: these faults never fired: {missing:?}");
        return ExitCode::FAILURE;
    }
    let unseen = counts.sights.missing();
    if counts.schedules >= ENOUGH && !unseen.is_empty() {
        println!("FAILED: this was never seen: {unseen:?}");
        return ExitCode::FAILURE;
    }
    println!("0 violations");
    ExitCode::SUCCESS
}

impl Found {
    fn note(&mut self, outcome: &Outcome) {
        self.counts.add(&outcome.counts);
        if let Some(failure) = &outcome.failure {
            self.broken.entry(failure.violation.invariant).or_default().insert(outcome.seed);
        }
    }
}

fn report(counts: &Counts, begun: Instant, threads: usize) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} schedules, {} steps, {} operations, {} frames, {} syncs, {} tombstones dropped on the \
         way, {} times copies that differed, in {seconds:.1} s ({:.0} schedules/s on {threads} \
         threads)",
        counts.schedules,
        counts.steps,
        counts.ops,
        counts.frames,
        counts.syncs,
        counts.dropped,
        counts.differing,
        counts.schedules as f64 / seconds,
    );
    let kinds = FAULTS.iter().map(|fault| format!("{fault:?} {}", counts.faults.of(*fault)));
    println!("faults: {}", kinds.collect::<Vec<_>>().join(", "));
    let kinds = SIGHTS.iter().map(|sight| {
        let (times, schedules) = counts.sights.of(*sight);
        format!("{sight:?} {times} in {schedules}")
    });
    println!("seen, and in how many schedules: {}", kinds.collect::<Vec<_>>().join(", "));
}

/// Plays a schedule that failed once more, now with its trace.
fn show_failure(arguments: &Arguments, seed: u64, most: usize) {
    let Some(failure) = play(arguments, seed, true).failure else {
        println!("VIOLATION with seed {seed}, and none when it is played again: not repeatable");
        return;
    };
    let concerned: &[usize] = if most == usize::MAX { &[] } else { &failure.violation.slots };
    for line in failure.trace.last(concerned, most) {
        println!("{}", failure.trace.readable(&line.to_string()));
    }
    let steps = arguments.steps;
    let store = if arguments.concurrent { " --store concurrent" } else { "" };
    println!("VIOLATION of {}", failure.trace.readable(&failure.violation.to_string()));
    println!("replay: cargo xtask simulate --seed {seed} --steps {steps}{store}");
}

fn replay(arguments: &Arguments, seed: u64) -> ExitCode {
    let begun = Instant::now();
    let outcome = play(arguments, seed, true);
    if outcome.failure.is_some() {
        show_failure(arguments, seed, usize::MAX);
        return ExitCode::FAILURE;
    }
    report(&outcome.counts, begun, 1);
    println!("0 violations");
    ExitCode::SUCCESS
}
