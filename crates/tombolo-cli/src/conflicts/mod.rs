//! `tombolo conflicts`, `resolve` and `undo`: what merges made of concurrent writes, and what an
//! operator makes of that.

mod render;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use serde_json::{Value, json};
use tombolo_server::http::view::ConflictsView;

use crate::args::{ChoiceArgs, ConflictsArgs, ResolveArgs, UndoArgs};
use crate::client::{Api, ApiError, decode, escaped};
use crate::text::{complain, say, wants_colours};

pub use render::render;

/// The exit status for a wrong flag, as clap's.
const WRONG_FLAG: u8 = 2;

/// Runs `tombolo conflicts`.
pub fn list(args: &ConflictsArgs) -> ExitCode {
    let api = Api::new(&args.node.http);
    let text = match api.get_text(&path(args.table.as_deref())) {
        Ok(text) => text,
        Err(error) => return error.complain(),
    };
    if args.json {
        say(text.trim_end());
        return ExitCode::SUCCESS;
    }
    match api.parsed::<ConflictsView>(&text) {
        Ok(view) => {
            let now = tombolo::unix_millis();
            say(render(&view, now, &args.node.hint(), wants_colours()).trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => error.complain(),
    }
}

fn path(table: Option<&str>) -> String {
    match table {
        Some(table) => format!("conflicts?table={}", escaped(table)),
        None => "conflicts".to_owned(),
    }
}

/// Runs `tombolo resolve`.
pub fn resolve(args: &ResolveArgs) -> ExitCode {
    let body = match resolve_body(args) {
        Ok(body) => body,
        Err(error) => {
            complain(error);
            return ExitCode::from(WRONG_FLAG);
        }
    };
    match Api::new(&args.node.http).post("conflicts/resolve", &body) {
        Ok(_) => {
            let became = match &args.choice {
                ChoiceArgs { take: Some(dot), .. } => format!("holds the value of {dot} now"),
                ChoiceArgs { value: Some(_), .. } => "holds the value given now".to_owned(),
                _ => "holds nothing now".to_owned(),
            };
            say(format!("table {}, key {}: decided, it {became}", args.table, args.key));
            ExitCode::SUCCESS
        }
        Err(error) => with_advice(error, &args.node.hint()),
    }
}

fn resolve_body(args: &ResolveArgs) -> Result<Value, String> {
    if args.base64 {
        for text in [Some(&args.key), args.choice.value.as_ref()].into_iter().flatten() {
            decode(text).ok_or_else(|| {
                format!("--base64: `{text}` is no base64. Leave --base64 out for plain text")
            })?;
        }
    }
    let name = |plain: &str| if args.base64 { format!("{plain}_base64") } else { plain.to_owned() };
    let mut body = json!({ "table": args.table });
    body[name("key")] = json!(args.key);
    match &args.choice {
        ChoiceArgs { take: Some(dot), .. } => body["take"] = json!(dot),
        ChoiceArgs { value: Some(value), .. } => body[name("value")] = json!(value),
        _ => body["delete"] = json!(true),
    }
    Ok(body)
}

/// Runs `tombolo undo`.
pub fn undo(args: &UndoArgs) -> ExitCode {
    let mut body = json!({ "id": args.id });
    if let Some(table) = &args.table {
        body["table"] = json!(table);
    }
    match Api::new(&args.node.http).post("conflicts/undo", &body) {
        Ok(_) => {
            say(format!(
                "{}: undone. What was lost is back here, and reaches the other nodes",
                args.id
            ));
            ExitCode::SUCCESS
        }
        Err(error) => with_advice(error, &args.node.hint()),
    }
}

/// A refusal says what is wrong, not where the right names are shown.
fn with_advice(error: ApiError, hint: &str) -> ExitCode {
    let code = error.complain();
    if let ApiError::Refused(_) = error {
        complain(format!("see `tombolo conflicts{hint}`"));
    }
    code
}
