//! A split that heals: two tables that are the same but for a few records (row 8).

use super::Case;
use crate::erlang::{CetsJoin, cets_is_here};
use crate::load::KEYS;
use crate::pair::{equal, heal};
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;

/// How many of the records differ, half of them written on each side.
pub(super) const DIFFERENCES: u64 = 1_000;

const QUIET: &str = "1 M records, 1,000 differ";
const WRITING: &str = "1 M records, 1,000 differ, a writer on each side";
const CETS: &str = "CETS with handle_conflict, written meanwhile";
const SOURCE: &str = "CETS with handle_conflict, measured on 2026-11-21 on another machine";

/// Row 8.
pub(super) struct Heal;

impl Case for Heal {
    fn name(&self) -> &'static str {
        "heal"
    }

    fn group(&self) -> &'static str {
        "joins"
    }

    fn targets(&self) -> Vec<Target> {
        let target = |what, metric, load: &str, peer, rule| Target {
            row: "8",
            what,
            metric,
            load: load.to_owned(),
            ours: "Tombolo",
            peer,
            rule,
        };
        let elsewhere = |value| Peer::Figure { value, source: SOURCE };
        let cets = |value| if cets_is_here() { Peer::Subject(CETS) } else { elsewhere(value) };
        let gap = Rule::AtMostAbsolute(10.0);
        vec![
            target("bytes of a heal", Metric::MegaBytes, QUIET, cets(129.0), Rule::AtMost(0.01)),
            target("time of a heal", Metric::Millis, QUIET, cets(3_386.0), Rule::AtMost(0.1)),
            target("the same", Metric::Millis, WRITING, cets(3_386.0), Rule::AtMost(0.1)),
            target("a writer's longest gap", Metric::LongestGap, WRITING, Peer::None, gap),
        ]
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let records = bench.records(KEYS);
        bench.show("two nodes with the same records");
        let mut nodes = equal(records)?;
        bench.show("a heal");
        let quiet = heal(&mut nodes, records, DIFFERENCES, false)?;
        bench.show("a heal beside writers");
        let writing = heal(&mut nodes, records, DIFFERENCES, true)?;
        let of = |load| Measured::of("8", load, "Tombolo");
        let quiet =
            of(QUIET).with(Metric::MegaBytes, quiet.megabytes).with(Metric::Millis, quiet.millis);
        let local = Measured::of("8", WRITING, "Tombolo, until applied on its own node");
        let local = local.with(Metric::LongestGap, writing.applied);
        let writing =
            of(WRITING).with(Metric::LongestGap, writing.gap).with(Metric::Millis, writing.millis);
        drop(nodes);
        let mut all = vec![quiet, writing, local];
        bench.show("CETS");
        if let Some(join) = CetsJoin::measure("healed")? {
            all.extend([QUIET, WRITING].map(|load| join.of(Measured::of("8", load, CETS))));
        }
        Ok(all.into_iter().flat_map(Measured::samples).collect())
    }
}
