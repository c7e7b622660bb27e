//! What readers may rely on, alone and while a writer is at work.

#[allow(dead_code, reason = "other tests use the rest")]
mod common;

use common::{NOW, Writer, beside_a_writer, staying};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tombolo_core::{Dot, EntryRef, Incarnation, Mark, Millis, Stamp, Store};
use tombolo_store::{Kept, Order, Reader, Records};

fn read(reader: &Reader, key: &[u8]) -> Option<Vec<u8>> {
    reader.read(key, || NOW, |entry| entry.and_then(|entry| entry.value.map(<[u8]>::to_vec)))
}

/// Scans from 0 to 0 and counts how often each key was shown.
fn scan_all(reader: &Reader, at_least: usize) -> BTreeMap<Vec<u8>, usize> {
    let mut shown = BTreeMap::new();
    let mut cursor = 0;
    loop {
        let mut of_this_call = 0;
        let next = reader.scan(cursor, at_least, NOW, |key, _| {
            of_this_call += 1;
            *shown.entry(key.to_vec()).or_default() += 1;
        });
        assert!(next == 0 || of_this_call >= at_least, "{of_this_call} of {at_least} were shown");
        assert!(next == 0 || next > cursor, "the scan went back from {cursor} to {next}");
        assert!(next < 1 << 53, "a cursor is a whole number in every client's arithmetic");
        if next == 0 {
            return shown;
        }
        cursor = next;
    }
}

fn walk(reader: &Reader) -> BTreeMap<Vec<u8>, usize> {
    let mut shown = BTreeMap::new();
    reader.for_each(NOW, |key, _| *shown.entry(key.to_vec()).or_default() += 1);
    shown
}

/// Whatever stays was shown once, whatever came and went at most once.
fn assert_whole(shown: &BTreeMap<Vec<u8>, usize>, count: usize) {
    for number in 0..count {
        let key = staying(number);
        assert_eq!(shown.get(&key), Some(&1), "{}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn what_was_got_is_kept_whatever_is_written_after() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    assert_eq!(reader.get(b"a", || NOW), None);
    writer.event(b"a", Some(b"one"), Some(NOW.plus(5)));
    let (got, again) = (reader.get(b"a", || NOW).unwrap(), reader.get(b"a", || NOW).unwrap());
    let bytes = |kept: &Kept| kept.entry().value.map(<[u8]>::as_ptr);
    assert_eq!(bytes(&got), bytes(&again), "not copied");
    assert_eq!((got.entry().expires, reader.get(b"a", || NOW.plus(5))), (Some(NOW.plus(5)), None));
    writer.put(b"a", b"two");
    assert_eq!(got.entry().value, Some(&b"one"[..]));
}

#[test]
fn a_scan_stops_where_it_is_told_to() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    (0..500).for_each(|number| writer.put(&staying(number), b"value"));
    let (mut shown, mut cursor) = (BTreeMap::new(), 0);
    loop {
        let mut left = 7;
        cursor = reader.scan_while(cursor, NOW, |key, _| {
            *shown.entry(key.to_vec()).or_default() += 1;
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(left == 0 || cursor == 0, "{left} left of seven, and more to come");
        if cursor == 0 {
            break;
        }
    }
    assert_whole(&shown, 500);
    assert_eq!(shown.len(), 500);
}

#[test]
fn a_reader_sees_what_was_written_last() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    assert_eq!(read(&reader, b"a"), None);
    writer.put(b"a", b"one");
    assert_eq!(read(&reader, b"a").as_deref(), Some(&b"one"[..]));
    let other = reader.clone();
    writer.put(b"a", b"two");
    other.touch([&b"a"[..]]);
    assert_eq!(read(&other, b"a").as_deref(), Some(&b"two"[..]));
    writer.event(b"a", None, None);
    assert_eq!(read(&reader, b"a"), None);
    writer.put(b"a", b"three");
    writer.remove(b"a");
    assert_eq!(read(&reader, b"a"), None);
}

#[test]
fn of_siblings_the_newest_value_is_read_also_beside_a_delete() {
    let (mut store, reader) = Records::open(Order::Hashed);
    let event = |origin, stamp, value| EntryRef {
        dot: Dot { origin: Incarnation(origin), seq: 1 },
        stamp: Stamp(stamp),
        mark: Mark::default(),
        expires: None,
        value,
    };
    store.replace(b"a", &[], Some(event(1, 5, Some(b"first"))));
    store.replace(b"a", &[], Some(event(2, 5, Some(b"same stamp, higher origin"))));
    store.replace(b"a", &[], Some(event(3, 4, Some(b"older"))));
    assert_eq!(read(&reader, b"a").as_deref(), Some(&b"same stamp, higher origin"[..]));
    // A concurrent delete did not see them, and hides none of them.
    store.replace(b"a", &[], Some(event(4, 6, None)));
    assert_eq!(read(&reader, b"a").as_deref(), Some(&b"same stamp, higher origin"[..]));
    store.replace(b"b", &[], Some(event(1, 7, None)));
    store.replace(b"b", &[], Some(event(2, 7, None)));
    assert_eq!(read(&reader, b"b"), None);
    assert_eq!(reader.any_key(0, NOW).as_deref(), Some(&b"a"[..]));
}

#[test]
fn what_expired_is_hidden_from_every_kind_of_read() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    writer.event(b"past", Some(b"x"), Some(Millis(NOW.0 - 1)));
    writer.event(b"present", Some(b"x"), Some(NOW));
    writer.event(b"deleted", None, None);
    assert_eq!(reader.any_key(7, NOW), None);
    writer.event(b"future", Some(b"x"), Some(Millis(NOW.0 + 1)));
    let visible = BTreeMap::from([(b"future".to_vec(), 1)]);
    assert_eq!(walk(&reader), visible);
    assert_eq!(scan_all(&reader, 1), visible);
    for dice in 0..100 {
        let key = reader.any_key(dice << 40 | dice, NOW);
        assert_eq!(key.as_deref(), Some(&b"future"[..]));
    }
    for hidden in [&b"past"[..], b"present", b"deleted"] {
        assert_eq!(read(&reader, hidden), None);
    }
    assert!(read(&reader, b"future").is_some());
}

#[test]
fn a_scan_shows_each_key_once_however_many_are_asked_for() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    assert_eq!(scan_all(&reader, 10), BTreeMap::new());
    for number in 0..3_000 {
        writer.put(&staying(number), b"x");
    }
    for at_least in [1, 2, 10, 1_000, 2_999, 3_000, 100_000] {
        let shown = scan_all(&reader, at_least);
        assert_eq!(shown.len(), 3_000);
        assert_whole(&shown, 3_000);
    }
}

