//! `tombolo verify`: whether every node has the same in every table, and where not.
//!
//! No node is trusted to know this of another: each is asked for a digest of its own table, and
//! only digests of nodes that have taken in the same writes are compared.

mod compare;
mod nodes;
mod render;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::args::VerifyArgs;
use crate::client::ApiError;
use crate::text::{say, wants_colours};
use compare::{Finding, Round};
use nodes::{Found, Peer};

/// How long writes that are on their way are left alone before digests are taken again; longer
/// when taking them took longer.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of the comparison.
pub(crate) struct Report {
    /// The nodes that were asked.
    pub(crate) nodes: Vec<String>,
    /// The members that were not, and why.
    pub(crate) left_out: Vec<(String, String)>,
    /// By table.
    pub(crate) tables: BTreeMap<String, Finding>,
}

impl Report {
    /// Whether every table is known to be equal on every member.
    pub(crate) fn is_equal(&self) -> bool {
        let equal = |finding: &Finding| matches!(finding, Finding::Equal { .. });
        self.left_out.is_empty() && self.tables.values().all(equal)
    }

    /// The report as text, the verdict first.
    pub(crate) fn render(&self, colours: bool) -> String {
        render::render(self, colours)
    }
}

/// Runs the subcommand.
pub fn run(args: &VerifyArgs) -> ExitCode {
    let report = match verify(&args.http, args.table.as_deref(), args.within) {
        Ok(report) => report,
        Err(error) => return error.complain(),
    };
    if args.json {
        say(render::json(&report));
    } else {
        say(report.render(wants_colours()).trim_end());
    }
    ExitCode::from(u8::from(!report.is_equal()))
}

/// Compares the tables, or the one named, of all members that can be found. Tables that are being
/// written are looked at again, `within` at most.
pub(crate) fn verify(
    addresses: &[String],
    table: Option<&str>,
    within: Duration,
) -> Result<Report, ApiError> {
    let deadline = Instant::now() + within;
    let Found { nodes, left_out, tables } = nodes::find(addresses)?;
    let mut open = wanted(tables, table)?;
    let mut findings = BTreeMap::new();
    while !open.is_empty() {
        let began = Instant::now();
        let last = began >= deadline;
        for name in std::mem::take(&mut open) {
            match look(&nodes, &name, last) {
                Some(finding) => drop(findings.insert(name, finding)),
                None => drop(open.insert(name)),
            }
        }
        if !open.is_empty() {
            // The last round takes place however long the one before took.
            let pause = PAUSE.max(began.elapsed());
            thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
        }
    }
    Ok(Report { nodes: names(&nodes), left_out, tables: findings })
}

/// What became of a table; nothing yet if there is time to look again.
fn look(nodes: &[Peer], table: &str, last: bool) -> Option<Finding> {
    let round = Round::take(nodes, table);
    match round.finding() {
        equal @ Finding::Equal { .. } => Some(equal),
        _ => last.then(|| round.explained()),
    }
}

fn names(nodes: &[Peer]) -> Vec<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}

/// The tables to compare.
fn wanted(tables: BTreeSet<String>, only: Option<&str>) -> Result<BTreeSet<String>, ApiError> {
    let Some(only) = only else { return Ok(tables) };
    if tables.contains(only) {
        return Ok([only.to_owned()].into());
    }
    let known: Vec<String> = tables.into_iter().collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(ApiError::Refused(format!("no node has a table {only}. There are: {known}")))
}
