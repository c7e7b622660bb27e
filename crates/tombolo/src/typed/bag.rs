//! Typed bags.

use super::codec::Codec;
use super::error::{DecodeError, EncodeError};
use super::packed::Packed;
use super::pending::{Insert, One, Options, Write, write, write_all};
use super::walk::{Decode, Iter, Source};
use crate::acknowledged::{Ack, AckTimeout, Acked, Receipt};
use crate::clock::now;
use crate::composite;
use crate::dump::DumpError;
use crate::raw::{RawRecord, RawTable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};
use std::time::Duration;

/// A replicated bag (`kind=bag`): any number of distinct objects under one key.
///
/// Equal objects, by their bytes, are there once. Adding and deleting different objects under one
/// key never conflict, whoever does it: of concurrent writes only those of the same object compete.
/// Each object is a record of its own, with its own expiry.
///
/// Made by [`Node::bag`](crate::Node::bag). Cloning is cheap, and all clones are the same bag.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tombolo::Node;
/// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
/// let rooms = node.bag::<String, String>("rooms").await?;
/// rooms.insert("hall", "ada").await?;
/// rooms.insert("hall", "grace").await?;
/// rooms.insert("tower", "ada").await?;
/// let mut hall = rooms.get_all("hall")?;
/// hall.sort();
/// assert_eq!(hall, ["ada", "grace"]);
/// assert!(rooms.contains_object("tower", "ada"));
///
/// rooms.delete_object("hall", "grace").await?;
/// rooms.delete("tower").await?;
/// assert_eq!(rooms.dump()?, [("hall".to_owned(), "ada".to_owned())]);
/// # Ok(())
/// # }
/// ```
pub struct Bag<K, V> {
    raw: RawTable,
    codec: Codec,
    ack: Ack,
    timeout: Duration,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Bag<K, V> {
    fn clone(&self) -> Self {
        Bag { raw: self.raw.clone(), codec: self.codec.clone(), ..*self }
    }
}

impl<K, V> Bag<K, V> {
    pub(crate) fn new(raw: RawTable, ack: Ack, timeout: Duration) -> Bag<K, V> {
        let codec = Codec::of(&raw);
        Bag { raw, codec, ack, timeout, types: PhantomData }
    }

    /// The same bag, whose writes wait for `ack`, for at most `timeout`, if they are not told
    /// otherwise one by one.
    #[must_use]
    pub fn with_ack(&self, ack: Ack, timeout: Duration) -> Bag<K, V> {
        Bag { ack, timeout, ..self.clone() }
    }

    /// The table of bytes beneath.
    pub fn raw(&self) -> &RawTable {
        &self.raw
    }

    fn options(&self) -> Options {
        Options::new(self.ack, self.timeout)
    }
}

/// Writes. Errors are those of [`InsertError`](crate::InsertError), which says for each case
/// whether the write was made.
impl<K, V> Bag<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Adds an object. Adding one that is there is a write all the same, so that a delete made
    /// elsewhere at the same time does not take it away; it sets the object's expiry anew.
    pub fn insert<Q, W>(&self, key: &Q, object: &W) -> Insert
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        self.add(self.codec.packed(key, object))
    }

    /// Adds many objects and waits once, for all of them. If one cannot be added, none is.
    pub fn insert_many<Q, W>(&self, objects: impl IntoIterator<Item = (Q, W)>) -> Insert
    where
        Q: Borrow<K>,
        W: Borrow<V>,
    {
        self.add(self.codec.records::<K, V>(objects))
    }

    fn add(&self, encoded: Result<Packed, EncodeError>) -> Insert {
        Insert::new(write_all(
            &self.raw,
            self.options(),
            encoded,
            RawTable::object_size,
            |raw, key, object, expires| raw.add(key, object, expires).map(Some),
        ))
    }

    /// Deletes all objects of a key that this node has; one that is added elsewhere at the same
    /// time stays. Nothing is sent if there were none; [`Acked::receipt`] is none then.
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

    /// Deletes one object. Nothing is sent if it was not there; [`Acked::receipt`] is none then.
    pub fn delete_object<Q, W>(&self, key: &Q, object: &W) -> Write
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        self.remove(self.codec.packed(key, object))
    }

    /// Deletes many objects and waits once, for all of them. If one cannot be deleted, none is.
    pub fn delete_objects<Q, W>(&self, objects: impl IntoIterator<Item = (Q, W)>) -> Write
    where
        Q: Borrow<K>,
        W: Borrow<V>,
    {
        self.remove(self.codec.records::<K, V>(objects))
    }

    fn remove(&self, encoded: Result<Packed, EncodeError>) -> Write {
        write_all(
            &self.raw,
            self.options(),
            encoded,
            RawTable::object_size,
            |raw, key, object, _| raw.delete_object(key, object),
        )
    }

    /// Waits for more nodes to have a write than it waited for when it was made.
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

