//! Watching a table: a stream of what becomes of its keys.

mod content;
mod cursor;
mod hub;
mod lock;
mod span;
mod stream;
mod typed;

pub use cursor::{Cursor, CursorError};
pub use span::Filter;
pub use stream::Watch;
pub use typed::TableWatch;

pub(crate) use hub::Hub;
pub(crate) use lock::{BellGuard, BellLock};

use crate::raw::RawTable;
use std::sync::Arc;

/// What a [`Watch`] tells.
///
/// Whoever puts every value that comes under its key, and removes the keys of
/// [`Delete`](WatchEvent::Delete) and [`Hidden`](WatchEvent::Hidden), has what the table shows. In
/// a bag the value of an event is the object, to be put or removed beside the others of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WatchEvent<K = Arc<[u8]>, V = Arc<[u8]>> {
    /// The key shows a value, and showed none before.
    Insert {
        /// The key.
        key: K,
        /// The value.
        value: V,
        /// When it expires, in milliseconds since the Unix epoch.
        expires: Option<u64>,
    },
    /// The key shows a value in the place of another; now and then the same again.
    Update {
        /// The key.
        key: K,
        /// The value.
        value: V,
        /// When it expires.
        expires: Option<u64>,
    },
    /// The key shows nothing any more: it was deleted, or expired some seconds ago.
    Delete {
        /// The key.
        key: K,
        /// What it held.
        value: V,
    },
    /// The key shows nothing any more because the node is down that wrote it, in a table declared
    /// `owner_down=hide`.
    Hidden {
        /// The key.
        key: K,
        /// What it holds all the same.
        value: V,
    },
    /// The key shows a value again because the node is up that wrote it.
    Shown {
        /// The key.
        key: K,
        /// The value.
        value: V,
        /// When it expires.
        expires: Option<u64>,
    },
    /// The key came to hold another concurrent value, and they differ. The policy decides what is
    /// shown of them until one write takes their place.
    Conflict {
        /// The key.
        key: K,
        /// What it shows.
        value: V,
        /// When it expires.
        expires: Option<u64>,
    },
    /// What was told before is of no use any more: changes were missed that are not kept. All that
    /// the table shows follows, up to the next [`Current`](WatchEvent::Current).
    Reset,
    /// All that the table showed was told; from here on come changes.
    Current,
}

impl RawTable {
    /// Watches the table: first what it shows, as [`WatchEvent::Insert`], then
    /// [`WatchEvent::Current`], then what becomes of each key, on whichever node it is written.
    ///
    /// The content is read without a lock while others write, so what is written meanwhile may be
    /// told twice; nothing is left out. The changes of one key come in their order. A write tells
    /// of itself with one entry in a buffer that the table has from the first watch on, 4 MiB of
    /// the newest changes; how many watch does not matter to it. A watcher that is slow costs
    /// nobody else anything: it holds up to 1,024 changes (or 1 MiB), and what it misses it gets
    /// from that buffer, or it is told [`WatchEvent::Reset`] and begins anew.
    ///
    /// An expired value is not read any more from that moment on; its [`WatchEvent::Delete`] comes
    /// some seconds later, when it is swept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tombolo::{Declaration, Filter, Node, WatchEvent};
    ///
    /// let node = Node::builder().name("n1").listen("127.0.0.1:0".parse()?).start().await?;
    /// let rooms = node.create_table("rooms", Declaration::default()).await?;
    /// rooms.put(b"chess/ada", b"online", None)?;
    ///
    /// let mut watch = rooms.watch(Filter::Prefix(b"chess/".to_vec()));
    /// let first = watch.next().await;
    /// assert!(matches!(first, Some(WatchEvent::Insert { key, .. }) if *key == *b"chess/ada"));
    /// assert_eq!(watch.next().await, Some(WatchEvent::Current));
    /// rooms.delete(b"chess/ada")?;
    /// assert!(matches!(watch.next().await, Some(WatchEvent::Delete { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self, filter: Filter) -> Watch {
        Watch::new(self, filter, None)
    }

    /// Goes on where a watch with the same filter was, with the changes since, if this is still the
    /// process that the cursor is of and they are kept. If not, [`WatchEvent::Reset`] comes first,
    /// and then what [`RawTable::watch`] tells.
    pub fn watch_from(&self, filter: Filter, cursor: &Cursor) -> Watch {
        Watch::new(self, filter, Some(cursor))
    }
}
