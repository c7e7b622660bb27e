//! Looks keys up in tables of this process: ours, and the bare concurrent map beside them.

use crate::load::{Dice, Key, VALUE, Value, key, value};
use anyhow::{Result, ensure};
use clap::Args;
use foldhash::fast::RandomState;
use papaya::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tombolo::{Declaration, Kind, Node, RawTable, Table};

/// How many records there are, and for how long each load runs.
#[derive(Args, Debug)]
pub struct Lookups {
    records: u64,
    warm_up: u64,
    window: u64,
}

/// Whom keys are looked up in.
trait Subject: Sync {
    fn name(&self) -> &'static str;
    /// The first byte of what the record holds.
    fn look(&self, number: u64) -> Option<u8>;
    fn write(&self, number: u64, value: &Value) -> Result<()>;
}

/// The map of the targets: boxed keys, shared values, pinned for each lookup.
struct Papaya(HashMap<Box<[u8]>, Arc<Value>, RandomState>);

impl Subject for Papaya {
    fn name(&self) -> &'static str {
        "papaya"
    }

    fn look(&self, number: u64) -> Option<u8> {
        self.0.pin().get(&key(number)[..]).map(|value| value[0])
    }

    fn write(&self, number: u64, value: &Value) -> Result<()> {
        self.0.pin().insert(Box::from(&key(number)[..]), Arc::new(*value));
        Ok(())
    }
}

struct Raw(&'static str, RawTable);

impl Subject for Raw {
    fn name(&self) -> &'static str {
        self.0
    }

    fn look(&self, number: u64) -> Option<u8> {
        self.1.read(&key(number), |found| found.map(|record| record.value[0]))
    }

    fn write(&self, number: u64, value: &Value) -> Result<()> {
        self.1.put(&key(number), value, None)?;
        Ok(())
    }
}

struct Typed(Table<Key, String>, Handle);

impl Subject for Typed {
    fn name(&self) -> &'static str {
        "typed"
    }

    fn look(&self, number: u64) -> Option<u8> {
        self.0.get(&key(number)).ok()?.map(|value| value.as_bytes()[0])
    }

    fn write(&self, number: u64, _: &Value) -> Result<()> {
        let value = format!("v{number:0width$}", width = VALUE - 1);
        self.1.block_on(self.0.insert(&key(number), &value))?;
        Ok(())
    }
}

/// Measures every subject under every load in turn.
pub fn play(options: &Lookups) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let node = runtime.block_on(async {
        Ok::<_, anyhow::Error>(
            Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?,
        )
    })?;
    let table = |name, kind| {
        let declaration = Declaration { kind, ..Declaration::default() };
        runtime.block_on(node.create_table(name, declaration))
    };
    let subjects: [Box<dyn Subject>; 4] = [
        Box::new(Papaya(HashMap::with_hasher(RandomState::default()))),
        Box::new(Raw("set", table("set", Kind::Set)?)),
        Box::new(Raw("ordered_set", table("ordered_set", Kind::OrderedSet)?)),
        Box::new(Typed(runtime.block_on(node.table("typed"))?, runtime.handle().clone())),
    ];
    for subject in &subjects {
        for number in 0..options.records {
            subject.write(number, &value(number))?;
        }
        ensure!(subject.look(options.records - 1).is_some(), "a record is missing");
    }
    for beside_writer in [false, true] {
        for readers in [1, 2] {
            for subject in &subjects {
                let (read, written) = rates(options, subject.as_ref(), readers, beside_writer);
                let load = if beside_writer { "beside_writer" } else { "alone" };
                let name = format!("{}.{load}.{readers}", subject.name());
                super::result(&name, read);
                if beside_writer {
                    super::result(&format!("{name}.written"), written);
                }
            }
        }
    }
    super::end();
    Ok(())
}

/// Lookups a second of all readers together, and writes a second of the writer beside them.
fn rates(
    options: &Lookups,
    subject: &dyn Subject,
    readers: u64,
    beside_writer: bool,
) -> (f64, f64) {
    let (reads, writes, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let read = |seed| {
        let mut dice = Dice::new(seed);
        while !stop.load(Relaxed) {
            for _ in 0..1_000 {
                black_box(subject.look(dice.below(options.records)));
            }
            reads.fetch_add(1_000, Relaxed);
        }
    };
    let write = || {
        let mut dice = Dice::new(1_000);
        while !stop.load(Relaxed) {
            let number = dice.below(options.records);
            subject.write(number, &value(number)).expect("the table takes writes");
            writes.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        for seed in 0..readers {
            let read = &read;
            scope.spawn(move || read(seed));
        }
        if beside_writer {
            scope.spawn(write);
        }
        let counts = || (reads.load(Relaxed), writes.load(Relaxed));
        thread::sleep(Duration::from_millis(options.warm_up));
        let (start, before) = (Instant::now(), counts());
        thread::sleep(Duration::from_millis(options.window));
        let (seconds, after) = (start.elapsed().as_secs_f64(), counts());
        stop.store(true, Relaxed);
        let rate = |before: u64, after: u64| (after - before) as f64 / seconds;
        (rate(before.0, after.0), rate(before.1, after.1))
    })
}
