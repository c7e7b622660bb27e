use std::fmt;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tombolo_server::http::view::ErrorView;

use super::{http, stream};
use crate::text::complain;

/// How long a node may take to answer: a digest walks the whole table.
const PATIENCE: Duration = Duration::from_secs(30);

/// The HTTP interface of one node.
#[derive(Clone, Debug)]
pub struct Api {
    address: String,
}

/// Why there is no result, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No node answers there.
    NoNode(String),
    /// The node did not do it.
    Refused(String),
}

impl ApiError {
    /// Tells it, and the exit status that goes with it.
    pub fn complain(&self) -> ExitCode {
        complain(self.to_string());
        match self {
            ApiError::NoNode(_) => ExitCode::from(2),
            ApiError::Refused(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ApiError::NoNode(error) | ApiError::Refused(error)) = self;
        // It may repeat names that come from other machines.
        f.write_str(&error.replace(char::is_control, "?"))
    }
}

impl Api {
    /// That of the node at `written`, as an operator writes it.
    pub fn new(written: &str) -> Api {
        Api { address: dialled(written) }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks for what is at `path`, below `/api/v1`.
    ///
    /// # Errors
    ///
    /// When no node answers, or it refuses.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.parsed(&self.get_text(path)?)
    }

    /// What `text` means, which the node sent.
    ///
    /// # Errors
    ///
    /// When it is not what a node of this version sends.
    pub fn parsed<T: DeserializeOwned>(&self, text: &str) -> Result<T, ApiError> {
        let wrong = |error| self.no_node(&format!("cannot read its answer: {error}"));
        serde_json::from_str(text).map_err(wrong)
    }

    /// The same as the text that the node sent.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub fn get_text(&self, path: &str) -> Result<String, ApiError> {
        let path = format!("/api/v1/{path}");
        self.checked(http::request(&self.address, "GET", &path, PATIENCE))
    }

    /// Has something done.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<String, ApiError> {
        let path = format!("/api/v1/{path}");
        self.checked(http::send(&self.address, &path, &body.to_string(), PATIENCE))
    }

    /// Writes what is at `path`, however long it is, to `out`. Returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// As [`Api::get`]; also if `out` takes no more.
    pub fn download(&self, path: &str, out: &mut dyn Write) -> Result<u64, ApiError> {
        let path = format!("/api/v1/{path}");
        match stream::download(&self.address, &path, PATIENCE, out) {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(answer)) => Err(self
                .checked(Ok(answer))
                .err()
                .unwrap_or_else(|| self.no_node("an answer of unknown length"))),
            Err(error) => self.checked(Err(error)).map(|_| 0),
        }
    }

    /// Posts a file of that length to `path`, however long it is.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &mut dyn Read,
        length: u64,
    ) -> Result<T, ApiError> {
        let path = format!("/api/v1/{path}");
        let answer = stream::upload(&self.address, &path, PATIENCE, file, length);
        self.parsed(&self.checked(answer)?)
    }

    fn checked(&self, answer: std::io::Result<http::Answer>) -> Result<String, ApiError> {
        let address = &self.address;
        let answer = answer.map_err(|error| {
            ApiError::NoNode(format!(
                "no node answers at {address}: {error}. Is `tombolo serve` running, and is \
                 {address} its --http address? Name another one with --http HOST:PORT"
            ))
        })?;
        if answer.code == 200 {
            return Ok(answer.body);
        }
        match serde_json::from_str::<ErrorView>(&answer.body) {
            Ok(body) => Err(ApiError::Refused(body.error)),
            Err(_) => Err(self.no_node(&format!("HTTP {}", answer.code))),
        }
    }

    fn no_node(&self, why: &str) -> ApiError {
        ApiError::NoNode(format!(
            "what answers at {} is no node of this version ({why}). Name the node's --http \
             address with --http HOST:PORT",
            self.address
        ))
    }
}

/// The address to dial for what an operator may write: a URL, or the address that the node
/// listens on, which can be all addresses of the machine.
pub fn dialled(written: &str) -> String {
    let address = written.strip_prefix("http://").unwrap_or(written).trim_end_matches('/');
    if let Some(port) = address.strip_prefix("0.0.0.0:") {
        return format!("127.0.0.1:{port}");
    }
    match address.strip_prefix("[::]:") {
        Some(port) => format!("[::1]:{port}"),
        None => address.to_owned(),
    }
}

/// `text` as a part of a query.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        assert_eq!(dialled("http://node-1:7380/"), "node-1:7380");
        assert_eq!(dialled("0.0.0.0:7380"), "127.0.0.1:7380");
        assert_eq!(dialled("[::]:7380"), "[::1]:7380");
        assert_eq!(dialled("10.0.0.1:80"), "10.0.0.1:80");
    }

    #[test]
    fn a_query_takes_any_name() {
        assert_eq!(escaped("a-b.c"), "a-b.c");
        assert_eq!(escaped("a&b=ü "), "a%26b%3D%C3%BC%20");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_node() {
        let answer = |code, body: &str| Ok(http::Answer { code, body: body.to_owned() });
        let api = Api::new("http://a:1/");
        assert_eq!(api.checked(answer(200, "{}")), Ok("{}".to_owned()));
        let refused = api.checked(answer(404, "{\"error\": \"no table\\u001b\"}")).unwrap_err();
        assert_eq!((refused.to_string().as_str(), api.address()), ("no table?", "a:1"));
        let strange = api.checked(answer(404, "<html>")).unwrap_err().to_string();
        assert!(strange.contains("no node of this version (HTTP 404)"), "{strange}");
    }

    #[test]
    fn nobody_there_says_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Api::new(&address).get_text("status").unwrap_err();
        assert!(matches!(&error, ApiError::NoNode(text) if text.contains("Name another one")));
    }
}
