//! How fast one remote stream is applied, beside a bare map that does the same (row 14).

use super::Case;
use crate::load::KEYS;
use crate::runner::Bench;
use crate::sample::{Measured, Metric, Sample};
use crate::stream::{BATCH, Copy, decoded};
use crate::target::{Peer, Rule, Target};
use anyhow::Result;
use foldhash::fast::RandomState;
use papaya::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tombolo_core::{Incarnation, TableId};

/// How many ops are applied.
const OPS: u64 = 400_000;

const LOAD: &str = "overwrites of 1 M keys, in batches of 64";
const OURS: &str = "Tombolo's table";
const BARE: &str = "encode, decode, insert into papaya";

/// The origin of the stream.
const ORIGIN: Incarnation = Incarnation(1);

/// Row 14.
pub(super) struct Apply;

impl Case for Apply {
    fn name(&self) -> &'static str {
        "apply"
    }

    fn group(&self) -> &'static str {
        "stream"
    }

    fn targets(&self) -> Vec<Target> {
        vec![Target {
            row: "14",
            what: "apply one remote stream",
            metric: Metric::PerSecond,
            load: LOAD.to_owned(),
            ours: OURS,
            peer: Peer::Subject(BARE),
            rule: Rule::AtLeast(0.7),
        }]
    }

    fn round(&self, bench: &Bench) -> Result<Vec<Sample>> {
        let keys = bench.records(KEYS);
        bench.show("a stream of ops");
        let (mut writer, mut receiver) = (Copy::new(ORIGIN), Copy::new(Incarnation(2)));
        writer.link(&mut receiver);
        let bare = Bare::default();
        for batch in batches(&mut writer, keys, keys, 0) {
            receiver.take_in(ORIGIN, &batch, &mut Vec::new());
            bare.insert(&batch);
        }
        let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
        for batch in batches(&mut writer, OPS, keys, 1) {
            let encoding = encode(&batch);
            let start = Instant::now();
            receiver.take_in(ORIGIN, &batch, &mut Vec::new());
            ours += start.elapsed() + encoding;
            let start = Instant::now();
            bare.insert(&batch);
            theirs += start.elapsed() + encoding;
        }
        let of = |subject, took: Duration| {
            let nanos = took.as_nanos() as f64 / OPS as f64;
            let measured = Measured::of("14", LOAD, subject).with(Metric::PerSecond, 1e9 / nanos);
            measured.with(Metric::NanosPerOp, nanos).samples()
        };
        Ok([of(OURS, ours), of(BARE, theirs)].concat())
    }
}

/// `count` writes of the first `keys` keys in some order, in batches as a link brings them.
fn batches(writer: &mut Copy, count: u64, keys: u64, salt: u64) -> Vec<Vec<u8>> {
    let numbers: Vec<u64> = (0..count).map(|number| number * 7_919 % keys).collect();
    let mut batch = |numbers: &[u64]| {
        let mut batch = Vec::new();
        numbers.iter().for_each(|number| writer.write(*number, salt, &mut batch));
        batch
    };
    numbers.chunks(BATCH).map(&mut batch).collect()
}

/// How long it takes to encode a batch; what the two have in common.
fn encode(batch: &[u8]) -> Duration {
    let mut again = Vec::with_capacity(batch.len());
    let mut took = Duration::ZERO;
    decoded(batch, ORIGIN, |op| {
        let start = Instant::now();
        tombolo_wire::encode_op(&mut again, TableId(0), op);
        took += start.elapsed();
    });
    took
}

/// The bare map.
struct Bare(HashMap<[u8; 16], Arc<[u8]>, RandomState>);

impl Default for Bare {
    fn default() -> Bare {
        Bare(HashMap::builder().capacity(KEYS as usize).hasher(RandomState::default()).build())
    }
}

impl Bare {
    fn insert(&self, batch: &[u8]) {
        let guard = self.0.guard();
        decoded(batch, ORIGIN, |op| {
            let key = op.key.try_into().expect("every key of the load has 16 bytes");
            let value = op.entry.value.expect("the load only puts");
            self.0.insert(key, value.into(), &guard);
        });
    }
}
