//! Reading a typed table.

use super::Table;
use super::codec::Codec;
use super::error::DecodeError;
use super::walk::{Decode, Iter, Source};
use crate::clock::now;
use crate::dump::DumpError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::time::Duration;

/// Reads are local: no lock, no network, no await.
impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// What `key` holds on this node: a map lookup and a decode. As with a `HashMap`, a key may be
    /// given in a borrowed form (`&str` for `String`), which must be written by serde as the key
    /// is.
    ///
    /// # Errors
    ///
    /// If what is there is not a `V`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// assert_eq!(ages.get("ada")?, Some(36));
    /// assert_eq!(ages.get("grace")?, None);
    /// assert!(ages.contains("ada"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, DecodeError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        // What cannot be encoded cannot be there.
        let Ok(key) = self.codec.key(key) else { return Ok(None) };
        self.raw.read(&key, |record| {
            record.map(|record| self.codec.decode_value(record.value)).transpose()
        })
    }

    /// Whether `key` holds a value. Nothing is decoded.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.codec.key(key).is_ok_and(|key| self.raw.read(&key, |record| record.is_some()))
    }

    /// For how long `key` will go on to hold what it holds. None if it holds nothing, or holds it
    /// for ever.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tombolo::{Declaration, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let minute = Declaration { ttl: Some(60_000), ..Declaration::default() };
    /// let codes = node.table_with::<String, u32>("codes", minute).await?;
    /// codes.insert("ada", &4711).await?;
    /// assert!(codes.remaining("ada") <= Some(Duration::from_secs(60)));
    /// codes.touch("ada", Duration::from_secs(600)).await?;
    /// assert!(codes.remaining("ada") > Some(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remaining<Q>(&self, key: &Q) -> Option<Duration>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.codec.key(key).ok()?;
        let expires = self.raw.read(&key, |record| record.and_then(|record| record.expires))?;
        Some(Duration::from_millis(expires.saturating_sub(now().0)))
    }

    /// Every record. See [`Iter`] for what is promised beside writers; each record costs a decode,
    /// in all some more than a walk over the table.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// ages.insert("grace", &85).await?;
    /// for record in ages.iter() {
    ///     let (name, age) = record?;
    ///     println!("{name} is {age}");
    /// }
    /// let names: Result<Vec<String>, _> = ages.keys().collect();
    /// assert_eq!(names?.len(), 2);
    /// assert_eq!(ages.values().sum::<Result<u32, _>>()?, 121);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> Iter<(K, V)> {
        self.walk(Codec::pair)
    }

    /// Every key. Values are not decoded.
    pub fn keys(&self) -> Iter<K> {
        self.walk(|codec, key, _| codec.decode_key(key))
    }

    /// Every value. Keys are not decoded.
    pub fn values(&self) -> Iter<V> {
        self.walk(|codec, _, value| codec.decode_value(value))
    }

    /// The records that `wanted` says yes to: what other systems call `match`. Every record is
    /// looked at; errors come through.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{DecodeError, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let places = node.table::<(String, u32), String>("places").await?;
    /// places.insert(&("hall".to_owned(), 1), "ada").await?;
    /// places.insert(&("hall".to_owned(), 2), "grace").await?;
    /// places.insert(&("tower".to_owned(), 1), "ada").await?;
    ///
    /// // `match` by key and value, `match_key` by key alone, `select` of a part of each record.
    /// assert_eq!(places.filter(|(room, _), who| room == "hall" && who == "ada").count(), 1);
    /// assert_eq!(places.match_key(|(room, _)| room == "hall").count(), 2);
    /// let seats = places.select(|(_, seat), who| (who == "ada").then_some(seat));
    /// let mut seats = seats.collect::<Result<Vec<u32>, DecodeError>>()?;
    /// assert_eq!(seats, [1, 1]);
    /// assert!(places.find(|_, who| who == "edsger")?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(
        &self,
        mut wanted: impl FnMut(&K, &V) -> bool,
    ) -> impl Iterator<Item = Result<(K, V), DecodeError>> {
        self.iter()
            .filter(move |item| item.as_ref().map_or(true, |(key, value)| wanted(key, value)))
    }

    /// The records whose key `wanted` says yes to.
    pub fn match_key(
        &self,
        mut wanted: impl FnMut(&K) -> bool,
    ) -> impl Iterator<Item = Result<(K, V), DecodeError>> {
        self.filter(move |key, _| wanted(key))
    }

    /// What `choose` makes of the records; those it makes nothing of are left out.
    pub fn select<T>(
        &self,
        mut choose: impl FnMut(K, V) -> Option<T>,
    ) -> impl Iterator<Item = Result<T, DecodeError>> {
        self.iter().filter_map(move |item| match item {
            Ok((key, value)) => choose(key, value).map(Ok),
            Err(error) => Some(Err(error)),
        })
    }

    /// Some record that `wanted` says yes to; the first one of an ordered table.
    ///
    /// # Errors
    ///
    /// If a record that was looked at before it was found is not a `(K, V)`.
    pub fn find(&self, wanted: impl FnMut(&K, &V) -> bool) -> Result<Option<(K, V)>, DecodeError> {
        self.filter(wanted).next().transpose()
    }

    /// All records of this node. [`Table::iter`] does not hold them all at once;
    /// [`Table::remote_dump`] is of another node.
    ///
    /// # Errors
    ///
    /// If a record is not a `(K, V)`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let ages = node.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// assert_eq!(ages.dump()?, [("ada".to_owned(), 36)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dump(&self) -> Result<Vec<(K, V)>, DecodeError> {
        self.iter().collect()
    }

    /// All records of the linked node called `node`, read over the link; see
    /// [`RawTable::remote_dump`](crate::RawTable::remote_dump). It waits for at most the table's
    /// timeout for each part.
    ///
    /// # Errors
    ///
    /// [`DumpError`] says for each case what to do.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::Node;
    /// # let any = "127.0.0.1:0".parse()?;
    /// # let a = Node::builder().name("a").listen(any).start().await?;
    /// # let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    /// let ages = b.table::<String, u32>("ages").await?;
    /// ages.insert("ada", &36).await?;
    /// assert_eq!(ages.remote_dump("a").await?, ages.dump()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remote_dump(&self, node: &str) -> Result<Vec<(K, V)>, DumpError> {
        let records = self.raw.remote_dump(node, self.timeout).await?;
        Ok(self.codec.pairs(&records)?)
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

    fn walk<T>(&self, decode: Decode<T>) -> Iter<T> {
        Iter::new(self.source(decode))
    }

    pub(super) fn source<T>(&self, decode: Decode<T>) -> Source<T> {
        Source { raw: self.raw.clone(), codec: self.codec.clone(), decode }
    }
}
