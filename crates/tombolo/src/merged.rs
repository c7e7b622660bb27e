//! The records of several fragments in the order of their keys.

use crate::clock::now;
use crate::raw::{RawRecord, record};
use crate::shared::SharedTable;
use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use tombolo_core::EntryRef;

/// How many records are fetched of a fragment at a time, once the first few were not enough.
const FETCHED: usize = 64;

/// After how many bytes a fetch ends early.
const FETCHED_BYTES: usize = 256 * 1024;

/// A range of keys, and which way it is walked.
#[derive(Clone, Copy)]
pub(crate) struct Range<'b> {
    pub(crate) from: Bound<&'b [u8]>,
    pub(crate) to: Bound<&'b [u8]>,
    /// Whether the greatest key comes first.
    pub(crate) back: bool,
}

impl Range<'_> {
    fn walk(self, part: &SharedTable, see: impl FnMut(&[u8], EntryRef<'_>) -> ControlFlow<()>) {
        let Some(ordered) = part.records.ordered() else { return };
        if self.back {
            ordered.range_back(self.from, self.to, now(), see);
        } else {
            ordered.range(self.from, self.to, now(), see);
        }
    }
}

/// Shows the records of a range in their order, until `see` breaks off. One that is there
/// throughout is shown exactly once. Of several fragments some records are copied ahead of being
/// shown; those of one are shown where they lie.
pub(crate) fn in_order(
    parts: &[Arc<SharedTable>],
    range: Range<'_>,
    mut see: impl FnMut(&[u8], RawRecord<'_>) -> ControlFlow<()>,
) {
    if let [only] = parts {
        range.walk(only, |key, entry| match record(&entry) {
            Some(record) => see(key, record),
            None => ControlFlow::Continue(()),
        });
        return;
    }
    let mut lanes: Vec<Lane<'_>> = parts.iter().map(|part| Lane::new(part)).collect();
    loop {
        lanes.iter_mut().for_each(|lane| lane.fetch(range));
        let heads = lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.head()?, at)));
        let Some((_, at)) = (if range.back { heads.max() } else { heads.min() }) else { return };
        let Some(copy) = lanes[at].ahead.pop_front() else { return };
        let record = RawRecord { value: &copy.value, expires: copy.expires };
        if see(&copy.key, record).is_break() {
            return;
        }
    }
}

/// The records of one fragment that are next to be shown.
struct Lane<'t> {
    part: &'t SharedTable,
    ahead: VecDeque<Copied>,
    /// The last key that was fetched.
    last: Option<Vec<u8>>,
    /// Whether nothing is left behind what was fetched.
    ended: bool,
    /// How many records are fetched next: few at first, because one is often all that is wanted.
    most: usize,
}

struct Copied {
    key: Vec<u8>,
    value: Vec<u8>,
    expires: Option<u64>,
}

impl<'t> Lane<'t> {
    fn new(part: &'t SharedTable) -> Lane<'t> {
        Lane { part, ahead: VecDeque::new(), last: None, ended: false, most: 1 }
    }

    fn head(&self) -> Option<&[u8]> {
        self.ahead.front().map(|copy| copy.key.as_slice())
    }

    /// Goes on behind the last key, if nothing is ahead any more.
    fn fetch(&mut self, range: Range<'_>) {
        if self.ended || !self.ahead.is_empty() {
            return;
        }
        let rest = match &self.last {
            None => range,
            Some(last) if range.back => Range { to: Bound::Excluded(last), ..range },
            Some(last) => Range { from: Bound::Excluded(last), ..range },
        };
        let (ahead, most, mut bytes) = (&mut self.ahead, self.most, 0);
        self.ended = true;
        let ended = &mut self.ended;
        rest.walk(self.part, |key, entry| {
            let Some(record) = record(&entry) else { return ControlFlow::Continue(()) };
            let (value, expires) = (record.value.to_vec(), record.expires);
            bytes += key.len() + value.len();
            ahead.push_back(Copied { key: key.to_vec(), value, expires });
            if ahead.len() < most && bytes < FETCHED_BYTES {
                return ControlFlow::Continue(());
            }
            *ended = false;
            ControlFlow::Break(())
        });
        self.last = self.ahead.back().map(|copy| copy.key.clone());
        self.most = (4 * most).min(FETCHED);
    }
}
