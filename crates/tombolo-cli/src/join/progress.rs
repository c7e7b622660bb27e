use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tombolo_server::http::view::{ProgressView, StatusView, TableView};

use super::PATIENCE;
use crate::args::ProgressArgs;
use crate::client::dialled;
use crate::status;
use crate::text::{complain, grouped, say, shortened, span, tame};

/// How often a terminal is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// How often lines are written that stay.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How many characters a bar has.
const BAR: u64 = 24;

/// Runs `tombolo join-progress`. The exit status is 0 once all tables are complete, 1 with
/// `--once` if they are not, and 2 when no node answers.
pub fn run(args: &ProgressArgs) -> ExitCode {
    let address = dialled(&args.node.http);
    let draws = std::io::stdout().is_terminal() && !args.once;
    let mut last: Vec<String> = Vec::new();
    loop {
        let view = match status::ask(&address, PATIENCE) {
            Ok((_, view)) => view,
            Err(error) => {
                complain(error);
                return ExitCode::from(2);
            }
        };
        let lines = lines(&view, draws);
        if draws {
            draw(&last, &lines);
        } else {
            // Lines that say what was said before would only fill a log.
            lines.iter().filter(|line| !last.contains(line)).for_each(say);
        }
        if is_complete(&view) {
            return ExitCode::SUCCESS;
        }
        if args.once {
            return ExitCode::FAILURE;
        }
        last = lines;
        thread::sleep(if draws { DRAW_EVERY } else { TELL_EVERY });
    }
}

/// Writes the lines over those that stand there.
fn draw(last: &[String], lines: &[String]) {
    let up = if last.is_empty() { String::new() } else { format!("\x1b[{}A", last.len()) };
    let erased: Vec<String> = lines.iter().map(|line| format!("\x1b[2K{line}")).collect();
    say(format!("{up}\r\x1b[J{}", erased.join("\n")));
}

pub(super) fn is_complete(view: &StatusView) -> bool {
    !view.tables.is_empty() && view.tables.iter().all(|table| table.complete && table.writable)
}

/// A line for each table, with a bar if there is somewhere to draw it.
pub(super) fn lines(view: &StatusView, bars: bool) -> Vec<String> {
    if view.tables.is_empty() {
        return vec![format!("{}: no table is there yet", tame(&view.name))];
    }
    let mut tables: Vec<&TableView> = view.tables.iter().collect();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    let width = tables.iter().map(|table| table.name.chars().count()).max().unwrap_or(0).min(32);
    let line = |table: &&TableView| {
        let name = shortened(&table.name, 32);
        let bar = if bars { bar(table) + "  " } else { String::new() };
        format!("{name:width$}  {bar}{}", state(table))
    };
    tables.iter().map(line).collect()
}

/// How much of a table came, in hundredths.
fn percent(progress: &ProgressView) -> u64 {
    // What was announced may grow while it is sent; it is not done before the table says so.
    let received = progress.received.min(progress.expected);
    (u128::from(received) * 100 / u128::from(progress.expected.max(1))).min(99) as u64
}

fn bar(table: &TableView) -> String {
    let percent = match &table.progress {
        _ if table.complete && table.writable => 100,
        Some(progress) => percent(progress),
        None => 0,
    };
    let full = (percent * BAR / 100) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR as usize - full))
}

fn state(table: &TableView) -> String {
    let apart: Vec<&str> = table.held.iter().map(|held| held.peer.as_str()).collect();
    let apart = match apart.is_empty() {
        true => String::new(),
        false => tame(&format!(", kept apart from {}", apart.join(", "))),
    };
    if table.complete && table.writable {
        return format!("complete, {} records{apart}", grouped(table.records as u64));
    }
    let Some(progress) = &table.progress else {
        let whom = if table.missing.is_empty() { "its peers" } else { &table.missing.join(", ") };
        return tame(&format!("waits for {whom}{apart}"));
    };
    let rest = match progress.remaining_ms {
        Some(millis) => format!(", about {} to go", span(millis.max(1_000))),
        None => String::new(),
    };
    let from = tame(&progress.from.join(", "));
    format!(
        "{:2} %, {} of {} records from {from}{rest}{apart}",
        percent(progress),
        grouped(progress.received),
        grouped(progress.expected)
    )
}
