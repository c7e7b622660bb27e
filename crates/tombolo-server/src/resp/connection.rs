//! One connection: read, execute all that has arrived, wait once for the acknowledgement of what
//! was written, answer once.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ahead::Ahead,
    command::{self, Flow, Slow},
    failure::Failure,
    inbox::Inbox,
    marks::Marks,
    parser::{Limits, Outcome, Parser},
    registry::Card,
    reply::Reply,
    session::Session,
    shared::Shared,
};

/// Replies beyond this are sent before more commands are executed, so that a client that sends
/// without reading cannot make the server hoard.
const REPLY_LIMIT: usize = 256 * 1024;
/// Likewise for the notes about replies of writes.
const MARK_LIMIT: usize = 8 * 1024;
/// Others get their turn after so many commands of one connection.
const TURN: usize = 512;
/// A command may be as long as its longest value and this, keys and further values included.
const COMMAND_ROOM: usize = 192 << 20;

/// How long a connection that the server ends may take to hear of it.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    parser: Parser,
    session: Session,
    reply: Reply,
    marks: Marks,
}

/// What to do after a batch.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    End,
}

/// Why execution paused.
enum Pause {
    /// Nothing complete is left to execute.
    Drained,
    /// The replies should be sent first.
    Full,
    /// It is the others' turn.
    Turn,
    /// A command that has to wait.
    Slow(Slow),
    /// The connection ends once the replies are sent.
    Close,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, shared: Arc<Shared>, card: Arc<Card>) -> Connection {
        let settings = &shared.settings;
        let limits = Limits {
            bulk: settings.max_bulk,
            argument: settings.max_value,
            command: settings.max_value + COMMAND_ROOM,
        };
        Connection {
            stream,
            inbox: Inbox::default(),
            parser: Parser::new(limits),
            session: Session::new(shared, card),
            reply: Reply::default(),
            marks: Marks::default(),
        }
    }

    /// Serves the client until it leaves, breaks the protocol or `stop` is given.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> io::Result<()> {
        let mut stopped = pin!(stop.cancelled());
        loop {
            let received = tokio::select! {
                biased;
                received = self.receive() => received?,
                () = &mut stopped => return Ok(()),
            };
            if received == 0 {
                return Ok(());
            }
            if self.answer().await? == Next::End {
                return self.hang_up().await;
            }
        }
    }

    /// Waits for bytes and takes them in; zero means that no more will come.
    async fn receive(&mut self) -> io::Result<usize> {
        match self.session.shared.settings.idle_timeout {
            None => poll_fn(|context| self.poll_receive(context)).await,
            Some(limit) => {
                timeout(limit, poll_fn(|context| self.poll_receive(context))).await.unwrap_or(Ok(0))
            }
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Asking for readiness first means that memory is held only while there is work.
        let mut received = self.stream.poll_read_ready(context).map_ok(|()| 0);
        if let Poll::Ready(Ok(_)) = received {
            let room = self.inbox.make_room();
            received = pin!(self.stream.read_buf(room)).poll(context);
            self.inbox.received();
        }
        if received.is_pending() {
            self.inbox.release();
            self.reply.release();
            if self.inbox.is_empty() {
                self.parser.release();
                self.marks.release();
            }
        }
        received
    }

    /// Executes and answers every complete command that has arrived.
    async fn answer(&mut self) -> io::Result<Next> {
        loop {
            let pause = match self.execute() {
                Pause::Turn => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Pause::Slow(slow) => {
                    let start = self.reply.len();
                    // On the heap, so that the many connections that never do this stay small.
                    Box::pin(command::finish(slow, &mut self.session, &mut self.reply)).await;
                    self.marks.note(&mut self.session, start, &self.reply);
                    continue;
                }
                pause => pause,
            };
            // Acknowledgements may take a while, and others have to read meanwhile.
            self.inbox.release();
            self.send().await?;
            match pause {
                Pause::Drained => return Ok(Next::Read),
                Pause::Close => return Ok(Next::End),
                _ => {}
            }
        }
    }

    /// Executes commands until something must be awaited. This part never waits.
    fn execute(&mut self) -> Pause {
        let mut executed = 0;
        // How many of the next commands have had their keys fetched.
        let mut fetched = 0;
        let pause = loop {
            if self.reply.len() > REPLY_LIMIT || self.marks.len() > MARK_LIMIT {
                break Pause::Full;
            }
            if executed == TURN {
                break Pause::Turn;
            }
            if fetched == 0 {
                fetched = self.fetch_ahead();
            }
            if let Some(pause) = self.execute_one() {
                break pause;
            }
            fetched = fetched.saturating_sub(1);
            executed += 1;
        };
        if executed > 0 {
            self.session.card.touch(self.session.command);
            let processed = &self.session.shared.commands_processed;
            processed.fetch_add(executed as u64, Ordering::Relaxed);
        }
        pause
    }

    /// Fetches what the next commands will look up, if they are several. Returns how many.
    fn fetch_ahead(&self) -> usize {
        let input = self.inbox.unread();
        let ahead = Ahead::of(input);
        let keys = ahead.keys(input);
        let count = keys.len();
        if count > 1 {
            self.session.table.prefetch(keys);
        }
        count
    }

    fn execute_one(&mut self) -> Option<Pause> {
        let Connection { inbox, parser, session, reply, marks, .. } = self;
        let input = inbox.unread();
        let advance = match parser.advance(input, session.authenticated) {
            Ok(advance) => advance,
            Err(error) => {
                reply.error(&format!("ERR {error}"));
                return Some(Pause::Close);
            }
        };
        let pause = match advance.outcome {
            Outcome::Incomplete => Some(Pause::Drained),
            Outcome::Empty => None,
            Outcome::Oversize { size, limit } => {
                reply.error(&Failure::RequestTooLarge { size, limit }.to_string());
                None
            }
            Outcome::Command => {
                let start = reply.len();
                let flow = command::execute(session, parser.args(input), reply);
                marks.note(session, start, reply);
                match flow {
                    Flow::Next => None,
                    Flow::Close => Some(Pause::Close),
                    Flow::Slow(slow) => Some(Pause::Slow(slow)),
                }
            }
        };
        inbox.consume(advance.used);
        pause
    }

    /// Sends all replies, those of writes once the writes are acknowledged.
    async fn send(&mut self) -> io::Result<()> {
        if self.marks.len() > 0 {
            self.await_acknowledgements().await;
            self.marks.clear();
        }
        let mut rest = self.reply.bytes();
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let limit = self.session.shared.settings.write_timeout;
                    timeout(limit, self.stream.writable())
                        .await
                        .map_err(|_| io::Error::other("the client reads no replies"))??;
                }
                Err(error) => return Err(error),
            }
        }
        self.reply.sent(2 * REPLY_LIMIT);
        Ok(())
    }

    /// Waits once for each table written to: acknowledging its latest write acknowledges all.
    async fn await_acknowledgements(&mut self) {
        let settings = &self.session.shared.settings;
        let (ack, deadline) = (settings.ack, Instant::now() + settings.ack_timeout);
        let mut all = true;
        while let Some((table, receipt)) = self.session.next_awaited() {
            let left = deadline.saturating_duration_since(Instant::now());
            all &= table.acknowledged(receipt, ack, left).await.is_ok();
        }
        if !all {
            self.marks.refuse_unacknowledged(&self.session, &mut self.reply).await;
        }
    }

    /// Ends the connection so that the client gets the last reply: closing a socket that has
    /// unread input would reset it, and the reply would be lost.
    async fn hang_up(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut dropped = vec![0; 4096];
        let drain =
            async { while !matches!(self.stream.read(&mut dropped).await, Ok(0) | Err(_)) {} };
        // Whoever goes on sending after this is cut off.
        let _ = timeout(FAREWELL, drain).await;
        Ok(())
    }
}
