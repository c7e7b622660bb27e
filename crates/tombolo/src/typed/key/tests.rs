use super::{KeyError, decode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Shape {
    Empty,
    Circle(u32),
    Box(i8, i8),
    Named { name: String, sides: Vec<Option<i16>> },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    shape: Shape,
    place: (i64, String),
    id: Id,
    flags: BTreeMap<String, bool>,
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Id(u128);

fn encode<K: Serialize + ?Sized>(key: &K) -> Result<Vec<u8>, KeyError> {
    super::encode(Vec::new(), key)
}

/// Short and of few letters, so that they are often equal or begin alike.
fn text() -> impl Strategy<Value = String> {
    let letters = vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', '\u{ff}', '😀']), 0..4);
    prop_oneof![4 => letters.prop_map(String::from_iter), 1 => any::<String>()]
}

fn near<T: From<i8> + Debug>() -> impl Strategy<Value = T> {
    (-2i8..3).prop_map(T::from)
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Empty),
        (0u32..3).prop_map(Shape::Circle),
        (near(), near()).prop_map(|(width, height)| Shape::Box(width, height)),
        (text(), vec(prop::option::of(near()), 0..3))
            .prop_map(|(name, sides)| Shape::Named { name, sides }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    let flags = btree_map(text(), any::<bool>(), 0..3);
    (shape(), (near(), text()), (0u128..3).prop_map(Id), flags)
        .prop_map(|(shape, place, id, flags)| Key { shape, place, id, flags })
}

#[track_caller]
fn compare_alike<K: Serialize + DeserializeOwned + Ord + Debug>(one: &K, other: &K) {
    let (a, b) = (encode(one).unwrap(), encode(other).unwrap());
    assert_eq!(a.cmp(&b), one.cmp(other), "{one:?} {a:?} and {other:?} {b:?}");
    assert!(a == b || !b.starts_with(&a), "{one:?} is the beginning of {other:?}");
    assert_eq!(&decode::<K>(&a).unwrap(), one);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn numbers_compare_as_their_bytes(
        a in any::<(u8, i16, u32, i64, i128, u128, char, bool)>(),
        b in any::<(u8, i16, u32, i64, i128, u128, char, bool)>(),
    ) {
        compare_alike(&a, &b);
        compare_alike(&a.1, &b.1);
        compare_alike(&a.2, &b.2);
        compare_alike(&a.3, &b.3);
        compare_alike(&a.4, &b.4);
        compare_alike(&(a.0, -a.4.saturating_abs()), &(a.0, b.4));
        compare_alike(&a.6, &b.6);
    }

    #[test]
    fn floats_compare_by_total_order(a in any::<u64>(), b in any::<u64>()) {
        let (a, b) = (f64::from_bits(a), f64::from_bits(b));
        prop_assert_eq!(encode(&a).unwrap().cmp(&encode(&b).unwrap()), a.total_cmp(&b));
        prop_assert_eq!(decode::<f64>(&encode(&a).unwrap()).unwrap().to_bits(), a.to_bits());
        let (a, b) = (a as f32, b as f32);
        prop_assert_eq!(encode(&a).unwrap().cmp(&encode(&b).unwrap()), a.total_cmp(&b));
        prop_assert_eq!(decode::<f32>(&encode(&a).unwrap()).unwrap().to_bits(), a.to_bits());
    }

    #[test]
    fn strings_and_lists_compare_as_their_bytes(
        a in (text(), vec(text(), 0..3), prop::option::of(text())),
        b in (text(), vec(text(), 0..3), prop::option::of(text())),
    ) {
        compare_alike(&a.0, &b.0);
        compare_alike(&a.1, &b.1);
        compare_alike(&a.2, &b.2);
        compare_alike(&a, &b);
    }

    #[test]
    fn structs_and_enums_compare_as_their_bytes(a in key(), b in key()) {
        compare_alike(&a.shape, &b.shape);
        compare_alike(&a, &b);
    }

    #[test]
    fn types_of_the_standard_library_compare_as_their_bytes(
        a in any::<(IpAddr, Duration)>(),
        b in any::<(IpAddr, Duration)>(),
    ) {
        compare_alike(&a.0, &b.0);
        compare_alike(&a, &b);
    }

    #[test]
    fn whatever_bytes_there_are_nothing_panics(bytes in vec(0u8..4, 0..60)) {
        let _ = decode::<Key>(&bytes);
        let _ = decode::<(u64, f32, char, Option<bool>)>(&bytes);
        if let Ok(texts) = decode::<Vec<(Id, String)>>(&bytes) {
            prop_assert_eq!(encode(&texts).unwrap(), bytes);
        }
    }
}

#[test]
fn the_bytes_are_as_documented() {
    assert_eq!(encode(&-1i16).unwrap(), [0x7f, 0xff]);
    assert_eq!(encode(&("a\0", 1u8)).unwrap(), *b"a\0\xff\0\0\x01");
    assert_eq!(encode(&Some(vec![7u8])).unwrap(), [1, 1, 7, 0]);
    assert_eq!(encode(&Shape::Box(0, -1)).unwrap(), [2, 0x80, 0x7f]);
    assert_eq!(encode(&()).unwrap(), [0u8; 0]);
    assert_eq!(encode(&1.0f32).unwrap().cmp(&encode(&-1.0f32).unwrap()), Ordering::Greater);
}

/// An enum with more variants than derive could be asked for here.
struct Variant(u32);

impl Serialize for Variant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("Variant", self.0, "")
    }
}

#[test]
fn variants_beyond_a_byte_compare_alike() {
    let numbers = [0, 1, 253, 254, 255, 256, 65_535, 65_536, u32::MAX];
    let encoded = numbers.map(|number| encode(&Variant(number)).unwrap());
    assert!(encoded.is_sorted_by(|one, next| one < next && !next.starts_with(one)));
    assert_eq!((encoded[3].len(), encoded[4].len()), (1, 5));
}

#[test]
fn bytes_that_are_left_over_or_missing_are_told() {
    let text = |result: Result<u16, super::KeyError>| result.unwrap_err().to_string();
    assert_eq!(text(decode(&[1, 2, 3])), "1 bytes are left over");
    assert_eq!(text(decode(&[1])), "the bytes end too early");
    assert!(decode::<String>(b"abc").is_err());
    assert!(decode::<String>(b"\xff\0\0").is_err());
    assert!(decode::<Shape>(&[9]).is_err());
    assert!(decode::<bool>(&[2]).is_err());
}
