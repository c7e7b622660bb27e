//! `tombolo join-progress`, and what an operator does about tables that are kept apart:
//! `join --dry-run`, `approve` and `choose`.

mod progress;
mod rehearsal;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::args::{HeldArgs, JoinArgs};
use crate::client::Api;
use crate::status;
use crate::text::{complain, say, tame, wants_colours};

pub use progress::run as progress;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `tombolo join --dry-run`.
pub fn look(args: &JoinArgs) -> ExitCode {
    if !args.dry_run {
        complain(
            "islands join by themselves unless a table is declared merge=hold. \
             `tombolo join --dry-run` shows what waits, `tombolo approve TABLE` lets it join",
        );
        return ExitCode::from(2);
    }
    let address = Api::new(&args.node.http);
    let view = match status::ask(address.address(), PATIENCE) {
        Ok((_, view)) => view,
        Err(error) => {
            complain(error);
            return ExitCode::from(2);
        }
    };
    let table = args.table.as_deref();
    if let Some(name) = table
        && view.tables.iter().all(|table| table.name != name)
    {
        let known: Vec<&str> = view.tables.iter().map(|table| table.name.as_str()).collect();
        complain(tame(&format!("there is no table {name}. There are {}", known.join(", "))));
        return ExitCode::FAILURE;
    }
    say(rehearsal::render(&view, table, &args.node.hint(), wants_colours()).trim_end());
    ExitCode::SUCCESS
}

/// Runs `tombolo approve`.
pub fn approve(args: &HeldArgs) -> ExitCode {
    let done = "joins the islands that it was kept apart from, each key by the table's policy";
    held(args, "tables/approve", done)
}

/// Runs `tombolo choose`.
pub fn choose(args: &HeldArgs) -> ExitCode {
    let done = "is as on this node's side soon, on every node; what the others wrote alone is in \
                the ledger";
    held(args, "tables/choose", done)
}

fn held(args: &HeldArgs, path: &str, done: &str) -> ExitCode {
    match Api::new(&args.node.http).post(path, &json!({ "name": args.table })) {
        Ok(_) => {
            say(format!("table {} {done}", args.table));
            say(format!("watch: tombolo status{}", args.node.hint()));
            ExitCode::SUCCESS
        }
        Err(error) => error.complain(),
    }
}
