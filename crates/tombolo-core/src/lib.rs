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
mod id;
mod members;
mod message;
mod node;

mod store;
mod table;
mod time;

pub use clock::{Clock, Dot, DotSet, Dots, Origins, VersionVector, fingerprint_of};
pub use declaration::{Declaration, Kind, OwnerDown, Policy};
pub use entry::{Change, Entry, EntryRef};
pub use error::DeclarationMismatch;
pub use id::{Incarnation, NodeId, TableId};

pub use members::{Known, Member, MemberState, Members, Superseded};
pub use message::{Chunk, ChunkKey, LiveSet, Message, OpRef, SyncBody};
pub use node::{Answer, Effect, Event, LinkView, Node, Notice, Settings, TableView, Tables};

pub use store::{BTreeStore, Store};
pub use table::{Answered, Arrival, Contact, Finished, Limits, Table, Written};
pub use time::{Millis, Stamp};
