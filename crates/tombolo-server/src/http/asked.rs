//! What a request says: a JSON object in its body, or the query behind its path.

use std::time::Duration;

use axum::Json;
use axum::body::{self, Body};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::Shown;
use super::answer::Refused;

/// How long a body may be. Larger values are written over the Redis protocol.
const MOST_BYTES: usize = 1 << 20;
/// How long a client may take for a body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What was asked for.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shown> for Asked<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Shown) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let body = read(body).await?;
        let has_query = parts.uri.query().is_some_and(|query| !query.is_empty());
        if body.is_empty() {
            let Query(asked) = Query::try_from_uri(&parts.uri)
                .map_err(|error| bad(format!("the query cannot be used: {}", error.body_text())))?;
            return Ok(Asked(asked));
        }
        if has_query {
            return Err(bad("say it in the body or in the query, not in both".to_owned()));
        }
        let wrong = |why: &str| {
            bad(format!("the body is not the JSON object that {} takes: {why}", parts.uri.path()))
        };
        // A list of the fields' values in their order would be taken for the object as well.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong("it does not begin with {"));
        }
        let Json(asked) = Json::from_bytes(&body).map_err(|error| wrong(&error.body_text()))?;
        Ok(Asked(asked))
    }
}

async fn read(body: Body) -> Result<body::Bytes, Refused> {
    let read = tokio::time::timeout(BODY_WITHIN, body::to_bytes(body, MOST_BYTES)).await;
    let seconds = BODY_WITHIN.as_secs();
    let read = read.map_err(|_| bad(format!("the body did not arrive within {seconds} s")))?;
    read.map_err(|error| {
        bad(format!(
            "the body cannot be read ({error}); it has at most {MOST_BYTES} bytes, and larger \
             values are for the Redis protocol"
        ))
    })
}

fn bad(error: String) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error)
}

/// Refuses what a page of another site lets a browser send here: there is no password that such
/// a page would not know.
pub(super) async fn same_origin(request: Request, next: Next) -> Result<Response, Refused> {
    if request.method() == Method::POST && is_foreign(request.headers()) {
        let error = "a page of another site may change nothing here; ask without a browser";
        return Err(Refused::new(StatusCode::FORBIDDEN, error));
    }
    Ok(next.run(request).await)
}

/// Whether a browser says that the request comes from elsewhere. Others send no origin.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.as_bytes();
    let scheme_end = origin.windows(3).position(|three| three == b"://").map(|at| at + 3);
    let host = headers.get(header::HOST).map(|host| host.as_bytes());
    scheme_end.is_none_or(|end| Some(&origin[end..]) != host)
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, header, is_foreign};

    #[test]
    fn pages_of_other_sites_are_told_by_their_origin() {
        let foreign = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:7380".parse().unwrap());
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            is_foreign(&headers)
        };
        assert!(!foreign(None));
        assert!(!foreign(Some("http://localhost:7380")));
        for origin in ["null", "http://evil.example", "http://localhost", ""] {
            assert!(foreign(Some(origin)), "{origin}");
        }
    }
}
