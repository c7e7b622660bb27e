//! Replicated in-memory tables: every record is on every node, reads are local, every write goes
//! to all, and when a network split ends the islands join again without losing a write, bringing
//! back a delete, or stopping the writers.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tombolo::Node;
//!
//! // Two nodes of one cluster; in real life they run on two machines.
//! let a = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
//! let join = [a.status().address];
//! let b = Node::builder().name("b").listen("127.0.0.1:0".parse()?).join(join).start().await?;
//!
//! let online = a.table::<String, u32>("online").await?;
//! online.insert("ada", &3).await?; // resolves when b has it
//! assert_eq!(b.table::<String, u32>("online").await?.get("ada")?, Some(3));
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - A read takes no lock, waits for nobody and asks no other node.
//! - A write that resolved with [`Ack::All`] is on every node that was linked when it was made and
//!   whose link has not broken since. It is not lost while one node lives that acknowledged it.
//! - Of two concurrent writes of a key the later one by hybrid logical clock stays, deletes
//!   included; a write that saw another always comes after it, whatever the clocks say.
//! - A deleted record does not come back, however long a node was away.
//! - Nodes that have seen the same writes have equal tables, and [`Table::fingerprint`] shows it.
//! - Who has seen one record of a [batch](Table::batch) sees the others as well, on every node.
//!
//! What is not promised: that a read sees a write that another node has not acknowledged yet, or
//! that anything survives the death of all nodes but what [`NodeBuilder::snapshots`] has written.

mod acknowledged;
mod backup;
mod bag;
mod batch;
mod builder;
mod clock;
mod composite;
mod conflict;
mod convergence;
mod downs;
mod driver;
mod dump;
mod events;
mod field;
mod finding;
mod fragments;
mod freshness;
mod life;
mod merged;
mod mesh;
mod node;
mod notice;
mod ordered;
mod pause;
mod policy;
mod prepared;
mod raw;
mod resolve;
mod roll;
mod serial;
mod shared;
mod shell;
mod snapshot;
mod status;
mod swim;
mod tasks;
mod throttle;
mod typed;
mod waiters;
mod watch;

pub use acknowledged::{Ack, AckTimeout, Acked, Receipt};
pub use backup::{Backup, Restore, RestoreError, RestoredTable};
pub use batch::{Batch, BatchError, BatchWriteError, RawBatch};
pub use builder::{NodeBuilder, StartError};
pub use clock::unix_millis;
pub use conflict::{Choice, Conflict, KeyEvent, LedgerStatus, Outcome, ResolveError, Undecided};
pub use convergence::{Convergence, DIGEST_PARTS, Digest, Standing};
pub use downs::{DownReason, NodeDown};
pub use dump::DumpError;
pub use events::{EventStream, NodeEvent};
pub use finding::{BackendStatus, DiscoveryPhase, Reach};
pub use freshness::{Freshness, MemberFreshness, Stale};
pub use life::{NotReady, PingAllError, PingError, TableInfo};
pub use node::{CreateError, DrillError, Node};
pub use ordered::NotOrdered;
pub use pause::{PauseGuard, Turn};
pub use raw::{Change, RawRecord, RawTable, Value, WriteError};
pub use resolve::{Resolution, Resolver, Sibling, Version};
pub use roll::{DiscoveredStatus, PauseStatus, PeerTables};
pub use serial::{SerialError, SerialOp, Serially};
pub use shell::StopReason;
pub use snapshot::{Damage, SnapshotStatus, TableSnapshot};
pub use status::{
    ClockStatus, DiscoveryStatus, HeldStatus, LinkStatus, MemberStatus, PreviewStatus,
    ProgressStatus, Refusal, Status, SyncStatus, TableStatus, Verdict,
};
pub use tasks::{FaultStatus, LongTask};
pub use tombolo_core::{
    AlterError, Declaration, DeclarationError, DeclarationMismatch, DeclareError, HoldError, Kind,
    MemberState, Merge, OwnerDown, Policy, UnknownWord, Versioned,
};
pub use tombolo_core::{Edit, Expect, Expiry, INTEGER, Millis, Refused};
pub use tombolo_discovery as discovery;
pub use typed::{
    Bag, BagKeys, Compared, DecodeError, EncodeError, Insert, InsertError, Iter, Range, RangeError,
    Record, Records, Replaced, Table, UpdateError, Write,
};
pub use watch::{Cursor, CursorError, Filter, TableWatch, Watch, WatchEvent};
