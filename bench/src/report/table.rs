//! The tables of the report.

use super::Report;
use super::number::text;
use crate::floor;
use crate::sample::{Metric, Sample, Spread, spread};
use crate::target::{Judged, Peer, Rule, Target};
use std::fmt::Write;

/// The whole of RESULTS.md.
pub fn document(report: &Report) -> String {
    let mut text = String::from("# Results\n\n");
    let rounds = report.rounds;
    let _ = writeln!(
        text,
        "Written by `bench/run`; how to read it is in [README.md](README.md). Numbers are medians \
         of {rounds} rounds,\nleast and greatest in brackets. Everything runs on one machine and \
         shares its processors: compare\nratios, and only within one run.\n"
    );
    text.push_str("| | |\n|---|---|\n");
    for (name, fact) in &report.machine {
        let _ = writeln!(text, "| {name} | {} |", fact.replace('|', "/"));
    }
    for row in floors(&report.samples) {
        let _ = writeln!(text, "| {row} |");
    }
    let _ = write!(text, "\n## Targets\n\n{}", targets(report));
    for failure in &report.failures {
        let _ = writeln!(text, "\n**{failure}**");
    }
    for group in &report.groups {
        let _ = write!(text, "\n## {}\n", group.name);
        if !group.panels.is_empty() {
            let _ = write!(text, "\n![{0}](plots/{0}.svg)\n", group.name);
        }
        for row in &group.rows {
            text.push_str(&numbers(row, &report.samples));
        }
    }
    text
}

/// A line for each target, for the terminal.
pub fn verdicts(report: &Report) -> String {
    let mut text = String::new();
    for (target, judged) in report.targets() {
        let word = if judged.met { "met   " } else { "MISSED" };
        let (ours, peer) = (number(judged.ours), number(judged.peer));
        let ratio = judged.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let Target { row, what, load, metric, .. } = target;
        let _ = writeln!(
            text,
            "{word} {row:>3} {what}, {load}: {} {ours}, {} {peer}; ratio {ratio}, {}",
            metric.title(),
            peer_name(&target.peer),
            limit(target),
        );
    }
    for failure in &report.failures {
        let _ = writeln!(text, "FAILED {failure}");
    }
    text
}

fn floors(samples: &[Sample]) -> Vec<String> {
    let line = |subject: &str| {
        let spread = spread(samples, floor::ROW, floor::LOAD, subject, Metric::P50)?;
        let Spread { median, min, max, .. } = spread;
        let (median, min, max) = (text(median), text(min), text(max));
        Some(format!("{}, {subject} | {median} µs ({min}–{max})", floor::LOAD))
    };
    ["unpinned", "both on one CPU"].into_iter().filter_map(line).collect()
}

fn targets(report: &Report) -> String {
    let mut text = String::from(
        "| row | what | load | measure | Tombolo | beside | | ratio | target | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (target, judged) in report.targets() {
        text.push_str(&target_line(target, judged));
    }
    text
}

fn target_line(target: &Target, judged: &Judged) -> String {
    let Target { row, what, load, metric, peer, .. } = target;
    let ratio = judged.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let word = if judged.met { "met" } else { "**missed**" };
    format!(
        "| {row} | {what} | {load} | {} | {} | {} | {} | {ratio} | {} | {word} |\n",
        metric.title(),
        number(judged.ours),
        peer_name(peer),
        number(judged.peer),
        limit(target),
    )
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

fn peer_name(peer: &Peer) -> String {
    match peer {
        Peer::Subject(subject) => (*subject).to_owned(),
        Peer::Figure { source, .. } => (*source).to_owned(),
        Peer::Scaled { value, source, yardstick, .. } => {
            let value = text(*value);
            format!("{source} ({value} there; scaled by {yardstick} here and there)")
        }
        Peer::None => "-".to_owned(),
    }
}

fn limit(target: &Target) -> String {
    match target.rule {
        Rule::AtLeast(times) => format!("≥ {times} ×"),
        Rule::AtMost(times) => format!("≤ {times} ×"),
        Rule::AtMostAbsolute(limit) => format!("≤ {} {}", text(limit), target.metric.unit()),
    }
}

/// A table for each load of a row: a line for each subject, a column for each metric.
fn numbers(row: &str, samples: &[Sample]) -> String {
    let of_row = || samples.iter().filter(|sample| sample.row == row);
    let mut metrics: Vec<Metric> = of_row().map(|sample| sample.metric).collect();
    metrics.sort_unstable();
    metrics.dedup();
    if metrics.is_empty() {
        return format!("\nRow {row}: nothing was measured.\n");
    }
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for sample in of_row() {
        let line = (sample.load.as_str(), sample.subject.as_str());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let titles: Vec<String> = metrics.iter().map(|metric| metric.title()).collect();
    let mut text = format!("\n### Row {row}\n\n| load | subject | {} |\n", titles.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(metrics.len()));
    for (load, subject) in lines {
        let cells = metrics.iter().map(|&metric| cell(spread(samples, row, load, subject, metric)));
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {load} | {subject} | {} |", cells.join(" | "));
    }
    text
}

fn cell(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(Spread { median, count: 1, .. }) => text(median),
        Some(Spread { median, min, max, .. }) => {
            format!("{} ({}–{})", text(median), text(min), text(max))
        }
    }
}
