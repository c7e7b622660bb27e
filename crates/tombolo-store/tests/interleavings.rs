//! The map's own source, run under loom: every interleaving of a writer and a reader, and every
//! value that the memory model lets a load return.
//!
//! Items have a cell that loom watches: it fails a run in which an item is read while it is
//! dropped, after that, or before it was written. What takes things back here is simpler than
//! `seize`, and frees as early as is allowed.

#![allow(unsafe_code, reason = "the map's own is tried with it")]

#[path = "../src/fetch.rs"]
mod fetch;
#[path = "../src/heap/mod.rs"]
mod heap;
#[path = "../src/map/mod.rs"]
#[allow(dead_code, reason = "what walks and scans need is not all tried")]
mod map;
mod sync;

use map::{Keyed, Map, Ref, Writer};
use std::ptr::NonNull;

/// A counted item with a key of one byte.
struct Item(NonNull<Inner>);

struct Inner {
    key: u8,
    value: loom::cell::UnsafeCell<u8>,
}

// SAFETY: What is behind the pointer is written before the item is shared and when it ends.
unsafe impl Send for Item {}
// SAFETY: As above.
unsafe impl Sync for Item {}

impl Item {
    fn new(key: u8, value: u8) -> Item {
        let inner = Inner { key, value: loom::cell::UnsafeCell::new(value) };
        Item(NonNull::from(Box::leak(Box::new(inner))))
    }

    fn value(&self) -> u8 {
        // SAFETY: The item lives; if not, loom says so.
        unsafe { self.0.as_ref() }.value.with(|value| unsafe { *value })
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        // SAFETY: There is one item for each pointer that was leaked.
        let inner = unsafe { Box::from_raw(self.0.as_ptr()) };
        inner.value.with_mut(|value| {
            // SAFETY: Nobody else has it; if somebody has, loom says so.
            unsafe { *value = 0 };
        });
    }
}

// SAFETY: The item is nothing but the pointer.
unsafe impl Keyed for Item {
    type Target = Inner;

    fn key(&self) -> &[u8] {
        // SAFETY: The item lives.
        std::slice::from_ref(unsafe { &self.0.as_ref().key })
    }

    fn into_raw(self) -> NonNull<Inner> {
        std::mem::ManuallyDrop::new(self).0
    }

    unsafe fn from_raw(raw: NonNull<Inner>) -> Item {
        Item(raw)
    }
}

fn put(writer: &mut Writer<Item>, key: u8, value: u8) {
    writer.place(&[key]).put(Item::new(key, value));
}

fn remove(writer: &mut Writer<Item>, key: u8) {
    writer.place(&[key]).remove();
}

fn read(map: &Map<Item>, key: u8) -> Option<u8> {
    map.pin().get(&[key]).map(|item: Ref<'_, Item>| item.value())
}

/// Tries `write` on a map with so many items against `look`.
fn beside(
    items: u8,
    write: impl Fn(&mut Writer<Item>) + Send + Sync + Copy + 'static,
    look: impl Fn(&Map<Item>) + Send + Sync + Copy + 'static,
) {
    loom::model(move || {
        let (mut writer, map) = Map::open(0);
        (0..items).for_each(|key| put(&mut writer, key, key));
        let reader = loom::thread::spawn(move || look(&map));
        write(&mut writer);
        reader.join().expect("the reader ends");
    });
}

#[test]
fn what_is_overwritten_is_never_absent_and_never_older_again() {
    beside(
        1,
        |writer| {
            put(writer, 0, 1);
            put(writer, 0, 2);
        },
        |map| {
            let first = read(map, 0).expect("it is there throughout");
            let second = read(map, 0).expect("it is there throughout");
            assert!(first <= second);
        },
    );
}

#[test]
fn what_stays_is_found_while_others_come_and_go() {
    beside(
        2,
        |writer| {
            remove(writer, 0);
            put(writer, 5, 5);
        },
        |map| {
            assert!(read(map, 0).is_none_or(|value| value == 0));
            assert_eq!(read(map, 1), Some(1));
        },
    );
}

#[test]
fn what_is_kept_by_a_pin_outlives_its_removal() {
    beside(
        1,
        |writer| {
            remove(writer, 0);
            put(writer, 7, 7);
        },
        |map| {
            let pin = map.pin();
            if let Some(item) = pin.get(&[0]) {
                assert_eq!((item.value(), item.value()), (0, 0));
            }
        },
    );
}

#[test]
fn what_stays_is_found_while_the_shard_moves_to_a_larger_array() {
    // A group has room for six, so the seventh moves them.
    beside(
        6,
        |writer| put(writer, 6, 6),
        |map| {
            assert_eq!(read(map, 3), Some(3));
            assert!(read(map, 6).is_none_or(|value| value == 6));
        },
    );
}

#[test]
fn a_walk_meets_what_stays_once_while_the_shard_moves() {
    beside(
        6,
        |writer| {
            put(writer, 6, 6);
            put(writer, 3, 33);
        },
        |map| {
            let pin = map.pin();
            let met = pin.items(0).filter(|item| item.key() == [3]);
            let met: Vec<u8> = met.map(|item| item.value()).collect();
            assert!(met == [3] || met == [33], "{met:?}");
        },
    );
}
