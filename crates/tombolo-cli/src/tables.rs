//! `tombolo create` and `tombolo alter`.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tombolo_server::http::view::TableView;

use crate::args::{AlterArgs, CreateArgs, DeclaredArgs};
use crate::client::{Api, ApiError};
use crate::text::{complain, say, tame};

/// Runs `tombolo create`.
pub fn create(args: &CreateArgs) -> ExitCode {
    let mut body = declared(&args.table, &args.declared);
    if let Some(kind) = &args.kind {
        body.insert("kind".to_owned(), json!(kind));
    }
    if let Some(count) = args.fragments {
        body.insert("fragments".to_owned(), json!(count));
    }
    // A new table has no time to live unless it gets one.
    if args.declared.ttl == Some(0) {
        body.remove("ttl_ms");
    }
    if args.declared.quorum == Some(0) {
        body.remove("quorum");
    }
    told(post(&args.node.http, "tables/create", body))
}

/// Runs `tombolo alter`.
pub fn alter(args: &AlterArgs) -> ExitCode {
    let body = declared(&args.table, &args.declared);
    if body.len() == 1 {
        complain(
            "nothing to alter. Name what is to change: --policy, --owner-down, --merge or --ttl",
        );
        return ExitCode::from(2);
    }
    told(post(&args.node.http, "tables/alter", body))
}

fn declared(table: &str, args: &DeclaredArgs) -> Map<String, Value> {
    let mut body = Map::from_iter([("name".to_owned(), json!(table))]);
    let words =
        [("policy", &args.policy), ("owner_down", &args.owner_down), ("merge", &args.merge)];
    for (name, word) in words {
        if let Some(word) = word {
            body.insert(name.to_owned(), json!(word));
        }
    }
    if let Some(millis) = args.ttl {
        body.insert("ttl_ms".to_owned(), json!(millis));
    }
    if let Some(members) = args.quorum {
        body.insert("quorum".to_owned(), json!(members));
    }
    body
}

fn post(http: &str, path: &str, body: Map<String, Value>) -> Result<TableView, ApiError> {
    let api = Api::new(http);
    let text = api.post(path, &Value::Object(body))?;
    api.parsed(&text)
}

fn told(answer: Result<TableView, ApiError>) -> ExitCode {
    match answer {
        Ok(table) => {
            say(format!("table {}: {}", tame(&table.name), declaration(&table)));
            ExitCode::SUCCESS
        }
        Err(error) => error.complain(),
    }
}

/// A table's declaration in the words of the library.
pub fn declaration(table: &TableView) -> String {
    let mut text =
        format!("kind={} policy={} owner_down={}", table.kind, table.policy, table.owner_down);
    if table.merge != "auto" {
        text += &format!(" merge={}", table.merge);
    }
    if let Some(millis) = table.ttl_ms {
        text += &format!(" ttl={millis}ms");
    }
    if table.fragments > 1 {
        text += &format!(" fragments={}", table.fragments);
    }
    if let Some(members) = table.quorum {
        text += &format!(" quorum={members}");
    }
    if table.epoch > 0 {
        text += &format!(" epoch={}", table.epoch);
    }
    tame(&text)
}
