//! Everything that nodes say to each other.
//!
//! A link between two nodes has two lanes, each of them first-in first-out, with no order between
//! the lanes. The *data* lane carries [`Message::Declare`], [`Message::Attach`], ops,
//! [`Message::Ack`], [`Message::Sync`], [`Message::Apart`] and [`Message::Serial`]; the *control*
//! lane carries what must
//! not wait behind them: [`Message::Members`], [`Message::Report`] and [`Message::Swim`].
//!
//! Requests and replies ([`SerialBody`]) keep their place among the ops, so that a request comes
//! after the writes that its asker made before, and a reply after the op; everything else overtakes
//! ops that wait.
//!
//! When two nodes link, each declares its tables. Whoever hears a table declared as its own is
//! declared attaches it: from then on it sends its own new ops of the table on that link, the
//! first thing being where they start, and asks for what it lacks. An answer is `Begin`, any
//! number of `Chunk`s, `Done`. Ops are acknowledged by one cumulative number a batch.

use crate::clock::{Dot, DotSet, Dots, VersionVector};
use crate::declaration::{Declaration, Epochs};
use crate::entry::{Entry, EntryRef};
use crate::id::{Incarnation, TableId, mix};
use crate::members::Member;
use crate::serial::{Remembered, Reply, Request, RequestId, RequestRef};
use crate::time::Stamp;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// One op, borrowed from the buffer that it was read from (rule 2). Ops travel in batches, and
/// only from their origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpRef<'a> {
    /// The key that was written.
    pub key: &'a [u8],
    /// The event; its dot's origin is the sender.
    pub entry: EntryRef<'a>,
    /// The dots that the writer saw under the key and supersedes.
    pub replaces: &'a [Dot],
    /// The request that it carries out, if it does (rule 12).
    pub request: Option<RequestRef<'a>>,
}

/// What nodes say to each other, but for ops.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// The sender has a table of this name, declared so.
    Declare {
        /// The table's name.
        name: String,
        /// How the sender declares it.
        declaration: Declaration,
        /// What it was before it was altered.
        epochs: Epochs,
    },
    /// The sender's ops of the table that follow on this lane start after `seq`. Sent again after
    /// ops were dropped from a full queue (rule 13).
    Attach {
        /// The table.
        table: TableId,
        /// The sequence number before the first op that follows.
        seq: u64,
    },
    /// The sender has taken in the receiver's ops of the table up to `seq`, of those that were
    /// sent on this link (rule 6).
    Ack {
        /// The table.
        table: TableId,
        /// How far.
        seq: u64,
    },
    /// A step of anti-entropy (rule 4).
    Sync {
        /// The table.
        table: TableId,
        /// The asker's number for this exchange; what belongs to an older one is ignored.
        session: u64,
        /// The step.
        body: SyncBody,
    },
    /// How far `about` has seen, as changes since the last report about it on this link (rule 6).
    Report {
        /// The table.
        table: TableId,
        /// Whose `seen` it is: the sender's own, or one that it passes on.
        about: Incarnation,
        /// The components of `seen` that changed.
        seen: VersionVector,
        /// The fingerprint that went with the whole `seen`.
        fingerprint: u64,
    },
    /// The sender holds its table apart from the receiver's, because both were written without
    /// the other; and what its island is, for the policy that lets one island yield.
    Apart {
        /// The table.
        table: TableId,
        /// How many nodes its island has.
        members: u32,
        /// The lowest name among them.
        lowest: String,
        /// Whether that is a rehearsal: the receiver, which may have joined already, is to wait as
        /// well.
        rehearsal: bool,
    },
    /// What concerns serial operations on the table (rule 12).
    Serial {
        /// The table.
        table: TableId,
        /// What is said.
        body: SerialBody,
    },
    /// The members that the sender knows (rule 1).
    Members(Vec<Member>),
    /// A packet of the membership protocol, which the core does not read.
    Swim(Vec<u8>),
}

impl Message {
    /// Whether it keeps its place among the ops of the data lane. Like them it is dropped when too
    /// many wait, and made up for afterwards: the asker asks again.
    pub fn goes_with_ops(&self) -> bool {
        use SerialBody::{Reply, Request};
        matches!(self, Message::Serial { body: Request(_) | Reply { .. }, .. })
    }
}

/// The steps of one sync.
#[derive(Clone, PartialEq, Debug)]
pub enum SyncBody {
    /// 4a: send me what I lack.
    Ask(Ask),
    /// Some origins that the asker left out of its question are not as the answerer knows them: it
    /// must ask again, naming all that belong to these parts.
    AskMore {
        /// The parts.
        parts: Vec<u8>,
    },
    /// 4b: the answerer's `seen` at the capture.
    Begin(Begin),
    /// 4c: a piece of the walk.
    Chunk(Chunk),
    /// 4d: the walk is over.
    Done {
        /// The live dots at the capture, for the origins whose `seen` or sum differed.
        live: Vec<LiveSet>,
        /// The answerer's `removed_ahead` at the capture.
        removed_ahead: Vec<Dot>,
    },
}

