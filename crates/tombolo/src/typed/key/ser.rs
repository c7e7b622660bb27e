//! Writing keys.

use super::KeyError;
use crate::composite;
use serde::ser::{self, Serialize, Serializer};

/// Behind an item comes another.
pub(super) const MORE: u8 = 1;
/// No item comes any more.
pub(super) const END: u8 = 0;
/// The number of a variant follows in four bytes.
pub(super) const WIDE: u8 = u8::MAX;

#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

type Written = Result<(), KeyError>;

impl Writer {
    fn variant(&mut self, index: u32) {
        match u8::try_from(index) {
            Ok(index) if index < WIDE => self.out.push(index),
            _ => {
                self.out.push(WIDE);
                self.out.extend_from_slice(&index.to_be_bytes());
            }
        }
    }
}

macro_rules! numbers {
    ($($name:ident: $number:ty, $flip:expr;)*) => {
        $(fn $name(self, number: $number) -> Written {
            let flip: fn($number) -> _ = $flip;
            self.out.extend_from_slice(&flip(number).to_be_bytes());
            Ok(())
        })*
    };
}

impl Serializer for &mut Writer {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_u8: u8, |number| number;
        serialize_u16: u16, |number| number;
        serialize_u32: u32, |number| number;
        serialize_u64: u64, |number| number;
        serialize_u128: u128, |number| number;
        serialize_i8: i8, |number| number ^ i8::MIN;
        serialize_i16: i16, |number| number ^ i16::MIN;
        serialize_i32: i32, |number| number ^ i32::MIN;
        serialize_i64: i64, |number| number ^ i64::MIN;
        serialize_i128: i128, |number| number ^ i128::MIN;
        serialize_f32: f32, |number| ordered_f32(number.to_bits());
        serialize_f64: f64, |number| ordered_f64(number.to_bits());
        serialize_bool: bool, u8::from;
        serialize_char: char, u32::from;
    }

    fn serialize_str(self, text: &str) -> Written {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Written {
        composite::prefix(&mut self.out, bytes);
        Ok(())
    }

    fn serialize_none(self) -> Written {
        self.out.push(END);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        self.out.push(MORE);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Written {
        self.variant(index);
        Ok(())
    }

    fn serialize_newtype_struct<T>(self, _: &'static str, value: &T) -> Written
    where
        T: Serialize + ?Sized,
    {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Written
    where
        T: Serialize + ?Sized,
    {
        self.variant(index);
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, KeyError> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, KeyError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, KeyError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, KeyError> {
        self.variant(index);
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, KeyError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, KeyError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, KeyError> {
        self.variant(index);
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn ordered_f32(bits: u32) -> u32 {
    if bits >> 31 == 0 { bits ^ (1 << 31) } else { !bits }
}

fn ordered_f64(bits: u64) -> u64 {
    if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits }
}

impl ser::SerializeSeq for &mut Writer {
    type Ok = ();
    type Error = KeyError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.out.push(MORE);
        value.serialize(&mut **self)
    }

    fn end(self) -> Written {
        self.out.push(END);
        Ok(())
    }
}

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = KeyError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.out.push(MORE);
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        value.serialize(&mut **self)
    }

    fn end(self) -> Written {
        self.out.push(END);
        Ok(())
    }
}

macro_rules! fields {
    ($($of:ident $field:ident ($($name:ty)?);)*) => {
        $(impl ser::$of for &mut Writer {
            type Ok = ();
            type Error = KeyError;

            fn $field<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Written {
                value.serialize(&mut **self)
            }

            fn end(self) -> Written {
                Ok(())
            }
        })*
    };
}

fields! {
    SerializeTuple serialize_element ();
    SerializeTupleStruct serialize_field ();
    SerializeTupleVariant serialize_field ();
    SerializeStruct serialize_field (&'static str);
    SerializeStructVariant serialize_field (&'static str);
}