#[test]
fn a_scan_from_any_cursor_ends() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    writer.put(b"a", b"x");
    for cursor in [1, 1 << 45, (1 << 53) - 1, 1 << 53, u64::MAX] {
        let next = reader.scan(cursor, usize::MAX, NOW, |_, _| {});
        assert_eq!(next, 0, "from {cursor}");
    }
}

#[test]
fn any_key_finds_each_of_the_visible_keys() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    for number in 0..20 {
        writer.put(&staying(number), b"x");
    }
    let mut dice = 1u64;
    let mut found: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for _ in 0..5_000 {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let key = reader.any_key(dice, NOW).expect("twenty are visible");
        *found.entry(key.into_vec()).or_default() += 1;
    }
    assert_eq!(found.len(), 20);
    assert!(found.keys().all(|key| read(&reader, key).is_some()));
}

#[test]
fn a_scan_beside_a_writer_shows_what_stays_exactly_once() {
    let mut at_least = [1, 10, 100, 5_000].into_iter().cycle();
    beside_a_writer(Order::Hashed, 1_000, |reader| {
        let shown = scan_all(reader, at_least.next().expect("a cycle has no end"));
        assert_whole(&shown, 1_000);
        assert!(shown.values().all(|times| *times == 1));
    });
}

#[test]
fn a_walk_beside_a_writer_shows_what_stays_exactly_once() {
    beside_a_writer(Order::Hashed, 1_000, |reader| assert_whole(&walk(reader), 1_000));
}

#[test]
fn an_overwritten_key_is_never_absent_and_never_goes_back() {
    const COUNT: usize = 64;
    let mut last = [0u64; COUNT];
    beside_a_writer(Order::Hashed, COUNT, |reader| {
        for number in (0..COUNT).step_by(2) {
            let value = read(reader, &staying(number)).expect("it is never deleted");
            let round = value.try_into().map_or(0, u64::from_be_bytes);
            assert!(round >= last[number], "round {round} came after {}", last[number]);
            last[number] = round;
        }
    });
    assert!(last.iter().any(|round| *round > 0), "the writer never came to write");
}

#[test]
fn any_key_beside_a_writer_is_never_none() {
    let mut dice = 0u64;
    beside_a_writer(Order::Hashed, 64, |reader| {
        dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        assert!(reader.any_key(dice, NOW).is_some());
    });
}
