//! What a field can hold, and its order.

use std::cmp::Ordering;

/// What a field holds, where that has an order.
///
/// The order is total and the same on every node. Values of different kinds are ordered by their
/// kinds, as these are listed here: a bool comes before every number, a number before every
/// timestamp, and so on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    /// False before true.
    Bool(bool),
    /// A number, by its value.
    Number(Number),
    /// A timestamp of MessagePack, earlier before later.
    Timestamp(Timestamp),
    /// A text, by its bytes in UTF-8. RFC 3339 times come in the order of time if all of them are
    /// in UTC, written with `Z`, and have the same number of digits behind the point.
    String(String),
    /// Bytes of MessagePack.
    Bytes(Vec<u8>),
}

/// A number. Integers and floats compare by their exact values: 1 and 1.0 are equal, and 2^53 + 1
/// is greater than the float 2^53, to which a cast would round it. -0.0 equals 0. All NaNs are
/// equal and come before every other number.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Wider than what either format writes, so that both its signed and its unsigned fit.
    Integer(i128),
    /// Anything else.
    Float(f64),
}

/// A point in time: seconds since 1970 in UTC, before it if negative, and nanoseconds onwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Less than 1,000,000,000.
    pub nanos: u32,
}

impl Scalar {
    /// Bytes that are equal for equal values and different for others.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
        match self {
            Scalar::Bool(truth) => tagged(1, &[u8::from(*truth)]),
            Scalar::Number(number) => match number.as_integer() {
                Some(integer) => tagged(2, &integer.to_be_bytes()),
                None => tagged(3, &number.as_float().to_bits().to_be_bytes()),
            },
            Scalar::Timestamp(at) => {
                tagged(4, &[&at.seconds.to_be_bytes()[..], &at.nanos.to_be_bytes()].concat())
            }
            Scalar::String(text) => tagged(5, text.as_bytes()),
            Scalar::Bytes(bytes) => tagged(6, bytes),
        }
    }
}

impl Number {
    /// The integer that it is, if it is one.
    fn as_integer(self) -> Option<i128> {
        match self {
            Number::Integer(integer) => Some(integer),
            Number::Float(float) => {
                let integer = float as i128;
                (Number::Integer(integer) == self).then_some(integer)
            }
        }
    }

    /// All NaNs as one.
    fn as_float(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) if float.is_nan() => f64::NAN,
            Number::Float(float) => float,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (*self, *other) {
            (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
            (Number::Integer(a), Number::Float(b)) => compare_mixed(a, b),
            (Number::Float(a), Number::Integer(b)) => compare_mixed(b, a).reverse(),
            // Only a NaN is not comparable. Two are equal, one is less than what is a number.
            (Number::Float(a), Number::Float(b)) => {
                a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
            }
        }
    }
}

/// Compares an integer with a float by their exact values.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    // 2^127, the first float above every integer. Its negative is the least integer itself.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() || float < -LIMIT {
        return Ordering::Greater;
    }
    if float >= LIMIT {
        return Ordering::Less;
    }
    // Exact: an integral float within the limits is an integer of 128 bits.
    let whole = float.trunc();
    let fraction = float - whole;
    integer.cmp(&(whole as i128)).then_with(|| {
        if fraction > 0.0 {
            Ordering::Less
        } else if fraction < 0.0 {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    })
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

/// What functions of programs return as a version.
macro_rules! scalar_from {
    ($($type:ty: $value:ident => $scalar:expr),+ $(,)?) => {
        $(impl From<$type> for Scalar {
            fn from($value: $type) -> Scalar {
                $scalar
            }
        })+
    };
}

scalar_from! {
    bool: value => Scalar::Bool(value),
    u32: value => Scalar::Number(Number::Integer(value.into())),
    i64: value => Scalar::Number(Number::Integer(value.into())),
    u64: value => Scalar::Number(Number::Integer(value.into())),
    f64: value => Scalar::Number(Number::Float(value)),
    &str: value => Scalar::String(value.to_owned()),
    String: value => Scalar::String(value),
    Vec<u8>: value => Scalar::Bytes(value),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2^53, the first integer whose successor is no float.
    const EXACT: i64 = 9_007_199_254_740_992;

    fn number() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(|value| Number::Integer(value.into())),
            any::<i128>().prop_map(Number::Integer),
            any::<f64>().prop_map(Number::Float),
            Just(Number::Float(f64::NAN)),
            Just(Number::Float(-0.0)),
            (-4i8..4).prop_map(|value| Number::Integer(value.into())),
            (-8i8..8).prop_map(|value| Number::Float(f64::from(value) / 2.0)),
            (EXACT - 4..EXACT + 4).prop_map(|value| Number::Integer(value.into())),
            (EXACT - 4..EXACT + 4).prop_map(|value| Number::Float(value as f64)),
        ]
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<bool>().prop_map(Scalar::Bool),
            number().prop_map(Scalar::Number),
            (-2i64..2, 0u32..3)
                .prop_map(|(seconds, nanos)| { Scalar::Timestamp(Timestamp { seconds, nanos }) }),
            "[a-c]{0,2}".prop_map(Scalar::String),
            proptest::collection::vec(0u8..3, 0..3).prop_map(Scalar::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in scalar(), b in scalar(), c in scalar()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            let mut sorted = [a, b, c];
            sorted.sort();
            prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2]);
            prop_assert!(sorted[0] <= sorted[2]);
        }

        #[test]
        fn equal_values_have_equal_bytes_and_others_have_not(a in scalar(), b in scalar()) {
            prop_assert_eq!(a == b, a.to_bytes() == b.to_bytes());
        }
    }

    #[test]
    fn integers_and_floats_compare_by_their_exact_values() {
        let integer = |value: i64| Number::Integer(value.into());
        assert!(integer(EXACT + 1) > Number::Float(EXACT as f64));
        assert_eq!(integer(0), Number::Float(-0.0));
        assert!(Number::Float(f64::NAN) < Number::Float(f64::NEG_INFINITY));
        assert!(Number::Float(f64::INFINITY) > Number::Integer(i128::MAX));
    }
}
