//! Where a watch is, to go on from there later.

use std::fmt;
use std::str::FromStr;
use tombolo_core::{Incarnation, TableId};

/// A place in the changes of a table on one node, as long as its process runs.
///
/// It can be kept as text. [`RawTable::watch_from`](crate::RawTable::watch_from) goes on from it
/// without a gap if the changes since are still kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    pub(super) process: Incarnation,
    pub(super) table: TableId,
    /// Per part of the table the number of the last change; none before the content was told.
    pub(super) numbers: Vec<u64>,
}

/// The text is no cursor.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no cursor of a watch")]
pub struct CursorError(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.process.0, self.table.0)?;
        self.numbers.iter().try_for_each(|number| write!(f, "-{number}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let parse = || {
            let mut parts = text.split('-');
            let process = Incarnation(u64::from_str_radix(parts.next()?, 16).ok()?);
            let table = TableId(u64::from_str_radix(parts.next()?, 16).ok()?);
            let numbers = parts.map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
            Some(Cursor { process, table, numbers })
        };
        parse().ok_or_else(|| CursorError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_same_when_it_was_text() {
        for numbers in [vec![], vec![0], vec![7, u64::MAX, 3]] {
            let cursor = Cursor { process: Incarnation(u64::MAX), table: TableId(1), numbers };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "1", "x-1", "1-x", "1-1-", "1-1--1", "1-1-x"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(CursorError(wrong.to_owned())));
        }
    }
}
