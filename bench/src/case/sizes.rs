//! What things cost as a table grows (row 15).

use super::Case;
use super::heal::DIFFERENCES;
use crate::pair::{Healed, Node, equal, heal, until, until_equal};
use crate::report::{Panel, Shape};
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;

/// The sizes, and what each is called where one is compared with another. The largest takes a
/// minute, so it is measured in the first round alone.
const SIZES: [(u64, &str); 4] =
    [(10_000, "10 k"), (100_000, "100 k"), (1_000_000, "1 M"), (10_000_000, "10 M")];

/// The constant of a heal's time: for each record of a table of ten million, of which all but the
/// thousand are only looked at.
const HEAL_NANOS: f64 = 400.0;

/// How many writes are timed that are waited for, and that are not.
const ACKNOWLEDGED: u64 = 2_000;
const LOCAL: u64 = 20_000;

const INSERT: &str = "insert, acknowledged by 3 nodes";
const DELETE: &str = "delete, acknowledged by 3 nodes";
const LOCAL_INSERT: &str = "insert, until applied locally";
const LOCAL_DELETE: &str = "delete, until applied locally";
const START: &str = "sync that finds nothing";
const HEAL: &str = "heal of 1,000 differences";

/// Row 15.
pub(super) struct Sizes;

impl Case for Sizes {
    fn name(&self) -> &'static str {
        "sizes"
    }

    fn group(&self) -> &'static str {
        "growth"
    }

    fn targets(&self) -> Vec<Target> {
        let flat = |what, metric, load: &str, times| Target {
            row: "15",
            what,
            metric,
            load: load.to_owned(),
            ours: "10 M",
            peer: Peer::Subject("10 k"),
            rule: Rule::AtMost(times),
        };
        vec![
            flat("insert is flat", Metric::P50, INSERT, 1.5),
            flat("insert is flat", Metric::P50, LOCAL_INSERT, 1.5),
            flat("bytes of a heal are flat", Metric::MegaBytes, HEAL, 1.5),
            flat("time of a heal is linear at most", Metric::Millis, HEAL, 1_000.0),
            Target {
                peer: Peer::None,
                rule: Rule::AtMostAbsolute(HEAL_NANOS),
                ..flat("time of a heal for each record", Metric::NanosPerOp, HEAL, 1.0)
            },
        ]
    }

    fn panels(&self) -> Vec<Panel> {
        let lines = |metric| Panel { row: "15", metric, shape: Shape::Lines { x: "records" } };
        [Metric::P50, Metric::Millis, Metric::MegaBytes, Metric::CpuNanosPerOp].map(lines).into()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let sizes = SIZES.iter().filter(|(size, _)| bench.round == 0 || *size < 10_000_000);
        for (size, name) in sizes {
            bench.show(&format!("{name} records"));
            samples.extend(measure(bench.records(*size), name)?);
        }
        Ok(samples)
    }
}

/// Every number twice: on a line over the sizes, and under the size's name, to be compared.
fn both(samples: &mut Vec<Sample>, size: u64, name: &str, what: &str, values: &[(Metric, f64)]) {
    let line = Measured::of("15", format!("{size} records"), what);
    let named = Measured::of("15", what, name);
    for measured in [line, named] {
        let with =
            |measured: Measured, (metric, value): &(Metric, f64)| measured.with(*metric, *value);
        samples.extend(values.iter().fold(measured, with).samples());
    }
}

fn measure(size: u64, name: &str) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut nodes = equal(size)?;
    let mut third = Node::start("third", &[&nodes[0], &nodes[1]])?;
    until_equal(&mut nodes[0], &mut third)?;
    let mut writes = |what: &str, command: String| -> Result<()> {
        let took = nodes[0].ask(&command)?;
        let values =
            [(Metric::P50, took.get("p50") / 1e3), (Metric::CpuNanosPerOp, took.get("cpu"))];
        both(&mut samples, size, name, what, &values);
        Ok(())
    };
    writes(INSERT, format!("insert {size} {ACKNOWLEDGED} all"))?;
    writes(DELETE, format!("delete {size} {ACKNOWLEDGED} all"))?;
    writes(LOCAL_INSERT, format!("insert {size} {LOCAL} local"))?;
    writes(LOCAL_DELETE, format!("delete {size} {LOCAL} local"))?;
    drop(third);
    until(|| Ok(nodes[0].state()?.get("links") == 1.0 && nodes[1].state()?.get("links") == 1.0))?;
    let [one, other] = &mut nodes;
    until_equal(one, other)?;
    for (what, differences) in [(START, 0), (HEAL, DIFFERENCES)] {
        let Healed { millis, megabytes, cpu_nanos, .. } =
            heal(&mut nodes, size, differences, false)?;
        let values = [
            (Metric::Millis, millis),
            (Metric::MegaBytes, megabytes),
            (Metric::NanosPerOp, millis * 1e6 / size as f64),
            (Metric::CpuNanosPerOp, cpu_nanos),
        ];
        both(&mut samples, size, name, what, &values);
    }
    Ok(samples)
}
