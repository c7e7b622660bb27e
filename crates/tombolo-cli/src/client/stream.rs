//! Bodies that are too long for memory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use super::http::{self, Answer};

/// More than the head of any answer.
const LONGEST_HEAD: usize = 16 * 1024;

/// More than any answer to an upload, and than any refusal.
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// Asks for `path` and copies the body of the answer to `out`, or returns the answer if it is not
/// what was asked for. `timeout` is for each step.
pub(super) fn download(
    address: &str,
    path: &str,
    timeout: Duration,
    out: &mut dyn Write,
) -> io::Result<Result<u64, Answer>> {
    let mut stream = super::connect(address, timeout)?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.by_ref().take(1024).read_until(b'\n', &mut head)?;
        if count == 0 || head.len() > LONGEST_HEAD {
            return Err(wrong("what answers does not speak HTTP"));
        }
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let chunked = text.contains("\r\ntransfer-encoding: chunked\r\n");
    if !text.starts_with("http/1.1 200 ") || !chunked {
        stream.take(LONGEST_ANSWER).read_to_end(&mut head)?;
        return http::parse(&head).map(Err);
    }
    let mut total = 0;
    loop {
        let mut line = Vec::new();
        stream.by_ref().take(64).read_until(b'\n', &mut line)?;
        let length = std::str::from_utf8(&line).ok().map(str::trim_end);
        let length = length.and_then(|length| u64::from_str_radix(length, 16).ok());
        // Without the last chunk, which is empty, the node did not say all.
        let length = length.ok_or_else(|| wrong("the answer was cut off"))?;
        if length == 0 {
            return Ok(Ok(total));
        }
        total += io::copy(&mut stream.by_ref().take(length), out)?;
        let mut end = [0; 2];
        stream.read_exact(&mut end).map_err(|_| wrong("the answer was cut off"))?;
        if end != *b"\r\n" {
            return Err(wrong("the answer is not in chunks as it says"));
        }
    }
}

/// Posts `length` bytes of `file` to `path`, and waits for the answer.
pub(super) fn upload(
    address: &str,
    path: &str,
    timeout: Duration,
    file: &mut dyn Read,
    length: u64,
) -> io::Result<Answer> {
    let mut stream = super::connect(address, timeout)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    // A node that refuses says why before it has read everything.
    let sent = io::copy(&mut file.take(length), &mut stream);
    let mut answer = Vec::new();
    let came = stream.take(LONGEST_ANSWER).read_to_end(&mut answer);
    match http::parse(&answer) {
        Ok(answer) => Ok(answer),
        Err(error) => Err(sent.err().or(came.err()).unwrap_or(error)),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
