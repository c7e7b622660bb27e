//! Writing to a typed table.

use super::Table;
use super::error::{DecodeError, EncodeError};
use super::packed::Packed;
use super::pending::{Insert, One, Write, write, write_all};
use crate::acknowledged::{Ack, AckTimeout, Acked, Receipt};
use crate::raw::Change;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::time::Duration;

impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Writes a record and resolves when the nodes have it that the table's [`Ack`] asks for:
    /// every linked one if nothing else was said. Costs one message a node.
    ///
    /// # Errors
    ///
    /// [`InsertError`](crate::InsertError) says for each case whether the write was made.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// assert_eq!(ages.get("ada")?, Some(36));
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert<Q, W>(&self, key: &Q, value: &W) -> Insert
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        Insert::new(write(
            &self.raw,
            self.options(),
            self.one(key, value),
            |raw, one, expires| Ok((Some(raw.put(&one.key, &one.rest, expires)?).into(), ())),
            |acked, ()| acked,
        ))
    }

    /// Writes many records and waits once, for all of them. They are encoded here and applied in
    /// one go, so write some thousand at a time. Readers may see some before the others.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`]; if one of the records cannot be written, none is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert_many([("ada".to_owned(), 36), ("grace".to_owned(), 85)]).await?;
    /// ages.delete_many(["ada".to_owned(), "edsger".to_owned()]).await?;
    /// assert_eq!(ages.dump()?, [("grace".to_owned(), 85)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert_many<Q, W>(&self, records: impl IntoIterator<Item = (Q, W)>) -> Insert
    where
        Q: Borrow<K>,
        W: Borrow<V>,
    {
        Insert::new(write(
            &self.raw,
            self.options(),
            self.codec.records::<K, V>(records),
            |raw, records, expires| {
                let records: Vec<_> = records.iter().collect();
                Ok((raw.put_many(&records, expires)?, ()))
            },
            |acked, ()| acked,
        ))
    }

    /// As [`Table::insert`], and says what the key held before: what this node knew when it wrote,
    /// in one step with the write. Two nodes that put at the same moment may both have replaced the
    /// same value; the serial operations are exact across nodes.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// assert_eq!(ages.put("ada", &36).await?.previous?, None);
    /// assert_eq!(ages.put("ada", &37).await?.previous?, Some(36));
    /// # Ok(())
    /// # }
    /// ```
    pub fn put<Q, W>(&self, key: &Q, value: &W) -> Insert<Replaced<V>>
    where
        K: Borrow<Q>,
        V: Borrow<W> + Send + 'static,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let codec = self.codec.clone();
        Insert::new(write(
            &self.raw,
            self.options(),
            self.one(key, value),
            |raw, One { key, rest: value, .. }, expires| {
                let (receipt, held) = raw.decide(key, |held| {
                    let held = held.map(|held| held.value.to_vec());
                    (Change::Put { value: value.clone(), expires }, held)
                })?;
                Ok((receipt.into(), held))
            },
            move |acked, held| {
                let previous = held.map(|held| codec.decode_value(&held)).transpose();
                Replaced { previous, acked }
            },
        ))
    }

    /// Deletes a key. Nothing is sent if it held nothing; [`Acked::receipt`] is none then.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// assert!(ages.delete("ada").await?.receipt.is_some());
    /// assert!(ages.delete("ada").await?.receipt.is_none(), "it was gone");
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete<Q>(&self, key: &Q) -> Write
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        write(
            &self.raw,
            self.options(),
            One::of_key(&self.raw, self.codec.key(key)),
            |raw, one, _| Ok((raw.delete(&one.key)?.into(), ())),
            |acked, ()| acked,
        )
    }

    /// Deletes many keys and waits once, for all of them.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`]; if one of the keys cannot be deleted, none is.
    pub fn delete_many<Q: Borrow<K>>(&self, keys: impl IntoIterator<Item = Q>) -> Write {
        write_all(
            &self.raw,
            self.options(),
            self.codec.keys::<K>(keys),
            |_, key, _| key.len(),
            |raw, key, _, _| raw.delete(key),
        )
    }

    /// Deletes a record if this node has it with exactly this value; another value stays.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &37).await?;
    /// ages.delete_object("ada", &36).await?;
    /// assert!(ages.contains("ada"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_object<Q, W>(&self, key: &Q, value: &W) -> Write
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        self.delete_encoded(self.codec.packed(key, value))
    }

    /// Deletes those of the records that this node has with exactly these values, and waits once.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`]; if one of the records cannot be deleted, none is.
    pub fn delete_objects<Q, W>(&self, records: impl IntoIterator<Item = (Q, W)>) -> Write
    where
        Q: Borrow<K>,
        W: Borrow<V>,
    {
        self.delete_encoded(self.codec.records::<K, V>(records))
    }

    fn one<Q, W>(&self, key: &Q, value: &W) -> Result<One<Vec<u8>>, EncodeError>
    where
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        One::new(&self.raw, self.codec.key(key), || self.codec.value(value))
    }

    fn delete_encoded(&self, encoded: Result<Packed, EncodeError>) -> Write {
        write_all(
            &self.raw,
            self.options(),
            encoded,
            |_, key, _| key.len(),
            |raw, key, value, _| {
                let (deleted, ()) = raw.decide(key, |held| {
                    let same = held.is_some_and(|held| held.value == value);
                    (if same { Change::Delete } else { Change::Keep }, ())
                })?;
                Ok(deleted)
            },
        )
    }

    /// Lets what a key holds live on for `ttl` from now on: the same value is written with a new
    /// expiry. Nothing is sent if the key holds nothing; [`Acked::receipt`] is none then.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let sessions = node.table::<u64, String>("sessions").await?;
    /// sessions.insert(&7, "ada").ttl(Duration::from_secs(10)).await?;
    /// sessions.touch(&7, Duration::from_secs(3_600)).await?;
    /// assert!(sessions.remaining(&7) > Some(Duration::from_secs(10)));
    /// assert!(sessions.touch(&8, Duration::from_secs(10)).await?.receipt.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn touch<Q>(&self, key: &Q, ttl: Duration) -> Write
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let touched = write(
            &self.raw,
            self.options(),
            One::of_key(&self.raw, self.codec.key(key)),
            |raw, One { key, .. }, expires| {
                let (receipt, ()) = raw.decide(key, |held| match held {
                    Some(held) => (Change::Put { value: held.value.to_vec(), expires }, ()),
                    None => (Change::Keep, ()),
                })?;
                Ok((receipt.into(), ()))
            },
            |acked, ()| acked,
        );
        Insert::new(touched).ttl(ttl).into_write()
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
}

/// What a [`Table::put`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced<V> {
    /// What the key held before; none if nothing. If it was no `V` the put was made all the same.
    pub previous: Result<Option<V>, DecodeError>,
    /// Who acknowledged the put.
    pub acked: Acked,
}
