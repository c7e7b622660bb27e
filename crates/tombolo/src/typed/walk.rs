//! Walking over a table in pages, while others write.

use super::codec::Codec;
use super::error::DecodeError;
use crate::raw::RawTable;
use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::ops::{Bound, ControlFlow};
use tombolo_core::Kind;

/// How many records the first page has. Each page has twice as many as the one before it.
const FIRST: usize = 64;

/// How many records a page of a scan has at most. A page costs a walk over at least a 256th of the
/// table, so small pages of a large table would be dear.
const SCAN_MOST: usize = 64 * 1024;

/// How many records a page of a range has at most; there each record costs the same.
const RANGE_MOST: usize = 1024;

/// Makes an item of a record's key and value.
pub(super) type Decode<T> = fn(&Codec, &[u8], &[u8]) -> Result<T, DecodeError>;

/// What of a table is walked over, and how.
pub(super) struct Source<T> {
    pub(super) raw: RawTable,
    pub(super) codec: Codec,
    pub(super) decode: Decode<T>,
}

/// Iterates over a table.
///
/// It holds no lock and reads a page of records at a time, decoded, so neither writers nor the rest
/// of the program wait for it and a large table is not copied. A record that is there from the
/// start to the end comes exactly once, as it is when its page is read; what comes or goes
/// meanwhile may come or not. The order is that of the keys in an ordered table and none in others.
///
/// An item is an error if its record is of another type; the next ones come all the same.
#[must_use = "an iterator does nothing unless it is asked"]
pub struct Iter<T>(Walk<T>);

enum Walk<T> {
    Scan(Scan<T>),
    Range(Range<T>),
}

struct Scan<T> {
    source: Source<T>,
    page: VecDeque<Result<T, DecodeError>>,
    /// Where to go on; none at the end.
    cursor: Option<u64>,
    size: usize,
}

impl<T> Iter<T> {
    pub(super) fn new(source: Source<T>) -> Iter<T> {
        Iter(match source.raw.kind() {
            Kind::Set => {
                Walk::Scan(Scan { source, page: VecDeque::new(), cursor: Some(0), size: FIRST })
            }
            // The objects of one key of a bag lie side by side.
            Kind::OrderedSet | Kind::Bag => {
                Walk::Range(Range::new(source, Bound::Unbounded, Bound::Unbounded))
            }
        })
    }
}

impl<T> Iterator for Iter<T> {
    type Item = Result<T, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Scan(scan) => scan.next(),
            Walk::Range(range) => range.next(),
        }
    }
}

impl<T> FusedIterator for Iter<T> {}

impl<T> Scan<T> {
    fn next(&mut self) -> Option<Result<T, DecodeError>> {
        loop {
            if let Some(item) = self.page.pop_front() {
                return Some(item);
            }
            let Source { raw, codec, decode } = &self.source;
            let next = raw.scan(self.cursor?, self.size, |key, record| {
                self.page.push_back(decode(codec, key, record.value));
            });
            self.cursor = (next != 0).then_some(next);
            self.size = (self.size * 2).min(SCAN_MOST);
        }
    }
}

/// Iterates over an ordered table in the order of the keys, from either end
/// ([`rev`](Iterator::rev) goes from the greatest key to the lowest).
///
/// It promises what [`Iter`] does.
#[must_use = "an iterator does nothing unless it is asked"]
pub struct Range<T> {
    source: Source<T>,
    /// What was not read yet lies between these.
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// Read from the front, ascending.
    front: VecDeque<Result<T, DecodeError>>,
    /// Read from the back, descending.
    back: VecDeque<Result<T, DecodeError>>,
    size: usize,
    /// All was read.
    done: bool,
}

impl<T> Range<T> {
    pub(super) fn new(source: Source<T>, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Range<T> {
        let (front, back) = (VecDeque::new(), VecDeque::new());
        Range { source, from, to, front, back, size: FIRST, done: false }
    }

    fn read(&mut self, backwards: bool) {
        let Source { raw, codec, decode } = &self.source;
        let page = if backwards { &mut self.back } else { &mut self.front };
        let (mut left, mut last) = (self.size, None);
        let see = |key: &[u8], record: crate::raw::RawRecord<'_>| {
            page.push_back(decode(codec, key, record.value));
            left -= 1;
            if left > 0 {
                return ControlFlow::Continue(());
            }
            last = Some(Bound::Excluded(key.to_vec()));
            ControlFlow::Break(())
        };
        let (from, to) = (self.from.as_ref(), self.to.as_ref());
        raw.in_order(from.map(Vec::as_slice), to.map(Vec::as_slice), backwards, see);
        match last {
            None => self.done = true,
            Some(last) if backwards => self.to = last,
            Some(last) => self.from = last,
        }
        self.size = (self.size * 2).min(RANGE_MOST);
    }
}

impl<T> Iterator for Range<T> {
    type Item = Result<T, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.front.is_empty() && !self.done {
            self.read(false);
        }
        self.front.pop_front().or_else(|| self.back.pop_back())
    }
}

impl<T> DoubleEndedIterator for Range<T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.back.is_empty() && !self.done {
            self.read(true);
        }
        self.back.pop_front().or_else(|| self.front.pop_back())
    }
}

impl<T> FusedIterator for Range<T> {}
