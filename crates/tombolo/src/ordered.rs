//! Reading tables in the order of their keys.

use crate::merged::{Range, in_order};
use crate::raw::{RawRecord, RawTable};
use std::ops::{Bound, ControlFlow};
use tombolo_core::Kind;

/// The table's keys are in no order. Declare it `kind=ordered_set`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the table is kind={0}, whose keys are in no order; declare it kind=ordered_set")]
pub struct NotOrdered(pub Kind);

impl RawTable {
    /// Shows the records from `from` to `to` in the order of their keys' bytes, until `see` breaks
    /// off. No lock; a record that is there throughout is shown exactly once. Of a table with
    /// several fragments the records are copied, up to 64 of each fragment ahead of being shown.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        see: impl FnMut(&[u8], RawRecord<'_>) -> ControlFlow<()>,
    ) -> Result<(), NotOrdered> {
        self.check_ordered()?;
        self.in_order(from, to, false, see);
        Ok(())
    }

    /// As [`RawTable::range`], in the reverse order: the greatest key first.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn range_back(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        see: impl FnMut(&[u8], RawRecord<'_>) -> ControlFlow<()>,
    ) -> Result<(), NotOrdered> {
        self.check_ordered()?;
        self.in_order(from, to, true, see);
        Ok(())
    }

    /// The record with the lowest key.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn first<R>(
        &self,
        look: impl FnOnce(&[u8], RawRecord<'_>) -> R,
    ) -> Result<Option<R>, NotOrdered> {
        self.one(Bound::Unbounded, Bound::Unbounded, false, look)
    }

    /// The record with the greatest key.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn last<R>(
        &self,
        look: impl FnOnce(&[u8], RawRecord<'_>) -> R,
    ) -> Result<Option<R>, NotOrdered> {
        self.one(Bound::Unbounded, Bound::Unbounded, true, look)
    }

    /// The record with the lowest key above `key`, which need not be there itself.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn next<R>(
        &self,
        key: &[u8],
        look: impl FnOnce(&[u8], RawRecord<'_>) -> R,
    ) -> Result<Option<R>, NotOrdered> {
        self.one(Bound::Excluded(key), Bound::Unbounded, false, look)
    }

    /// The record with the greatest key below `key`, which need not be there itself.
    ///
    /// # Errors
    ///
    /// If the table is not ordered.
    pub fn previous<R>(
        &self,
        key: &[u8],
        look: impl FnOnce(&[u8], RawRecord<'_>) -> R,
    ) -> Result<Option<R>, NotOrdered> {
        self.one(Bound::Unbounded, Bound::Excluded(key), true, look)
    }

    fn one<R>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        back: bool,
        look: impl FnOnce(&[u8], RawRecord<'_>) -> R,
    ) -> Result<Option<R>, NotOrdered> {
        let (mut look, mut found) = (Some(look), None);
        let see = |key: &[u8], record: RawRecord<'_>| {
            found = look.take().map(|look| look(key, record));
            ControlFlow::Break(())
        };
        if back {
            self.range_back(from, to, see)?;
        } else {
            self.range(from, to, see)?;
        }
        Ok(found)
    }

    fn check_ordered(&self) -> Result<(), NotOrdered> {
        let kind = self.kind();
        if kind == Kind::OrderedSet { Ok(()) } else { Err(NotOrdered(kind)) }
    }

    /// Shows what there is from `from` to `to` in the order of its bytes, or in the reverse order:
    /// the records of an ordered table, or the objects of a bag by what they are kept under.
    /// Nothing of others.
    pub(crate) fn in_order(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        back: bool,
        see: impl FnMut(&[u8], RawRecord<'_>) -> ControlFlow<()>,
    ) {
        in_order(self.parts(), Range { from, to, back }, see);
    }
}
