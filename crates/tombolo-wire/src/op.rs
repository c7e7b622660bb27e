//! Ops: the frames that must cost next to nothing.
//!
//! The layout is fixed and little-endian; the crate's documentation shows it. Reading borrows the
//! key and the value from the buffer, and fills a scratch list that the caller keeps.

use crate::error::{DecodeError, Problem};
use crate::frame::{LENGTH_BYTES, length_of};
use crate::read::{Read, Reader};
use tombolo_core::{
    Dot, EntryRef, Incarnation, Mark, Millis, OpRef, RequestId, RequestRef, Stamp, TOLD_BYTES,
    TableId,
};

/// The kind of an op's frame.
pub(crate) const OP: u8 = 1;

/// The bytes of the fields of fixed size, the kind included and the length not.
const HEAD: usize = 43;

/// The bytes of one replaced dot.
const DOT: usize = 16;

/// The flag of an op or an entry that has a value, be it empty; without it, it is a delete.
pub(crate) const HAS_VALUE: u8 = 1;

/// The flag of an op or an entry that expires.
pub(crate) const EXPIRES: u8 = 2;

/// The flag of an op or an entry that is the outcome of a conflict.
pub(crate) const OUTCOME: u8 = 4;

/// The flag of an op that carries out a request.
pub(crate) const REQUEST: u8 = 8;

/// The part of an op's frame that says which request it carries out.
pub(crate) struct Answered;

impl Answered {
    /// The bytes of the fields of fixed size: the request, the floor, the length of what is told.
    pub(crate) const LEAST: usize = 26;
    /// What the length says if nothing is told.
    const NOTHING: u16 = u16::MAX;
    /// What the length says if what is told is lost.
    const LOST: u16 = u16::MAX - 1;

    fn length(request: &RequestRef<'_>) -> usize {
        Answered::LEAST + request.told.map_or(0, <[u8]>::len)
    }
}

/// Appends which request an op carries out.
pub(crate) fn write_answered(out: &mut Vec<u8>, request: &RequestRef<'_>) {
    let length = match request.told {
        _ if request.lost => Answered::LOST,
        None => Answered::NOTHING,
        Some(told) => told.len() as u16,
    };
    out.extend_from_slice(&request.id.origin.0.to_le_bytes());
    out.extend_from_slice(&request.id.number.to_le_bytes());
    out.extend_from_slice(&request.floor.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(request.told.unwrap_or_default());
}

/// Reads which request an op carries out.
pub(crate) fn read_answered<'a>(reader: &mut Reader<'a>) -> Read<RequestRef<'a>> {
    let origin = Incarnation(reader.u64("asker")?);
    let id = RequestId { origin, number: reader.u64("number")? };
    let floor = reader.u64("floor")?;
    let length = reader.u16("told")?;
    let (told, lost) = match length {
        Answered::NOTHING => (None, false),
        Answered::LOST => (None, true),
        length if usize::from(length) > TOLD_BYTES => {
            let (length, limit) = (length.into(), TOLD_BYTES);
            return Err(reader.error("told", Problem::Length { length, limit }));
        }
        length => (Some(reader.take("told", length.into())?), false),
    };
    Ok(RequestRef { id, floor, told, lost })
}

/// The flags that ops and entries have in common.
pub(crate) fn flags_of(entry: &EntryRef<'_>) -> u8 {
    let has_value = u8::from(entry.value.is_some()) * HAS_VALUE;
    let expires = u8::from(entry.expires.is_some()) * EXPIRES;
    let outcome = u8::from(entry.mark.outcome) * OUTCOME;
    has_value | expires | outcome
}

