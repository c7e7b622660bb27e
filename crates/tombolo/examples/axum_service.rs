//! A web service whose flags are the same on every one of its nodes: reads answer from memory, and
//! a write has reached the other nodes when its response comes.
//!
//! ```text
//! cargo run -p tombolo --example axum_service
//! ```

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::error::Error;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tombolo::{DecodeError, InsertError, Node, Table};

type Flags = Table<String, String>;

fn service(flags: Flags) -> Router {
    Router::new().route("/flags/{name}", get(read).put(write).delete(delete)).with_state(flags)
}

async fn read(State(flags): State<Flags>, Path(name): Path<String>) -> Result<Response, Failure> {
    Ok(match flags.get(&name)? {
        Some(value) => value.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn write(
    State(flags): State<Flags>,
    Path(name): Path<String>,
    value: String,
) -> Result<StatusCode, Failure> {
    flags.insert(&name, &value).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(
    State(flags): State<Flags>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let deleted = flags.delete(&name).await?;
    Ok(if deleted.receipt.is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

/// Why a request has no plain answer.
struct Failure(StatusCode, String);

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Failure {
        Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<InsertError> for Failure {
    fn from(error: InsertError) -> Failure {
        let status = match &error {
            // Made, and on its way: nothing to repeat.
            InsertError::Timeout(_) => StatusCode::ACCEPTED,
            // Not made: the client may try again.
            InsertError::Write(_) => StatusCode::SERVICE_UNAVAILABLE,
            InsertError::Encode(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let any = "127.0.0.1:0".parse()?;
    let a = Node::builder().name("a").listen(any).start().await?;
    let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    let (of_a, of_b) = (serve(&a).await?, serve(&b).await?);

    request("a", of_a, "PUT", "on").await?;
    request("b", of_b, "GET", "").await?;
    request("b", of_b, "PUT", "for ten percent").await?;
    request("a", of_a, "GET", "").await?;
    request("b", of_b, "DELETE", "").await?;
    request("a", of_a, "GET", "").await?;
    a.leave().await;
    b.leave().await;
    Ok(())
}

/// Serves a node's flags until the program ends.
async fn serve(node: &Node) -> Result<SocketAddr, Box<dyn Error>> {
    let flags = node.table("flags").await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, service(flags)).await });
    Ok(address)
}

/// What `curl -X METHOD http://ADDRESS/flags/search` does.
async fn request(
    node: &str,
    address: SocketAddr,
    method: &str,
    body: &str,
) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!("{method} /flags/search HTTP/1.1\r\nhost: {address}\r\nconnection: close");
    let request = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, answer) = response.split_once("\r\n\r\n").ok_or("the response has no body")?;
    let status = head.lines().next().unwrap_or_default();
    println!("{method} {body:?} at {node}: {status} {answer:?}");
    Ok(())
}
