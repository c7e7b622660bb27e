//! Batches: ops that are taken in together.
//!
//! A batch is the frames of its ops, one after the other, behind a head of its own.

use crate::error::Problem;
use crate::frame::{LENGTH_BYTES, framed};
use crate::op::{OP, read_op};
use crate::read::{Read, Reader};
use crate::write;
use tombolo_core::{Dot, Incarnation, OpRef, TableId};

/// The kind of a batch's frame.
pub(crate) const BATCH: u8 = 12;

/// How many writes a batch may have.
pub const MAX_BATCH_WRITES: usize = 1024;

/// How many bytes the keys and values of a batch may have together.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// The bytes before the first op, the kind included and the length not.
const HEAD: usize = 13;

/// Appends a batch as a frame: `count` ops, which are at least two and at most
/// [`MAX_BATCH_WRITES`], as [`encode_op`](crate::encode_op) made them one after the other.
pub fn encode_batch(out: &mut Vec<u8>, table: TableId, count: u32, ops: &[u8]) {
    out.reserve(LENGTH_BYTES + HEAD + ops.len());
    framed(out, BATCH, |out| {
        write::u64(out, table.0);
        write::u32(out, count);
        out.extend_from_slice(ops);
    });
}

/// The table of a frame that is a batch; none if it is another frame, or is cut short.
pub fn batch_table(frame: &[u8]) -> Option<TableId> {
    let (kind, rest) = frame.split_first()?;
    let table = rest.first_chunk().filter(|_| *kind == BATCH)?;
    Some(TableId(u64::from_le_bytes(*table)))
}

/// Reads a batch from its whole frame. `replaces` is overwritten.
pub(crate) fn decode_batch<'a>(
    frame: &'a [u8],
    from: Incarnation,
    replaces: &'a mut Vec<Dot>,
) -> Read<(TableId, Vec<OpRef<'a>>)> {
    let mut reader = Reader::new("batch", frame);
    reader.u8("kind")?;
    let table = TableId(reader.u64("table")?);
    let count = reader.u32("count")? as usize;
    if count < 2 {
        // A single op has a frame of its own.
        return Err(reader.error("count", Problem::Unknown(count as u64)));
    }
    if count > MAX_BATCH_WRITES {
        let limit = MAX_BATCH_WRITES;
        return Err(reader.error("count", Problem::Many { count, limit }));
    }
    replaces.clear();
    let mut ops: Vec<(OpRef<'a>, usize)> = Vec::with_capacity(count);
    for _ in 0..count {
        let length = reader.u32("length of an op")? as usize;
        let op = reader.take("op", length)?;
        if op.first() != Some(&OP) {
            let kind = op.first().copied().unwrap_or_default();
            return Err(reader.error("kind of an op", Problem::Unknown(kind.into())));
        }
        let (of, op) = read_op(op, from, replaces)?;
        if of != table {
            return Err(reader.error("table of an op", Problem::Unknown(of.0)));
        }
        let expected = ops.last().map(|(last, _)| last.entry.dot.seq.saturating_add(1));
        if expected.is_some_and(|expected| op.entry.dot.seq != expected) {
            return Err(reader.error("sequence numbers", Problem::Order));
        }
        ops.push((op, replaces.len()));
    }
    reader.end()?;
    let mut start = 0;
    let ops = ops.into_iter().map(|(op, end)| {
        let op = OpRef { replaces: &replaces[start..end], ..op };
        start = end;
        op
    });
    Ok((table, ops.collect()))
}