/// Reads: local, without a lock, without an await.
impl<K, V> Bag<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// All objects of a key, in no order that means anything.
    ///
    /// # Errors
    ///
    /// If one of them is not a `V`.
    pub fn get_all<Q>(&self, key: &Q) -> Result<Vec<V>, DecodeError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut objects = Vec::new();
        if let Ok(key) = self.codec.key(key) {
            self.raw.for_objects(&key, |object| objects.push(self.codec.decode_value(object)));
        }
        objects.into_iter().collect()
    }

    /// Whether a key has any object.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.codec.key(key).is_ok_and(|key| self.raw.has_objects(&key))
    }

    /// Whether a key has this object.
    pub fn contains_object<Q, W>(&self, key: &Q, object: &W) -> bool
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let encoded = self.codec.record(key, object);
        encoded.is_ok_and(|(key, object)| self.raw.contains_object(&key, &object))
    }

    /// For how long an object will stay. None if it is not there, or stays for ever.
    pub fn remaining<Q, W>(&self, key: &Q, object: &W) -> Option<Duration>
    where
        K: Borrow<Q>,
        V: Borrow<W>,
        Q: Serialize + ?Sized,
        W: Serialize + ?Sized,
    {
        let (key, object) = self.codec.record(key, object).ok()?;
        let expires = self.raw.object_expires(&key, &object)?;
        Some(Duration::from_millis(expires.saturating_sub(now().0)))
    }

    /// Every object with its key; the objects of a key come one after the other. See [`Iter`] for
    /// what is promised beside writers.
    pub fn iter(&self) -> Iter<(K, V)> {
        Iter::new(self.source(if self.raw.has_second_key() {
            |codec, composite, object| codec.pair(&split(codec, composite)?.0, object)
        } else {
            |codec, composite, _| {
                let (key, object) = split(codec, composite)?;
                codec.pair(&key, object)
            }
        }))
    }

    /// Every key that has an object, once.
    pub fn keys(&self) -> BagKeys<K> {
        let source = self.source(|codec, key, _| codec.decode_key(key));
        BagKeys { source, from: Bound::Unbounded }
    }

    /// The objects that `wanted` says yes to, with their keys. Every object is looked at; errors
    /// come through.
    pub fn filter(
        &self,
        mut wanted: impl FnMut(&K, &V) -> bool,
    ) -> impl Iterator<Item = Result<(K, V), DecodeError>> {
        self.iter()
            .filter(move |item| item.as_ref().map_or(true, |(key, object)| wanted(key, object)))
    }

    /// All objects of this node, with their keys.
    ///
    /// # Errors
    ///
    /// If one of them is not a `(K, V)`.
    pub fn dump(&self) -> Result<Vec<(K, V)>, DecodeError> {
        self.iter().collect()
    }

    /// All objects of the linked node called `node`, with their keys; see
    /// [`RawTable::remote_dump`]. It waits for at most the bag's timeout for each part.
    ///
    /// # Errors
    ///
    /// [`DumpError`] says for each case what to do.
    pub async fn remote_dump(&self, node: &str) -> Result<Vec<(K, V)>, DumpError> {
        let objects = self.raw.remote_dump(node, self.timeout).await?;
        Ok(self.codec.pairs(&objects)?)
    }

    /// How many objects there are under all keys; one that expired counts until it is swept.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Equal on two nodes that have seen the same writes exactly if their bags are equal.
    pub fn fingerprint(&self) -> u64 {
        self.raw.fingerprint()
    }

    fn source<T>(&self, decode: Decode<T>) -> Source<T> {
        Source { raw: self.raw.clone(), codec: self.codec.clone(), decode }
    }
}

type Parts<'c> = (std::borrow::Cow<'c, [u8]>, &'c [u8]);

fn split<'c>(codec: &Codec, composite: &'c [u8]) -> Result<Parts<'c>, DecodeError> {
    composite::decode(composite).ok_or_else(|| codec.error("it is no object of a bag"))
}

/// Iterates over the keys of a bag, each once. One lookup a key; it promises what [`Iter`] does.
#[must_use = "an iterator does nothing unless it is asked"]
pub struct BagKeys<K> {
    source: Source<K>,
    from: Bound<Vec<u8>>,
}

impl<K> Iterator for BagKeys<K> {
    type Item = Result<K, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Source { raw, codec, decode } = &self.source;
        let mut found = None;
        let see = |composite: &[u8], _: RawRecord<'_>| {
            found = Some(composite.to_vec());
            ControlFlow::Break(())
        };
        let from = self.from.as_ref();
        raw.in_order(from.map(Vec::as_slice), Bound::Unbounded, false, see);
        let composite = found?;
        let key = match split(codec, &composite) {
            Ok((key, _)) => key,
            Err(error) => {
                self.from = Bound::Excluded(composite);
                return Some(Err(error));
            }
        };
        let mut prefix = Vec::new();
        composite::prefix(&mut prefix, &key);
        // The first that does not begin so; keys end in zeros, so there is one.
        self.from = match composite::upper(&prefix) {
            Bound::Excluded(beyond) => Bound::Included(beyond),
            _ => Bound::Excluded(prefix),
        };
        Some(decode(codec, &key, &[]))
    }
}
