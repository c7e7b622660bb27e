//! Fills a table and tells how much memory that took.

use crate::load::{key, value};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use tombolo::{Declaration, Kind, Node};

/// What to fill.
#[derive(Args, Debug)]
pub struct Fill {
    records: u64,
    /// Whether the table is an `ordered_set`.
    #[arg(long)]
    ordered: bool,
}

/// Fills a table of a node, as a user gets it.
pub fn play(options: &Fill) -> Result<()> {
    let kind = if options.ordered { Kind::OrderedSet } else { Kind::Set };
    let runtime = tokio::runtime::Runtime::new()?;
    let table = runtime.block_on(async {
        let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
        let declaration = Declaration { kind, ..Declaration::default() };
        Ok::<_, anyhow::Error>(node.create_table("table", declaration).await?)
    })?;
    let before = resident()?;
    for number in 0..options.records {
        table.put(&key(number), &value(number), None)?;
    }
    super::result("bytes_per_record", (resident()? - before) / options.records as f64);
    super::end();
    Ok(())
}

/// What the system counts as memory of this process, in bytes.
fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}
