//! Tables of Rust types.

mod bag;
mod codec;
mod error;
mod key;
mod ordered;
mod packed;
mod pending;
mod read;
mod record;
mod serial;
mod walk;
mod write;

pub use bag::{Bag, BagKeys};
pub use error::{DecodeError, EncodeError, InsertError, RangeError};
pub use pending::{Insert, Write};
pub use record::{Record, Records};
pub use serial::{Compared, UpdateError};
pub use walk::{Iter, Range};
pub use write::Replaced;

use crate::acknowledged::Ack;
use crate::raw::RawTable;
pub(crate) use codec::Codec;
use pending::Options;
use std::marker::PhantomData;
use std::time::Duration;

/// A replicated table from `K` to `V`: `kind=set`, or `kind=ordered_set` for ranges.
///
/// Values are written with `serde` in the
/// [postcard](https://postcard.jamesmunns.com/wire-format) format, and so are the keys of a set;
/// those of an ordered set are written so that their bytes compare like the keys. Cloning a table
/// is cheap, and all clones are the same table.
///
/// Two programs that open a table must give it the same types. To change a value's type while the
/// cluster runs, use an enum of versions, and add to its end.
pub struct Table<K, V> {
    raw: RawTable,
    pub(crate) codec: Codec,
    pub(crate) ack: Ack,
    pub(crate) timeout: Duration,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Table { raw: self.raw.clone(), codec: self.codec.clone(), ..*self }
    }
}

impl<K, V> Table<K, V> {
    pub(crate) fn new(raw: RawTable, ack: Ack, timeout: Duration) -> Table<K, V> {
        let codec = Codec::of(&raw);
        Table { raw, codec, ack, timeout, types: PhantomData }
    }

    /// The same table, whose writes wait for `ack`, for at most `timeout`, if they are not told
    /// otherwise one by one ([`Write::ack`], [`Write::timeout`]).
    #[must_use]
    pub fn with_ack(&self, ack: Ack, timeout: Duration) -> Table<K, V> {
        Table { ack, timeout, ..self.clone() }
    }

    /// The table of bytes beneath.
    pub fn raw(&self) -> &RawTable {
        &self.raw
    }

    /// How a write waits that is not told otherwise.
    fn options(&self) -> Options {
        Options::new(self.ack, self.timeout)
    }
}
