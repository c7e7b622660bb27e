//! Fields of JSON values.
//!
//! Nothing is built of what is passed over: each step reads the value it stands at from end to
//! end, and what the next one stands at is a slice of it. The depth of the nesting costs no stack.

use super::{Number, Scalar, Step};
use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What is at the end of `steps` in the JSON text `value`.
pub(super) fn find(value: &[u8], steps: &[Step]) -> Option<Scalar> {
    // What serde_json passes over it does not check for UTF-8.
    let text = std::str::from_utf8(value).ok()?;
    let mut text = text.trim_start_matches([' ', '\t', '\n', '\r']);
    for step in steps {
        text = child(text, step)?.get();
    }
    scalar(text)
}

/// What `step` leads to in `text`, which does not begin with blanks.
fn child<'a>(text: &'a str, step: &Step) -> Option<&'a RawValue> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = match text.as_bytes().first()? {
        b'{' => json.deserialize_map(Entry(step)),
        b'[' => json.deserialize_seq(Element(step.index()?)),
        _ => return None,
    };
    json.end().ok()?;
    found.ok()?
}

/// Finds the last entry of an object that has the name of the step.
struct Entry<'s>(&'s Step);

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if is_named(key.get(), &self.0.name) {
                found = Some(value);
            }
        }
        Ok(found)
    }
}

/// Whether `key`, a string as it is written in JSON, says `name`.
fn is_named(key: &str, name: &str) -> bool {
    if key.contains('\\') {
        // Half a surrogate pair is no text and so no name, but does not spoil the object.
        return serde_json::from_str::<String>(key).is_ok_and(|key| key == name);
    }
    key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) == Some(name)
}

/// Finds the element of an array at an index.
struct Element(usize);

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut index = 0;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if index == self.0 {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }
}

/// Reads a value that has been found to be valid.
fn scalar(text: &str) -> Option<Scalar> {
    match text.as_bytes().first()? {
        b't' => Some(Scalar::Bool(true)),
        b'f' => Some(Scalar::Bool(false)),
        b'"' => serde_json::from_str(text).ok().map(Scalar::String),
        b'-' | b'0'..=b'9' => number(text).map(Scalar::Number),
        _ => None,
    }
}

/// Reads a number. Not left to serde_json: how exactly it reads floats depends on features that
/// any crate of a program can turn on, and so may differ between nodes.
fn number(text: &str) -> Option<Number> {
    text.parse().map(Number::Integer).or_else(|_| text.parse().map(Number::Float)).ok()
}
