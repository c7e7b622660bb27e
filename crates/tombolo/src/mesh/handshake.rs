//! The handshake over a connection: who is at the other end, and does it belong to us?
//!
//! What is said, and what is refused, is decided by [`tombolo_wire::hello`]. Here is what that
//! takes on a socket: reading not a byte too many, a limit on time and on size, clocks that are
//! compared fairly, and refusals that arrive, so that the logs of both sides say what to do.
//!
//! A stranger costs one task for [`TIME_LIMIT`] and the bytes that it sent, and is told nothing
//! of the cluster.

#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tombolo_core::{Member, Millis, NodeId};
use tombolo_wire::hello::{self, Handshake, Hello, Identity, Lane, Refusal, Role, Secret, Welcome};
use tombolo_wire::{MAX_HELLO_FRAME, MAX_MEMBERS_FRAME};

/// How long a handshake may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long the other side has to take a refusal off the connection.
const LINGER: Duration = Duration::from_millis(500);

/// How many bytes of whatever it still sends are thrown away meanwhile.
const LINGER_BYTES: u64 = 256 << 10;

/// The bytes of the length before each frame.
const LENGTH_BYTES: usize = 4;

/// This node, as handshakes need it.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// This process.
    pub(crate) id: NodeId,
    /// The name of its cluster.
    pub(crate) cluster: String,
    /// Where it can be dialled.
    pub(crate) address: String,
    /// What it must share with every peer.
    pub(crate) secret: Secret,
    /// By how many milliseconds a peer's clock may differ.
    pub(crate) max_drift: u64,
    /// The wall clock.
    pub(crate) clock: fn() -> Millis,
}

/// Who is at the other end of a connection that is a lane of a link from here on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Peer {
    /// Which process.
    pub(crate) id: NodeId,
    /// Where it says that it can be dialled.
    pub(crate) address: String,
    /// Which lane this connection is.
    pub(crate) lane: Lane,
    /// The dialer's number of the link, the same for both lanes.
    pub(crate) link: u64,
    /// The members that it knows.
    pub(crate) members: Vec<Member>,
    /// How far its clock is ahead of ours, as well as one exchange can tell. A dialer is off by
    /// half the round trip at most; an acceptor sees the dialer's clock too far behind, by the
    /// time that the hello took.
    pub(crate) clock_offset_ms: i64,
}

/// Why there is no link. The connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The other side refuses us.
    #[error("{} refuses the link: {refusal}", who(.peer))]
    RefusedByPeer {
        /// Why.
        refusal: Refusal,
        /// Who it is, if it said so before.
        peer: Option<NodeId>,
    },
    /// We refuse the other side, and have told it.
    #[error("refused the link with {}: {refusal}", who(.peer))]
    Refused {
        /// Why.
        refusal: Refusal,
        /// Who it says it is, if it did.
        peer: Option<NodeId>,
    },
    /// The connection broke, or was closed by the other side.
    #[error("the connection broke during the handshake: {0}")]
    Io(#[from] io::Error),
    /// There is no connection.
    #[error("nobody answers: {0}")]
    Unreachable(String),
    /// The other side was silent, or too slow.
    #[error("the handshake did not end within {} s", TIME_LIMIT.as_secs())]
    Timeout,
}

impl HandshakeError {
    /// The refusal, whichever side refused.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            HandshakeError::RefusedByPeer { refusal, .. }
            | HandshakeError::Refused { refusal, .. } => Some(refusal),
            HandshakeError::Io(_) | HandshakeError::Timeout | HandshakeError::Unreachable(_) => {
                None
            }
        }
    }
}

impl From<Refusal> for HandshakeError {
    fn from(refusal: Refusal) -> HandshakeError {
        HandshakeError::Refused { refusal, peer: None }
    }
}

fn who(peer: &Option<NodeId>) -> String {
    peer.as_ref().map_or("the other side".to_owned(), |peer| format!("node {:?}", peer.name))
}

/// Begins a lane of the link that this node calls `link`, and tells the peer of `members`, this
/// node first. The nonce must be random, and new.
pub(crate) async fn dial(
    stream: &mut TcpStream,
    local: &Local,
    lane: Lane,
    link: u64,
    members: Vec<Member>,
    nonce: [u8; 32],
) -> Result<Peer, HandshakeError> {
    let mut talk = Talk::on(stream);
    let dialling = dialling(&mut talk, local, lane, link, members, nonce);
    let result = timeout(TIME_LIMIT, dialling).await;
    talk.end(result.unwrap_or(Err(HandshakeError::Timeout))).await
}

