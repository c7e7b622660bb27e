//! Values that carry their own key.

use super::error::DecodeError;
use super::pending::{Insert, Write};
use super::walk::Iter;
use super::{Replaced, Table};
use crate::acknowledged::Ack;
use crate::dump::DumpError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::time::Duration;

/// A value that carries its own key: a row with a key position.
///
/// The key is written beside the value, so it should be small and cheap to make.
pub trait Record: Serialize + DeserializeOwned {
    /// What the record is found by.
    type Key: Serialize + DeserializeOwned;

    /// The record's key. It must depend on nothing but the record.
    fn key(&self) -> Self::Key;
}

/// A replicated table of records that carry their own keys.
///
/// Made by [`Node::records`](crate::Node::records). It is a [`Table`] from the key to the record,
/// and [`Records::table`] is that table: for ranges, and all else that is not repeated here.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tombolo::{Node, Record};
/// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
/// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct Session {
///     token: u64,
///     user: String,
/// }
///
/// impl Record for Session {
///     type Key = u64;
///
///     fn key(&self) -> u64 {
///         self.token
///     }
/// }
///
/// let sessions = node.records::<Session>("sessions").await?;
/// let ada = Session { token: 7, user: "ada".to_owned() };
/// sessions.insert(&ada).await?;
/// assert_eq!(sessions.get(&7)?, Some(ada));
///
/// // What changed meanwhile is not deleted.
/// let stale = Session { token: 7, user: "grace".to_owned() };
/// sessions.delete_record(&stale).await?;
/// assert!(sessions.contains(&7));
/// # Ok(())
/// # }
/// ```
pub struct Records<R: Record> {
    table: Table<R::Key, R>,
}

impl<R: Record> Clone for Records<R> {
    fn clone(&self) -> Self {
        Records { table: self.table.clone() }
    }
}

impl<R: Record> Records<R> {
    pub(crate) fn new(table: Table<R::Key, R>) -> Records<R> {
        Records { table }
    }

    /// The same table, whose writes wait for `ack`, for at most `timeout`, if they are not told
    /// otherwise one by one.
    #[must_use]
    pub fn with_ack(&self, ack: Ack, timeout: Duration) -> Records<R> {
        Records { table: self.table.with_ack(ack, timeout) }
    }

    /// The table from keys to records.
    pub fn table(&self) -> &Table<R::Key, R> {
        &self.table
    }

    /// As [`Table::insert`], under the record's own key.
    pub fn insert(&self, record: &R) -> Insert {
        self.table.insert(&record.key(), record)
    }

    /// As [`Table::insert_many`], each under its own key.
    pub fn insert_many<'r>(&self, records: impl IntoIterator<Item = &'r R>) -> Insert
    where
        R: 'r,
    {
        self.table.insert_many(records.into_iter().map(|record| (record.key(), record)))
    }

    /// As [`Table::put`], under the record's own key.
    pub fn put(&self, record: &R) -> Insert<Replaced<R>>
    where
        R: Send + 'static,
    {
        self.table.put(&record.key(), record)
    }

    /// As [`Table::get`].
    ///
    /// # Errors
    ///
    /// If what is there is not an `R`.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<R>, DecodeError>
    where
        R::Key: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.table.get(key)
    }

    /// As [`Table::contains`].
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        R::Key: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.table.contains(key)
    }

    /// As [`Table::remaining`].
    pub fn remaining<Q>(&self, key: &Q) -> Option<Duration>
    where
        R::Key: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.table.remaining(key)
    }

    /// As [`Table::delete`].
    pub fn delete<Q>(&self, key: &Q) -> Write
    where
        R::Key: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.table.delete(key)
    }

    /// As [`Table::delete_many`].
    pub fn delete_many<Q: Borrow<R::Key>>(&self, keys: impl IntoIterator<Item = Q>) -> Write {
        self.table.delete_many(keys)
    }

    /// Deletes the record if this node has it exactly so; another one of its key stays.
    pub fn delete_record(&self, record: &R) -> Write {
        self.table.delete_object(&record.key(), record)
    }

    /// As [`Table::touch`].
    pub fn touch<Q>(&self, key: &Q, ttl: Duration) -> Write
    where
        R::Key: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.table.touch(key, ttl)
    }

    /// Every record; keys are not decoded. See [`Iter`] for what is promised beside writers.
    pub fn iter(&self) -> Iter<R> {
        self.table.values()
    }

    /// The records that `wanted` says yes to. Every record is looked at; errors come through.
    pub fn filter(
        &self,
        mut wanted: impl FnMut(&R) -> bool,
    ) -> impl Iterator<Item = Result<R, DecodeError>> {
        self.iter().filter(move |item| item.as_ref().map_or(true, &mut wanted))
    }

    /// Some record that `wanted` says yes to.
    ///
    /// # Errors
    ///
    /// If a record that was looked at before it was found is not an `R`.
    pub fn find(&self, wanted: impl FnMut(&R) -> bool) -> Result<Option<R>, DecodeError> {
        self.filter(wanted).next().transpose()
    }

    /// All records of this node.
    ///
    /// # Errors
    ///
    /// If one of them is not an `R`.
    pub fn dump(&self) -> Result<Vec<R>, DecodeError> {
        self.iter().collect()
    }

    /// As [`Table::remote_dump`], without the keys.
    ///
    /// # Errors
    ///
    /// [`DumpError`] says for each case what to do.
    pub async fn remote_dump(&self, node: &str) -> Result<Vec<R>, DumpError> {
        let records = self.table.remote_dump(node).await?;
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// As [`Table::len`].
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
