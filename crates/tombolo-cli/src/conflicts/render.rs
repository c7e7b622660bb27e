use std::fmt::Write;

use tombolo_server::http::view::{ConflictView, ConflictsView, KeyEventView, UndecidedView};

use crate::text::{Grid, Tone, bytes, cell, grouped, shell_word, shortened, span, tame};

/// How much of a key or a value is shown.
const SHOWN: usize = 32;

/// The conflicts as text: first what waits for somebody, with how to decide it. `hint` is the flag
/// that asks the same node again.
pub fn render(view: &ConflictsView, now: u64, hint: &str, colours: bool) -> String {
    let mut text = headline(view, colours) + "\n";
    for waiting in &view.undecided {
        text.push('\n');
        text.push_str(&undecided(waiting, now, hint, colours));
    }
    if view.undecided_left_out > 0 {
        let _ = writeln!(text, "\n{} more wait and are not listed", view.undecided_left_out);
    }
    if !view.conflicts.is_empty() {
        let _ = write!(text, "\n{}", ledger(&view.conflicts, now).render("", colours));
        let undoable = view.conflicts.iter().any(|one| one.outcome != "undecided");
        if undoable {
            let _ =
                writeln!(text, "\nto put back what was lost: tombolo undo ID --table TABLE{hint}");
        }
    }
    if view.conflicts_left_out > 0 {
        let _ = writeln!(text, "{} older ones are not listed", view.conflicts_left_out);
    }
    for (table, ledger) in &view.ledgers {
        if ledger.dropped > 0 {
            let line = format!(
                "the ledger of table {} dropped its {} oldest entries to stay within {}: raise \
                 --ledger-bytes to keep more",
                tame(table),
                grouped(ledger.dropped),
                bytes(ledger.limit as u64)
            );
            let _ = writeln!(text, "{}", Tone::Busy.paint(&line, colours));
        }
    }
    text
}

fn headline(view: &ConflictsView, colours: bool) -> String {
    let waiting: usize = view.undecided.len() + view.undecided_left_out;
    let noted = view.conflicts.len() + view.conflicts_left_out;
    match (waiting, noted) {
        (0, 0) => "no conflict was noted, and no key waits for somebody".to_owned(),
        (0, _) => "no key waits for somebody to decide".to_owned(),
        (1, _) => Tone::Bad.paint("1 key waits for somebody to decide", colours),
        _ => Tone::Bad.paint(&format!("{waiting} keys wait for somebody to decide"), colours),
    }
}

/// One key that waits, its values, and the command that ends it.
fn undecided(waiting: &UndecidedView, now: u64, hint: &str, colours: bool) -> String {
    let mut text = format!(
        "table {}, key {}, for {}: {}\n",
        tame(&waiting.table),
        shortened(&waiting.key_text, SHOWN),
        span(now.saturating_sub(waiting.since)),
        tame(&waiting.cause)
    );
    let mut grid = Grid::new(&["WRITE", ">WRITTEN", "VALUE"]);
    for (index, sibling) in waiting.siblings.iter().enumerate() {
        let newest = index + 1 == waiting.siblings.len();
        let read = if newest { "  (the newest: it is read)" } else { "" };
        grid.row([
            cell(&sibling.dot),
            cell(span(now.saturating_sub(sibling.written)) + " ago"),
            cell(value(sibling) + read),
        ]);
    }
    text += &grid.render("  ", colours);
    let dot = waiting.siblings.last().map_or("NODE:N", |sibling| sibling.dot.as_str());
    let (key, flag) = key_words(waiting);
    let command = format!(
        "tombolo resolve {} {key} --take {}{flag}{hint}",
        shell_word(&waiting.table),
        shell_word(dot)
    );
    let _ = writeln!(text, "  decide: {command}");
    let _ = writeln!(text, "          or --value V, or --delete, in place of --take");
    text
}

/// The key as it can be typed, and the flag that this needs.
fn key_words(waiting: &UndecidedView) -> (String, &'static str) {
    let typed = !waiting.key.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER);
    // A key that looks like a flag would be taken for one.
    if typed && !waiting.key.starts_with('-') && !waiting.key.is_empty() {
        return (shell_word(&waiting.key), "");
    }
    (shell_word(&waiting.key_base64), " --base64")
}

fn ledger(conflicts: &[ConflictView], now: u64) -> Grid {
    let mut grid = Grid::new(&["ID", ">AGE", "TABLE", "KEY", "POLICY", "OUTCOME", "KEPT", "LOST"]);
    let open = |one: &&ConflictView| one.outcome == "undecided" && one.settled.is_none();
    let first = conflicts.iter().filter(open);
    let rest = conflicts.iter().filter(|one| !open(one));
    for one in first.chain(rest) {
        let outcome = match (one.outcome.as_str(), one.settled) {
            ("undecided", Some(_)) => ("undecided, settled since".to_owned(), Tone::Faint),
            ("undecided", None) => ("undecided".to_owned(), Tone::Bad),
            (other, _) => (other.to_owned(), Tone::Plain),
        };
        let lost: Vec<String> = one.lost.iter().map(event).collect();
        grid.row([
            cell(&one.id),
            cell(span(now.saturating_sub(one.at))),
            cell(&one.table),
            cell(shortened(&one.key_text, SHOWN)),
            cell(&one.policy),
            outcome,
            cell(one.kept.as_ref().map_or_else(|| "-".to_owned(), event)),
            cell(lost.join(", ")),
        ]);
    }
    grid
}

fn event(event: &KeyEventView) -> String {
    format!("{} ({})", value(event), event.dot)
}

fn value(event: &KeyEventView) -> String {
    match &event.value {
        Some(value) => shortened(value, SHOWN),
        None => "a delete".to_owned(),
    }
}
