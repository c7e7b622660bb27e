use serde_json::{Map, Value, json};

use super::Report;
use super::compare::{Finding, FirstKey};
use crate::text::{Grid, Tone, cell, grouped, shortened, tame};

/// How much of a key is shown.
const SHOWN: usize = 48;

/// The result as text, the verdict first.
pub(super) fn render(report: &Report, colours: bool) -> String {
    let mut text = verdict(report, colours) + "\n";
    for (name, why) in &report.left_out {
        let line = format!("{name} was not compared: {why}");
        text += &(Tone::Busy.paint(&tame(&line), colours) + "\n");
    }
    if !report.tables.is_empty() {
        let mut grid = Grid::new(&["TABLE", "RESULT", ""]);
        for (table, finding) in &report.tables {
            let (word, tone, more) = match finding {
                Finding::Equal { fingerprint } => {
                    ("equal", Tone::Good, format!("fingerprint {fingerprint}"))
                }
                Finding::NotComparable { why } => ("not comparable", Tone::Busy, why.join("; ")),
                Finding::Different { first } => ("DIFFERENT", Tone::Bad, place(first.as_ref())),
            };
            grid.row([cell(table), (word.to_owned(), tone), cell(more)]);
        }
        text += &format!("\n{}", grid.render("", colours));
    }
    text
}

fn verdict(report: &Report, colours: bool) -> String {
    let count =
        |wanted: fn(&Finding) -> bool| report.tables.values().filter(|it| wanted(it)).count();
    let different = count(|finding| matches!(finding, Finding::Different { .. }));
    let open = count(|finding| matches!(finding, Finding::NotComparable { .. }));
    let nodes = tame(&report.nodes.join(", "));
    let (tone, line) = if different > 0 {
        (Tone::Bad, format!("DIFFERENT: {different} of {} tables, on {nodes}", report.tables.len()))
    } else if open > 0 {
        (Tone::Busy, format!("not known: {open} of {} tables, on {nodes}", report.tables.len()))
    } else if !report.left_out.is_empty() {
        let line = format!("equal on {nodes}, but not all members could be asked");
        (Tone::Busy, line)
    } else {
        let tables = grouped(report.tables.len() as u64);
        (Tone::Good, format!("equal: {tables} tables on {nodes}"))
    };
    tone.paint(&line, colours)
}

/// Where a table differs.
fn place(first: Option<&FirstKey>) -> String {
    let Some(first) = first else {
        // The sums of the parts add up to the fingerprints, so this is a matter of a moment.
        return "no key could be named; try again".to_owned();
    };
    let has = first.nodes.iter().map(|(node, sum)| match sum {
        Some(sum) => format!("{node} has {sum}"),
        None => format!("{node} has nothing"),
    });
    let has: Vec<String> = has.collect();
    let which = if first.certain { "first at key" } else { "at key (there may be earlier ones)" };
    format!("{which} {}: {}", shortened(&first.key, SHOWN), has.join(", "))
}

/// The result for programs.
pub(super) fn json(report: &Report) -> String {
    let tables: Map<String, Value> =
        report.tables.iter().map(|(name, it)| (name.clone(), finding(it))).collect();
    let left_out: Vec<Value> =
        report.left_out.iter().map(|(node, why)| json!({ "node": node, "why": why })).collect();
    let value = json!({
        "equal": report.is_equal(),
        "nodes": report.nodes,
        "left_out": left_out,
        "tables": tables,
    });
    format!("{value:#}")
}

fn finding(finding: &Finding) -> Value {
    match finding {
        Finding::Equal { fingerprint } => json!({ "result": "equal", "fingerprint": fingerprint }),
        Finding::NotComparable { why } => json!({ "result": "not_comparable", "why": why }),
        Finding::Different { first: None } => json!({ "result": "different", "first": null }),
        Finding::Different { first: Some(first) } => json!({
            "result": "different",
            "first": {
                "key": first.key,
                "key_base64": first.key_base64,
                "nodes": first.nodes,
                "certain": first.certain,
            },
        }),
    }
}
