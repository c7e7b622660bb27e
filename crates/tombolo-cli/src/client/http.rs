use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// More than any node answers, and a bound should something else answer.
const LARGEST: usize = 16 * 1024 * 1024;

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The body.
    pub body: String,
}

/// Sends one request without a body to `address` and waits for the answer, `timeout` at most.
///
/// # Errors
///
/// When nobody listens, time runs out, or what answers does not speak HTTP.
pub fn request(address: &str, method: &str, path: &str, timeout: Duration) -> io::Result<Answer> {
    exchange(address, method, path, "", timeout)
}

/// Posts `json` to `path` and waits for the answer, as [`request`] does.
///
/// # Errors
///
/// As [`request`].
pub fn send(address: &str, path: &str, json: &str, timeout: Duration) -> io::Result<Answer> {
    exchange(address, "POST", path, json, timeout)
}

fn exchange(
    address: &str,
    method: &str,
    path: &str,
    json: &str,
    timeout: Duration,
) -> io::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let mut stream = super::connect(address, timeout)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return parse(&answer),
            count => answer.extend_from_slice(&buffer[..count]),
        }
        if answer.len() > LARGEST {
            return Err(io::Error::other("the answer is too long to be a node's"));
        }
        // The timeout of the stream starts anew with every byte; this one does not.
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

pub(super) fn parse(answer: &[u8]) -> io::Result<Answer> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let split = split.ok_or_else(|| wrong("what answers does not speak HTTP"))?;
    let head = std::str::from_utf8(&answer[..split]).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    if !first.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Err(wrong("what answers does not speak HTTP"));
    }
    let code = first.next().and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| wrong("the answer has no status code"))?;
    let body = &answer[split + 4..];
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") && value.trim().parse() != Ok(body.len()) {
            return Err(wrong("the answer was cut off"));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(wrong("the answer is encoded as no node does it"));
        }
    }
    let body = String::from_utf8(body.to_vec()).map_err(io::Error::other)?;
    Ok(Answer { code, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one request with `bytes`, and tells the address.
    fn answering(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
        });
        address
    }

    fn ask(bytes: &'static [u8]) -> io::Result<Answer> {
        request(&answering(bytes), "GET", "/", Duration::from_secs(5))
    }

    #[test]
    fn an_answer_has_code_and_body() {
        let answer = ask(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno");
        assert_eq!(answer.unwrap(), Answer { code: 503, body: "no".into() });
    }

    #[test]
    fn what_is_not_whole_or_not_http_is_an_error() {
        let error = |bytes| ask(bytes).unwrap_err().to_string();
        assert_eq!(
            error(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"),
            "the answer was cut off"
        );
        assert_eq!(error(b"-ERR unknown command\r\n"), "what answers does not speak HTTP");
        assert_eq!(error(b"SSH-2.0-x\r\n\r\n"), "what answers does not speak HTTP");
        assert!(ask(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").is_err());
    }

    #[test]
    fn a_server_that_says_nothing_does_not_hold_us() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let began = Instant::now();
        assert!(request(&address, "GET", "/", Duration::from_millis(100)).is_err());
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
