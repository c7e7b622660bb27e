//! A client that speaks HTTP by hand.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// The status code and the body of one request.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The server may refuse a body before all of it is sent.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn json(answer: (u16, String)) -> (u16, Value) {
    let (code, body) = answer;
    (code, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")))
}

pub fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    json(request(address, "GET", path, "", ""))
}

/// Posts an object; null posts nothing.
pub fn post(address: SocketAddr, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    json(request(address, "POST", path, "Content-Type: application/json\r\n", &body))
}

/// Expects an error with that code that has all parts in it.
#[track_caller]
pub fn refused(answer: (u16, Value), code: u16, parts: &[&str]) {
    let error = answer.1["error"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(answer.0, code, "{error}");
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}
