//! Reading what a table shows, a bounded step at a time.

use super::span::Span;
use crate::clock::now;
use crate::shared::SharedTable;
use std::ops::{Bound, ControlFlow};
use tombolo_core::EntryRef;

/// How many records a step shows.
const STEP: usize = 256;

/// How far the reading has come.
#[derive(Default)]
pub(super) struct Content {
    /// The part of the table.
    part: usize,
    at: At,
}

#[derive(Default)]
enum At {
    #[default]
    Start,
    /// After this key of an ordered part.
    After(Vec<u8>),
    /// At this cursor of a scan.
    Cursor(u64),
}

impl Content {
    /// Shows some more of what lies in `span`; perhaps none, but then it has looked at many. True
    /// if that was all.
    pub(super) fn step<'t>(
        &mut self,
        table: impl Fn(usize) -> Option<&'t SharedTable>,
        span: &Span,
        mut see: impl FnMut(&[u8], EntryRef<'_>),
    ) -> bool {
        let Some(table) = table(self.part) else { return true };
        let next = if let Some(only) = span.only() {
            table.records.read(only, now, |entry| entry.into_iter().for_each(|e| see(only, e)));
            None
        } else if table.records.ordered().is_some() {
            self.range(table, span, &mut see)
        } else {
            self.scan(table, span, &mut see)
        };
        match next {
            Some(at) => self.at = at,
            None => *self = Content { part: self.part + 1, at: At::Start },
        }
        false
    }

    fn range(
        &self,
        table: &SharedTable,
        span: &Span,
        see: &mut impl FnMut(&[u8], EntryRef<'_>),
    ) -> Option<At> {
        let from = match &self.at {
            At::After(key) => Bound::Excluded(&key[..]),
            _ => Bound::Included(&span.from[..]),
        };
        let to = span.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut shown, mut last) = (0, None);
        table.records.ordered()?.range(from, to, now(), |key, entry| {
            see(key, entry);
            shown += 1;
            if shown < STEP {
                return ControlFlow::Continue(());
            }
            last = Some(At::After(key.to_vec()));
            ControlFlow::Break(())
        });
        last
    }

    fn scan(
        &self,
        table: &SharedTable,
        span: &Span,
        see: &mut impl FnMut(&[u8], EntryRef<'_>),
    ) -> Option<At> {
        let from = if let At::Cursor(cursor) = self.at { cursor } else { 0 };
        let next = table.records.scan(from, STEP, now(), |key, entry| {
            if span.has(key) {
                see(key, entry);
            }
        });
        (next != 0).then_some(At::Cursor(next))
    }
}
