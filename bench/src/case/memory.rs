//! Row 10: the memory of a record at rest, of a million records of 16 and 100 bytes.

use super::Case;
use crate::erlang;
use crate::load::KEYS;
use crate::role::Child;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::servers::Server;
use crate::target::{Peer, Rule, Target};
use anyhow::{Context, Result};

const ROW: &str = "10";
const LOAD: &str = "1 M records of 16 + 100 bytes";
const SET: &str = "Tombolo set";
const ORDERED_SET: &str = "Tombolo ordered_set";
const REDIS: &str = "Redis, used_memory";
const ETS: &str = "ETS set, resident";

/// See above.
pub struct Memory;

impl Case for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn group(&self) -> &'static str {
        "memory"
    }

    fn targets(&self) -> Vec<Target> {
        let target = |(ours, peer)| Target {
            row: ROW,
            what: "memory of a record at rest",
            metric: Metric::BytesPerRecord,
            load: LOAD.to_owned(),
            ours,
            peer: Peer::Subject(peer),
            rule: Rule::AtMost(1.0),
        };
        [(SET, REDIS), (SET, ETS), (ORDERED_SET, REDIS), (ORDERED_SET, ETS)].map(target).to_vec()
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let mut note = |subject: &str, bytes: f64| {
            let measured = Measured::of(ROW, LOAD, subject).with(Metric::BytesPerRecord, bytes);
            samples.extend(measured.samples());
        };
        let records = KEYS.to_string();
        for (subject, flags) in [(SET, &[][..]), (ORDERED_SET, &["--ordered"])] {
            bench.show(subject);
            let arguments = [&["fill", &records], flags].concat();
            let found = Child::spawn(&arguments)?.results()?;
            note(subject, found["bytes_per_record"]);
        }
        bench.show("Redis");
        let redis = Server::redis(None)?;
        let memory = |field: &str| redis.info("memory", field);
        let before = (memory("used_memory")?, memory("used_memory_rss")?);
        redis.fill(KEYS)?;
        let each = |before: f64, after: f64| (after - before) / KEYS as f64;
        note(REDIS, each(before.0, memory("used_memory")?));
        note("Redis, resident", each(before.1, memory("used_memory_rss")?));
        for kind in ["set", "ordered_set"] {
            bench.show(&format!("ETS {kind}"));
            let found = erlang::run("peer_ets", &["memory", kind])?;
            for (metric, how) in [("rss", "resident"), ("memory", "erlang:memory(total)")] {
                let name = format!("ets.{kind}.{metric}_per_record");
                let bytes = *found.get(&name).with_context(|| format!("no {name}"))?;
                note(&format!("ETS {kind}, {how}"), bytes);
            }
        }
        Ok(samples)
    }
}
