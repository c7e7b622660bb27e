//! A real node that serves the Redis protocol, and a client that speaks raw bytes.

#![allow(dead_code, reason = "each file of tests uses its part of this")]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tombolo_server::resp::{self, Settings};

/// A node of its own and its Redis port; both end when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(settings: Settings) -> Server {
        let stop = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let token = stop.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listen = "127.0.0.1:0".parse().unwrap();
                let node = tombolo::Node::builder().name("n1").listen(listen).start();
                let node = node.await.expect("the node starts");
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(listen).unwrap();
                // A crowd that comes at once must not wait for the kernel to try again.
                let listener = socket.listen(16_384).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                resp::run(listener, node.clone(), settings, token).await.expect("the server runs");
                node.leave().await;
            });
        });
        Server { address: told.recv().unwrap(), stop, thread: Some(thread) }
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
