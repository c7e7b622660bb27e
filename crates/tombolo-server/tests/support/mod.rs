//! A real node that serves the Redis protocol and HTTP, and clients that speak raw bytes.

#![allow(dead_code, reason = "each file of tests uses its part of this")]

pub mod web;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tombolo::{Node, Verdict};
use tombolo_server::{
    http,
    resp::{self, Settings},
};

/// A node of its own and its ports for Redis and HTTP; all end when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub http: SocketAddr,
    pub node: Node,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(settings: Settings) -> Server {
        Server::named("n1", &[], settings, true)
    }

    /// A node that joins others.
    pub fn named(name: &str, join: &[&Server], settings: Settings, drills: bool) -> Server {
        let stop = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let token = stop.clone();
        let join: Vec<String> = join.iter().map(|other| other.node.status().address).collect();
        let name = name.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listen = "127.0.0.1:0".parse().unwrap();
                let node = Node::builder().name(&name).listen(listen).join(join).start();
                let node = node.await.expect("the node starts");
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(listen).unwrap();
                // A crowd that comes at once must not wait for the kernel to try again.
                let listener = socket.listen(16_384).unwrap();
                let web = tokio::net::TcpListener::bind(listen).await.unwrap();
                let ports = (listener.local_addr().unwrap(), web.local_addr().unwrap());
                tell.send((ports, node.clone())).unwrap();
                let settings_of_http = http::Settings { drills };
                let web = http::run(web, node.clone(), settings_of_http, token.clone());
                let redis = resp::run(listener, node.clone(), settings, token);
                let (web, redis) = tokio::join!(web, redis);
                web.expect("HTTP runs");
                redis.expect("the server runs");
                node.leave().await;
            });
        });
        let ((address, http), node) = told.recv().unwrap();
        Server { address, http, node, stop, thread: Some(thread) }
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// One connection.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads exactly the expected bytes and nothing else.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = vec![0; expected.len()];
        let mut filled = 0;
        while filled < got.len() {
            match self.stream.read(&mut got[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
            if got[..filled] != expected[..filled] {
                break;
            }
        }
        let (got, expected) = (show(&got[..filled]), show(expected));
        assert!(got == expected, "\nexpected {expected}\n     got {got}");
    }

    /// Sends a line as an inline command and expects its reply.
    #[track_caller]
    pub fn ask(&mut self, line: &str, expected: &str) {
        self.send(format!("{line}\r\n"));
        self.expect(expected.replace('|', "\r\n"));
    }

    /// Sends a line as an inline command and reads its reply, whatever it is.
    pub fn call(&mut self, line: &str) -> Value {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Sends a line as an inline command and expects an error that has all parts in it.
    #[track_caller]
    pub fn refused(&mut self, line: &str, parts: &[&str]) {
        let reply = self.call(line);
        let error = reply["error"].as_str().unwrap_or_else(|| panic!("{line}: {reply}"));
        for part in parts {
            assert!(error.contains(part), "{line}: {part:?} is not in {error:?}");
        }
    }

    /// The next reply: texts, numbers, lists and maps as they are, an error as a map of its own.
    pub fn reply(&mut self) -> Value {
        let line = self.line();
        let (kind, rest) = line.split_at(1);
        match (kind, rest) {
            ("+", text) => text.into(),
            ("-", text) => serde_json::json!({ "error": text }),
            (":", number) => number.parse::<i64>().unwrap().into(),
            ("_", _) | ("$", "-1") => Value::Null,
            ("#", word) => (word == "t").into(),
            (",", number) => number.parse::<f64>().unwrap().into(),
            ("$" | "=", length) => {
                let mut content = vec![0; length.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut content).unwrap();
                String::from_utf8_lossy(&content[..content.len() - 2]).into()
            }
            ("*" | "~", count) => {
                (0..count.parse().unwrap()).map(|_| self.reply()).collect::<Vec<_>>().into()
            }
            ("%", count) => {
                let pair = |_| {
                    let name = self.reply();
                    (name.as_str().expect("a name").to_owned(), self.reply())
                };
                (0..count.parse().unwrap()).map(pair).collect::<Map<_, _>>().into()
            }
            _ => panic!("{line:?}"),
        }
    }

    /// Sends an array of bulk strings.
    pub fn command(&mut self, words: &[&[u8]]) {
        self.send(encode(words));
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        String::from_utf8_lossy(&line[..line.len() - 2]).into_owned()
    }

    /// The content of the bulk or verbatim string that comes next.
    pub fn bulk(&mut self) -> Vec<u8> {
        let header = self.line();
        let length: usize = header[1..].parse().unwrap_or_else(|_| panic!("{header:?}"));
        let mut content = vec![0; length + 2];
        self.stream.read_exact(&mut content).unwrap();
        content.truncate(length);
        content
    }

    /// Expects the server to end the connection without saying more.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let result = self.stream.read_to_end(&mut rest);
        assert!(result.is_ok() && rest.is_empty(), "{result:?} {}", show(&rest));
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

pub fn encode(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Bytes as text; long ones are cut.
fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(500)].escape_ascii().to_string()
}

/// Two nodes that are linked.
pub fn pair() -> [Server; 2] {
    let one = Server::start(Settings::default());
    let two = Server::named("n2", &[&one], Settings::default(), true);
    let both = [one, two];
    whole(&both);
    both
}

/// Waits until all are one cluster with complete tables.
pub fn whole(servers: &[Server]) {
    until("the cluster is whole", || {
        servers.iter().all(|server| {
            let status = server.node.status();
            let here = status.members.iter().filter(|member| !member.linked_to.is_empty());
            status.verdict == Verdict::Whole && here.count() == servers.len()
        })
    });
}

/// Ends the links between the two.
pub fn cut(servers: &[Server; 2]) {
    let [one, two] = servers;
    one.node.cut("n2").unwrap();
    two.node.cut("n1").unwrap();
    until("both are alone", || servers.iter().all(|it| it.node.status().links.is_empty()));
}

pub fn heal(servers: &[Server]) {
    servers.iter().for_each(|server| server.node.heal());
}

#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not in 30 s: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
