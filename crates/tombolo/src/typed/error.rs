//! What can go wrong with typed tables.

use super::key::KeyError;
use crate::acknowledged::AckTimeout;
use crate::ordered::NotOrdered;
use crate::raw::WriteError;

/// A key or a value that cannot be written as bytes: its `Serialize` fails. Nothing was changed.
/// Change the type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {what} cannot be encoded: {cause}; change its type")]
pub struct EncodeError {
    what: &'static str,
    cause: String,
}

impl EncodeError {
    pub(super) fn key(cause: KeyError) -> EncodeError {
        EncodeError { what: "key", cause: cause.to_string() }
    }

    pub(super) fn new(what: &'static str, cause: postcard::Error) -> EncodeError {
        EncodeError { what, cause: cause.to_string() }
    }
}

/// A record's bytes are not of the type that the table was opened with. Another program wrote
/// them, or another version of this one: open the table with the type that wrote it.
///
/// The record stays as it is, and other records can be read all the same.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a record of table {table:?} does not have the type it was opened with: {cause}")]
pub struct DecodeError {
    pub(super) table: String,
    pub(super) cause: String,
}

/// Why a write did not resolve.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InsertError {
    /// It was not made; nothing was changed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was made and goes on replicating, but not everybody acknowledged in time. Do not write it
    /// again for that: [`Table::wait`](crate::Table::wait) waits longer for the receipt in it.
    #[error(transparent)]
    Timeout(#[from] AckTimeout),
    /// The key or the value cannot be written as bytes; nothing was changed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why a range of an ordered table, or its end, cannot be read. Reading changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeError {
    /// The table's keys are in no order: declare it `kind=ordered_set`.
    #[error(transparent)]
    NotOrdered(#[from] NotOrdered),
    /// A bound cannot be written as bytes.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The record that was found is of another type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
