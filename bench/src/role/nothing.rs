//! A server that does nothing but answer: each read of a connection is one request, and one "OK" is
//! its answer. No server that is asked for one thing at a time can be faster.

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

const LISTENER: Token = Token(0);

/// Serves until it is killed.
pub fn play(port: u16) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let (mut events, mut last) = (Events::with_capacity(1_024), LISTENER);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    last = Token(last.0 + 1);
                    poll.registry().register(&mut stream, last, Interest::READABLE)?;
                    connections.insert(last, stream);
                }
            } else if !connections.get_mut(&event.token()).is_some_and(answer) {
                connections.remove(&event.token());
            }
        }
    }
}

/// Answers what came; false if the connection has ended.
fn answer(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 1_024];
    match stream.read(&mut bytes) {
        Ok(0) => false,
        Ok(_) if bytes.starts_with(b"PING") => stream.write_all(b"+PONG\r\n").is_ok(),
        Ok(_) => stream.write_all(b"+OK\r\n").is_ok(),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
