//! What readers see of a batch: nothing before it is committed, and all of it from then on.

#[allow(dead_code, reason = "other tests use the rest")]
mod common;

use common::{NOW, Writer, beside};
use std::ops::{Bound, ControlFlow};
use tombolo_core::Store;
use tombolo_store::{Order, Reader};

const KEYS: [&[u8]; 5] = [b"a", b"b", b"c", b"a key that is too long to lie in the entry", b"z"];

fn read(reader: &Reader, key: &[u8]) -> Option<Vec<u8>> {
    reader.read(key, || NOW, |entry| entry.and_then(|entry| entry.value.map(<[u8]>::to_vec)))
}

fn number(reader: &Reader, key: &[u8]) -> u64 {
    let value = read(reader, key).unwrap_or_else(|| panic!("{key:?} was there throughout"));
    u64::from_be_bytes(value.try_into().expect("eight bytes"))
}

fn in_order(reader: &Reader) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    reader.ordered().expect("an ordered table").range(
        Bound::Unbounded,
        Bound::Unbounded,
        NOW,
        |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        },
    );
    keys
}

#[test]
fn nothing_of_a_batch_is_seen_before_it_is_committed() {
    let (mut writer, reader) = Writer::open(Order::Ordered);
    writer.put(b"a", b"old");
    writer.put(b"b", b"old");
    writer.store.begin();
    writer.put(b"a", b"new");
    writer.remove(b"b");
    writer.put(b"c", b"new");
    writer.put(b"a", b"newer");
    assert_eq!(read(&reader, b"a").as_deref(), Some(&b"old"[..]));
    assert_eq!(read(&reader, b"b").as_deref(), Some(&b"old"[..]));
    assert_eq!(read(&reader, b"c"), None);
    assert_eq!(in_order(&reader), [b"a", b"b"]);
    assert_eq!(reader.siblings(b"a", NOW).len(), 1);
    assert!((0..20).all(|dice| reader.any_key(dice << 40, NOW).as_deref() != Some(b"c")));
    let mut walked = 0;
    reader.for_each(NOW, |_, entry| {
        assert_eq!(entry.value, Some(&b"old"[..]));
        walked += 1;
    });
    assert_eq!(walked, 2);
    writer.store.commit();
    assert_eq!(read(&reader, b"a").as_deref(), Some(&b"newer"[..]));
    assert_eq!((read(&reader, b"b"), in_order(&reader)), (None, vec![b"a".into(), b"c".into()]));
}

#[test]
fn who_saw_a_record_of_a_batch_never_sees_an_older_one_beside_it() {
    let (mut writer, reader) = Writer::open(Order::Hashed);
    let mut write = |round: u64| {
        writer.store.begin();
        for key in KEYS {
            writer.put(key, &round.to_be_bytes());
        }
        writer.store.commit();
    };
    write(0);
    beside(write, || {
        let mut last = 0;
        // In both directions, because a batch is written, and settled, in one.
        for key in KEYS.iter().chain(KEYS.iter().rev()) {
            let now = number(&reader, key);
            assert!(now >= last, "{key:?} is of batch {now}, after one of batch {last} was seen");
            last = now;
        }
    });
}

#[test]
fn keys_that_come_and_go_in_a_batch_do_so_together_also_in_order() {
    let (mut writer, reader) = Writer::open(Order::Ordered);
    // Every batch takes the key of the one before it away and puts its own; `last` says which.
    let key = |round: u64| [b"k", &round.to_be_bytes()[..]].concat();
    let mut write = |round: u64| {
        writer.store.begin();
        writer.put(b"last", &round.to_be_bytes());
        writer.put(&key(round), b"");
        if round > 0 {
            writer.remove(&key(round - 1));
        }
        writer.store.commit();
    };
    write(0);
    beside(write, || {
        let last = number(&reader, b"last");
        let keys = in_order(&reader);
        assert!(keys.iter().filter(|found| **found < key(last)).count() == 0, "one that went");
        let came = keys.contains(&key(last));
        assert!(came || number(&reader, b"last") > last, "one that came is not there");
    });
}

#[test]
fn a_key_that_stays_through_batches_is_never_missed() {
    let (mut writer, reader) = Writer::open(Order::Ordered);
    let mut write = |round: u64| {
        writer.store.begin();
        writer.put(b"stays", &round.to_be_bytes());
        writer.remove(b"goes");
        writer.put(b"goes", b"and comes back in the same batch");
        writer.store.commit();
    };
    write(0);
    beside(write, || {
        assert!(read(&reader, b"stays").is_some() && read(&reader, b"goes").is_some());
        assert_eq!(in_order(&reader), [&b"goes"[..], b"stays"]);
    });
}
