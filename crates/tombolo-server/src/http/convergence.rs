//! Whether the members have the same, and where they differ.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tombolo::DIGEST_PARTS;

use super::Shown;
use super::answer::{self, Refused};
use super::asked::Asked;
use super::view::{
    ConvergedView, DigestPartView, DigestQuery, DigestView, TableConvergedView, TableQuery,
};
use crate::operate;

pub(super) async fn converged(
    State(shown): State<Shown>,
    Asked(query): Asked<TableQuery>,
) -> Result<Response, Refused> {
    let tables = operate::tables(&shown.node, query.table.as_deref())?;
    let tables = tables
        .iter()
        .map(|table| (table.name().to_owned(), TableConvergedView::new(&table.converged())));
    Ok(answer::json(StatusCode::OK, &ConvergedView { tables: tables.collect() }))
}

pub(super) async fn digest(
    State(shown): State<Shown>,
    Asked(query): Asked<DigestQuery>,
) -> Result<Response, Refused> {
    if query.part.is_some_and(|part| part >= DIGEST_PARTS) {
        let error = format!("part is a number from 0 to {}", DIGEST_PARTS - 1);
        return Err(Refused::new(StatusCode::BAD_REQUEST, error));
    }
    let table = operate::table(&shown.node, &query.table)?;
    // One at a time: each walks a whole table, and on a thread of its own, because this one
    // serves everybody.
    let walk = shown.walk.acquire_owned().await;
    let walked = tokio::task::spawn_blocking(move || {
        let answer = match query.part {
            None => answer::json(StatusCode::OK, &DigestView::new(&table.digest())),
            Some(part) => {
                let keys = table.digest_part(part);
                answer::json(StatusCode::OK, &DigestPartView::new(&keys))
            }
        };
        drop(walk);
        answer
    });
    let failed =
        |error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no digest: {error}"));
    walked.await.map_err(failed)
}
