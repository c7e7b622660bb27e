//! Tables: what there are, and what an operator does with them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Shown;
use super::answer::{self, Refused};
use super::asked::Asked;
use super::view::{DeclareQuery, NameQuery, TableView, TablesView};
use crate::declare::{self, PATIENCE, Part, Said};
use crate::operate::{self, Trouble};

pub(super) async fn list(State(shown): State<Shown>) -> Response {
    answer::json(StatusCode::OK, &TablesView::new(&shown.node.status()))
}

pub(super) async fn create(
    State(shown): State<Shown>,
    Asked(query): Asked<DeclareQuery>,
) -> Result<Response, Refused> {
    declare::check_name(&query.name).map_err(bad)?;
    let declaration = said(&query)?.declaration();
    declaration.check().map_err(bad)?;
    let created = declare::declare(&shown.node, &query.name, declaration, PATIENCE).await;
    created.map_err(|error| match error {
        tombolo::CreateError::Invalid(_) | tombolo::CreateError::Field(_) => bad(error),
        other => Refused::new(StatusCode::CONFLICT, other.to_string()),
    })?;
    show(&shown, &query.name)
}

pub(super) async fn alter(
    State(shown): State<Shown>,
    Asked(query): Asked<DeclareQuery>,
) -> Result<Response, Refused> {
    operate::alter(&shown.node, &query.name, said(&query)?)?;
    show(&shown, &query.name)
}

fn said(query: &DeclareQuery) -> Result<Said, Refused> {
    let mut said = Said::default();
    let words = [
        (Part::Kind, &query.kind),
        (Part::Policy, &query.policy),
        (Part::OwnerDown, &query.owner_down),
        (Part::Merge, &query.merge),
    ];
    for (part, word) in words {
        if let Some(word) = word {
            said.say(part, word).map_err(bad)?;
        }
    }
    said.ttl = query.ttl_ms.map(declare::check_ttl).transpose().map_err(bad)?;
    said.fragments = query.fragments;
    said.quorum = query.quorum;
    Ok(said)
}

pub(super) async fn approve(
    State(shown): State<Shown>,
    Asked(query): Asked<NameQuery>,
) -> Result<Response, Refused> {
    shown.node.approve(&query.name).map_err(Trouble::from)?;
    show(&shown, &query.name)
}

pub(super) async fn choose(
    State(shown): State<Shown>,
    Asked(query): Asked<NameQuery>,
) -> Result<Response, Refused> {
    shown.node.choose_side(&query.name).map_err(Trouble::from)?;
    show(&shown, &query.name)
}

/// Answers with the table as it is now.
fn show(shown: &Shown, name: &str) -> Result<Response, Refused> {
    let status = shown.node.status();
    let table = status.tables.iter().find(|table| table.name == name);
    // It was there a moment ago, and tables do not go; a node that stops may forget them.
    let gone = || Refused::new(StatusCode::CONFLICT, format!("table {name:?} is gone"));
    Ok(answer::json(StatusCode::OK, &TableView::new(table.ok_or_else(gone)?)))
}

fn bad(error: impl ToString) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error.to_string())
}
