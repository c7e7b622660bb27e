//! The replication rules of Tombolo as pure state machines.
//!
//! Two machines live here. A [`Table`] is one replicated table: local writes, ops of peers,
//! anti-entropy, acknowledgements, stability. It is small and total, and in production whichever
//! thread has the data runs it under the table's short lock. A [`Node`] is everything slower:
//! members, links, declarations, which sync to start and when; one driver owns it.
//!
//! This crate refuses to know wall time, wire bytes, sockets, threads, tasks and randomness. Time
//! comes in as [`Millis`], choices come in as events, and what must happen outside goes out as
//! [`Effect`]s. So a simulator can drive the very code that ships.
//!
//! The rules that the code cites by number ("rule 4") are numbered in `ARCHITECTURE.md`.

#![no_std]

extern crate alloc;

mod clock;
mod declaration;
mod entry;
mod error;
mod fragment;
mod id;
mod members;
mod message;
mod node;
mod resolver;
mod serial;
mod store;
mod table;
mod time;

pub use clock::{Clock, DIGEST_PARTS, Dot, DotSet, Dots, Origins, VersionVector, fingerprint_of};
pub use declaration::{
    Declaration, DeclarationError, Epochs, Kind, Merge, OwnerDown, Past, Policy, UnknownWord,
    Versioned,
};
pub use entry::{Change, Entry, EntryRef, Mark, Rank};
pub use error::{AlterError, DeclarationMismatch, DeclareError};
pub use fragment::{fragment_name, fragment_of};
pub use id::{Incarnation, NodeId, TableId};

pub use members::{DownCause, Known, Member, MemberState, Members, Superseded};
pub use message::{
    Ask, Begin, Chunk, ChunkBatch, ChunkKey, LiveSet, Message, OpRef, Purpose, Rest, SerialBody,
    SyncBody, part_of,
};
pub use node::{
    Answer, Effect, Event, HeldView, HoldError, LinkView, NewTable, Node, Notice, Settings,
    TableView, Tables,
};

pub use resolver::{Resolution, Resolver, Sibling};
pub use serial::{
    Decision, Done, Edit, Expect, Expiry, FLOAT, INTEGER, Refused, Remembered, Reply, Request,
    RequestId, RequestRef, TOLD_BYTES,
};
pub use store::{BTreeStore, Store};
pub use table::{
    Aim, Answered, Arrival, ChangeKind, Checkpoint, Conclusion, Conflict, Contact, Finished,
    KeyChange, Ledger, Limits, Lone, Outcome, Parked, Preview, Progress, Replayed, Ripe, Served,
    SyncReport, Table, TooOld, Undecided, Written,
};
pub use time::{Millis, Stamp};
