//! Rows 1 and 2: lookups of random keys that are there, beside the bare concurrent map and ETS.

use super::Case;
use crate::erlang;
use crate::load::KEYS;
use crate::role::Child;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::target::{Peer, Rule, Target};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

const MAP: &str = "1";
const ETS: &str = "2";

/// Subjects as the reports call them, and as the role does.
const OURS: [(&str, &str); 4] = [
    (READ, "set"),
    ("Tombolo, RawTable::read of an ordered_set", "ordered_set"),
    ("Tombolo, Table::get, decoded", "typed"),
    (PAPAYA, "papaya"),
];
const READ: &str = "Tombolo, RawTable::read";
const PAPAYA: &str = "papaya, pinned for each lookup";

/// Our subjects and the tables of ETS that they are compared with.
const TABLES: [(&str, &str, &str); 2] =
    [("Tombolo set", "ETS set", "set"), ("Tombolo ordered_set", "ETS ordered_set", "ordered_set")];

/// See above.
pub struct Lookups;

/// Threads, and whether a writer overwrites beside them as fast as it can.
fn loads() -> [(u64, bool); 4] {
    [(1, false), (2, false), (1, true), (2, true)]
}

fn load((threads, beside_writer): (u64, bool)) -> String {
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    if beside_writer { format!("{threads} beside a writer") } else { threads }
}

fn place(beside_writer: bool) -> &'static str {
    if beside_writer { "beside_writer" } else { "alone" }
}

impl Case for Lookups {
    fn name(&self) -> &'static str {
        "lookups"
    }

    fn group(&self) -> &'static str {
        "lookups"
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for each in loads() {
            let mut target = |row, ours, peer, times| {
                targets.push(Target {
                    row,
                    what: "lookups/s",
                    metric: Metric::PerSecond,
                    load: load(each),
                    ours,
                    peer: Peer::Subject(peer),
                    rule: Rule::AtLeast(times),
                });
            };
            target(MAP, READ, PAPAYA, 0.9);
            TABLES.iter().for_each(|(ours, peer, _)| target(ETS, ours, peer, 5.0));
        }
        targets
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        bench.show("maps of this process");
        let numbers = [
            bench.records(KEYS),
            bench.warm_up().as_millis() as u64,
            bench.window().as_millis() as u64,
        ];
        let [records, warm_up, window] = numbers.map(|number| number.to_string());
        let found = Child::spawn(&["lookups", &records, &warm_up, &window])?.results()?;
        let mut samples = ours(&found)?;
        for (_, subject, kind) in TABLES {
            bench.show(subject);
            // With both switches a writer disturbs the readers least.
            let switches = ["read_concurrency", "write_concurrency"];
            let found = erlang::run("peer_ets", &[&["lookups", kind], &switches[..]].concat())?;
            samples.extend(peers(subject, kind, &found)?);
        }
        Ok(samples)
    }
}

fn ours(found: &BTreeMap<String, f64>) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for each in loads() {
        let (threads, beside_writer) = each;
        let of = |name: &str| {
            let key = format!("{name}.{}.{threads}", place(beside_writer));
            Ok::<_, anyhow::Error>((*found.get(&key).with_context(|| format!("no {key}"))?, key))
        };
        for (subject, name) in OURS {
            let (rate, key) = of(name)?;
            let measured = Measured::of(MAP, load(each), subject);
            samples.extend(measured.with(Metric::PerSecond, rate).samples());
            if let Some(written) = found.get(&format!("{key}.written")) {
                let writer = Measured::of(MAP, load(each), format!("{subject}: its writer"));
                samples.extend(writer.with(Metric::PerSecond, *written).samples());
            }
        }
        for (subject, _, kind) in TABLES {
            let measured = Measured::of(ETS, load(each), subject);
            samples.extend(measured.with(Metric::PerSecond, of(kind)?.0).samples());
        }
    }
    Ok(samples)
}

fn peers(subject: &str, kind: &str, found: &BTreeMap<String, f64>) -> Result<Vec<Sample>> {
    let number = |name: String| found.get(&name).copied().with_context(|| format!("no {name}"));
    let mut samples = Vec::new();
    for each in loads() {
        let (threads, beside_writer) = each;
        let rate = number(format!("ets.{kind}.{}.{threads}", place(beside_writer)))?;
        let measured = Measured::of(ETS, load(each), subject);
        samples.extend(measured.with(Metric::PerSecond, rate).samples());
    }
    // What of the time of a lookup is the loop and making the key: for those who want it off.
    let bare = number(format!("ets.{kind}.bare_loop"))?;
    let measured = Measured::of(ETS, load((1, false)), format!("{subject}: the bare loop"));
    samples.extend(measured.with(Metric::PerSecond, bare).samples());
    Ok(samples)
}
