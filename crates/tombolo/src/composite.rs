//! The keys of bag tables.
//!
//! A bag holds several values under one key. It is a set table whose keys are composites of two
//! parts: the key that the caller knows, and an identity that tells the values under it apart.
//!
//! Composites compare like the pairs (key, identity), so that a range of the set table holds what
//! is under one key, and ranges of keys are ranges of composites. For that a zero byte in the key
//! is written as `00 FF`, and `00 00` ends the key: a key that ends is less than one that goes on,
//! even with a zero. The identity follows as it is.

use std::borrow::Cow;
use std::ops::Bound;

/// Stands in front of what says whether a key goes on with a zero byte or ends.
const ESCAPE: u8 = 0x00;
/// Behind [`ESCAPE`]: the key has a zero byte here.
const ZERO: u8 = 0xFF;
/// Behind [`ESCAPE`]: the key ends here.
const END: u8 = 0x00;

/// Appends the composite of `key` and `identity` to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, key: &[u8], identity: &[u8]) {
    prefix(out, key);
    out.extend_from_slice(identity);
}

/// Appends to `out` the bytes with which the composites of `key` begin, and those of no other key.
pub(crate) fn prefix(out: &mut Vec<u8>, key: &[u8]) {
    begin(out, key);
    out.extend_from_slice(&[ESCAPE, END]);
}

/// Appends to `out` the bytes with which the composites of all keys begin that begin with `key`,
/// and those of no other key.
pub(crate) fn begin(out: &mut Vec<u8>, key: &[u8]) {
    let mut parts = key.split(|byte| *byte == ESCAPE);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[ESCAPE, ZERO]);
        out.extend_from_slice(part);
    }
}

/// Where a range ends that begins at `prefix` and holds all that begins with it.
pub(crate) fn upper(prefix: &[u8]) -> Bound<Vec<u8>> {
    // What begins with it is less than it with one more in its last byte; FF has none more.
    match prefix.iter().rposition(|byte| *byte != u8::MAX) {
        None => Bound::Unbounded,
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bound::Excluded(end)
        }
    }
}

/// The key and the identity of a composite; `None` if [`encode`] does not write such bytes. The
/// key is borrowed unless it holds a zero byte.
pub(crate) fn decode(composite: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let (part, mut after, mut rest) = split(composite)?;
    let mut key = Cow::Borrowed(part);
    while after == ZERO {
        let (part, next, beyond) = split(rest)?;
        let key = key.to_mut();
        key.push(ESCAPE);
        key.extend_from_slice(part);
        (after, rest) = (next, beyond);
    }
    (after == END).then_some((key, rest))
}

/// What is before the first [`ESCAPE`], the byte behind it, and what is behind that.
fn split(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == ESCAPE)?;
    let (after, rest) = bytes[at + 1..].split_first()?;
    Some((&bytes[..at], *after, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn composite(key: &[u8], identity: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, key, identity);
        out
    }

    fn prefix_of(key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        prefix(&mut out, key);
        out
    }

    /// Short and of few letters, so that they are often equal or begin alike.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => vec(prop::sample::select(vec![0x00, 0x01, 0xFE, 0xFF]), 0..5),
            1 => vec(any::<u8>(), 0..40),
        ]
    }

    #[test]
    fn composites_are_spelled_as_documented() {
        assert_eq!(composite(b"", b""), [0, 0]);
        assert_eq!(composite(b"ab", b"\0i"), *b"ab\0\0\0i");
        assert_eq!(composite(b"\0a\0", b"i"), *b"\0\xFFa\0\xFF\0\0i");
        assert_eq!(prefix_of(b"a\0"), *b"a\0\xFF\0\0");
    }

    #[test]
    fn what_is_appended_leaves_what_is_there() {
        let mut out = b"kept".to_vec();
        encode(&mut out, b"a", b"b");
        prefix(&mut out, b"c");
        assert_eq!(out, *b"kepta\0\0bc\0\0");
    }

    #[test]
    fn a_key_without_zeros_is_borrowed() {
        let plain = composite(b"key", b"a\0b");
        assert!(matches!(decode(&plain), Some((Cow::Borrowed(b"key"), b"a\0b"))));
        let escaped = composite(b"k\0y", b"");
        assert!(matches!(decode(&escaped), Some((Cow::Owned(_), b""))));
    }

    #[test]
    fn what_is_no_composite_has_no_key() {
        let bad: [&[u8]; 8] =
            [b"", b"a", b"\0", b"a\0", b"a\0\x01", b"a\0\xFF", b"a\0\xFFb\0", b"\0\xFE\0\0"];
        for bytes in bad {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_prefix_of_high_bytes_has_an_upper_bound() {
        assert_eq!(upper(b"a\0\0"), Bound::Excluded(b"a\0\x01".to_vec()));
        assert_eq!(upper(b"a\xFF\xFF"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(upper(b"\xFF\xFF"), Bound::Unbounded);
        assert_eq!(upper(b""), Bound::Unbounded);
    }

    proptest! {
        #[test]
        fn a_composite_gives_back_its_parts(key in bytes(), identity in bytes()) {
            let composite = composite(&key, &identity);
            let (found, rest) = decode(&composite).unwrap();
            prop_assert_eq!(matches!(found, Cow::Borrowed(_)), !key.contains(&0));
            prop_assert_eq!((found.as_ref(), rest), (&key[..], &identity[..]));
        }

        #[test]
        fn composites_compare_like_their_parts(
            a in (bytes(), bytes()),
            b in (bytes(), bytes()),
        ) {
            let order = composite(&a.0, &a.1).cmp(&composite(&b.0, &b.1));
            prop_assert_eq!(order, a.cmp(&b));
        }

        #[test]
        fn a_prefix_is_that_of_one_key(key in bytes(), other in bytes(), identity in bytes()) {
            let prefix = prefix_of(&key);
            prop_assert!(composite(&key, &identity).starts_with(&prefix));
            prop_assert_eq!(composite(&other, &identity).starts_with(&prefix), key == other);
        }

        #[test]
        fn a_range_holds_what_is_under_a_key(
            pairs in vec((bytes(), bytes()), 1..30),
            chosen: prop::sample::Index,
        ) {
            let key = chosen.get(&pairs).0.clone();
            let all = BTreeSet::from_iter(pairs.iter().map(|pair| composite(&pair.0, &pair.1)));
            let begin = prefix_of(&key);
            let range = all.range((Bound::Included(begin.clone()), upper(&begin)));
            let identities = range.map(|composite| decode(composite).unwrap().1.to_vec());
            let found = Vec::from_iter(identities);
            let of_key = pairs.into_iter().filter(|pair| pair.0 == key).map(|pair| pair.1);
            prop_assert_eq!(found, Vec::from_iter(BTreeSet::from_iter(of_key)));
        }

        #[test]
        fn what_begins_alike_is_below_the_upper_bound(prefix in bytes(), other in bytes()) {
            let below = match upper(&prefix) {
                Bound::Excluded(end) => other < end,
                bound => bound == Bound::Unbounded,
            };
            prop_assert_eq!(prefix <= other && below, other.starts_with(&prefix));
        }

        #[test]
        fn garbage_is_refused_or_is_the_one_spelling(bytes in bytes()) {
            if let Some((key, identity)) = decode(&bytes) {
                prop_assert_eq!(composite(&key, identity), bytes);
            }
        }
    }
}
