//! Keys of ordered tables as bytes that compare like the keys themselves.
//!
//! | type | bytes |
//! |---|---|
//! | `bool`, `u8` … `u128`, `char` | the highest byte first |
//! | `i8` … `i128` | the same, the sign turned over |
//! | `f32`, `f64` | the same, in the order of `total_cmp` |
//! | strings, bytes | a zero byte as `00 FF`, `00 00` at the end |
//! | `Option` | `00`, or `01` and the value: `None` comes first |
//! | sequences, maps | each item after `01`, `00` at the end: a beginning comes first |
//! | tuples, structs | their fields, one after the other |
//! | enums | the number of the variant (one byte below 255, else `FF` and four), its fields |
//! | `()`, a unit struct | nothing |
//!
//! So the bytes compare like the derived `Ord`. Of two types they do not: an enum whose variants
//! are declared in another order than their discriminants, and wrappers like `Reverse`, which serde
//! does not see. No length stands in front of anything and every type can be told where it ends, so
//! one key is never the beginning of another of the same type.

mod de;
mod ser;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Why a key cannot be written as bytes, or bytes are no key of the type.
#[derive(Debug)]
pub(crate) struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

impl serde::ser::Error for KeyError {
    fn custom<T: fmt::Display>(text: T) -> KeyError {
        KeyError(text.to_string())
    }
}

impl serde::de::Error for KeyError {
    fn custom<T: fmt::Display>(text: T) -> KeyError {
        KeyError(text.to_string())
    }
}

/// A key as bytes, behind those that are there.
pub(crate) fn encode<K: Serialize + ?Sized>(out: Vec<u8>, key: &K) -> Result<Vec<u8>, KeyError> {
    let mut writer = ser::Writer { out };
    key.serialize(&mut writer)?;
    Ok(writer.out)
}

/// The key that all of `bytes` are.
pub(crate) fn decode<K: DeserializeOwned>(bytes: &[u8]) -> Result<K, KeyError> {
    let mut reader = de::Reader { rest: bytes };
    let key = K::deserialize(&mut reader)?;
    match reader.rest.len() {
        0 => Ok(key),
        left => Err(KeyError(format!("{left} bytes are left over"))),
    }
}