/// Appends one op as a frame. The origin of its dot is not sent: it is the sender.
///
/// The record is at most [`MAX_RECORD`](crate::MAX_RECORD) bytes; whoever takes a write from a
/// caller has refused a larger one.
pub fn encode_op(out: &mut Vec<u8>, table: TableId, op: &OpRef<'_>) {
    let entry = &op.entry;
    let value = entry.value.unwrap_or_default();
    let answered = op.request.as_ref().map_or(0, Answered::length);
    let length = HEAD + answered + op.replaces.len() * DOT + op.key.len() + value.len();

    let mut head = [0; LENGTH_BYTES + HEAD];
    head[0..4].copy_from_slice(&length_of(length));
    head[4] = OP;
    head[5] = flags_of(entry) | (u8::from(op.request.is_some()) * REQUEST);
    head[6..10].copy_from_slice(&(op.replaces.len() as u32).to_le_bytes());
    head[10..14].copy_from_slice(&(op.key.len() as u32).to_le_bytes());
    head[14..22].copy_from_slice(&table.0.to_le_bytes());
    head[22..30].copy_from_slice(&entry.dot.seq.to_le_bytes());
    head[30..38].copy_from_slice(&entry.stamp.0.to_le_bytes());
    head[38..46].copy_from_slice(&entry.expires.unwrap_or_default().0.to_le_bytes());
    head[46] = entry.mark.epoch;

    out.reserve(LENGTH_BYTES + length);
    out.extend_from_slice(&head);
    for dot in op.replaces {
        let mut bytes = [0; DOT];
        bytes[..8].copy_from_slice(&dot.origin.0.to_le_bytes());
        bytes[8..].copy_from_slice(&dot.seq.to_le_bytes());
        out.extend_from_slice(&bytes);
    }
    if let Some(request) = &op.request {
        write_answered(out, request);
    }
    out.extend_from_slice(op.key);
    out.extend_from_slice(value);
}

/// The table and the key of a frame that is an op, and as good as nothing else looked at.
///
/// It lets the keys of a batch be touched before the table's lock is taken. None if the frame is
/// not an op, or is cut short: decoding says then what is wrong.
pub fn op_key(frame: &[u8]) -> Option<(TableId, &[u8])> {
    let (head, rest) = frame.split_first_chunk::<HEAD>()?;
    if head[0] != OP {
        return None;
    }
    let (replaces, key) = (u32_at(head, 2), u32_at(head, 6));
    let mut rest = rest.get(replaces.checked_mul(DOT)?..)?;
    if head[1] & REQUEST != 0 {
        let mut reader = Reader::new("op", rest);
        read_answered(&mut reader).ok()?;
        rest = reader.remainder();
    }
    let key = rest.get(..key)?;
    Some((TableId(u64_at(head, 10)), key))
}

/// Reads an op from its whole frame, which came from `from`. `replaces` is scratch and overwritten:
/// give the same list again and again, and reading an op allocates nothing.
///
/// Inlined, since an op that is handed on through memory is read again before the processor has
/// stored it, which waits for all that was stored before: 100 ns where records are overwritten.
#[inline]
pub fn decode_op<'a>(
    frame: &'a [u8],
    from: Incarnation,
    replaces: &'a mut Vec<Dot>,
) -> Result<(TableId, OpRef<'a>), DecodeError> {
    replaces.clear();
    let (table, op) = read_op(frame, from, replaces)?;
    Ok((table, OpRef { replaces, ..op }))
}

/// Reads an op from its whole frame, all but what it replaces: that is added to `replaces`.
#[inline]
pub(crate) fn read_op<'a>(
    frame: &'a [u8],
    from: Incarnation,
    replaces: &mut Vec<Dot>,
) -> Read<(TableId, OpRef<'a>)> {
    let mut reader = Reader::new("op", frame);
    let head = reader.chunk::<HEAD>("fixed fields")?;
    let (flags, expires) = (head[1], u64_at(head, 34));
    if flags & !(HAS_VALUE | EXPIRES | OUTCOME | REQUEST) != 0 {
        return Err(reader.error("flags", Problem::Unknown(flags.into())));
    }
    if flags & EXPIRES == 0 && expires != 0 {
        return Err(reader.error("expires", Problem::Unknown(expires)));
    }
    let dots = u32_at(head, 2).saturating_mul(DOT);
    let (dots, _) = reader.take("replaces", dots)?.as_chunks::<DOT>();
    let request = match flags & REQUEST {
        0 => None,
        _ => Some(read_answered(&mut reader)?),
    };
    let key = reader.take("key", u32_at(head, 6))?;
    let value = (flags & HAS_VALUE != 0).then(|| reader.remainder());
    reader.end()?;

    replaces.extend(
        dots.iter().map(|dot| Dot { origin: Incarnation(u64_at(dot, 0)), seq: u64_at(dot, 8) }),
    );
    let dot = Dot { origin: from, seq: u64_at(head, 18) };
    let entry = EntryRef {
        dot,
        stamp: Stamp(u64_at(head, 26)),
        mark: Mark { epoch: head[42], outcome: flags & OUTCOME != 0 },
        expires: (flags & EXPIRES != 0).then_some(Millis(expires)),
        value,
    };
    let op = OpRef { key, entry, replaces: &[], request };
    Ok((TableId(u64_at(head, 10)), op))
}

/// The number at a place that the array is known to have.
fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> usize {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number) as usize
}
