//! Drills: an operator cuts this node off from peers, and sees what the cluster makes of it, or
//! what a join would do.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Shown;
use super::answer::{self, Refused};
use super::asked::Asked;
use super::view::{CutQuery, DrillView, RehearseQuery};

/// Closes the links with one member and refuses new ones, until [`heal`].
pub(super) async fn cut(
    State(shown): State<Shown>,
    Asked(query): Asked<CutQuery>,
) -> Result<Response, Refused> {
    allowed(&shown)?;
    let peer = query.peer.unwrap_or_default();
    check_peer(&shown, &peer)?;
    let refused = |error| Refused::new(StatusCode::CONFLICT, format!("cannot cut: {error}"));
    shown.node.cut(&peer).map_err(refused)?;
    Ok(state(&shown))
}

/// Ends all cuts of this node.
pub(super) async fn heal(State(shown): State<Shown>) -> Result<Response, Refused> {
    allowed(&shown)?;
    shown.node.heal();
    Ok(state(&shown))
}

/// Keeps every table apart from islands that come back, or ends that.
pub(super) async fn rehearse(
    State(shown): State<Shown>,
    Asked(query): Asked<RehearseQuery>,
) -> Result<Response, Refused> {
    allowed(&shown)?;
    shown.node.rehearse(query.on);
    Ok(state(&shown))
}

fn state(shown: &Shown) -> Response {
    let status = shown.node.status();
    let view = DrillView { cuts: status.cuts, rehearsing: status.rehearsing };
    answer::json(StatusCode::OK, &view)
}

fn allowed(shown: &Shown) -> Result<(), Refused> {
    if shown.settings.drills {
        return Ok(());
    }
    let error = "drills are off on this node. Start it with --drills to allow them";
    Err(Refused::new(StatusCode::FORBIDDEN, error))
}

fn check_peer(shown: &Shown, peer: &str) -> Result<(), Refused> {
    let status = shown.node.status();
    let others = status.members.iter().filter(|member| !member.is_self);
    let mut known: Vec<&str> = others.map(|member| member.name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&peer) {
        return Ok(());
    }
    let known = if known.is_empty() { "nobody".to_owned() } else { known.join(", ") };
    if peer.is_empty() {
        let error = format!("say whom to cut off: /api/v1/drills/cut?peer=NAME. Known: {known}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, error));
    }
    if peer == status.name {
        let error = format!("a node cannot be cut off from itself. Known others: {known}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, error));
    }
    let error = format!("no member is called `{peer}`. Known: {known}");
    Err(Refused::new(StatusCode::NOT_FOUND, error))
}
