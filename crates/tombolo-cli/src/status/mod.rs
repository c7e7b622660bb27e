//! `tombolo status`: asks one node over HTTP and shows what it says.

mod render;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use tombolo_server::http::view::StatusView;

use crate::args::StatusArgs;
use crate::client;
use crate::text::{complain, say, wants_colours};

pub use render::{render, verdict_line};

const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the subcommand. The exit status is 0 for a whole cluster, 1 for one that is converging
/// or split, and 2 when no node answered.
pub fn run(args: &StatusArgs) -> ExitCode {
    let address = client::dialled(&args.node.http);
    let (text, view) = match ask(&address, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => {
            complain(error);
            return ExitCode::from(2);
        }
    };
    if args.json {
        say(text.trim_end());
    } else {
        say(render(&view, wants_colours()).trim_end());
    }
    ExitCode::from(u8::from(!is_whole(&view)))
}

/// Asks the node at `address` for its status: the text it sent, and what it means.
///
/// # Errors
///
/// In words for the operator, with what to do.
pub fn ask(address: &str, patience: Duration) -> Result<(String, StatusView), String> {
    let answer = client::request(address, "GET", "/api/v1/status", patience).map_err(|error| {
        format!(
            "no node answers at {address}: {error}. Is `tombolo serve` running, and is {address} \
             its --http address? Name another one with --http HOST:PORT"
        )
    })?;
    let view = serde_json::from_str(&answer.body);
    match view {
        Ok(view) if answer.code == 200 => Ok((answer.body, view)),
        _ => Err(format!(
            "what answers at {address} is no node of this version (HTTP {}). Name the node's \
             --http address with --http HOST:PORT",
            answer.code
        )),
    }
}

/// Whether the node that answered misses nothing; a node that knows of no other is whole.
pub fn is_whole(view: &StatusView) -> bool {
    matches!(view.verdict.as_str(), "whole" | "alone")
}
