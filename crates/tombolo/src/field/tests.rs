//! Paths, and the fields that they find in values of both formats.

use super::{MAX_STEPS, Number, Path, PathError, Scalar, Timestamp};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

fn find(path: &str, value: impl AsRef<[u8]>) -> Option<Scalar> {
    Path::parse(path).unwrap().find(value.as_ref())
}

fn integer(value: impl Into<i128>) -> Option<Scalar> {
    Some(Scalar::Number(Number::Integer(value.into())))
}

fn float(value: f64) -> Option<Scalar> {
    Some(Scalar::Number(Number::Float(value)))
}

fn text(value: &str) -> Option<Scalar> {
    Some(Scalar::String(value.to_owned()))
}

/// A map of one entry `v`, with `value` as it is in MessagePack.
fn entry(value: &[u8]) -> Vec<u8> {
    [b"\x81\xA1v", value].concat()
}

fn time(seconds: i64, nanos: u32) -> Option<Scalar> {
    Some(Scalar::Timestamp(Timestamp { seconds, nanos }))
}

mod paths {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused_with_the_forms() {
        for text in ["", "a", "a/b", " /a", "json:/a", "msgpack:", "msgpack:a", "MSGPACK:/a"] {
            let error = Path::parse(text).unwrap_err();
            assert_eq!(error, PathError::Form(text.to_owned()));
            let said = error.to_string();
            assert!(said.starts_with(&format!("{text:?} is not the path")), "{said}");
            assert!(said.contains(" /a/b ") && said.contains(" msgpack:/a/b "), "{said}");
        }
    }

    #[test]
    fn a_tilde_stands_for_something() {
        for text in ["/~", "/a~", "/~2", "/a/~/b", "/~~0", "msgpack:/~é"] {
            assert_eq!(Path::parse(text), Err(PathError::Escape(text.to_owned())));
        }
        // The example of RFC 6901: ~01 is the name ~1, not a slash.
        let value = r#"{"~1": 1, "/": 2, "~": 3, "a/b~c": 4, "": 5}"#;
        for (path, expected) in [("/~01", 1), ("/~1", 2), ("/~0", 3), ("/a~1b~0c", 4), ("/", 5)] {
            assert_eq!(find(path, value), integer(expected), "{path}");
        }
    }

    #[test]
    fn a_path_has_a_bounded_number_of_steps() {
        let longest = "/a".repeat(MAX_STEPS);
        assert!(Path::parse(&longest).is_ok());
        let longer = longest + "/a";
        assert_eq!(Path::parse(&longer), Err(PathError::Steps(longer.clone())));
    }

