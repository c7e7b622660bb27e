use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use tombolo::WriteError;

use super::view::{ErrorView, Json};
use crate::operate::Trouble;

/// An answer in JSON, with a line end so that it reads well in a terminal.
pub(super) fn json(code: StatusCode, view: &impl Json) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], view.to_json()).into_response()
}

/// A request that was not done, and why.
pub(super) struct Refused {
    code: StatusCode,
    error: String,
}

impl Refused {
    pub(super) fn new(code: StatusCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into() }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let code = match &trouble {
            Trouble::Missing(_) => StatusCode::NOT_FOUND,
            Trouble::Bad(_) | Trouble::Write(WriteError::TooLarge { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Trouble::Conflict(_) | Trouble::Write(_) => StatusCode::CONFLICT,
        };
        Self::new(code, trouble.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        json(self.code, &ErrorView { error: self.error })
    }
}
