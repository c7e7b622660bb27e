//! Concurrent record maps for Tombolo: one writer, readers that never wait.
//!
//! [`Records::open`] gives the two ends of one table's memory: a [`ConcurrentStore`], which the
//! replication core writes through under the table's lock, and a [`Reader`] that any number of
//! threads read without one.
//!
//! The records lie in a hash map of our own with [`SHARDS`] shards, which make a walk over the
//! table possible in short steps, and let a growing table move to larger arrays a piece at a time.
//! A table that is opened as [`Order::Ordered`] has an index of its keys besides, which is touched
//! only when a key comes or goes.

mod block;
mod fetch;
mod heap;
mod index;
mod map;
mod reader;
mod record;
mod slot;
mod store;
mod sync;
mod view;

pub use reader::{Kept, Ordered, Reader, Spot};
pub use store::{ConcurrentStore, Order, Records, SHARDS};
pub use view::{Newest, Shown, View};
