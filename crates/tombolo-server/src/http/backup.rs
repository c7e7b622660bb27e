//! Backups out and in, as streams: neither side holds more than a piece in memory.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::de::DeserializeOwned;
use tombolo::{Backup, RestoreError};

use super::Shown;
use super::answer::{self, Refused};
use super::view::{RestoreQuery, RestoreView, TableQuery};
use crate::operate;

/// Everything that the tables show, or one of them.
pub(super) async fn backup(State(shown): State<Shown>, uri: Uri) -> Result<Response, Refused> {
    let query: TableQuery = said(&uri)?;
    if let Some(name) = &query.table {
        operate::table(&shown.node, name)?;
    }
    let backup = Pieces(shown.node.backup(query.table.as_deref()));
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::new(backup)).into_response())
}

/// Writes what a backup has and the tables have not, or tells what would be written.
pub(super) async fn restore(
    State(shown): State<Shown>,
    request: Request,
) -> Result<Response, Refused> {
    let query: RestoreQuery = said(request.uri())?;
    let mut restore = shown.node.restore(query.table.as_deref(), query.dry_run);
    let mut body = request.into_body();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| bad(format!("the backup did not arrive: {error}")))?;
        if let Ok(bytes) = frame.into_data() {
            restore.feed(&bytes).await.map_err(refused)?;
        }
    }
    let tables = restore.finish().map_err(refused)?;
    Ok(answer::json(StatusCode::OK, &RestoreView::new(query.dry_run, &tables)))
}

fn said<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refused> {
    let wrong = |error: axum::extract::rejection::QueryRejection| {
        bad(format!("the query cannot be used: {}", error.body_text()))
    };
    Query::try_from_uri(uri).map(|Query(said)| said).map_err(wrong)
}

fn refused(error: RestoreError) -> Refused {
    let code = match &error {
        RestoreError::Damage(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    Refused::new(code, error.to_string())
}

fn bad(error: String) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error)
}

/// A backup as the body of an answer: each piece is made when the client has room for it.
struct Pieces(Backup);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next_piece().map(|piece| Ok(Frame::data(piece.into()))))
    }
}
