//! Conflicts: what there is, and what an operator decides.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tombolo::Choice;

use super::answer::{self, Refused};
use super::asked::Asked;
use super::view::{ConflictsQuery, ConflictsView, ResolveQuery, UndoQuery, WrittenView};
use super::{Shown, base64};
use crate::operate::{self, LISTED, MOST_LISTED};

pub(super) async fn list(
    State(shown): State<Shown>,
    Asked(query): Asked<ConflictsQuery>,
) -> Result<Response, Refused> {
    let limit = query.limit.unwrap_or(LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(bad(format!("limit is a number from 1 to {MOST_LISTED}")));
    }
    let tables = operate::tables(&shown.node, query.table.as_deref())?;
    let listing = operate::conflicts(&tables, limit);
    Ok(answer::json(StatusCode::OK, &ConflictsView::new(&listing)))
}

pub(super) async fn resolve(
    State(shown): State<Shown>,
    Asked(query): Asked<ResolveQuery>,
) -> Result<Response, Refused> {
    let what = "say the key by one of key and key_base64";
    let key = one_of(query.key, query.key_base64, what)?.ok_or_else(|| bad(what.to_owned()))?;
    let what = "say what the key is to hold by one of take, value, value_base64 and delete: true";
    let value = one_of(query.value, query.value_base64, what)?;
    let choice = match (&query.take, &value, query.delete.unwrap_or(false)) {
        (Some(dot), None, false) => Choice::Take(dot),
        (None, Some(value), false) => Choice::Value(value),
        (None, None, true) => Choice::Delete,
        _ => return Err(bad(what.to_owned())),
    };
    let table = operate::table(&shown.node, &query.table)?;
    let receipt = operate::resolve(&table, &key, choice)?;
    Ok(answer::json(StatusCode::OK, &WrittenView::new(receipt)))
}

/// Bytes that are given as text or exactly, if they are given.
fn one_of(
    text: Option<String>,
    exact: Option<String>,
    what: &str,
) -> Result<Option<Vec<u8>>, Refused> {
    match (text, exact) {
        (Some(_), Some(_)) => Err(bad(what.to_owned())),
        (text, None) => Ok(text.map(String::into_bytes)),
        (None, Some(exact)) => match base64::decode(&exact) {
            None => Err(bad(format!("{exact:?} is not base64 with padding"))),
            decoded => Ok(decoded),
        },
    }
}

pub(super) async fn undo(
    State(shown): State<Shown>,
    Asked(query): Asked<UndoQuery>,
) -> Result<Response, Refused> {
    let tables = operate::tables(&shown.node, query.table.as_deref())?;
    let (_, receipt) = operate::undo(&tables, &query.id)?;
    Ok(answer::json(StatusCode::OK, &WrittenView::new(receipt)))
}

fn bad(error: String) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error)
}
