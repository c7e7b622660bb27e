//! A record in one allocation behind one pointer: what the table knows of it, its key, its value.
//!
//! Why this is `unsafe`: the map's slots are single words, and Rust has no safe pointer of one word
//! to a counted thing of any length. With what there is a record took three allocations; this is
//! one, which saves a fifth of the memory, and a fetch from memory on every read.
//!
//! A record is never changed. What may be done to its memory is decided by `count` alone, as with
//! an `Arc`: whoever takes it to zero frees it.

#![allow(unsafe_code, reason = "see above; everything unsafe here stays behind `Record`")]

use crate::block;
use crate::map::Keyed;
use crate::slot::Rare;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use tombolo_core::{Dot, EntryRef, Incarnation, Mark, Millis, Stamp};

/// The event is the outcome of a conflict.
const OUTCOME: u8 = 1;
/// There is no value.
const TOMBSTONE: u8 = 2;
/// Before the key lies when the record expires, in 8 bytes.
const EXPIRES: u8 = 4;
/// Before the key lies a pointer to a [`Rare`], and there is no event.
const RARE: u8 = 8;
/// The key's length did not fit; it lies in 4 bytes before the key.
const LONG: u8 = 16;

/// What a record begins with. Its wide numbers are bytes so that it needs no filling up: with a key
/// of 16 bytes and a value of 100 a record fills one of the allocator's blocks to the last byte.
#[repr(C)]
pub(crate) struct Header {
    seq: [u8; 8],
    stamp: [u8; 8],
    origin: [u8; 8],
    count: AtomicU32,
    value: u32,
    key: u16,
    epoch: u8,
    flags: u8,
}

impl Header {
    fn empty() -> Header {
        Header {
            seq: [0; 8],
            stamp: [0; 8],
            origin: [0; 8],
            count: AtomicU32::new(1),
            value: 0,
            key: 0,
            epoch: 0,
            flags: 0,
        }
    }
}

const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == 36);

/// What lies between the header and the key.
enum Extra {
    None,
    Expires(u64),
    Rare(*mut Rare),
}

/// A counted record. Clones are the same record.
pub(crate) struct Record(NonNull<Header>);

// SAFETY: A record is not changed while it is shared, but for its count, which is atomic; what it
// holds is bytes, numbers and a `Rare`, which may be shared and sent as well.
unsafe impl Send for Record {}
// SAFETY: As above.
unsafe impl Sync for Record {}

impl Record {
    /// One event of `key`.
    pub(crate) fn new(key: &[u8], entry: EntryRef<'_>) -> Record {
        let extra = entry.expires.map_or(Extra::None, |at| Extra::Expires(at.0));
        let flags = if entry.mark.outcome { OUTCOME } else { 0 }
            | if entry.value.is_none() { TOMBSTONE } else { 0 };
        let header = Header {
            seq: entry.dot.seq.to_ne_bytes(),
            stamp: entry.stamp.0.to_ne_bytes(),
            origin: entry.dot.origin.0.to_ne_bytes(),
            epoch: entry.mark.epoch,
            flags,
            ..Header::empty()
        };
        Record::allocate(header, extra, key, entry.value.unwrap_or_default())
    }

    /// A key that holds something else than one event.
    pub(crate) fn rare(key: &[u8], rare: Rare) -> Record {
        let rare = Box::into_raw(Box::new(rare));
        Record::allocate(Header::empty(), Extra::Rare(rare), key, &[])
    }

    fn allocate(mut header: Header, extra: Extra, key: &[u8], value: &[u8]) -> Record {
        header.flags |= match extra {
            Extra::None => 0,
            Extra::Expires(_) => EXPIRES,
            Extra::Rare(_) => RARE,
        };
        match u16::try_from(key.len()) {
            Ok(length) => header.key = length,
            Err(_) => header.flags |= LONG,
        }
        header.value = u32::try_from(value.len()).expect("a value is shorter than 4 GiB");
        let key_at = key_at(header.flags);
        let record = block::take(key_at + key.len() + value.len());
        // SAFETY: The block has room for the header, what `key_at` counts for, the key and the
        // value, one after the other, and nobody else knows of it yet.
        unsafe {
            record.cast::<Header>().write(header);
            let extra_at = record.add(HEADER);
            match extra {
                Extra::None => {}
                Extra::Expires(at) => extra_at.cast::<u64>().write_unaligned(at),
                Extra::Rare(rare) => extra_at.cast::<*mut Rare>().write_unaligned(rare),
            }
            if key.len() > usize::from(u16::MAX) {
                let length = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
                record.add(key_at - 4).cast::<u32>().write_unaligned(length);
            }
            record.add(key_at).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let value_at = record.add(key_at + key.len());
            value_at.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Record(record.cast())
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: The header was written when the record was made, and it lives while `self` does.
        unsafe { self.0.as_ref() }
    }

    /// What lies so many bytes behind the start.
    ///
    /// # Safety
    ///
    /// A `T` must have been written there when the record was made.
    #[inline]
    unsafe fn at<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: By the promise of the caller; it need not be aligned.
        unsafe { self.0.cast::<u8>().add(offset).cast::<T>().read_unaligned() }
    }

    /// Where the key is, and how long.
    #[inline]
    fn key_span(&self) -> (usize, usize) {
        let header = self.header();
        let at = key_at(header.flags);
        if header.flags & LONG == 0 {
            return (at, usize::from(header.key));
        }
        // SAFETY: With the flag the length lies before the key.
        (at, unsafe { self.at::<u32>(at - 4) } as usize)
    }

