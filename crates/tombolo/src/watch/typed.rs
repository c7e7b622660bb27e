//! Watching tables of Rust types.

use super::{Cursor, Filter, Watch, WatchEvent};
use crate::raw::RawTable;
use crate::typed::{Codec, DecodeError, EncodeError, Table};
use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What becomes of the keys of a [`Table`], as [`RawTable::watch`](crate::RawTable::watch) says.
///
/// It is also a [`Stream`]. It does not keep the node running, and ends with it.
pub struct TableWatch<K, V> {
    watch: Watch,
    codec: Codec,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: DeserializeOwned, V: DeserializeOwned> TableWatch<K, V> {
    fn new(watch: Watch, raw: &RawTable) -> TableWatch<K, V> {
        TableWatch { watch, codec: Codec::of(raw), types: PhantomData }
    }

    /// The next event; none once the node has ended. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// If a record is not a `(K, V)`. The events after it are told all the same.
    pub async fn next(&mut self) -> Option<Result<WatchEvent<K, V>, DecodeError>> {
        let event = self.watch.next().await?;
        Some(self.decode(event))
    }

    /// Where to go on after the events that were taken so far; see [`Watch::cursor`].
    pub fn cursor(&self) -> Cursor {
        self.watch.cursor()
    }

    fn decode(&self, event: WatchEvent) -> Result<WatchEvent<K, V>, DecodeError> {
        event.decoded(|key| self.codec.decode_key(key), |value| self.codec.decode_value(value))
    }
}

impl<K: DeserializeOwned, V: DeserializeOwned> Stream for TableWatch<K, V> {
    type Item = Result<WatchEvent<K, V>, DecodeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.watch.poll(context);
        polled.map(|event| event.map(|event| self.decode(event)))
    }
}

impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// Watches the table: first what it shows, then what becomes of each key on whichever node, as
    /// [`RawTable::watch`](crate::RawTable::watch) says.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tombolo::{Node, WatchEvent};
    ///
    /// let node = Node::builder().name("n1").listen("127.0.0.1:0".parse()?).start().await?;
    /// let online = node.table::<String, u32>("online").await?;
    /// let mut watch = online.watch();
    /// assert_eq!(watch.next().await.transpose()?, Some(WatchEvent::Current));
    /// online.insert(&"ada".to_owned(), &3).await?;
    /// let (key, value, expires) = ("ada".to_owned(), 3, None);
    /// let told = Some(WatchEvent::Insert { key, value, expires });
    /// assert_eq!(watch.next().await.transpose()?, told);
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> TableWatch<K, V> {
        TableWatch::new(self.raw().watch(Filter::All), self.raw())
    }

    /// Watches one key.
    ///
    /// # Errors
    ///
    /// If the key cannot be written as bytes.
    pub fn watch_key(&self, key: &K) -> Result<TableWatch<K, V>, EncodeError> {
        let key = Codec::of(self.raw()).key(key)?;
        Ok(TableWatch::new(self.raw().watch(Filter::Key(key)), self.raw()))
    }

    /// Goes on where a watch of the whole table was; see
    /// [`RawTable::watch_from`](crate::RawTable::watch_from).
    pub fn watch_from(&self, cursor: &Cursor) -> TableWatch<K, V> {
        TableWatch::new(self.raw().watch_from(Filter::All, cursor), self.raw())
    }
}

impl WatchEvent {
    fn decoded<K, V, E>(
        self,
        of_key: impl Fn(&[u8]) -> Result<K, E>,
        of_value: impl Fn(&[u8]) -> Result<V, E>,
    ) -> Result<WatchEvent<K, V>, E> {
        Ok(match self {
            WatchEvent::Insert { key, value, expires } => {
                WatchEvent::Insert { key: of_key(&key)?, value: of_value(&value)?, expires }
            }
            WatchEvent::Update { key, value, expires } => {
                WatchEvent::Update { key: of_key(&key)?, value: of_value(&value)?, expires }
            }
            WatchEvent::Shown { key, value, expires } => {
                WatchEvent::Shown { key: of_key(&key)?, value: of_value(&value)?, expires }
            }
            WatchEvent::Conflict { key, value, expires } => {
                WatchEvent::Conflict { key: of_key(&key)?, value: of_value(&value)?, expires }
            }
            WatchEvent::Delete { key, value } => {
                WatchEvent::Delete { key: of_key(&key)?, value: of_value(&value)? }
            }
            WatchEvent::Hidden { key, value } => {
                WatchEvent::Hidden { key: of_key(&key)?, value: of_value(&value)? }
            }
            WatchEvent::Reset => WatchEvent::Reset,
            WatchEvent::Current => WatchEvent::Current,
        })
    }
}