/// What nodes say to each other for serial operations (rule 12).
#[derive(Clone, PartialEq, Debug)]
pub enum SerialBody {
    /// The sender's copy is open, so that it can lead.
    Ready,
    /// The sender leads, and asks for the receiver's grant under this number.
    Want {
        /// The sender's number for it.
        grant: u64,
    },
    /// The receiver has the sender's grant.
    Lend {
        /// The number that it was asked for under.
        grant: u64,
    },
    /// The sender's grant is lent to another, or the receiver is not its leader.
    Refuse {
        /// The number that it was asked for under.
        grant: u64,
    },
    /// The receiver has its grant back.
    Return {
        /// The number that it was lent under.
        grant: u64,
    },
    /// The receiver, which leads, is to carry this out.
    Request(Request),
    /// The answer to a request of the receiver.
    Reply {
        /// The request.
        id: RequestId,
        /// Which of its questions is answered.
        attempt: u32,
        /// The answer.
        reply: Reply,
    },
}

/// What an asker says of itself.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ask {
    /// The asker's `seen`.
    pub seen: VersionVector,
    /// What was left out of `seen` and `sums`, if anything was.
    pub rest: Option<Rest>,
    /// The asker's live dots that its `seen` does not cover.
    pub live_beyond: Dots,
    /// The sums over the asker's live values, by origin; an absent origin has sum 0.
    pub sums: BTreeMap<Incarnation, u64>,
    /// What the answer is for.
    pub purpose: Purpose,
}

/// Sums over the origins that a question does not name: those that are gone for good. A table keeps
/// thousands of them (rule 5), and two nodes nearly always know the same of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rest {
    /// The parts of which every origin is named.
    pub whole: Vec<u8>,
    /// One sum for each of the 256 parts.
    pub sums: Vec<u64>,
}

/// The beginning of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Begin {
    /// S of the rules, told as the components in which it differs from the asker's `seen` of its
    /// question, each with its own reach, be it lower.
    pub seen: BTreeMap<Incarnation, u64>,
    /// The answerer's clock. What `seen` covers may be a delete that the answerer has dropped
    /// since, so that its stamp comes with no entry: the asker's next write must be newer all the
    /// same.
    pub clock: Stamp,
    /// The fingerprint that went with S: the two are a report of the answerer's.
    pub fingerprint: u64,
    /// How many entries the asker lacks, so that it can tell how far it is.
    pub lacking: u64,
}

/// What an answer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Purpose {
    /// To join what the two have. From an island that is held apart it says that the asker no
    /// longer holds.
    #[default]
    Join,
    /// To fill an empty table from several peers at once: this one sends the part `index` of `of`
    /// by [`part_of`], and nothing is claimed at the end of it.
    Fill {
        /// Which part.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// To see what a join would do.
    Look,
}

/// The part of `of` that a key lies in, the same on every node.
pub fn part_of(key: &[u8], of: u32) -> u32 {
    let hash = key.iter().fold(0, |hash, byte| mix(hash ^ u64::from(*byte)));
    (hash % u64::from(of.max(1))) as u32
}

/// The live dots of one origin at a capture.
#[derive(Clone, PartialEq, Debug)]
pub struct LiveSet {
    /// The origin.
    pub origin: Incarnation,
    /// Its live dots.
    pub live: DotSet,
}

/// Keys that the asker lacks something of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chunk {
    /// The answerer's `seen` when it read these keys, as far as it is beyond that of the capture.
    pub seen_since: VersionVector,
    /// The keys.
    pub keys: Vec<ChunkKey>,
    /// Requests that the answerer knows to be carried out. They come before what carried them out,
    /// in chunks of their own: a broken sync must not leave an effect behind whose request is not
    /// known.
    pub requests: Vec<Remembered>,
    /// The batches that make these keys one group, if they are one: readers at the asker see them
    /// change together. It remembers the batches, to hand them on whole.
    pub batches: Vec<ChunkBatch>,
}

/// A batch that the keys of a chunk were written by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkBatch {
    /// Its first write.
    pub first: Dot,
    /// How many writes it has; their dots follow each other.
    pub count: u64,
    /// The keys that it wrote, as their numbers in the chunk, each with the dots that it superseded
    /// there: these must not show beside the batch, wherever they come from.
    pub keys: Vec<(u32, Vec<Dot>)>,
}

/// What a key holds at the answerer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkKey {
    /// The key.
    pub key: Box<[u8]>,
    /// The live dots of the key beside those of the entries: the asker has them.
    pub others: Vec<Dot>,
    /// The entries that the asker lacks. There may be none for a key of a batch, be it that the
    /// asker has them or that the batch deleted the key.
    pub entries: Vec<Entry>,
}

impl ChunkKey {
    /// Whether a dot of the key is live at the answerer.
    pub fn lists(&self, dot: Dot) -> bool {
        self.entries.iter().any(|entry| entry.dot == dot) || self.others.contains(&dot)
    }
}