    #[test]
    fn paths_of_the_two_formats_differ() {
        assert_ne!(Path::parse("/a"), Path::parse("msgpack:/a"));
        assert_eq!(find("msgpack:/a", r#"{"a":1}"#), None);
        assert_eq!(find("/v", entry(&[1])), None);
    }
}

mod json {
    use super::*;

    #[test]
    fn the_examples_of_the_kinds() {
        let value = r#" {"t": true, "f": false, "n": null, "i": -7, "d": 1.50, "s": "x\u00e9\n",
            "o": {"a": {"b": [10, {"c": 11}, null]}}, "1": "one", "e": 2E3} "#;
        for (path, expected) in [
            ("/t", Some(Scalar::Bool(true))),
            ("/f", Some(Scalar::Bool(false))),
            ("/i", integer(-7)),
            ("/d", float(1.5)),
            ("/e", float(2000.0)),
            ("/s", text("xé\n")),
            ("/o/a/b/0", integer(10)),
            ("/o/a/b/1/c", integer(11)),
            ("/1", text("one")),
        ] {
            assert_eq!(find(path, value), expected, "{path}");
        }
        for path in ["/n", "/o", "/o/a/b", "/o/a/b/2", "/x", "/o/x/b", "/t/a", "/i/0", "/s/0"] {
            assert_eq!(find(path, value), None, "{path}");
        }
    }

    #[test]
    fn an_index_has_one_spelling() {
        for path in ["/00", "/01", "/+1", "/-0", "/-1", "/-", "/2", "/", "/1 ", "/99999999999999"] {
            assert_eq!(find(path, "[5,6]"), None, "{path}");
        }
        assert_eq!(find("/1", "[5,6]"), integer(6));
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (value, expected) in [
            ("18446744073709551615", integer(u64::MAX)),
            ("-9223372036854775808", integer(i64::MIN)),
            ("9007199254740993", integer(9_007_199_254_740_993i64)),
            ("-0", integer(0)),
            ("0.1", float(0.1)),
            // One that serde_json reads as its neighbour, unless built with `float_roundtrip`.
            ("31.245270191439438", float(31.245_270_191_439_438)),
            ("1e400", float(f64::INFINITY)),
        ] {
            assert_eq!(find("/v", format!("{{\"v\":{value}}}")), expected, "{value}");
        }
    }

    #[test]
    fn the_last_entry_of_a_name_counts() {
        assert_eq!(find("/a", r#"{"a":1,"a":2}"#), integer(2));
        assert_eq!(find("/a", r#"{"a":1,"a":null}"#), None);
        assert_eq!(find("/a/b", r#"{"a":{"b":1},"a":{}}"#), None);
        assert_eq!(find("/a/b", r#"{"a":1e400,"a":{"b":3}}"#), integer(3));
        assert_eq!(find("/a", r#"{"a":1,"\u0061":2}"#), integer(2));
    }

    #[test]
    fn what_is_not_json_has_no_fields() {
        let bad: [&[u8]; 16] = [
            b"",
            b" ",
            b"nonsense",
            b"{\"a\":1",
            b"{\"a\":1}}",
            b"{\"a\":1} x",
            b"{\"a\":1,}",
            b"{\"a\":01}",
            b"{'a':1}",
            b"{\"a\":1,\"b\":NaN}",
            b"{\"a\":1,\"b\":[1,]}",
            b"{\"a\":1,\"b\":\"\xFF\"}",
            b"{\"a\":1,\"b\":\"\n\"}",
            b"{\"a\":1,\"\n\":1}",
            b"{\"a\":1,2:3}",
            b"\xEF\xBB\xBF{\"a\":1}",
        ];
        for value in bad {
            assert_eq!(find("/a", value), None, "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn half_a_surrogate_pair_spoils_only_its_own_string() {
        let value = r#"{"\ud800":1,"a":"\ud800","b":2,"c":"\ud83d\ude00"}"#;
        assert_eq!(find("/a", value), None);
        assert_eq!(find("/b", value), integer(2));
        assert_eq!(find("/c", value), text("😀"));
    }

    #[test]
    fn deep_nesting_is_passed_over() {
        let depth = 1_000_000;
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        assert_eq!(find("/b", format!(r#"{{"a":{open}{close},"b":1}}"#)), integer(1));
        assert_eq!(find("/0/0/0", format!("{open}{close}")), None);
        assert_eq!(find("/0/0/0", open), None);
        assert_eq!(find("/a/a", r#"{"a":"#.repeat(depth)), None);
    }
}

mod msgpack {
    use super::*;

    #[test]
    fn each_marker_of_a_number_is_read() {
        let cases: [(&[u8], Option<Scalar>); 14] = [
            (&[0x7F], integer(127)),
            (&[0xE0], integer(-32)),
            (&[0xCC, 0xFF], integer(255)),
            (&[0xCD, 1, 2], integer(258)),
            (&[0xCE, 0xFF, 0, 0, 0], integer(0xFF00_0000u32)),
            (&[0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], integer(u64::MAX)),
            (&[0xD0, 0x80], integer(-128)),
            (&[0xD1, 0x80, 0], integer(i16::MIN)),
            (&[0xD2, 0x80, 0, 0, 0], integer(i32::MIN)),
            (&[0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0], integer(i64::MIN)),
            (&[0xCA, 0x3F, 0xC0, 0, 0], float(1.5)),
            (&[0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], float(1.5)),
            (&[0xC3], Some(Scalar::Bool(true))),
            (&[0xC2], Some(Scalar::Bool(false))),
        ];
        for (value, expected) in cases {
            assert_eq!(find("msgpack:/v", entry(value)), expected, "{value:x?}");
        }
    }

    #[test]
    fn texts_and_bytes_of_each_size_are_read() {
        for length in [0usize, 1, 31, 32, 255, 256, 65_535, 65_536] {
            let content = "x".repeat(length);
            let mut written = Vec::new();
            rmp::encode::write_str(&mut written, &content).unwrap();
            assert_eq!(find("msgpack:/v", entry(&written)), text(&content));
            written.clear();
            rmp::encode::write_bin(&mut written, content.as_bytes()).unwrap();
            let bytes = Some(Scalar::Bytes(content.into_bytes()));
            assert_eq!(find("msgpack:/v", entry(&written)), bytes);
        }
        // A text that is none.
        assert_eq!(find("msgpack:/v", entry(b"\xA1\xFF")), None);
    }

    #[test]
    fn timestamps_of_each_size_are_read() {
        let cases: [(&[u8], Option<Scalar>); 9] = [
            (b"\xD6\xFF\xFF\xFF\xFF\xFF", time(0xFFFF_FFFF, 0)),
            (b"\xD7\xFF\xEE\x6B\x27\xFF\xFF\xFF\xFF\xFF", time((1 << 34) - 1, 999_999_999)),
            (b"\xD7\xFF\0\0\0\x04\0\0\0\x02", time(2, 1)),
            (b"\xC7\x0C\xFF\0\0\0\x05\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", time(-2, 5)),
            (b"\xC7\x04\xFF\0\0\0\x05", time(5, 0)),
            // A thousand million nanoseconds; other sizes; another type of extension.
            (b"\xC7\x0C\xFF\x3B\x9A\xCA\0\0\0\0\0\0\0\0\0", None),
            (b"\xD5\xFF\0\0", None),
            (b"\xC7\0\xFF", None),
            (b"\xD6\x01\0\0\0\0", None),
        ];
        for (value, expected) in cases {
            assert_eq!(find("msgpack:/v", entry(value)), expected, "{value:x?}");
        }
    }

    #[test]
    fn keys_are_texts_and_integers() {
        // {"a": [7, {-1: 8, 300: 9}], nil: 1, [2]: 3, {4: 5}: 6, bin "b": 7, true: 8}
        let value = b"\x86\xA1a\x92\x07\x82\xFF\x08\xCD\x01\x2C\x09\xC0\x01\x91\x02\x03\
            \x81\x04\x05\x06\xC4\x01b\x07\xC3\x08";
        assert_eq!(find("msgpack:/a/0", value), integer(7));
        assert_eq!(find("msgpack:/a/1/-1", value), integer(8));
        assert_eq!(find("msgpack:/a/1/300", value), integer(9));
        for path in ["/a", "/a/1", "/a/2", "/a/01", "/b", "/nil", "/true", "/2", "/4", "/", "/a/-"]
        {
            assert_eq!(find(&format!("msgpack:{path}"), value), None, "{path}");
        }
    }

    #[test]
    fn the_last_entry_of_a_name_counts() {
        assert_eq!(find("msgpack:/v", b"\x82\xA1v\x01\xA1v\x02"), integer(2));
        assert_eq!(find("msgpack:/v", b"\x82\xA1v\x01\xA1v\xC0"), None);
        // A text and an integer of the same spelling are one name.
        assert_eq!(find("msgpack:/1", b"\x82\x01\x05\xA11\x06"), integer(6));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        // Of bytes, extensions, texts, arrays and maps, with the width of their lengths.
        let one = [0xC4, 0xC7, 0xD9].map(|marker| (marker, 1));
        let two = [0xC5, 0xC8, 0xDA, 0xDC, 0xDE].map(|marker| (marker, 2));
        let four = [0xC6, 0xC9, 0xDB, 0xDD, 0xDF].map(|marker| (marker, 4));
        for (marker, width) in one.into_iter().chain(two).chain(four) {
            for written in 0..=width {
                let long = [vec![marker], vec![0xFF; written], vec![0; 100]].concat();
                let long = &long[..if written < width { 1 + written } else { long.len() }];
                for path in ["msgpack:/v", "msgpack:/0", "msgpack:/v/0"] {
                    for before in [b"".as_slice(), b"\x81\xA1v", b"\x82\xA1v\x01\xA1w", b"\x91"] {
                        let value = [before, long].concat();
                        assert_eq!(find(path, &value), None, "{path} {value:x?}");
                    }
                }
            }
        }
        assert_eq!(find("msgpack:/v", b"\x81\xA1v\x01\x01"), None);
        assert_eq!(find("msgpack:/v", b"\x82\xA1v\x01\xA1w\xC1"), None);
        assert_eq!(find("msgpack:/v", b""), None);
    }

    #[test]
    fn deep_nesting_is_passed_over() {
        let depth = 1_000_000;
        let deep = [vec![0x91; depth], vec![0x05]].concat();
        let value = [b"\x82\xA1a".as_slice(), &deep, b"\xA1v\x01"].concat();
        assert_eq!(find("msgpack:/v", value), integer(1));
        assert_eq!(find(&format!("msgpack:{}", "/0".repeat(MAX_STEPS)), &deep), None);
        assert_eq!(find("msgpack:/0", &deep[..depth]), None);
        // Each claims four thousand million more, until the sum is beyond every number.
        assert_eq!(find("msgpack:/0/0", b"\xDD\xFF\xFF\xFF\xFF".repeat(100_000)), None);
        assert_eq!(find("msgpack:/0/0", b"\xDF\xFF\xFF\xFF\xFF".repeat(100_000)), None);
    }
}

/// A document of both formats.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map("[ab0-2/~é\"\\\\]{0,2}", inner, 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The pointers to everything in `value` but itself.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect()
        }
        Value::Object(entries) => {
            let name = |name: &String| name.replace('~', "~0").replace('/', "~1");
            entries.iter().map(|(key, child)| (name(key), child)).collect()
        }
        _ => Vec::new(),
    };
    for (name, child) in children {
        let at = format!("{at}/{name}");
        pointers(child, &at, out);
        out.push(at);
    }
}

/// What a field is expected to hold, by way of the whole document.
fn reference(value: &Value) -> Option<Scalar> {
    match value {
        Value::Bool(bool) => Some(Scalar::Bool(*bool)),
        Value::Number(number) => match number.as_i128() {
            Some(value) => integer(value),
            None => float(number.as_f64()?),
        },
        Value::String(value) => text(value),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn write_msgpack(out: &mut Vec<u8>, value: &Value) {
    use rmp::encode as write;
    match value {
        Value::Null => write::write_nil(out).unwrap(),
        Value::Bool(bool) => write::write_bool(out, *bool).unwrap(),
        Value::String(text) => write::write_str(out, text).unwrap(),
        Value::Number(number) => {
            if let Some(value) = number.as_u64() {
                write::write_uint(out, value).unwrap();
            } else if let Some(value) = number.as_i64() {
                write::write_sint(out, value).unwrap();
            } else {
                write::write_f64(out, number.as_f64().unwrap()).unwrap();
            }
        }
        Value::Array(elements) => {
            write::write_array_len(out, elements.len() as u32).unwrap();
            elements.iter().for_each(|element| write_msgpack(out, element));
        }
        Value::Object(entries) => {
            write::write_map_len(out, entries.len() as u32).unwrap();
            for (key, value) in entries {
                write::write_str(out, key).unwrap();
                write_msgpack(out, value);
            }
        }
    }
}

fn to_msgpack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_msgpack(&mut out, value);
    out
}

proptest! {
    #[test]
    fn finds_what_is_in_the_whole_document(document in document(), pretty: bool) {
        let json = if pretty { format!("{document:#}") } else { document.to_string() };
        let msgpack = to_msgpack(&document);
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        for pointer in all {
            let expected = reference(document.pointer(&pointer).unwrap());
            prop_assert_eq!(&find(&pointer, &json), &expected, "{} in {}", pointer, json);
            prop_assert_eq!(&find(&format!("msgpack:{pointer}"), &msgpack), &expected);
        }
    }

    #[test]
    fn finds_nothing_that_is_not_there(document in document(), pointer in "(/[ab0-2]{0,2}){1,3}") {
        let expected = document.pointer(&pointer).and_then(reference);
        prop_assert_eq!(&find(&pointer, document.to_string()), &expected);
        prop_assert_eq!(&find(&format!("msgpack:{pointer}"), to_msgpack(&document)), &expected);
    }

    #[test]
    fn what_is_cut_short_has_no_fields(document in document(), at: prop::sample::Index) {
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        let (json, msgpack) = (document.to_string().into_bytes(), to_msgpack(&document));
        let (json, msgpack) = (&json[..at.index(json.len())], &msgpack[..at.index(msgpack.len())]);
        for pointer in all {
            prop_assert_eq!(find(&pointer, json), None);
            prop_assert_eq!(find(&format!("msgpack:{pointer}"), msgpack), None);
        }
    }

    #[test]
    fn damage_never_panics(
        document in document(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut all = vec!["/a".to_owned()];
        pointers(&document, "", &mut all);
        let (mut json, mut msgpack) = (document.to_string().into_bytes(), to_msgpack(&document));
        for (at, byte) in damage {
            *at.get_mut(&mut json) = byte;
            *at.get_mut(&mut msgpack) = byte;
        }
        for pointer in all {
            find(&pointer, &json);
            find(&format!("msgpack:{pointer}"), &msgpack);
        }
    }

    #[test]
    fn garbage_never_panics(value: Vec<u8>, step in "[a0-3]") {
        find(&format!("/{step}"), &value);
        find(&format!("msgpack:/{step}"), &value);
        find(&format!("msgpack:/{step}"), [&[0x92], &value[..]].concat());
    }

    #[test]
    fn only_valid_json_has_fields(inside in r#"[\[\]{}:,"a01.e\\ -]{0,12}"#) {
        let value = format!(r#"{{"a":{inside}}}"#);
        if find("/a", &value).is_some() {
            let read = serde_json::from_str::<serde::de::IgnoredAny>(&value);
            prop_assert!(read.is_ok(), "{}", value);
        }
    }

    #[test]
    fn a_pointer_is_a_path_if_its_tildes_are(pointer in "(msgpack:)?/[~0-2a/]{0,8}") {
        // Each ~0 and ~1 replaced by what joins no tilde to what is behind it.
        let rest = pointer.replace("~0", ".").replace("~1", ".");
        prop_assert_eq!(Path::parse(&pointer).is_ok(), !rest.contains('~'));
    }

    #[test]
    fn other_texts_are_refused(text in "[^/].{0,20}") {
        prop_assume!(!text.starts_with("msgpack:/"));
        prop_assert_eq!(Path::parse(&text), Err(PathError::Form(text)));
    }
}
