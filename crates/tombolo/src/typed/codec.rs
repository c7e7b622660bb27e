//! Rust values as a table's bytes.

use super::error::{DecodeError, EncodeError};
use super::key;
use super::packed::Packed;
use crate::raw::{RawTable, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::fmt::Display;
use std::sync::Arc;
use tombolo_core::Kind;

/// What most keys and values fit into as bytes. Longer ones cost some more allocations.
pub(super) const KEY_ROOM: usize = 32;
pub(super) const VALUE_ROOM: usize = 128;

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
        self.add_key(Vec::with_capacity(KEY_ROOM), key)
    }

    pub(crate) fn value<V: Serialize + ?Sized>(&self, value: &V) -> Result<Vec<u8>, EncodeError> {
        self.add_value(Vec::with_capacity(VALUE_ROOM), value)
    }

    /// The bytes of a key behind others.
    pub(super) fn add_key<K: Serialize + ?Sized>(
        &self,
        out: Vec<u8>,
        key: &K,
    ) -> Result<Vec<u8>, EncodeError> {
        if self.ordered {
            key::encode(out, key).map_err(EncodeError::key)
        } else {
            postcard::to_extend(key, out).map_err(|cause| EncodeError::new("key", cause))
        }
    }

    /// The bytes of a value behind others.
    pub(super) fn add_value<V: Serialize + ?Sized>(
        &self,
        out: Vec<u8>,
        value: &V,
    ) -> Result<Vec<u8>, EncodeError> {
        postcard::to_extend(value, out).map_err(|cause| EncodeError::new("value", cause))
    }

    pub(super) fn record<K, V>(&self, key: &K, value: &V) -> Result<Encoded, EncodeError>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        Ok((self.key(key)?, self.value(value)?))
    }

    /// One record, for what is done to many.
    pub(super) fn packed<K, V>(&self, key: &K, value: &V) -> Result<Packed, EncodeError>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        Packed::of([(key, value)], |packed, (key, value)| packed.push(self, key, value))
    }

    pub(super) fn records<K: Serialize, V: Serialize>(
        &self,
        records: impl IntoIterator<Item = (impl Borrow<K>, impl Borrow<V>)>,
    ) -> Result<Packed, EncodeError> {
        Packed::of(records, |packed, (key, value)| packed.push(self, key.borrow(), value.borrow()))
    }

    pub(super) fn keys<K: Serialize>(
        &self,
        keys: impl IntoIterator<Item = impl Borrow<K>>,
    ) -> Result<Packed, EncodeError> {
        Packed::of(keys, |packed, key| packed.push_key(self, key.borrow()))
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
