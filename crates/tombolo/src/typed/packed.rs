//! Many records as bytes.

use super::codec::{Codec, KEY_ROOM, VALUE_ROOM};
use super::error::EncodeError;
use serde::Serialize;
use std::mem::take;

/// The first record's length is the guess for those that follow; this much is asked for at most.
const GUESSED: usize = 1024 * 1024;

/// Records as bytes, one behind the other: two allocations for all, where hundreds of small ones a
/// call would come and go faster than an allocator keeps them at hand.
#[derive(Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    /// Where each key ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl Packed {
    /// Packs what `each` puts in for each of `items`.
    pub(super) fn of<T>(
        items: impl IntoIterator<Item = T>,
        each: impl Fn(&mut Packed, T) -> Result<(), EncodeError>,
    ) -> Result<Packed, EncodeError> {
        let mut items = items.into_iter();
        let mut packed = Packed::default();
        let Some(first) = items.next() else { return Ok(packed) };
        packed.bytes.reserve(KEY_ROOM + VALUE_ROOM);
        each(&mut packed, first)?;
        let more = items.size_hint().0;
        packed.bytes.reserve(packed.bytes.len().saturating_mul(more).min(GUESSED));
        packed.ends.reserve(more.min(GUESSED / size_of::<(usize, usize)>()));
        for item in items {
            each(&mut packed, item)?;
        }
        Ok(packed)
    }

    /// Packs one record. What cannot be written as bytes leaves nothing behind that can be used.
    pub(super) fn push<K, V>(
        &mut self,
        codec: &Codec,
        key: &K,
        value: &V,
    ) -> Result<(), EncodeError>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        self.push_key(codec, key)?;
        self.bytes = codec.add_value(take(&mut self.bytes), value)?;
        if let Some((_, end)) = self.ends.last_mut() {
            *end = self.bytes.len();
        }
        Ok(())
    }

    /// As [`Packed::push`], with no value.
    pub(super) fn push_key<K>(&mut self, codec: &Codec, key: &K) -> Result<(), EncodeError>
    where
        K: Serialize + ?Sized,
    {
        self.bytes = codec.add_key(take(&mut self.bytes), key)?;
        self.ends.push((self.bytes.len(), self.bytes.len()));
        Ok(())
    }

    /// The keys with their values, in the order in which they were packed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(key, value)| {
            let record = (&self.bytes[start..key], &self.bytes[key..value]);
            start = value;
            record
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tombolo_core::Kind;

    #[test]
    fn what_is_packed_comes_out_as_if_each_were_encoded() {
        for kind in [Kind::Set, Kind::OrderedSet] {
            let codec = Codec::new("t", kind);
            let records = [("a", 1u32), ("", 70_000), ("bcd", 0)];
            let packed =
                Packed::of(records, |packed, (key, value)| packed.push(&codec, key, &value));
            let packed = packed.unwrap();
            let expected = records.map(|(key, value)| codec.record(key, &value).unwrap());
            let found: Vec<_> = packed.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            assert_eq!(found, expected);
            let keys =
                Packed::of(records, |packed, (key, _)| packed.push_key(&codec, key)).unwrap();
            let expected = records.map(|(key, _)| (codec.key(key).unwrap(), vec![]));
            let found: Vec<_> = keys.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_record_that_cannot_be_written_is_an_error_and_none_is_no_record() {
        struct Unwritable;
        impl Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not this one"))
            }
        }
        let codec = Codec::new("t", Kind::Set);
        let push = |packed: &mut Packed, good: bool| match good {
            true => packed.push(&codec, "key", "value"),
            false => packed.push(&codec, "key", &Unwritable),
        };
        assert!(Packed::of([true, false], push).is_err());
        assert_eq!(Packed::of([], push).unwrap().iter().count(), 0);
    }
}
