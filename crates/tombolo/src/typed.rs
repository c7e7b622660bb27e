//! Tables of Rust types.

use crate::acknowledged::{Ack, AckTimeout, Acked, Receipt};
use crate::raw::{RawTable, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

/// Why a write did not resolve.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// It was not made; nothing was changed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was made and goes on replicating, but not everybody acknowledged in time.
    #[error(transparent)]
    Timeout(#[from] AckTimeout),
    /// The key or the value cannot be written as bytes; nothing was changed.
    #[error("the record cannot be encoded: {0}")]
    Encode(postcard::Error),
}

/// The record's bytes are not of the type that the table was opened with. Another program wrote
/// them, or another version of this one: open the table with the type that wrote it.
#[derive(Debug, thiserror::Error)]
#[error("a record of table {table:?} does not have the type it was opened with: {cause}")]
pub struct DecodeError {
    table: String,
    cause: postcard::Error,
}

/// A replicated table from `K` to `V`.
///
/// The types are written with `serde` in the [postcard](https://postcard.jamesmunns.com/wire-format)
/// format. Cloning a table is cheap, and all clones are the same table.
pub struct Table<K, V> {
    pub(crate) raw: RawTable,
    ack: Ack,
    timeout: Duration,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Table { raw: self.raw.clone(), ack: self.ack, timeout: self.timeout, types: PhantomData }
    }
}

impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    pub(crate) fn new(raw: RawTable, ack: Ack, timeout: Duration) -> Table<K, V> {
        Table { raw, ack, timeout, types: PhantomData }
    }

    /// The same table, whose writes wait for `ack`, for at most `timeout`.
    #[must_use]
    pub fn with_ack(&self, ack: Ack, timeout: Duration) -> Table<K, V> {
        Table { ack, timeout, ..self.clone() }
    }

    /// The table of bytes beneath.
    pub fn raw(&self) -> &RawTable {
        &self.raw
    }

    /// What `key` holds on this node. No lock, no network, no await: a map lookup and a decode.
    ///
    /// # Errors
    ///
    /// If what is there is not a `V`.
    pub fn get(&self, key: &K) -> Result<Option<V>, DecodeError> {
        let Ok(key) = postcard::to_stdvec(key) else { return Ok(None) };
        self.raw.read(&key, |record| record.map(|record| self.decode(record.value)).transpose())
    }

    /// Writes a record and resolves when the nodes have it that the table's [`Ack`] asks for:
    /// every linked one if nothing else was said. A node that is being filled waits first, and so
    /// do the writers of a table that is paused, in the order in which they came.
    ///
    /// Nothing happens before the future is polled. Dropping it after that leaves the write made.
    ///
    /// # Errors
    ///
    /// [`InsertError`] says for each case whether the write was made.
    pub async fn insert(&self, key: &K, value: &V) -> Result<Acked, InsertError> {
        self.insert_until(key, value, None).await
    }

    /// As [`Table::insert`], for a record that is gone from `expires` on.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    pub async fn insert_until(
        &self,
        key: &K,
        value: &V,
        expires: Option<SystemTime>,
    ) -> Result<Acked, InsertError> {
        let receipt = self.put(key, value, expires).await?;
        self.settle(Some(receipt)).await
    }

    /// Writes many records and waits once, for all of them.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`]; if a record in the middle cannot be written, those before it are.
    pub async fn insert_many<'r>(
        &self,
        records: impl IntoIterator<Item = (&'r K, &'r V)>,
    ) -> Result<Acked, InsertError>
    where
        K: 'r,
        V: 'r,
    {
        let mut last = None;
        for (key, value) in records {
            last = Some(self.put(key, value, None).await?);
        }
        self.settle(last).await
    }

    /// Deletes a key. Nothing is sent if it held nothing.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    pub async fn delete(&self, key: &K) -> Result<Acked, InsertError> {
        self.delete_many([key]).await
    }

    /// Deletes many keys and waits once, for all of them.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`]; if one in the middle cannot be deleted, those before it are.
    pub async fn delete_many<'r>(
        &self,
        keys: impl IntoIterator<Item = &'r K>,
    ) -> Result<Acked, InsertError>
    where
        K: 'r,
    {
        let mut last = None;
        for key in keys {
            let key = postcard::to_stdvec(key).map_err(InsertError::Encode)?;
            last = self.raw.in_turn(|| self.raw.delete(&key)).await?.or(last);
        }
        self.settle(last).await
    }

    /// Waits for more nodes to have a write than it waited for when it was made: its receipt stands
    /// in [`Acked`].
    ///
    /// # Errors
    ///
    /// If they have not in time. The write goes on replicating.
    pub async fn wait(
        &self,
        receipt: Receipt,
        ack: Ack,
        timeout: Duration,
    ) -> Result<Acked, AckTimeout> {
        self.raw.acknowledged(receipt, ack, timeout).await
    }

    /// Every record of this node, in no order, as they are while the iterator is made: one decode
    /// and one allocation a record. [`RawTable::for_each`] goes without.
    ///
    /// # Errors
    ///
    /// If a record is not a `(K, V)`; the others are there all the same.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K, V), DecodeError>> + use<K, V> {
        let mut records = Vec::with_capacity(self.len());
        self.raw.for_each(|key, record| {
            let pair = self.decode(key).and_then(|key| Ok((key, self.decode(record.value)?)));
            records.push(pair);
        });
        records.into_iter()
    }

    /// How many keys hold a value; one that expired counts until it is swept, some seconds later.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether no key holds a value.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Equal on two nodes that have seen the same writes exactly if their tables are equal.
    pub fn fingerprint(&self) -> u64 {
        self.raw.fingerprint()
    }

    async fn put(
        &self,
        key: &K,
        value: &V,
        expires: Option<SystemTime>,
    ) -> Result<Receipt, InsertError> {
        let key = postcard::to_stdvec(key).map_err(InsertError::Encode)?;
        let value = postcard::to_stdvec(value).map_err(InsertError::Encode)?;
        let since_epoch = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH);
        let millis = expires.map(|at| since_epoch(at).unwrap_or_default().as_millis() as u64);
        Ok(self.raw.in_turn(|| self.raw.put(&key, &value, millis)).await?)
    }

    async fn settle(&self, receipt: Option<Receipt>) -> Result<Acked, InsertError> {
        let Some(receipt) = receipt else { return Ok(Acked::default()) };
        Ok(self.raw.acknowledged(receipt, self.ack, self.timeout).await?)
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, DecodeError> {
        postcard::from_bytes(bytes)
            .map_err(|cause| DecodeError { table: self.raw.name().to_owned(), cause })
    }
}
