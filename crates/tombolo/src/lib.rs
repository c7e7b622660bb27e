#![doc = include_str!("front.md")]
#![deny(missing_docs)]

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
mod serving;
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