/// Answers whoever has connected. The nonce must be random, and new.
///
/// A dialer that has proved that it knows the secret is shown to `admit`, which says why it is
/// refused all the same, or which members it is told of, this node first. That `admit` lets it in
/// does not mean that there will be a link: the connection can still break.
pub(crate) async fn accept(
    stream: &mut TcpStream,
    local: &Local,
    nonce: [u8; 32],
    admit: impl FnOnce(&Hello) -> Result<Vec<Member>, Refusal>,
) -> Result<Peer, HandshakeError> {
    accept_within(TIME_LIMIT, stream, local, nonce, admit).await
}

async fn accept_within(
    limit: Duration,
    stream: &mut TcpStream,
    local: &Local,
    nonce: [u8; 32],
    admit: impl FnOnce(&Hello) -> Result<Vec<Member>, Refusal>,
) -> Result<Peer, HandshakeError> {
    let mut talk = Talk::on(stream);
    let result = timeout(limit, accepting(&mut talk, local, nonce, admit)).await;
    talk.end(result.unwrap_or(Err(HandshakeError::Timeout))).await
}

async fn dialling(
    talk: &mut Talk<'_>,
    local: &Local,
    lane: Lane,
    link: u64,
    members: Vec<Member>,
    nonce: [u8; 32],
) -> Result<Peer, HandshakeError> {
    let (mine, began, sent) = (local.identity(), Instant::now(), (local.clock)());
    let hello = mine.hello(lane, link, nonce, sent);
    talk.say(&Handshake::Hello(hello.clone())).await?;

    let welcome = match talk.hear(MAX_HELLO_FRAME).await? {
        Handshake::Welcome(welcome) => welcome,
        other => return Err(out_of_turn(&other, "a welcome")),
    };
    talk.peer = Some(welcome.id.clone());
    // What a clock says is rounded down, so that a millisecond may be over before it has begun.
    let round_trip = u64::try_from(began.elapsed().as_millis() + 1).unwrap_or(u64::MAX);
    let then = our_clock_at(&welcome, sent, round_trip);
    hello::check_welcome(&mine, &welcome, then, local.max_drift)?;
    hello::verify(&local.secret, Role::Acceptor, &hello, &welcome, &welcome.proof)?;

    let proof = hello::proof(&local.secret, Role::Dialer, &hello, &welcome);
    talk.say_members(members, |members| Handshake::Confirm { proof, members }).await?;
    let members = match talk.hear(MAX_MEMBERS_FRAME).await? {
        Handshake::Accepted { members } => members,
        other => return Err(out_of_turn(&other, "the acceptance")),
    };
    let half_way = Millis(sent.0.saturating_add(round_trip / 2));
    let clock_offset_ms = offset(welcome.clock, half_way);
    let (id, address) = (welcome.id, welcome.address);
    Ok(Peer { id, address, lane, link, members, clock_offset_ms })
}

async fn accepting(
    talk: &mut Talk<'_>,
    local: &Local,
    nonce: [u8; 32],
    admit: impl FnOnce(&Hello) -> Result<Vec<Member>, Refusal>,
) -> Result<Peer, HandshakeError> {
    let hello = match talk.hear(MAX_HELLO_FRAME).await? {
        Handshake::Hello(hello) => hello,
        other => return Err(out_of_turn(&other, "a hello")),
    };
    talk.peer = Some(hello.id.clone());
    let (mine, now) = (local.identity(), (local.clock)());
    // The hello may have been on its way, or unread, for any time: it proves a clock that is ahead,
    // and no clock that is behind. The dialer finds that out from the welcome.
    hello::check_hello(&mine, &hello, now.min(hello.clock), local.max_drift)?;
    let welcome = mine.welcome(&local.secret, &hello, nonce, now);
    talk.say(&Handshake::Welcome(welcome.clone())).await?;

    let (proof, members) = match talk.hear(MAX_MEMBERS_FRAME).await? {
        Handshake::Confirm { proof, members } => (proof, members),
        other => return Err(out_of_turn(&other, "a confirmation")),
    };
    hello::verify(&local.secret, Role::Dialer, &hello, &welcome, &proof)?;
    let told = admit(&hello)?;
    talk.say_members(told, |members| Handshake::Accepted { members }).await?;
    let clock_offset_ms = offset(hello.clock, now);
    let Hello { id, address, lane, link, .. } = hello;
    Ok(Peer { id, address, lane, link, members, clock_offset_ms })
}

impl Local {
    fn identity(&self) -> Identity {
        let (cluster, id) = (self.cluster.clone(), self.id.clone());
        Identity { cluster, id, address: self.address.clone() }
    }
}

/// Our clock when the welcome was made, which was some time between our hello and now. In doubt
/// the clocks agree: a process that was held up in between is not refused for that.
fn our_clock_at(welcome: &Welcome, sent: Millis, round_trip: u64) -> Millis {
    welcome.clock.clamp(sent, Millis(sent.0.saturating_add(round_trip)))
}

