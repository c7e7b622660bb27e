//! A Redis client as lean as can be: one thread, and for each connection one request on its way.
//! It loads every server alike, so that a ratio says something about the servers.

use crate::histogram::Histogram;
use crate::load::{Dice, VALUE};
use crate::servers::{key, push_words};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// What to send, and for how long.
#[derive(Args, Debug)]
pub struct RedisLoad {
    /// The server's port.
    port: u16,
    /// How many connections.
    connections: usize,
    /// How many replicas every SET is followed by a WAIT for; none if 0.
    replicas: u8,
    /// How many records there are.
    records: u64,
    warm_up: u64,
    window: u64,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    reply: Vec<u8>,
}

/// Loads a server and tells how it did.
pub fn play(load: &RedisLoad) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut connections = connect(load, &poll)?;
    let mut client = Client { load, dice: Dice::new(1), request: Vec::new(), number: 0 };
    for connection in &mut connections {
        client.send(connection)?;
    }
    let start = Instant::now() + Duration::from_millis(load.warm_up);
    let end = start + Duration::from_millis(load.window);
    let mut histogram = Histogram::default();
    let mut events = Events::with_capacity(load.connections);
    let mut now = Instant::now();
    while now < end {
        poll.poll(&mut events, Some(Duration::from_secs(10)))?;
        ensure!(!events.is_empty(), "the server has not answered for 10 s");
        for event in &events {
            let connection = &mut connections[event.token().0];
            if client.receive(connection)? {
                now = Instant::now();
                if connection.sent >= start {
                    histogram.record((now - connection.sent).as_nanos() as u64);
                }
                client.send(connection)?;
            }
        }
    }
    let seconds = (now - start).as_secs_f64();
    super::result("per_second", histogram.count() as f64 / seconds);
    super::result("p50", histogram.quantile(0.5));
    super::result("p99", histogram.quantile(0.99));
    super::result("p999", histogram.quantile(0.999));
    super::result("max", histogram.max());
    super::end();
    Ok(())
}

fn connect(load: &RedisLoad, poll: &Poll) -> Result<Vec<Connection>> {
    let connect = |number| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", load.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        Ok(Connection { stream, sent: Instant::now(), reply: Vec::with_capacity(256) })
    };
    (0..load.connections).map(connect).collect()
}

struct Client<'a> {
    load: &'a RedisLoad,
    dice: Dice,
    request: Vec<u8>,
    /// How many requests were sent.
    number: u64,
}

impl Client<'_> {
    /// Sends the next request in one piece.
    fn send(&mut self, connection: &mut Connection) -> Result<()> {
        let key = key(self.dice.below(self.load.records));
        self.number += 1;
        let value = crate::load::value(self.number);
        self.request.clear();
        push_words(&mut self.request, &[b"SET", key.as_bytes(), &value]);
        if self.load.replicas > 0 {
            let replicas = self.load.replicas.to_string();
            push_words(&mut self.request, &[b"WAIT", replicas.as_bytes(), b"5000"]);
        }
        connection.sent = Instant::now();
        let written = connection.stream.write(&self.request).context("sending")?;
        ensure!(written == self.request.len(), "{VALUE} bytes did not fit into a socket's buffer");
        Ok(())
    }

    /// Takes in what has come; true if the answer is whole. One read is enough: the next bytes are
    /// an event of their own.
    fn receive(&self, connection: &mut Connection) -> Result<bool> {
        let mut bytes = [0; 256];
        match connection.stream.read(&mut bytes) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => connection.reply.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let wanted = if self.load.replicas > 0 { 2 } else { 1 };
        let lines = connection.reply.iter().filter(|byte| **byte == b'\n').count();
        if lines < wanted {
            return Ok(false);
        }
        let expected = match self.load.replicas {
            0 => "+OK\r\n".to_owned(),
            replicas => format!("+OK\r\n:{replicas}\r\n"),
        };
        let reply = &connection.reply;
        ensure!(*reply == expected.as_bytes(), "answered {}", String::from_utf8_lossy(reply));
        connection.reply.clear();
        Ok(true)
    }
}
