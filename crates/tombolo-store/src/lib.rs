//! Concurrent record maps for Tombolo: one writer, readers that never wait.
//!
//! [`Records::open`] gives the two ends of one table's memory: a [`ConcurrentStore`], which the
//! replication core writes through under the table's lock, and a [`Reader`] that any number of
//! threads read without one.
//!
//! The records lie in [`SHARDS`] lock-free hash maps (`papaya`) that share one memory reclaimer.
//! Shards make a walk over the table possible in short steps, and let a growing table move to
//! larger arrays a piece at a time.

mod key;
mod reader;
mod slot;
mod store;

pub use reader::Reader;
pub use store::{ConcurrentStore, Records, SHARDS};
