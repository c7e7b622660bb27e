use std::fmt::Write;

use tombolo_server::http::view::{HeldView, KeyView, PreviewView, StatusView, TableView};

use crate::text::{Grid, Tone, cell, grouped, shell_word, shortened, span, tame};

/// How many keys of a kind are named.
const NAMED: usize = 8;
/// How much of a key is shown.
const SHOWN: usize = 32;

/// What joining each held peer would do to the tables of the node that was asked, or to the one
/// named. `hint` is the flag that asks the same node again.
pub(super) fn render(view: &StatusView, only: Option<&str>, hint: &str, colours: bool) -> String {
    let tables = view.tables.iter().filter(|table| only.is_none_or(|name| table.name == name));
    let held: Vec<&TableView> = tables.filter(|table| !table.held.is_empty()).collect();
    if held.is_empty() {
        return nothing(view);
    }
    let mut text = format!("what a join would do on {}\n", tame(&view.name));
    for table in held {
        let _ = writeln!(
            text,
            "\n{}  policy={} merge={}",
            Tone::Strong.paint(&tame(&table.name), colours),
            tame(&table.policy),
            tame(&table.merge)
        );
        text += &counts(table, view.now).render("  ", colours);
        for peer in &table.held {
            text += &keys(peer);
        }
        text += &ways(table, view, hint);
    }
    text
}

fn nothing(view: &StatusView) -> String {
    let mut text = format!("no table of {} is kept apart from a node\n", tame(&view.name));
    if view.rehearsing {
        text += "this node rehearses: what comes back from now on is kept apart and shown here\n";
    } else {
        text += "to see first what a heal does: declare the table merge=hold (`tombolo alter TABLE \
                 --merge hold`),\nor have all tables held for a drill (POST \
                 /api/v1/drills/rehearse?on=true on a node with --drills)\n";
    }
    text
}

fn counts(table: &TableView, now: u64) -> Grid {
    let mut grid =
        Grid::new(&["PEER", ">FOR", ">LOOKED", ">ADD", ">UPDATE", ">DELETE", ">CONFLICT", "NOTE"]);
    for held in &table.held {
        let number = |count: fn(&PreviewView) -> u64| match &held.preview {
            Some(preview) => grouped(count(preview)),
            None => "-".to_owned(),
        };
        let looked = held.preview.as_ref().map(|preview| now.saturating_sub(preview.looked));
        let conflicts = match &held.preview {
            Some(preview) if preview.conflicts > 0 => Tone::Busy,
            _ => Tone::Plain,
        };
        grid.row([
            cell(&held.peer),
            cell(span(now.saturating_sub(held.since))),
            cell(looked.map_or_else(|| "-".to_owned(), |millis| span(millis) + " ago")),
            cell(number(|preview| preview.adds)),
            cell(number(|preview| preview.updates)),
            cell(number(|preview| preview.deletes)),
            (number(|preview| preview.conflicts), conflicts),
            cell(note(held, &table.policy)),
        ]);
    }
    grid
}

fn note(held: &HeldView, policy: &str) -> String {
    match &held.preview {
        _ if !held.apart => "it may yet turn out that both are one island".to_owned(),
        None => "being looked at, ask again".to_owned(),
        Some(preview) if preview.conflicts > 0 => format!("conflicts: {}", fate(policy)),
        Some(_) => String::new(),
    }
}

/// What becomes of a key that both islands wrote, once they join.
fn fate(policy: &str) -> String {
    match policy.split('(').next().unwrap_or_default() {
        "last_writer_wins" => "the later write or delete stays".to_owned(),
        "newest" => "the newest value stays".to_owned(),
        "merge_only" => "all values stay until somebody resolves the key".to_owned(),
        "last_version" | "last_modified" => "the greatest version stays".to_owned(),
        "resolve" => "the resolver decides".to_owned(),
        "ignore" => "somebody has to choose a side".to_owned(),
        "yield_island" => "the smaller island takes over the other's values".to_owned(),
        _ => tame(policy),
    }
}

fn keys(held: &HeldView) -> String {
    let Some(preview) = &held.preview else { return String::new() };
    let mut text = String::new();
    let lists = [
        ("added", &preview.added, preview.adds),
        ("deleted", &preview.deleted, preview.deletes),
        ("in conflict", &preview.conflicting, preview.conflicts),
    ];
    for (what, named, count) in lists {
        if !named.is_empty() {
            let shown: Vec<String> = named.iter().take(NAMED).map(key).collect();
            let more = if count > shown.len() as u64 { ", …" } else { "" };
            let _ = writeln!(text, "  {}, {what}: {}{more}", tame(&held.peer), shown.join(", "));
        }
    }
    text
}

fn key(key: &KeyView) -> String {
    shortened(&key.key, SHOWN)
}

/// What an operator can do now.
fn ways(table: &TableView, view: &StatusView, hint: &str) -> String {
    let name = shell_word(&table.name);
    let mut text = String::new();
    if table.policy != "ignore" {
        let _ = writeln!(text, "  join: tombolo approve {name}{hint}");
    }
    let _ = writeln!(text, "  keep the side of {}: tombolo choose {name}{hint}", tame(&view.name));
    text
}
