//! Rust values as a table's bytes.

use super::error::{DecodeError, EncodeError};
use super::key;
use crate::raw::{RawTable, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::Arc;
use tombolo_core::Kind;

/// What most keys and values fit into as bytes. Longer ones cost some more allocations.
const KEY_ROOM: usize = 32;
const VALUE_ROOM: usize = 128;

/// A record as bytes: key and value.
pub(super) type Encoded = (Vec<u8>, Vec<u8>);

/// How a table's keys and values are written: both with postcard, but the keys of an ordered table
/// so that their bytes compare like the keys. A table's kind never changes.
#[derive(Clone)]
pub(crate) struct Codec {
    table: Arc<str>,
    ordered: bool,
}

impl Codec {
    pub(crate) fn new(table: &str, kind: Kind) -> Codec {
        Codec { table: table.into(), ordered: kind == Kind::OrderedSet }
    }

    pub(crate) fn of(raw: &RawTable) -> Codec {
        Codec::new(raw.name(), raw.kind())
    }

    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered
    }

    pub(crate) fn key<K: Serialize + ?Sized>(&self, key: &K) -> Result<Vec<u8>, EncodeError> {
        if self.ordered {
            key::encode(key).map_err(EncodeError::key)
        } else {
            let room = Vec::with_capacity(KEY_ROOM);
            postcard::to_extend(key, room).map_err(|cause| EncodeError::new("key", cause))
        }
    }

    pub(crate) fn value<V: Serialize + ?Sized>(&self, value: &V) -> Result<Vec<u8>, EncodeError> {
        let room = Vec::with_capacity(VALUE_ROOM);
        postcard::to_extend(value, room).map_err(|cause| EncodeError::new("value", cause))
    }

    pub(super) fn record<K, V>(&self, key: &K, value: &V) -> Result<Encoded, EncodeError>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        Ok((self.key(key)?, self.value(value)?))
    }

    pub(super) fn records<K: Serialize, V: Serialize>(
        &self,
        records: impl IntoIterator<Item = (impl Borrow<K>, impl Borrow<V>)>,
    ) -> Result<Vec<Encoded>, EncodeError> {
        let records = records.into_iter();
        records.map(|(key, value)| self.record(key.borrow(), value.borrow())).collect()
    }

    pub(crate) fn decode_key<K: DeserializeOwned>(&self, bytes: &[u8]) -> Result<K, DecodeError> {
        if self.ordered {
            key::decode(bytes).map_err(|cause| self.error(cause))
        } else {
            self.decode_value(bytes)
        }
    }

    pub(crate) fn decode_value<V: DeserializeOwned>(&self, bytes: &[u8]) -> Result<V, DecodeError> {
        postcard::from_bytes(bytes).map_err(|cause| self.error(cause))
    }

    pub(super) fn pair<K: DeserializeOwned, V: DeserializeOwned>(
        &self,
        key: &[u8],
        value: &[u8],
    ) -> Result<(K, V), DecodeError> {
        Ok((self.decode_key(key)?, self.decode_value(value)?))
    }

    pub(super) fn pairs<K: DeserializeOwned, V: DeserializeOwned>(
        &self,
        records: &[(Vec<u8>, Value)],
    ) -> Result<Vec<(K, V)>, DecodeError> {
        records.iter().map(|(key, value)| self.pair(key, value)).collect()
    }

    pub(super) fn error(&self, cause: impl Display) -> DecodeError {
        DecodeError { table: self.table.to_string(), cause: cause.to_string() }
    }
}
