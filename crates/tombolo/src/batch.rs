//! Batches: several writes of one table that readers see together or not at all.

use crate::acknowledged::{Ack, AckTimeout, Acked, Receipt};
use crate::clock::millis_at;
use crate::raw::{RawTable, WriteError};
use crate::typed::{Codec, EncodeError, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tombolo_core::{Change as CoreChange, Kind, Millis};
use tombolo_wire::{MAX_BATCH_BYTES, MAX_BATCH_WRITES};

/// Why a batch was not written. Nothing was changed, on no node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// One of the writes would have been refused by itself as well.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It has more writes than a batch may have. A key of a bag that is deleted is as many writes
    /// as it has objects. Make several batches.
    #[error("the batch has {count} writes, and at most {limit} are allowed")]
    TooMany {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Its keys and values are larger together than those of a batch may be. Make several batches.
    #[error("the batch has {size} bytes of keys and values, and at most {limit} are allowed")]
    TooLarge {
        /// How large they are.
        size: usize,
        /// How large they may be.
        limit: usize,
    },
    /// The table consists of several parts, which are written apart, and the keys lie in different
    /// ones. Declare the table without fragments, or write the keys one by one.
    #[error("the keys of the batch lie in different fragments of the table")]
    Parts,
}

/// Why a batch of a typed table did not resolve.
#[derive(Debug, thiserror::Error)]
pub enum BatchWriteError {
    /// It was not written; nothing was changed.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It was written and goes on replicating, but not everybody acknowledged in time.
    #[error(transparent)]
    Timeout(#[from] AckTimeout),
    /// A key or a value cannot be written as bytes; nothing was changed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Writes of one [`RawTable`] that are to be made together, in their order; from
/// [`RawTable::batch`]. Nothing happens before [`RawBatch::write`].
///
/// Whoever has seen one of the records, on any node, sees all others of the batch from then on, or
/// what newer writes made of these keys; nobody sees a part. Reads take no lock for that. Three
/// things are outside of it:
///
/// - A walk (an iteration, a scan, a range) is no snapshot. It shows each key as it finds it.
/// - A node that is being filled for the first time, which is told by
///   [`RawTable::is_writable`], gets what was written before in pieces.
/// - So does a node that was unlinked for so long that it was forgotten, an island that meets the
///   others for the first time, and a node that was away while the keys of all batches written came
///   to more than 4 MiB in this table, or those that share keys to more than 8 MiB with what they
///   hold. Between members that are cut off from each other for less than that batches stay whole.
///
/// A batch may have 1,024 writes and 4 MiB of keys and values. It costs what its writes cost one
/// by one and some hundred bytes a key, which are kept until every member has it.
#[must_use = "nothing is written before `write`"]
#[derive(Clone)]
pub struct RawBatch {
    table: RawTable,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Put { key: Vec<u8>, value: Vec<u8>, expires: Option<u64> },
    Delete { key: Vec<u8> },
    Add { key: Vec<u8>, object: Vec<u8>, expires: Option<u64> },
    DeleteObject { key: Vec<u8>, object: Vec<u8> },
}

impl Step {
    fn key(&self) -> &[u8] {
        match self {
            Step::Put { key, .. }
            | Step::Delete { key }
            | Step::Add { key, .. }
            | Step::DeleteObject { key, .. } => key,
        }
    }

    fn size(&self) -> usize {
        let value = match self {
            Step::Put { value, .. } => value.len(),
            Step::Add { object, .. } | Step::DeleteObject { object, .. } => object.len(),
            Step::Delete { .. } => 0,
        };
        self.key().len() + value
    }
}

impl RawTable {
    /// Begins a batch of writes of this table.
    pub fn batch(&self) -> RawBatch {
        RawBatch { table: self.clone(), steps: Vec::new() }
    }
}

impl RawBatch {
    /// Adds the writing of a value, as [`RawTable::put`].
    pub fn put(mut self, key: &[u8], value: &[u8], expires: Option<u64>) -> RawBatch {
        self.steps.push(Step::Put { key: key.to_vec(), value: value.to_vec(), expires });
        self
    }

    /// Adds the deletion of a key, in a bag of all its objects, as [`RawTable::delete`].
    pub fn delete(mut self, key: &[u8]) -> RawBatch {
        self.steps.push(Step::Delete { key: key.to_vec() });
        self
    }

    /// Adds the addition of an object to a bag, as [`RawTable::add`].
    pub fn add(mut self, key: &[u8], object: &[u8], expires: Option<u64>) -> RawBatch {
        self.steps.push(Step::Add { key: key.to_vec(), object: object.to_vec(), expires });
        self
    }

    /// Adds the deletion of an object of a bag, as [`RawTable::delete_object`]. It goes by what
    /// the bag holds when the batch is written.
    pub fn delete_object(mut self, key: &[u8], object: &[u8]) -> RawBatch {
        self.steps.push(Step::DeleteObject { key: key.to_vec(), object: object.to_vec() });
        self
    }

    /// Writes the batch: in one step here, and in one on every other node. The receipt is of its
    /// last write, and whoever has that has all; none if there was nothing to write, because all
    /// that was to be deleted was not there.
    ///
    /// # Errors
    ///
    /// [`BatchError`]; nothing is changed then, not even a part.
    pub fn write(self) -> Result<Option<Receipt>, BatchError> {
        self.make()
    }

    fn make(&self) -> Result<Option<Receipt>, BatchError> {
        let RawBatch { table, steps } = self;
        let Some(first) = steps.first() else { return Ok(None) };
        let is_bag = table.kind() == Kind::Bag;
        for step in steps {
            table.check(step.size())?;
            match step {
                Step::Put { .. } => table.check_kind(Kind::Bag, false)?,
                Step::Add { .. } | Step::DeleteObject { .. } => {
                    table.check_kind(Kind::Bag, true)?;
                }
                Step::Delete { .. } => {}
            }
        }
        let part = table.part_of_key(first.key());
        if !steps.iter().all(|step| Arc::ptr_eq(table.part_of_key(step.key()), part)) {
            return Err(BatchError::Parts);
        }
        let seq = part.write_batch(|| {
            let mut changes = Vec::with_capacity(steps.len());
            for step in steps {
                self.plan(step, is_bag, &mut changes);
            }
            within_limits(&changes)?;
            Ok::<_, BatchError>(changes)
        })?;
        part.mesh.schedule_flush();
        Ok(seq.map(|seq| table.receipt(part, seq)))
    }

    /// Adds the changes that a step comes to.
    fn plan<'s>(&self, step: &'s Step, is_bag: bool, changes: &mut Vec<(Vec<u8>, CoreChange<'s>)>) {
        match step {
            Step::Put { key, value, expires } => {
                let expires = expires.map(Millis);
                changes.push((key.clone(), CoreChange::Put { value, expires }));
            }
            Step::Delete { key } if is_bag => self.plan_delete_objects(key, changes),
            Step::Delete { key } => changes.push((key.clone(), CoreChange::Delete)),
            Step::Add { key, object, expires } => {
                let (composite, value) = self.table.place(key, object);
                let expires = expires.map(Millis);
                changes.push((composite, CoreChange::Put { value, expires }));
            }
            Step::DeleteObject { key, object } => {
                let (composite, value) = self.table.place(key, object);
                // With a second key it may be another version of the object that is there.
                let before = changes.iter().rev().find(|(key, _)| *key == composite);
                let is_there = match before {
                    Some((_, CoreChange::Put { value: there, .. })) => *there == value,
                    Some((_, CoreChange::Delete)) => false,
                    None => self.table.contains_object(key, object),
                };
                if is_there {
                    changes.push((composite, CoreChange::Delete));
                }
            }
        }
    }

    /// Adds the deletion of each object that a key holds, or was given by the batch.
    fn plan_delete_objects(&self, key: &[u8], changes: &mut Vec<(Vec<u8>, CoreChange<'_>)>) {
        let mut prefix = Vec::with_capacity(key.len() + 2);
        crate::composite::prefix(&mut prefix, key);
        let mut composites = self.table.composites(key);
        let given = changes.iter().map(|(key, _)| key).filter(|key| key.starts_with(&prefix));
        composites.extend(given.cloned());
        composites.sort_unstable();
        composites.dedup();
        changes.extend(composites.into_iter().map(|composite| (composite, CoreChange::Delete)));
    }
}

fn within_limits(changes: &[(Vec<u8>, CoreChange<'_>)]) -> Result<(), BatchError> {
    let (count, limit) = (changes.len(), MAX_BATCH_WRITES);
    if count > limit {
        return Err(BatchError::TooMany { count, limit });
    }
    let size = |(key, change): &(Vec<u8>, CoreChange<'_>)| match change {
        CoreChange::Put { value, .. } => key.len() + value.len(),
        CoreChange::Delete => key.len(),
    };
    let (size, limit) = (changes.iter().map(size).sum(), MAX_BATCH_BYTES);
    if size > limit {
        return Err(BatchError::TooLarge { size, limit });
    }
    Ok(())
}

/// Writes of one [`Table`] that are to be made together, in their order; from [`Table::batch`].
/// Nothing happens before [`Batch::write`]. What readers are promised, and what a batch may hold
/// and costs, is said at [`RawBatch`].
#[must_use = "nothing is written before `write`"]
pub struct Batch<K, V> {
    raw: RawBatch,
    codec: Codec,
    ack: Ack,
    timeout: Duration,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Begins a batch: writes that are seen together on every node, or not at all. It waits for the
    /// table's [`Ack`], for at most the table's timeout.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = tombolo::Node::builder().listen("127.0.0.1:0".parse()?).start().await?;
    /// let seats = node.table::<String, String>("seats").await?;
    /// let (old, new) = ("12a", "14c");
    /// seats.insert(old, "ada").await?;
    /// // Who has found her in the new seat does not find her in the old one any more.
    /// seats.batch().delete(old)?.insert(new, "ada")?.write().await?;
    /// assert_eq!(seats.get(new)?.as_deref(), Some("ada"));
    /// assert_eq!(seats.get(old)?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&self) -> Batch<K, V> {
        let (raw, codec) = (self.raw().batch(), self.codec.clone());
        Batch { raw, codec, ack: self.ack, timeout: self.timeout, types: PhantomData }
    }
}

impl<K: Serialize, V: Serialize> Batch<K, V> {
    /// Adds the writing of a record.
    ///
    /// # Errors
    ///
    /// If the key or the value cannot be written as bytes. The batch is given up.
    pub fn insert<Q, W>(self, key: &Q, value: &W) -> Result<Batch<K, V>, BatchWriteError>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        self.put(key, value, None)
    }

    /// Adds the writing of a record that is gone from `expires` on.
    ///
    /// # Errors
    ///
    /// As [`Batch::insert`].
    pub fn insert_until<Q, W>(
        self,
        key: &Q,
        value: &W,
        expires: SystemTime,
    ) -> Result<Batch<K, V>, BatchWriteError>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        self.put(key, value, Some(millis_at(expires)))
    }

    /// Adds the deletion of a key. Nothing is sent of it if it holds nothing then.
    ///
    /// # Errors
    ///
    /// As [`Batch::insert`].
    pub fn delete<Q>(mut self, key: &Q) -> Result<Batch<K, V>, BatchWriteError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.codec.key(key)?;
        self.raw = self.raw.delete(&key);
        Ok(self)
    }

    /// Writes the batch and resolves when the nodes have it that the table's [`Ack`] asks for. A
    /// node that is being filled waits first.
    ///
    /// Nothing happens before the future is polled. Dropping it after that leaves all of the batch
    /// written, or none.
    ///
    /// # Errors
    ///
    /// [`BatchWriteError`] says for each case whether it was written.
    pub async fn write(self) -> Result<Acked, BatchWriteError> {
        let table = &self.raw.table;
        let written = table.in_turn(|| match self.raw.make() {
            Err(BatchError::Write(error)) => Err(error),
            done => Ok(done),
        });
        let receipt = written.await.map_err(BatchError::from)??;
        let Some(receipt) = receipt else { return Ok(Acked::default()) };
        Ok(table.acknowledged(receipt, self.ack, self.timeout).await?)
    }

    fn put<Q, W>(
        mut self,
        key: &Q,
        value: &W,
        expires: Option<u64>,
    ) -> Result<Batch<K, V>, BatchWriteError>
    where
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let (key, value) = (self.codec.key(key)?, self.codec.value(value)?);
        self.raw = self.raw.put(&key, &value, expires);
        Ok(self)
    }
}