/// How far `theirs` is ahead of `ours`.
fn offset(theirs: Millis, ours: Millis) -> i64 {
    let apart = i64::try_from(theirs.0.abs_diff(ours.0)).unwrap_or(i64::MAX);
    if theirs < ours { -apart } else { apart }
}

fn out_of_turn(heard: &Handshake, expected: &str) -> HandshakeError {
    let heard = match heard {
        Handshake::Hello(_) => "a hello",
        Handshake::Welcome(_) => "a welcome",
        Handshake::Confirm { .. } => "a confirmation",
        Handshake::Accepted { .. } => "the acceptance",
        Handshake::Refuse(_) => "a refusal",
    };
    Refusal::Garbled { what: format!("{heard} came instead of {expected}") }.into()
}

/// One side of the conversation.
struct Talk<'a> {
    stream: &'a mut TcpStream,
    /// Whether our first message, which is marked as such, is out.
    spoke: bool,
    /// Whether the other side's first message is in.
    heard: bool,
    /// Who the other side says it is.
    peer: Option<NodeId>,
}

impl<'a> Talk<'a> {
    fn on(stream: &'a mut TcpStream) -> Talk<'a> {
        Talk { stream, spoke: false, heard: false, peer: None }
    }

    async fn say(&mut self, message: &Handshake) -> io::Result<()> {
        let bytes = self.encoded(message);
        self.spoke = true;
        self.stream.write_all(&bytes).await
    }

    /// Says a message with as many of the members as it may carry, the first ones. Links tell each
    /// other of all of them anyway.
    async fn say_members(
        &mut self,
        mut members: Vec<Member>,
        message: impl Fn(Vec<Member>) -> Handshake,
    ) -> io::Result<()> {
        let mut bytes = self.encoded(&message(members.clone()));
        while bytes.len() > MAX_MEMBERS_FRAME && members.len() > 1 {
            members.truncate(members.len() / 2);
            bytes = self.encoded(&message(members.clone()));
        }
        self.stream.write_all(&bytes).await
    }

    fn encoded(&self, message: &Handshake) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.spoke {
            hello::encode_handshake(&mut bytes, message);
        } else {
            hello::encode_opening(&mut bytes, message);
        }
        bytes
    }

    /// The other side's next message, unless that is a refusal.
    async fn hear(&mut self, limit: usize) -> Result<Handshake, HandshakeError> {
        let prefix = if self.heard { 0 } else { hello::MAGIC.len() };
        let mut buffer = Vec::new();
        let message = loop {
            let frame = if self.heard {
                tombolo_wire::split(&buffer, limit).map_err(Refusal::from)?
            } else {
                hello::split_opening(&buffer)?
            };
            if let Some((frame, _)) = frame {
                break hello::decode_handshake(frame)?;
            }
            // What follows the handshake is for others to read: ask for no byte beyond the frame.
            let missing = missing(&buffer, prefix) as u64;
            if (&mut *self.stream).take(missing).read_buf(&mut buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        };
        self.heard = true;
        match message {
            Handshake::Refuse(refusal) => {
                Err(HandshakeError::RefusedByPeer { refusal, peer: self.peer.clone() })
            }
            message => Ok(message),
        }
    }

    /// Tells the other side that it is refused, if it is.
    async fn end(mut self, result: Result<Peer, HandshakeError>) -> Result<Peer, HandshakeError> {
        let Err(HandshakeError::Refused { refusal, .. }) = result else {
            return result;
        };
        // The refusal is what counts, whether or not the other side takes note.
        _ = timeout(LINGER, self.refuse(&refusal)).await;
        Err(HandshakeError::Refused { refusal, peer: self.peer })
    }

    async fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.say(&Handshake::Refuse(refusal.clone())).await?;
        self.stream.shutdown().await?;
        // To close a connection with bytes unread resets it, and a reset overtakes the refusal: so
        // wait until the other side has closed, having read it.
        let rest = &mut (&mut *self.stream).take(LINGER_BYTES);
        tokio::io::copy(rest, &mut tokio::io::sink()).await?;
        Ok(())
    }
}

/// How many bytes are missing from the frame that begins after `prefix` bytes of the buffer, as
/// far as is known yet.
fn missing(buffer: &[u8], prefix: usize) -> usize {
    let whole = match buffer.get(prefix..).and_then(|frame| frame.first_chunk::<LENGTH_BYTES>()) {
        Some(length) => prefix + LENGTH_BYTES + u32::from_le_bytes(*length) as usize,
        None => prefix + LENGTH_BYTES,
    };
    whole.saturating_sub(buffer.len())
}