    #[inline]
    fn bytes(&self, at: usize, length: usize) -> &[u8] {
        // SAFETY: Called with the span of the key or of the value, which were written when the
        // record was made and are not changed while it lives.
        unsafe { slice::from_raw_parts(self.0.cast::<u8>().add(at).as_ptr(), length) }
    }

    /// Whether this is its key. Its place is guessed, so that the fetch of the key need not wait
    /// for that of the header.
    #[inline]
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        let header = self.header();
        if header.flags & (EXPIRES | RARE | LONG) == 0 {
            return usize::from(header.key) == key.len() && self.bytes(HEADER, key.len()) == key;
        }
        self.key() == key
    }

    /// The key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        let (at, length) = self.key_span();
        self.bytes(at, length)
    }

    /// The event. What is not one event has none: then it is a tombstone that nobody wrote.
    #[inline]
    pub(crate) fn entry(&self) -> EntryRef<'_> {
        let header = self.header();
        let (key_at, key) = self.key_span();
        let value = header.flags & (TOMBSTONE | RARE) == 0;
        let expires = header.flags & EXPIRES != 0;
        EntryRef {
            dot: Dot {
                origin: Incarnation(u64::from_ne_bytes(header.origin)),
                seq: u64::from_ne_bytes(header.seq),
            },
            stamp: Stamp(u64::from_ne_bytes(header.stamp)),
            mark: Mark { epoch: header.epoch, outcome: header.flags & OUTCOME != 0 },
            // SAFETY: With the flag it lies behind the header.
            expires: expires.then(|| Millis(unsafe { self.at::<u64>(HEADER) })),
            value: value.then(|| self.bytes(key_at + key, header.value as usize)),
        }
    }

    /// What the key holds if that is not one event.
    #[inline]
    pub(crate) fn as_rare(&self) -> Option<&Rare> {
        let is_rare = self.header().flags & RARE != 0;
        // SAFETY: With the flag a pointer lies behind the header that came out of a box, which only
        // the drop of the record takes back.
        is_rare.then(|| unsafe { &*self.at::<*mut Rare>(HEADER) })
    }
}

#[inline]
fn key_at(flags: u8) -> usize {
    let extra = if flags & (EXPIRES | RARE) != 0 { 8 } else { 0 };
    HEADER + extra + if flags & LONG != 0 { 4 } else { 0 }
}

impl Clone for Record {
    fn clone(&self) -> Record {
        let before = self.header().count.fetch_add(1, Ordering::Relaxed);
        if before > u32::MAX / 2 {
            // As with an `Arc`: nobody can forget two thousand million clones by mistake.
            std::process::abort();
        }
        Record(self.0)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.header().count.fetch_sub(1, Ordering::Release) > 1 {
            return;
        }
        // What others did with the record comes before its end.
        fence(Ordering::Acquire);
        let (key_at, key) = self.key_span();
        let header = self.header();
        let length = key_at + key + header.value as usize;
        // SAFETY: Nobody else knows of the record any more. The length is the one that its block
        // was taken with, since it is made of the same lengths, and the box comes back once.
        unsafe {
            if header.flags & RARE != 0 {
                drop(Box::from_raw(self.at::<*mut Rare>(HEADER)));
            }
            block::give(self.0.cast(), length);
        }
    }
}

// SAFETY: `into_raw` forgets the record, so the pointer stands for one count, which `from_raw`
// takes over.
unsafe impl Keyed for Record {
    type Target = Header;

    fn key(&self) -> &[u8] {
        Record::key(self)
    }

    #[inline]
    fn has_key(&self, key: &[u8]) -> bool {
        Record::has_key(self, key)
    }

    fn into_raw(self) -> NonNull<Header> {
        std::mem::ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<Header>) -> Record {
        Record(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn entry(value: Option<&[u8]>, expires: Option<u64>) -> EntryRef<'_> {
        EntryRef {
            dot: Dot { origin: Incarnation(u64::MAX - 1), seq: 1 << 60 },
            stamp: Stamp(1 << 63),
            mark: Mark { epoch: 200, outcome: expires.is_some() },
            expires: expires.map(Millis),
            value,
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        for key in [0, 1, 16, 65_535, 65_536, 100_000] {
            let key = vec![3; key];
            for value in [None, Some(&[][..]), Some(&[9; 100]), Some(&[8; 70_000])] {
                for expires in [None, Some(0), Some(u64::MAX)] {
                    let entry = entry(value, expires);
                    let record = Record::new(&key, entry);
                    let clone = record.clone();
                    drop(record);
                    assert_eq!((clone.key(), clone.entry()), (&key[..], entry));
                    assert!(clone.as_rare().is_none());
                }
            }
        }
    }

    #[test]
    fn what_is_rare_is_dropped_once() {
        let held = Arc::default();
        let pending = Rare::pending(None, None, &held);
        for key in [3, 70_000] {
            let record = Record::rare(&vec![1; key], pending.clone());
            assert!(record.as_rare().is_some() && record.entry().value.is_none());
            let clone = record.clone();
            assert_eq!(Arc::strong_count(&held), 3);
            drop(record);
            assert_eq!(Arc::strong_count(&held), 3);
            drop(clone);
            assert_eq!(Arc::strong_count(&held), 2);
        }
    }

    #[test]
    fn the_usual_record_fills_a_block() {
        // The blocks of glibc have 16 n + 8 bytes.
        assert_eq!((HEADER + 16 + 100) % 16, 8);
    }
}
