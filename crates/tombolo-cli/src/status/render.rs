use std::fmt::Write;

use tombolo_server::http::view::{LinkView, MemberView, StatusView, TableView};

use crate::text::{Grid, Tone, bytes, cell, grouped, measured, span};

/// More refusals than this are in the log, and the newest tell most.
const SHOWN_REFUSALS: usize = 3;

/// The status as text, the verdict first.
pub fn render(view: &StatusView, colours: bool) -> String {
    let mut text = verdict_line(view, colours) + "\n";
    let running = span(view.now.saturating_sub(view.started));
    let seen = format!(
        "cluster {}, as {} at {} sees it, running for {running}, version {}",
        view.cluster, view.name, view.address, view.version
    );
    let _ = writeln!(text, "{}", Tone::Faint.paint(&seen, colours));
    for line in remarks(view) {
        let _ = writeln!(text, "{}", Tone::Busy.paint(&line, colours));
    }
    let _ = write!(text, "\n{}", members(view).render("", colours));
    if !view.links.is_empty() {
        let _ = write!(text, "\n{}", links(view).render("", colours));
    }
    if !view.tables.is_empty() {
        let _ = write!(text, "\n{}", tables(view).render("", colours));
    }
    text
}

/// One line: the verdict and its reason.
pub fn verdict_line(view: &StatusView, colours: bool) -> String {
    let tone = match view.verdict.as_str() {
        "whole" | "alone" => Tone::Good,
        "converging" => Tone::Busy,
        _ => Tone::Bad,
    };
    let (verdict, line) = (&view.verdict, &view.verdict_line);
    // The reason may begin with the verdict already.
    let line = match line.strip_prefix(verdict.as_str()) {
        Some(rest) => rest.trim_start_matches([':', ',', ' ']),
        None => line,
    };
    let verdict = tone.paint(verdict, colours);
    if line.is_empty() { verdict } else { format!("{verdict}: {line}") }
}

/// What an operator should know beside the tables.
fn remarks(view: &StatusView) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.missing.is_empty() {
        lines.push(format!("not ready: {}", view.missing.join("; ")));
    }
    if !view.cuts.is_empty() {
        lines.push(format!("a drill cuts this node off from {}", view.cuts.join(", ")));
    }
    if let Some(error) = &view.discovery.error {
        lines.push(format!("discovery: {error}"));
    }
    for table in &view.tables {
        if let Some(conflict) = &table.conflict {
            lines.push(format!("table {}: {conflict}", table.name));
        }
    }
    let mut refusals: Vec<_> = view.refusals.iter().collect();
    refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.at));
    for refusal in refusals.into_iter().take(SHOWN_REFUSALS) {
        let ago = span(view.now.saturating_sub(refusal.at));
        lines.push(format!("refused {ago} ago, {}: {}", refusal.peer, refusal.reason));
    }
    // Names and reasons may come from other machines.
    lines.iter().map(|line| line.replace(char::is_control, "?")).collect()
}

fn members(view: &StatusView) -> Grid {
    let mut grid = Grid::new(&["MEMBER", "ADDRESS", "STATE", ">SINCE", ">STARTED", "HEARS"]);
    let mut members: Vec<&MemberView> = view.members.iter().collect();
    members.sort_by(|a, b| (&a.name, a.started).cmp(&(&b.name, b.started)));
    for member in members {
        let tone = match member.state.as_str() {
            "up" => Tone::Good,
            "left" => Tone::Faint,
            _ => Tone::Bad,
        };
        let name = if member.is_self { format!("{} *", member.name) } else { member.name.clone() };
        let mut hears = member.linked_to.clone();
        hears.sort();
        let hears = if hears.is_empty() { "nobody".to_owned() } else { hears.join(" ") };
        grid.row([
            cell(name),
            cell(&member.address),
            (member.state.clone(), tone),
            cell(span(view.now.saturating_sub(member.since))),
            cell(span(view.now.saturating_sub(member.started)) + " ago"),
            cell(if member.state == "up" { hears } else { "-".to_owned() }),
        ]);
    }
    grid
}

fn links(view: &StatusView) -> Grid {
    let mut grid = Grid::new(&[
        "LINK",
        ">LAG OPS",
        ">LAG BYTES",
        ">ROUND TRIP",
        ">LAST HEARD",
        ">OPS SENT",
        ">OPS RECEIVED",
        ">OVERFLOWS",
    ]);
    let mut links: Vec<&LinkView> = view.links.iter().collect();
    links.sort_by(|a, b| a.peer.cmp(&b.peer));
    for link in links {
        let lag = if link.lag_ops == 0 { Tone::Plain } else { Tone::Busy };
        let round_trip = std::time::Duration::from_micros(link.round_trip_micros);
        grid.row([
            cell(&link.peer),
            (grouped(link.lag_ops), lag),
            (bytes(link.lag_bytes), lag),
            cell(measured(round_trip)),
            cell(span(view.now.saturating_sub(link.last_heard)) + " ago"),
            cell(grouped(link.ops_out)),
            cell(grouped(link.ops_in)),
            cell(grouped(link.overflows)),
        ]);
    }
    grid
}

fn tables(view: &StatusView) -> Grid {
    let mut grid = Grid::new(&["TABLE", ">RECORDS", ">TOMBSTONES", "FINGERPRINT", "STATE"]);
    let mut tables: Vec<&TableView> = view.tables.iter().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    for table in tables {
        grid.row([
            cell(&table.name),
            cell(grouped(table.records as u64)),
            cell(grouped(table.tombstones as u64)),
            cell(&table.fingerprint),
            state(table),
        ]);
    }
    grid
}

fn state(table: &TableView) -> (String, Tone) {
    if table.conflict.is_some() {
        return ("declared differently elsewhere".to_owned(), Tone::Bad);
    }
    if !table.writable {
        return ("not writable yet".to_owned(), Tone::Busy);
    }
    if table.complete {
        return ("complete".to_owned(), Tone::Good);
    }
    (format!("syncing with {}", table.missing.join(", ")), Tone::Busy)
}
