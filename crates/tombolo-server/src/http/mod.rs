//! The node over HTTP: health, readiness, metrics, status, tables, conflicts and drills.
//!
//! What is shown is made from plain data that the library copies out, so no request can hold up a
//! write for long. What JSON looks like is in [`view`] and nowhere else.

mod accept;
mod answer;
mod asked;
mod backup;
mod base64;
mod conflicts;
mod convergence;
mod drills;
mod metrics;
mod ready;
mod tables;
pub mod view;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tombolo::Node;

use answer::Refused;
use view::{ReadyView, StatusView};

/// What the HTTP server may do beside showing the node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Whether the drills answer, which cut and heal links on request.
    pub drills: bool,
}

/// Serves HTTP on `listener` until `shutdown`, then ends the open connections.
///
/// # Errors
///
/// When the listener itself is of no use any more. A connection that fails is only closed.
pub async fn run(
    listener: TcpListener,
    node: Node,
    settings: Settings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let walk = Arc::new(Semaphore::new(1));
    accept::serve(listener, router(Shown { node, settings, walk }), shutdown).await
}

/// What the handlers see.
#[derive(Clone)]
struct Shown {
    node: Node,
    settings: Settings,
    /// Held by whoever walks a whole table.
    walk: Arc<Semaphore>,
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/tables", get(tables::list))
        .route("/api/v1/tables/create", post(tables::create))
        .route("/api/v1/tables/alter", post(tables::alter))
        .route("/api/v1/tables/approve", post(tables::approve))
        .route("/api/v1/tables/choose", post(tables::choose))
        .route("/api/v1/conflicts", get(conflicts::list))
        .route("/api/v1/conflicts/resolve", post(conflicts::resolve))
        .route("/api/v1/conflicts/undo", post(conflicts::undo))
        .route("/api/v1/converged", get(convergence::converged))
        .route("/api/v1/digest", get(convergence::digest))
        .route("/api/v1/backup", get(backup::backup))
        .route("/api/v1/restore", post(backup::restore))
        .route("/api/v1/drills/cut", post(drills::cut))
        .route("/api/v1/drills/heal", post(drills::heal))
        .route("/api/v1/drills/rehearse", post(drills::rehearse))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(middleware::from_fn(asked::same_origin))
        .with_state(shown)
}

/// Alive means that this answer arrives: the node, RESP and HTTP share one thread.
async fn health() -> &'static str {
    "alive\n"
}

async fn ready(State(shown): State<Shown>) -> Response {
    let missing = ready::missing(&shown.node.status());
    let code = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(code, &ReadyView { ready: missing.is_empty(), missing })
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let text = metrics::render(&shown.node.status(), tombolo::unix_millis());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn status(State(shown): State<Shown>) -> Response {
    let status = shown.node.status();
    answer::json(StatusCode::OK, &StatusView::new(&status, tombolo::unix_millis()))
}

async fn unknown_path(uri: Uri) -> Refused {
    let error = format!(
        "there is nothing at {}. There are /health, /ready, /metrics and, below /api/v1/, status, \
         tables, tables/create, tables/alter, tables/approve, tables/choose, conflicts, \
         conflicts/resolve, conflicts/undo, converged, digest, backup, restore, drills/cut, \
         drills/heal and drills/rehearse",
        uri.path()
    );
    Refused::new(StatusCode::NOT_FOUND, error)
}

async fn wrong_method(uri: Uri) -> Refused {
    let changing = ["/api/v1/drills/", "/api/v1/tables/", "/api/v1/conflicts/", "/api/v1/restore"];
    let changes = changing.iter().any(|prefix| uri.path().starts_with(prefix));
    let method = if changes { "POST" } else { "GET" };
    let error = format!("{} answers to {method} only", uri.path());
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, error)
}
