//! Reading keys. What another node sent may be anything: nothing here panics, and no length is
//! believed.

use super::KeyError;
use super::ser::{END, MORE, WIDE};
use crate::composite;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use std::borrow::Cow;

pub(super) struct Reader<'b> {
    pub(super) rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], KeyError> {
        let ends = || KeyError("the bytes end too early".to_owned());
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(ends)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Result<u8, KeyError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Whether a value or another item follows.
    fn more(&mut self) -> Result<bool, KeyError> {
        match self.byte()? {
            END => Ok(false),
            MORE => Ok(true),
            other => Err(KeyError(format!("{other} says neither that more follows nor the end"))),
        }
    }

    fn bytes(&mut self) -> Result<Cow<'b, [u8]>, KeyError> {
        let unended = || KeyError("a string or bytes without an end".to_owned());
        let (bytes, rest) = composite::decode(self.rest).ok_or_else(unended)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn variant(&mut self) -> Result<u32, KeyError> {
        match self.byte()? {
            WIDE => self.array().map(u32::from_be_bytes),
            index => Ok(index.into()),
        }
    }
}

macro_rules! numbers {
    ($($name:ident $visit:ident: $number:ty, $flip:expr;)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
            let flip: fn($number) -> _ = $flip;
            visitor.$visit(flip(<$number>::from_be_bytes(self.array()?)))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = KeyError;

    numbers! {
        deserialize_u8 visit_u8: u8, |number| number;
        deserialize_u16 visit_u16: u16, |number| number;
        deserialize_u32 visit_u32: u32, |number| number;
        deserialize_u64 visit_u64: u64, |number| number;
        deserialize_u128 visit_u128: u128, |number| number;
        deserialize_i8 visit_i8: i8, |number| number ^ i8::MIN;
        deserialize_i16 visit_i16: i16, |number| number ^ i16::MIN;
        deserialize_i32 visit_i32: i32, |number| number ^ i32::MIN;
        deserialize_i64 visit_i64: i64, |number| number ^ i64::MIN;
        deserialize_i128 visit_i128: i128, |number| number ^ i128::MIN;
        deserialize_f32 visit_f32: u32, |bits| f32::from_bits(float_of_32(bits));
        deserialize_f64 visit_f64: u64, |bits| f64::from_bits(float_of_64(bits));
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let truth = self.more()?;
        visitor.visit_bool(truth)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let code = u32::from_be_bytes(self.array()?);
        let none = || KeyError(format!("no character has the number {code}"));
        visitor.visit_char(char::from_u32(code).ok_or_else(none)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let bytes = self.bytes()?;
        match str::from_utf8(&bytes) {
            Ok(text) => visitor.visit_str(text),
            Err(error) => Err(KeyError(error.to_string())),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        let bytes = self.bytes()?;
        visitor.visit_bytes(&bytes)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        if self.more()? { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        visitor.visit_seq(Items(self))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        visitor.visit_map(Items(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        visitor.visit_seq(Fields { reader: self, left: length })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, KeyError> {
        Err(KeyError("the bytes do not tell their type, and the type has to".to_owned()))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, KeyError> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn float_of_32(bits: u32) -> u32 {
    if bits >> 31 == 1 { bits ^ (1 << 31) } else { !bits }
}

fn float_of_64(bits: u64) -> u64 {
    if bits >> 63 == 1 { bits ^ (1 << 63) } else { !bits }
}

/// So many fields.
struct Fields<'r, 'b> {
    reader: &'r mut Reader<'b>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Fields<'_, '_> {
    type Error = KeyError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, KeyError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Items as long as there are more.
struct Items<'r, 'b>(&'r mut Reader<'b>);

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = KeyError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, KeyError> {
        if self.0.more()? { seed.deserialize(&mut *self.0).map(Some) } else { Ok(None) }
    }
}

impl<'de> de::MapAccess<'de> for Items<'_, '_> {
    type Error = KeyError;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, KeyError> {
        if self.0.more()? { seed.deserialize(&mut *self.0).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, KeyError> {
        seed.deserialize(&mut *self.0)
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'_> {
    type Error = KeyError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), KeyError> {
        let index = self.variant()?;
        let variant: Result<T::Value, KeyError> = seed.deserialize(index.into_deserializer());
        Ok((variant?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'_> {
    type Error = KeyError;

    fn unit_variant(self) -> Result<(), KeyError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, KeyError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, KeyError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
