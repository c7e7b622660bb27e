//! An empty node that joins others which go on being written (row 9).

use super::Case;
use crate::erlang::{CetsJoin, cets_is_here};
use crate::load::KEYS;
use crate::pair::{Node, State, equal, until_equal};
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;

const ONE: &str = "1 M records from one node, written meanwhile";
const TWO: &str = "1 M records from two nodes, one of them written meanwhile";
const JOINING: &str = "the node that is filled";
const SOURCE: &str = "the node that is read";
const CETS: &str = "CETS, 2 x 1 M records";

/// Row 9.
pub(super) struct Filling;

impl Case for Filling {
    fn name(&self) -> &'static str {
        "filling"
    }

    fn group(&self) -> &'static str {
        "joins"
    }

    fn targets(&self) -> Vec<Target> {
        let target = |what, metric, load: &str, ours, peer, rule| {
            let load = load.to_owned();
            Target { row: "9", what, metric, load, ours, peer, rule }
        };
        let elsewhere = Peer::Figure {
            value: 5_259.0,
            source: "CETS, 2 x 1 M records, measured on 2026-11-21 on another machine",
        };
        let cets = if cets_is_here() { Peer::Subject(CETS) } else { elsewhere };
        // A fifth of what the table takes: buffers, not a second copy.
        let memory = Rule::AtMostAbsolute(50.0);
        let third = Rule::AtMost(1.0 / 3.0);
        vec![
            target("time to fill a node", Metric::Millis, ONE, JOINING, cets.clone(), third),
            target("the same from two", Metric::Millis, TWO, JOINING, cets, third),
            target(
                "a writer's longest gap",
                Metric::LongestGap,
                ONE,
                SOURCE,
                Peer::None,
                Rule::AtMostAbsolute(10.0),
            ),
            target("memory beyond", Metric::ExtraMegaBytes, ONE, JOINING, Peer::None, memory),
            target("memory beyond", Metric::ExtraMegaBytes, ONE, SOURCE, Peer::None, memory),
            target(
                "sent once",
                Metric::MegaBytes,
                TWO,
                JOINING,
                Peer::None,
                Rule::AtMostAbsolute(1.1 * 151.0),
            ),
        ]
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let records = bench.records(KEYS);
        bench.show("one node fills another");
        let mut one = Node::start("one", &[])?;
        one.ask(&format!("fill {records}"))?;
        let mut samples = fill(&mut one, None, ONE)?;
        drop(one);
        bench.show("two nodes fill a third");
        let [mut one, other] = equal(records)?;
        samples.extend(fill(&mut one, Some(&other), TWO)?);
        drop((one, other));
        bench.show("CETS");
        if let Some(join) = CetsJoin::measure("disjoint")? {
            let of = |load| Measured::of("9", load, CETS);
            samples.extend(join.of(of(ONE)).samples());
            samples.extend(join.of(of(TWO)).samples());
        }
        Ok(samples)
    }
}

/// Fills an empty node from `one`, which is written meanwhile, and from `other` if there is one.
fn fill(one: &mut Node, other: Option<&Node>, load: &str) -> Result<Vec<Sample>> {
    let at_rest = one.state()?.get("memory");
    one.ask("write")?;
    let join: Vec<&Node> = std::iter::once(&*one).chain(other).collect();
    let mut new = Node::start("new", &join)?;
    new.until_synced()?;
    let written = one.ask("rest")?;
    until_equal(one, &mut new)?;
    let (source, filled): (State, State) = (one.state()?, new.state()?);
    let joining = Measured::of("9", load, JOINING)
        .with(Metric::Millis, filled.get("synced") - filled.get("linked"))
        .with(Metric::MegaBytes, filled.get("bytes-in") / 1e6)
        .with(Metric::ExtraMegaBytes, filled.extra_memory(filled.get("memory")));
    let source = Measured::of("9", load, SOURCE)
        .with(Metric::LongestGap, written.get("gap"))
        .with(Metric::ExtraMegaBytes, source.extra_memory(at_rest));
    Ok([joining, source].into_iter().flat_map(Measured::samples).collect())
}
