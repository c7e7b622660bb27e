//! The node over HTTP: health, readiness, metrics, status and drills.
//!
//! Everything here is made from one [`tombolo::Status`], a snapshot in plain data, so no request
//! can hold up a write. What JSON looks like is in [`view`] and nowhere else.

mod accept;
mod answer;
mod drills;
mod metrics;
mod ready;
pub mod view;

#[cfg(test)]
mod tests;

use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tombolo::Node;

use answer::Refused;
use view::{ReadyView, StatusView, TablesView};

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
    accept::serve(listener, router(Shown { node, settings }), shutdown).await
}

/// What the handlers see.
#[derive(Clone)]
struct Shown {
    node: Node,
    settings: Settings,
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/tables", get(tables))
        .route("/api/v1/drills/cut", post(drills::cut))
        .route("/api/v1/drills/heal", post(drills::heal))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
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

async fn tables(State(shown): State<Shown>) -> Response {
    answer::json(StatusCode::OK, &TablesView::new(&shown.node.status()))
}

async fn unknown_path(uri: Uri) -> Refused {
    let error = format!(
        "there is nothing at {}. There are /health, /ready, /metrics, /api/v1/status, \
         /api/v1/tables, /api/v1/drills/cut?peer=NAME and /api/v1/drills/heal",
        uri.path()
    );
    Refused::new(StatusCode::NOT_FOUND, error)
}

async fn wrong_method(uri: Uri) -> Refused {
    let method = if uri.path().starts_with("/api/v1/drills/") { "POST" } else { "GET" };
    let error = format!("{} answers to {method} only", uri.path());
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, error)
}
