//! Typed tables in the order of their keys.

use super::Table;
use super::codec::Codec;
use super::error::RangeError;
use super::walk::Range;
use crate::ordered::NotOrdered;
use crate::raw::RawRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::ops::{Bound, RangeBounds};

/// Of tables that are declared `kind=ordered_set`. The order is that of the derived `Ord`: numbers
/// by size, strings and lists by their items, the shorter one first, `None` before `Some`, tuples
/// and structs field by field, enums by the order in which their variants are declared, floats as
/// `total_cmp` has it. `std::cmp::Reverse`, which serde does not see, turns nothing around.
impl<K, V> Table<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// The records whose keys lie in `bounds`, in order, or from the greatest with
    /// [`rev`](Iterator::rev). The first one costs as many steps as the logarithm of the size.
    ///
    /// # Errors
    ///
    /// If the table is not ordered, or a bound cannot be encoded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{Declaration, Kind, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let declared = Declaration { kind: Kind::OrderedSet, ..Declaration::default() };
    /// let moves = node.table_with::<(String, i32), String>("moves", declared).await?;
    /// let key = |game: &str, number| (game.to_owned(), number);
    /// moves.insert(&key("b", 1), "d4").await?;
    /// moves.insert(&key("a", 2), "e5").await?;
    /// moves.insert(&key("a", -1), "start").await?;
    /// moves.insert(&key("a", 10), "0-0").await?;
    /// let of_a = moves.range(key("a", i32::MIN)..key("b", i32::MIN))?;
    /// let of_a = of_a.map(|record| record.map(|(_, text)| text)).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(of_a, ["start", "e5", "0-0"]);
    ///
    /// let last_of_a = moves.range(..key("b", i32::MIN))?.next_back().transpose()?;
    /// assert_eq!(last_of_a, Some((key("a", 10), "0-0".to_owned())));
    /// assert_eq!(moves.first()?, Some((key("a", -1), "start".to_owned())));
    /// assert_eq!(moves.next(&key("a", 2))?, Some((key("a", 10), "0-0".to_owned())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn range(&self, bounds: impl RangeBounds<K>) -> Result<Range<(K, V)>, RangeError> {
        if !self.codec.is_ordered() {
            return Err(NotOrdered(self.raw.kind()).into());
        }
        let encode = |bound: Bound<&K>| match bound {
            Bound::Unbounded => Ok(Bound::Unbounded),
            Bound::Included(key) => self.codec.key(key).map(Bound::Included),
            Bound::Excluded(key) => self.codec.key(key).map(Bound::Excluded),
        };
        let (from, to) = (encode(bounds.start_bound())?, encode(bounds.end_bound())?);
        Ok(Range::new(self.source(Codec::pair), from, to))
    }

    /// The record with the lowest key.
    ///
    /// # Errors
    ///
    /// If the table is not ordered, or the record is not a `(K, V)`.
    pub fn first(&self) -> Result<Option<(K, V)>, RangeError> {
        let found = self.raw.first(|key, record| self.pair(key, record))?;
        found.transpose()
    }

    /// The record with the greatest key.
    ///
    /// # Errors
    ///
    /// As [`Table::first`].
    pub fn last(&self) -> Result<Option<(K, V)>, RangeError> {
        let found = self.raw.last(|key, record| self.pair(key, record))?;
        found.transpose()
    }

    /// The record with the lowest key above `key`, which need not be there itself.
    ///
    /// # Errors
    ///
    /// As [`Table::first`]; also if the key cannot be encoded.
    pub fn next<Q>(&self, key: &Q) -> Result<Option<(K, V)>, RangeError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.codec.key(key)?;
        let found = self.raw.next(&key, |key, record| self.pair(key, record))?;
        found.transpose()
    }

    /// The record with the greatest key below `key`, which need not be there itself.
    ///
    /// # Errors
    ///
    /// As [`Table::next`].
    pub fn previous<Q>(&self, key: &Q) -> Result<Option<(K, V)>, RangeError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.codec.key(key)?;
        let found = self.raw.previous(&key, |key, record| self.pair(key, record))?;
        found.transpose()
    }

    fn pair(&self, key: &[u8], record: RawRecord<'_>) -> Result<(K, V), RangeError> {
        Ok(self.codec.pair(key, record.value)?)
    }
}
