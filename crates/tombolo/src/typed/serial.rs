//! Serial operations on typed tables (rule 12).

use super::Table;
use super::error::{DecodeError, EncodeError};
use crate::acknowledged::Acked;
use crate::serial::{SerialError, SerialOp, Serially};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::sync::Arc;
use tokio::time::Instant;
use tombolo_core::{Edit, Expect, Expiry};

/// Why a serial operation on a typed table has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UpdateError {
    /// It has none on the table of bytes either; that error says whether it was carried out.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// Others changed the key each time before this could. Nothing was changed: try again.
    #[error("the key was changed by others again and again; nothing was changed, try again")]
    Contended,
    /// The key or a value cannot be written as bytes; nothing was changed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What is there, or was taken, is of another type. [`Table::take`] has deleted it all the
    /// same; nothing else was changed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// What a [`Table::compare_and_set`] came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compared<V> {
    /// The key held what was expected, and holds the new value.
    Set(Acked),
    /// The key holds this, and nothing was changed.
    Differs(Option<V>),
}

/// Operations that the leader of the island carries out one after the other, on whichever node they
/// are asked for: a round trip to the leader and back, and what [`Table::insert`] waits for. On the
/// leader itself they cost what an insert costs.
///
/// In one sentence: within one island each is carried out at most once, and none sees a state that
/// another is about to change; across a split both islands may carry out theirs, and the join
/// merges the results like any concurrent writes. Plain writes do not ask the leader. A table
/// declared with [`Declaration::require_quorum`](crate::Declaration::require_quorum) refuses them
/// in islands that are too small.
///
/// They wait as [`Table::with_ack`] says; the timeout is for all of it. Dropping the future leaves
/// the operation undone, done or under way, never half-done.
impl<K, V> Table<K, V>
where
    K: Serialize,
    V: Serialize + DeserializeOwned,
{
    /// Writes a record if its key holds nothing. False if it holds something; then nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] says for each case whether it was carried out.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let names = node.table::<String, u32>("names").await?;
    /// assert!(names.insert_new("ada", &1).await?);
    /// assert!(!names.insert_new("ada", &2).await?);
    /// assert_eq!(names.insert_new_or_lookup("ada", &3).await?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn insert_new<Q, W>(&self, key: &Q, value: &W) -> Result<bool, UpdateError>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let op = self.put_op(key, value, Expect::Absent)?;
        let (_, outcome) = self.serially(op).await?;
        Ok(matches!(outcome, Serially::Done(_)))
    }

    /// As [`Table::insert_new`], and gives what the key holds if it holds something.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`].
    pub async fn insert_new_or_lookup<Q, W>(
        &self,
        key: &Q,
        value: &W,
    ) -> Result<Option<V>, UpdateError>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let op = self.put_op(key, value, Expect::Absent)?;
        match self.serially(op).await?.1 {
            Serially::Done(_) => Ok(None),
            Serially::Unmet(holds) => self.decoded(holds),
        }
    }

    /// Writes a record, whatever its key holds, in one order with all other serial operations.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`].
    pub async fn insert_serial<Q, W>(&self, key: &Q, value: &W) -> Result<Acked, UpdateError>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let op = self.put_op(key, value, Expect::Anything)?;
        Ok(self.serially(op).await?.0)
    }

    /// Writes `new`, or deletes the key if that is none, if the key holds exactly `expected`.
    /// Values are compared by their bytes, so a type must have one way to be written: no hash maps
    /// in it.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{Compared, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let seats = node.table::<String, String>("seats").await?;
    /// let (ada, grace) = ("ada".to_owned(), "grace".to_owned());
    /// assert!(matches!(seats.compare_and_set("12a", None, Some(&ada)).await?, Compared::Set(_)));
    /// let outcome = seats.compare_and_set("12a", Some(&grace), None).await?;
    /// assert_eq!(outcome, Compared::Differs(Some(ada)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn compare_and_set<Q>(
        &self,
        key: &Q,
        expected: Option<&V>,
        new: Option<&V>,
    ) -> Result<Compared<V>, UpdateError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let expect = match expected {
            None => Expect::Absent,
            Some(value) => Expect::Value(self.codec.value(value)?.into()),
        };
        let edit = self.edit(new, Expiry::Default)?;
        let key = self.codec.key(key)?;
        let op = SerialOp { key, expect, edit, tell_previous: false };
        match self.serially(op).await? {
            (acked, Serially::Done(_)) => Ok(Compared::Set(acked)),
            (_, Serially::Unmet(holds)) => Ok(Compared::Differs(self.decoded(holds)?)),
        }
    }

    /// Makes something new of what a key holds, and gives that: `change` is called with what there
    /// is, again with what there is then if somebody else was faster, and its result is written, or
    /// the key deleted if that is none. What is there keeps its expiry.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let hits = node.table::<String, u64>("hits").await?;
    /// let one_more = |hits: Option<u64>| Some(hits.unwrap_or(0) + 1);
    /// assert_eq!(hits.update("/", one_more).await?, Some(1));
    /// assert_eq!(hits.update("/", one_more).await?, Some(2));
    /// assert_eq!(hits.take("/").await?, Some(2));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update<Q>(
        &self,
        key: &Q,
        change: impl FnMut(Option<V>) -> Option<V>,
    ) -> Result<Option<V>, UpdateError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.codec.key(key)?;
        Ok(self.change(key, change, false).await?.0)
    }

    /// Deletes a key and gives what it held; of several that take at once one gets it.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`].
    pub async fn take<Q>(&self, key: &Q) -> Result<Option<V>, UpdateError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let (key, expect, edit) = (self.codec.key(key)?, Expect::Anything, Edit::Delete);
        let op = SerialOp { key, expect, edit, tell_previous: true };
        match self.serially(op).await?.1 {
            Serially::Done(held) | Serially::Unmet(held) => self.decoded(held),
        }
    }

    /// Makes something new of every record: `change` is given the key and the value, and returns
    /// what takes its place, or nothing to delete it. One record after the other, each as
    /// [`Table::update`] does it; a value that stays the same is not written. Gives how many
    /// records were changed or deleted. A record that comes or goes meanwhile may be left out.
    ///
    /// # Errors
    ///
    /// As [`Table::insert_new`]; the records before are changed then, and those after are not.
    pub async fn update_all(
        &self,
        mut change: impl FnMut(&K, V) -> Option<V>,
    ) -> Result<usize, UpdateError>
    where
        K: DeserializeOwned,
    {
        let mut changed = 0;
        for key in self.keys() {
            let key = key?;
            let encoded = self.codec.key(&key)?;
            let change = |value: Option<V>| value.and_then(|value| change(&key, value));
            changed += usize::from(self.change(encoded, change, true).await?.1);
        }
        Ok(changed)
    }

    /// What the key holds now, and whether that was written. With `lazy` nobody is asked if this
    /// node's copy need not change.
    async fn change(
        &self,
        key: Vec<u8>,
        mut change: impl FnMut(Option<V>) -> Option<V>,
        lazy: bool,
    ) -> Result<(Option<V>, bool), UpdateError> {
        let begun = Instant::now();
        let mut holds: Option<Arc<[u8]>> =
            self.raw.read(&key, |record| record.map(|record| record.value.into()));
        loop {
            let new = change(self.decoded(holds.clone())?);
            let edit = self.edit(new.as_ref(), Expiry::Keep)?;
            let same = match (&edit, &holds) {
                (Edit::Put { value, .. }, Some(held)) => value[..] == held[..],
                (Edit::Delete, None) => true,
                _ => false,
            };
            if same && lazy {
                return Ok((new, false));
            }
            let expect = match &holds {
                None => Expect::Absent,
                Some(held) => Expect::Value(held[..].into()),
            };
            let op = SerialOp { key: key.clone(), expect, edit, tell_previous: false };
            let left = self.timeout.saturating_sub(begun.elapsed());
            match self.raw.serial(op, self.ack, left).await?.1 {
                Serially::Done(_) => return Ok((new, !same)),
                Serially::Unmet(now) => holds = now,
            }
            if begun.elapsed() >= self.timeout {
                return Err(UpdateError::Contended);
            }
        }
    }

    async fn serially(&self, op: SerialOp) -> Result<(Acked, Serially), UpdateError> {
        Ok(self.raw.serial(op, self.ack, self.timeout).await?)
    }

    fn put_op<Q, W>(&self, key: &Q, value: &W, expect: Expect) -> Result<SerialOp, UpdateError>
    where
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let (key, value) = self.codec.record(key, value)?;
        let edit = Edit::Put { value: value.into(), expiry: Expiry::Default };
        Ok(SerialOp { key, expect, edit, tell_previous: false })
    }

    fn edit(&self, new: Option<&V>, expiry: Expiry) -> Result<Edit, UpdateError> {
        Ok(match new {
            None => Edit::Delete,
            Some(value) => Edit::Put { value: self.codec.value(value)?.into(), expiry },
        })
    }

    fn decoded(&self, value: Option<Arc<[u8]>>) -> Result<Option<V>, UpdateError> {
        Ok(value.map(|value| self.codec.decode_value(&value)).transpose()?)
    }
}
