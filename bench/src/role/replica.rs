//! A node whose table is filled, cut off, healed, and written meanwhile.

use super::{end, result, say};
use crate::load::{key, value};
use crate::usage::Usage;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tombolo::{Ack, Declaration, Node, NodeEvent, RawTable, Receipt};

/// How long an acknowledgement may take before the measurement is void.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many writes of a filling are under way at once.
const UNDER_WAY: u64 = 512;

/// The first of the keys that the writer beside a sync writes: no other load has them.
const WRITER_KEYS: u64 = 1 << 40;

/// How many they are: few, so that what it writes while it is alone is soon brought over.
const WRITER_SPREAD: u64 = 16;

/// How the node is started.
#[derive(clap::Args, Debug)]
pub struct Replica {
    /// Its name.
    name: String,
    /// Whom to join.
    join: Vec<String>,
}

/// What the node's events tell.
#[derive(Default)]
struct Told {
    /// When the last sync was complete, in microseconds since the epoch; nought if none was.
    synced: AtomicU64,
    /// How many records were brought.
    brought: AtomicU64,
}

/// The node, and whoever writes to it.
struct Running {
    runtime: tokio::runtime::Runtime,
    node: Node,
    table: RawTable,
    told: Arc<Told>,
    writer: Option<Writer>,
}

/// Runs until the input ends.
pub fn run(options: Replica) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = Arc::new(Told::default());
    let hears = Arc::clone(&told);
    let hear = move |event: &NodeEvent| {
        if let NodeEvent::Synced { brought, .. } = event {
            hears.synced.store(micros(), Relaxed);
            hears.brought.fetch_add(*brought, Relaxed);
        }
    };
    let builder = Node::builder().name(&options.name).listen("127.0.0.1:0".parse()?);
    let node = runtime.block_on(builder.join(options.join).on_event(hear).start())?;
    let table = runtime.block_on(node.create_table("t", Declaration::default()))?;
    say(&format!("READY {}", node.status().address));
    let mut running = Running { runtime, node, table, told, writer: None };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        running.obey(&line).with_context(|| line.clone())?;
        end();
    }
    Ok(())
}

