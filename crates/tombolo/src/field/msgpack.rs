//! Fields of MessagePack values.
//!
//! A reader of its own, because it must build nothing of what it passes over, and because a value
//! may be hostile. It is a loop that counts what is still to come, so nesting costs no stack; no
//! length is believed, so nothing is allocated by one, and the loop ends where the bytes end.

use super::{Number, Scalar, Step, Timestamp};
use rmp::Marker;

/// The type that MessagePack gives its timestamps among the extensions.
const TIMESTAMP: i8 = -1;

/// What is at the end of `steps` in `value`.
pub(super) fn find(value: &[u8], steps: &[Step]) -> Option<Scalar> {
    let mut value = value;
    for step in steps {
        value = child(value, step)?;
    }
    let mut reader = Reader { rest: value };
    let item = reader.item()?;
    reader.at_end()?;
    scalar(item)
}

/// What `step` leads to in `value`: the last entry of a map with that key, or an element.
fn child<'a>(value: &'a [u8], step: &Step) -> Option<&'a [u8]> {
    let mut reader = Reader { rest: value };
    let mut found = None;
    match reader.item()? {
        Item::Map(entries) => {
            for _ in 0..entries {
                let is_named = reader.key(step)?;
                let value = reader.value()?;
                if is_named {
                    found = Some(value);
                }
            }
        }
        Item::Array(elements) => {
            let wanted = step.index();
            for index in 0..elements {
                let value = reader.value()?;
                if Some(index) == wanted {
                    found = Some(value);
                }
            }
        }
        _ => return None,
    }
    reader.at_end()?;
    found
}

fn scalar(item: Item<'_>) -> Option<Scalar> {
    match item {
        Item::Bool(bool) => Some(Scalar::Bool(bool)),
        Item::Number(number) => Some(Scalar::Number(number)),
        Item::Text(text) => String::from_utf8(text.to_vec()).ok().map(Scalar::String),
        Item::Bytes(bytes) => Some(Scalar::Bytes(bytes.to_vec())),
        Item::Extension(TIMESTAMP, content) => timestamp(content).map(Scalar::Timestamp),
        Item::Nil | Item::Extension(..) | Item::Array(_) | Item::Map(_) => None,
    }
}

/// Reads the content of a timestamp, of which there are three sizes.
fn timestamp(content: &[u8]) -> Option<Timestamp> {
    let mut reader = Reader { rest: content };
    let (seconds, nanos) = match content.len() {
        4 => (i64::from(u32::from_be_bytes(reader.array()?)), 0),
        8 => {
            // 30 bits of nanoseconds before 34 bits of seconds.
            let both = u64::from_be_bytes(reader.array()?);
            ((both & ((1 << 34) - 1)) as i64, (both >> 34) as u32)
        }
        12 => {
            let nanos = u32::from_be_bytes(reader.array()?);
            (i64::from_be_bytes(reader.array()?), nanos)
        }
        _ => return None,
    };
    (nanos < 1_000_000_000).then_some(Timestamp { seconds, nanos })
}

/// A value, but for what an array or a map contains.
enum Item<'a> {
    Nil,
    Bool(bool),
    Number(Number),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Extension(i8, &'a [u8]),
    /// So many values follow.
    Array(usize),
    /// So many keys follow, each with its value.
    Map(usize),
}

/// Reads values one behind the other. `None` means everywhere that the bytes are not MessagePack.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// `None` if something is left.
    fn at_end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// Passes over a whole value and returns its bytes.
    fn value(&mut self) -> Option<&'a [u8]> {
        let begin = self.rest;
        self.skip(1)?;
        Some(&begin[..begin.len() - self.rest.len()])
    }

    /// Passes over the key of an entry and says whether `step` names it.
    fn key(&mut self, step: &Step) -> Option<bool> {
        match self.item()? {
            Item::Text(text) => return Some(text == step.name.as_bytes()),
            Item::Number(Number::Integer(integer)) => return Some(step.integer == Some(integer)),
            Item::Array(elements) => self.skip(elements)?,
            Item::Map(entries) => self.skip(entries.checked_mul(2)?)?,
            _ => {}
        }
        Some(false)
    }

    /// Passes over so many values and all that they contain.
    fn skip(&mut self, count: usize) -> Option<()> {
        let mut left = count;
        while left > 0 {
            let inside = match self.item()? {
                Item::Array(elements) => elements,
                Item::Map(entries) => entries.checked_mul(2)?,
                _ => 0,
            };
            left = (left - 1).checked_add(inside)?;
        }
        Some(())
    }

    /// Reads a value up to where the content of an array or a map begins.
    fn item(&mut self) -> Option<Item<'a>> {
        let [marker] = self.array()?;
        Some(match Marker::from_u8(marker) {
            Marker::Null => Item::Nil,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(value) => integer(value),
            Marker::FixNeg(value) => integer(value),
            Marker::U8 => integer(u8::from_be_bytes(self.array()?)),
            Marker::U16 => integer(u16::from_be_bytes(self.array()?)),
            Marker::U32 => integer(u32::from_be_bytes(self.array()?)),
            Marker::U64 => integer(u64::from_be_bytes(self.array()?)),
            Marker::I8 => integer(i8::from_be_bytes(self.array()?)),
            Marker::I16 => integer(i16::from_be_bytes(self.array()?)),
            Marker::I32 => integer(i32::from_be_bytes(self.array()?)),
            Marker::I64 => integer(i64::from_be_bytes(self.array()?)),
            Marker::F32 => float(f32::from_be_bytes(self.array()?)),
            Marker::F64 => float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => Item::Text(self.take(usize::from(length))?),
            Marker::Str8 => self.length_8().and_then(|n| self.take(n)).map(Item::Text)?,
            Marker::Str16 => self.length_16().and_then(|n| self.take(n)).map(Item::Text)?,
            Marker::Str32 => self.length_32().and_then(|n| self.take(n)).map(Item::Text)?,
            Marker::Bin8 => self.length_8().and_then(|n| self.take(n)).map(Item::Bytes)?,
            Marker::Bin16 => self.length_16().and_then(|n| self.take(n)).map(Item::Bytes)?,
            Marker::Bin32 => self.length_32().and_then(|n| self.take(n)).map(Item::Bytes)?,
            Marker::FixArray(elements) => Item::Array(usize::from(elements)),
            Marker::Array16 => Item::Array(self.length_16()?),
            Marker::Array32 => Item::Array(self.length_32()?),
            Marker::FixMap(entries) => Item::Map(usize::from(entries)),
            Marker::Map16 => Item::Map(self.length_16()?),
            Marker::Map32 => Item::Map(self.length_32()?),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.length_8().and_then(|n| self.extension(n))?,
            Marker::Ext16 => self.length_16().and_then(|n| self.extension(n))?,
            Marker::Ext32 => self.length_32().and_then(|n| self.extension(n))?,
            Marker::Reserved => return None,
        })
    }

    fn extension(&mut self, length: usize) -> Option<Item<'a>> {
        let kind = i8::from_be_bytes(self.array()?);
        Some(Item::Extension(kind, self.take(length)?))
    }

    fn length_8(&mut self) -> Option<usize> {
        self.array().map(|bytes| usize::from(u8::from_be_bytes(bytes)))
    }

    fn length_16(&mut self) -> Option<usize> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    fn length_32(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

fn integer(value: impl Into<i128>) -> Item<'static> {
    Item::Number(Number::Integer(value.into()))
}

fn float(value: impl Into<f64>) -> Item<'static> {
    Item::Number(Number::Float(value.into()))
}
