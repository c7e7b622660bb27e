//! A node in a process of its own, with what writes to it.
//!
//! Commands: `members COUNT` waits for so many; `fill COUNT` writes the first so many keys, `open`
//! waits until the table may be written; `load WAY WRITERS SEED` starts writers; `begin` starts a
//! window, `end` ends it with the writers and answers with what it was; `state` tells length and
//! fingerprint; `leave` ends the process.

mod writers;

pub use writers::Way;

use super::{end, result, say};
use crate::load::Record;
use crate::usage::Usage;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::io::BufRead;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tombolo::{Node, Table};
use writers::Writers;

/// How many records one call writes where tables are filled.
const FILL: u64 = 1_000;
const TIMEOUT: Duration = Duration::from_secs(60);

/// How the node is to run.
#[derive(Args, Debug)]
pub struct Member {
    /// Its name.
    #[arg(long)]
    name: String,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Nodes to link with.
    #[arg(long)]
    join: Vec<String>,
    /// Who runs it.
    #[arg(long, value_enum)]
    embedding: Embedding,
}

/// How a program embeds its node.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Embedding {
    /// The program's tasks and the node share one thread.
    Shared,
    /// The program's tasks run on two threads, the node on one of its own.
    Own,
}

/// Runs the node until it is told to leave, or the parent is gone.
pub fn run(options: Member) -> Result<()> {
    let runtime = match options.embedding {
        Embedding::Shared => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        Embedding::Own => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        }
    };
    // What the parent says comes to a task of the runtime that the writers run on, too.
    runtime?.block_on(async { tokio::spawn(serve(options)).await? })
}

async fn serve(options: Member) -> Result<()> {
    let mut builder = Node::builder().name(&options.name).listen(options.listen);
    if options.embedding == Embedding::Shared {
        builder = builder.on_current_runtime();
    }
    let node = builder.join(options.join).start().await?;
    say(&format!("READY {}", node.status().address));
    let table = node.table("bench").await?;
    let mut process = Process { node, table, writers: None, begun: None };
    let mut lines = commands();
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["leave"] {
            break;
        }
        process.obey(&words).await.with_context(|| format!("{}: {line}", options.name))?;
        end();
    }
    process.node.leave().await;
    Ok(())
}

/// The lines of the standard input. A thread waits for them: a runtime would need one for it, too.
fn commands() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

struct Process {
    node: Node,
    table: Table<String, String>,
    writers: Option<Writers>,
    begun: Option<(Instant, Usage)>,
}

impl Process {
    async fn obey(&mut self, words: &[&str]) -> Result<()> {
        match words {
            ["members", count] => {
                self.node.wait_for_members(count.parse()?, TIMEOUT).await?;
            }
            ["open"] => {
                self.node.wait_for_ready(TIMEOUT).await?;
                self.table.raw().writable().await?;
            }
            ["fill", count] => self.fill(count.parse()?).await?,
            ["load", way, writers, seed] => {
                let way = Way::parse(way)?;
                let (writers, seed) = (writers.parse()?, seed.parse()?);
                self.writers = Some(Writers::start(&self.table, way, writers, seed));
            }
            ["begin"] => {
                if let Some(writers) = &self.writers {
                    writers.measure();
                }
                self.begun = Some((Instant::now(), Usage::now()));
            }
            ["end"] => self.end().await?,
            ["state"] => {
                let fingerprint = self.table.fingerprint();
                result("length", self.table.len() as f64);
                // A number of an answer is a float, which has no room for all 64 bits.
                result("fingerprint_high", (fingerprint >> 32) as f64);
                result("fingerprint_low", (fingerprint & 0xffff_ffff) as f64);
            }
            _ => bail!("not a command"),
        }
        Ok(())
    }

    async fn fill(&self, count: u64) -> Result<()> {
        let mut records: Vec<Record> = Vec::new();
        for first in (0..count).step_by(FILL as usize) {
            let numbers = first..(first + FILL).min(count);
            records.clear();
            records.extend(numbers.map(|number| Record::new(number, number)));
            self.table.insert_many(records.iter().map(|one| (&one.key, &one.value))).await?;
        }
        Ok(())
    }

    /// Ends the window, and the writers with it.
    async fn end(&mut self) -> Result<()> {
        let (start, before) = self.begun.take().context("no window was begun")?;
        if let Some(writers) = self.writers.take() {
            let wrote = writers.stop().await?;
            // What only this node has so far is not written yet: one write that all acknowledge
            // comes after all others.
            if wrote.only_local {
                let Record { key, value } = Record::new(0, 0);
                self.table.insert(&key, &value).await?;
            }
            let latencies = &wrote.latencies;
            result("records", wrote.records as f64);
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
                result(name, latencies.quantile(share));
            }
            result("max", latencies.max());
        }
        let used = Usage::now() - before;
        result("seconds", start.elapsed().as_secs_f64());
        result("cpu_nanos", used.cpu_nanos as f64);
        result("allocations", used.allocations as f64);
        result("switches", used.involuntary_switches as f64);
        Ok(())
    }
}
