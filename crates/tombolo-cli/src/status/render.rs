use std::fmt::Write;

use tombolo_server::http::view::{
    LinkView, MemberView, ProgressView, StatusView, SyncView, TableView,
};

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
        let _ = write!(text, "\n{}", declarations(view).render("", colours));
    }
    if let Some(syncs) = syncs(view) {
        let _ = write!(text, "\n{}", syncs.render("", colours));
    }
    text
}

/// One line: the verdict and its reason.
pub fn verdict_line(view: &StatusView, colours: bool) -> String {
    let tone = match view.verdict.as_str() {
        "whole" | "alone" => Tone::Good,
        "converging" | "apart" => Tone::Busy,
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
    if view.rehearsing {
        let line = "a drill rehearses: tables are kept apart from whoever comes back, see \
                    `tombolo join --dry-run`";
        lines.push(line.to_owned());
    }
    if let Some(error) = &view.discovery.error {
        lines.push(format!("discovery: {error}"));
    }
    lines.extend(life(view));
    for table in &view.tables {
        if let Some(conflict) = &table.conflict {
            lines.push(format!("table {}: {conflict}", table.name));
        }
        lines.extend(attention(table));
    }
    for clock in &view.clocks {
        lines.push(format!(
            "the clock of {} is {} ahead: {} of its writes to table {} wait until time has caught \
             up. Set the clock of that machine right",
            clock.node,
            measured(std::time::Duration::from_millis(clock.ahead_ms)),
            grouped(clock.count),
            clock.table
        ));
    }
    if let Some(snapshots) = &view.snapshots {
        lines.extend(snapshots.set_aside.iter().cloned());
        let failed = |error| format!("no snapshot can be written in {}: {error}", snapshots.dir);
        lines.extend(snapshots.error.as_ref().map(failed));
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

/// Who is not there, and which of the program's functions take long or failed.
fn life(view: &StatusView) -> Vec<String> {
    let mut lines = Vec::new();
    for found in &view.discovery.nodes {
        match found.reach.as_str() {
            "nobody" => {
                lines.push(format!("nobody answers at {}: {}", found.address, found.detail))
            }
            "not_tombolo" => {
                lines.push(format!("{} is not Tombolo: {}", found.address, found.detail));
            }
            _ => {}
        }
    }
    for peer in &view.peer_tables {
        let lists = [("lacks", &peer.missing), ("has, unknown here,", &peer.unknown)];
        for (word, tables) in lists.into_iter().filter(|(_, tables)| !tables.is_empty()) {
            lines.push(format!("{} {word} the tables {}", peer.node, tables.join(", ")));
        }
    }
    if !view.unavailable.is_empty() {
        lines.push(view.freshness.summary.clone());
    }
    for table in &view.tables {
        if let Some(pause) = &table.paused {
            let since = span(view.now.saturating_sub(pause.since));
            let (name, guards) = (&table.name, pause.guards);
            lines
                .push(format!("table {name} is paused on this node for {since}, guards: {guards}"));
        }
    }
    let of = |table: &Option<String>| {
        table.as_ref().map_or_else(String::new, |table| format!(" of table {table}"))
    };
    for task in &view.long_tasks {
        let age = span(task.age_ms);
        lines.push(format!("the {}{} has been running for {age}", task.what, of(&task.table)));
    }
    for fault in &view.faults {
        let (what, table, count) = (&fault.what, of(&fault.table), grouped(fault.count));
        let cause = &fault.cause;
        lines.push(format!("the {what}{table} failed, {count} times so far: {cause}"));
    }
    lines
}

/// What waits for somebody in a table.
fn attention(table: &TableView) -> Vec<String> {
    let mut lines = Vec::new();
    let keys = |count: u64| match count {
        1 => "1 key waits".to_owned(),
        _ => format!("{} keys wait", grouped(count)),
    };
    if table.ledger.undecided > 0 {
        let waiting = keys(table.ledger.undecided as u64);
        let line = format!(
            "table {}: {waiting} for somebody to decide, see `tombolo conflicts`",
            table.name
        );
        lines.push(line);
    }
    let apart: Vec<&str> =
        table.held.iter().filter(|held| held.apart).map(|held| held.peer.as_str()).collect();
    if !apart.is_empty() {
        lines.push(format!(
            "table {} is kept apart from {}'s, see `tombolo join --dry-run`",
            table.name,
            apart.join(", ")
        ));
    }
    if table.ledger.dropped > 0 {
        lines.push(format!(
            "table {}: the ledger dropped its {} oldest conflicts, raise --ledger-bytes",
            table.name,
            grouped(table.ledger.dropped)
        ));
    }
    lines
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
    let mut grid = Grid::new(&[
        "TABLE",
        ">RECORDS",
        ">TOMBSTONES",
        ">HIDDEN",
        ">SIBLINGS",
        ">UNDECIDED",
        "FINGERPRINT",
        "STATE",
    ]);
    for table in in_order(view) {
        let undecided = table.ledger.undecided as u64;
        let alarm = if undecided == 0 { Tone::Plain } else { Tone::Bad };
        grid.row([
            cell(&table.name),
            cell(grouped(table.records as u64)),
            cell(grouped(table.tombstones as u64)),
            cell(grouped(table.hidden)),
            cell(grouped(table.siblings as u64)),
            (grouped(undecided), alarm),
            cell(&table.fingerprint),
            state(table),
        ]);
    }
    grid
}

/// How the tables are declared.
fn declarations(view: &StatusView) -> Grid {
    let mut grid = Grid::new(&["TABLE", "KIND", "POLICY", "OWNER DOWN", "MERGE", ">TTL", ">EPOCH"]);
    for table in in_order(view) {
        let ttl = match table.ttl_ms {
            None => "-".to_owned(),
            Some(millis @ ..1_000) => format!("{millis} ms"),
            Some(millis) => span(millis),
        };
        let kind = match table.fragments {
            0 | 1 => table.kind.clone(),
            count => format!("{} fragments={count}", table.kind),
        };
        grid.row([
            cell(&table.name),
            cell(kind),
            cell(&table.policy),
            cell(&table.owner_down),
            cell(&table.merge),
            cell(ttl),
            cell(table.epoch.to_string()),
        ]);
    }
    grid
}

/// What the last syncs changed here. Those that changed nothing are not worth a line.
fn syncs(view: &StatusView) -> Option<Grid> {
    let mut grid =
        Grid::new(&["TABLE", "LAST SYNC WITH", ">WHEN", ">BROUGHT", ">REMOVED", ">IN CONFLICT"]);
    let mut any = false;
    for table in in_order(view) {
        let changed = |sync: &&SyncView| sync.brought + sync.removed + sync.conflicts > 0;
        for sync in table.syncs.iter().filter(changed) {
            any = true;
            grid.row([
                cell(&table.name),
                cell(&sync.peer),
                cell(span(view.now.saturating_sub(sync.at)) + " ago"),
                cell(grouped(sync.brought)),
                cell(grouped(sync.removed)),
                cell(grouped(sync.conflicts)),
            ]);
        }
    }
    any.then_some(grid)
}

fn in_order(view: &StatusView) -> Vec<&TableView> {
    let mut tables: Vec<&TableView> = view.tables.iter().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

fn state(table: &TableView) -> (String, Tone) {
    if table.conflict.is_some() {
        return ("declared differently elsewhere".to_owned(), Tone::Bad);
    }
    if let Some(progress) = &table.progress
        && !(table.complete && table.writable)
    {
        return (how_far(progress), Tone::Busy);
    }
    if !table.writable {
        return ("not writable yet".to_owned(), Tone::Busy);
    }
    if !table.complete {
        return (format!("syncing with {}", table.missing.join(", ")), Tone::Busy);
    }
    if !table.held.is_empty() {
        return (format!("kept apart from {}", held(table).join(", ")), Tone::Busy);
    }
    ("complete".to_owned(), Tone::Good)
}

fn how_far(progress: &ProgressView) -> String {
    let (received, expected) = (grouped(progress.received), grouped(progress.expected));
    let rest = match progress.remaining_ms {
        Some(millis) => format!(", about {} to go", span(millis.max(1_000))),
        None => String::new(),
    };
    format!("{received} of {expected} records from {}{rest}", progress.from.join(", "))
}

fn held(table: &TableView) -> Vec<&str> {
    table.held.iter().map(|held| held.peer.as_str()).collect()
}