impl Running {
    fn obey(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["fill", count] => self.fill(count.parse()?),
            ["differ", side, count, of] => self.differ(side.parse()?, count.parse()?, of.parse()?),
            ["insert", first, count, ack] => self.each(first.parse()?, count.parse()?, ack, true),
            ["delete", first, count, ack] => self.each(first.parse()?, count.parse()?, ack, false),
            ["crowd", writers, millis] => self.crowd(writers.parse()?, millis.parse()?),
            ["cut", peer] => Ok(self.node.cut(peer)?),
            ["heal"] => {
                self.told.synced.store(0, Relaxed);
                self.told.brought.store(0, Relaxed);
                self.node.heal();
                Ok(())
            }
            ["write"] => {
                self.writer = Some(Writer::start(&self.table));
                Ok(())
            }
            ["rest"] => self.writer.take().context("nobody writes")?.stop(),
            ["synced"] => {
                result("synced", self.synced());
                Ok(())
            }
            ["state"] => self.state(),
            _ => bail!("no such command"),
        }
    }

    fn put(&self, number: u64, salt: u64) -> Result<Receipt> {
        Ok(self.table.put(&key(number), &value(number ^ salt << 48), None)?)
    }

    /// Writes the first `count` keys.
    fn fill(&self, count: u64) -> Result<()> {
        for number in 0..count {
            let receipt = self.put(number, 0)?;
            if number % UNDER_WAY == 0 {
                self.runtime.block_on(self.table.acknowledged(receipt, Ack::All, PATIENCE))?;
            }
        }
        Ok(())
    }

    /// Overwrites `count` of `of` keys, spread over all of them: those that `side` has, 0 or 1.
    fn differ(&self, side: u64, count: u64, of: u64) -> Result<()> {
        for number in 0..count {
            self.put((2 * number + side) * of / (2 * count), 1 + side)?;
        }
        Ok(())
    }

    /// Writes or deletes `count` keys from `first` on, one after the other.
    fn each(&self, first: u64, count: u64, ack: &str, put: bool) -> Result<()> {
        let waits = ack == "all";
        let mut took = Vec::with_capacity(count as usize);
        let before = Usage::now();
        for number in first..first + count {
            let start = Instant::now();
            let receipt = match put {
                true => self.put(number, 3)?,
                false => self.table.delete(&key(number))?.context("nothing to delete")?,
            };
            let applied = start.elapsed();
            if waits || number % UNDER_WAY == 0 {
                self.runtime.block_on(self.table.acknowledged(receipt, Ack::All, PATIENCE))?;
            }
            took.push(if waits { start.elapsed() } else { applied });
        }
        let used = Usage::now() - before;
        took.sort_unstable();
        let nanos = |share: f64| took[((count - 1) as f64 * share) as usize].as_nanos() as f64;
        result("p50", nanos(0.5));
        result("p99", nanos(0.99));
        result("cpu", used.cpu_nanos as f64 / count as f64);
        Ok(())
    }

    /// Has so many overwrite keys for a while, each one after the other.
    fn crowd(&self, writers: u64, millis: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(millis);
        let records = self.table.len() as u64;
        let all = tokio::task::LocalSet::new();
        let mut tasks = Vec::new();
        for first in (0..writers).map(|number| number * records / writers) {
            let table = self.table.clone();
            tasks.push(all.spawn_local(async move {
                let mut count = 0;
                while Instant::now() < end {
                    let number = (first + count * 7_919) % records;
                    let receipt = table.put(&key(number), &value(count), None)?;
                    table.acknowledged(receipt, Ack::All, PATIENCE).await?;
                    count += 1;
                }
                anyhow::Ok(count)
            }));
        }
        let count = all.run_until(async {
            let mut writes = 0;
            for task in tasks {
                writes += task.await??;
            }
            anyhow::Ok(writes)
        });
        result("writes", self.runtime.block_on(count)? as f64);
        Ok(())
    }

    /// When the last sync was complete, in milliseconds since the epoch.
    fn synced(&self) -> f64 {
        self.told.synced.load(Relaxed) as f64 / 1_000.0
    }

    fn state(&self) -> Result<()> {
        let status = self.node.status();
        let sum = |of: fn(&tombolo::LinkStatus) -> u64| status.links.iter().map(of).sum::<u64>();
        result("records", self.table.len() as f64);
        // Only whether two are equal is asked; a double holds so many bits.
        result("fingerprint", (self.table.fingerprint() >> 12) as f64);
        result("links", status.links.len() as f64);
        result("bytes-in", sum(|link| link.bytes_in) as f64);
        result("bytes-out", sum(|link| link.bytes_out) as f64);
        result("linked", status.links.iter().map(|link| link.since).max().unwrap_or(0) as f64);
        result("synced", self.synced());
        result("brought", self.told.brought.load(Relaxed) as f64);
        result("cpu", Usage::now().cpu_nanos as f64);
        let memory = memory()?;
        result("memory", memory["VmRSS"]);
        result("most-memory", memory["VmHWM"]);
        Ok(())
    }
}

/// Microseconds since the epoch: the same clock in all processes of a machine.
fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// The kibibytes that the system counts for this process, by name.
fn memory() -> Result<BTreeMap<String, f64>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let sizes = status.lines().filter_map(|line| {
        let (name, size) = line.split_once(':')?;
        Some((name.to_owned(), size.trim().strip_suffix(" kB")?.parse().ok()?))
    });
    Ok(sizes.collect())
}

/// One who writes without a pause, each write after the acknowledgement of the one before.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Written>>,
}

/// What a writer met.
#[derive(Default)]
struct Written {
    count: u64,
    /// The longest time between the ends of two writes.
    gap: Duration,
    /// The longest time until a write was applied here.
    applied: Duration,
}

impl Writer {
    fn start(table: &RawTable) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let (table, stopped) = (table.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(write_on(&table, &stopped))
        });
        Writer { stop, thread }
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        let written = self.thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        result("writes", written.count as f64);
        result("gap", written.gap.as_secs_f64() * 1e3);
        result("applied", written.applied.as_secs_f64() * 1e3);
        Ok(())
    }
}

async fn write_on(table: &RawTable, stopped: &AtomicBool) -> Result<Written> {
    let mut written = Written::default();
    let mut last = Instant::now();
    while !stopped.load(Relaxed) {
        let mine = u64::from(std::process::id()) * WRITER_SPREAD;
        let key = key(WRITER_KEYS + mine + written.count % WRITER_SPREAD);
        let start = Instant::now();
        let receipt = table.put(&key, &value(written.count), None)?;
        written.applied = written.applied.max(start.elapsed());
        let acked = table.acknowledged(receipt, Ack::All, PATIENCE).await?;
        written.gap = written.gap.max(last.elapsed());
        written.count += 1;
        if acked.by.is_empty() {
            // Alone nothing holds a writer up, and it would only keep the processor busy.
            std::thread::sleep(Duration::from_micros(500));
        }
        last = Instant::now();
    }
    Ok(written)
}
