//! One node's copy of a table, read by another node in parts.

use crate::parts::{read_option, read_table, write_option};
use crate::read::{Read, Reader};
use crate::write;
use crate::{Frame, frame::framed};
use tombolo_core::{Millis, TableId};

pub(crate) const DUMP_ASK: u8 = 14;
pub(crate) const DUMP_PART: u8 = 15;

/// The bytes that a record takes up at least: two lengths and a flag.
const LEAST_RECORD: usize = 3;

/// A node wants the next part of another's copy of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DumpAsk {
    /// The table.
    pub table: TableId,
    /// Names the question; the answer repeats it.
    pub call: u64,
    /// Where the part is to begin: 0, or what the part before it said.
    pub cursor: u64,
}

/// The answer to a [`DumpAsk`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DumpPart {
    /// The table.
    pub table: TableId,
    /// The question that it answers.
    pub call: u64,
    /// The part; none if the answerer does not have the table.
    pub page: Option<DumpPage>,
}

/// What a [`DumpPart`] holds of the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpPage {
    /// Where the next part begins; 0 after the last.
    pub next: u64,
    /// The records, as a reader on the answering node sees them.
    pub records: Vec<DumpRecord>,
}

/// A record of a [`DumpPage`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DumpRecord {
    /// The key.
    pub key: Box<[u8]>,
    /// The value.
    pub value: Box<[u8]>,
    /// When it expires.
    pub expires: Option<Millis>,
}

/// Appends a question as a frame.
pub fn encode_dump_ask(out: &mut Vec<u8>, ask: &DumpAsk) {
    framed(out, DUMP_ASK, |out| {
        write::u64(out, ask.table.0);
        write::varint(out, ask.call);
        write::varint(out, ask.cursor);
    });
}

/// Appends an answer as a frame.
pub fn encode_dump_part(out: &mut Vec<u8>, part: &DumpPart) {
    framed(out, DUMP_PART, |out| {
        write::u64(out, part.table.0);
        write::varint(out, part.call);
        write_option(out, part.page.as_ref(), |out, page| {
            write::varint(out, page.next);
            write::count(out, page.records.len());
            for record in &page.records {
                write::bytes(out, &record.key);
                write::bytes(out, &record.value);
                write_option(out, record.expires, |out, at| write::varint(out, at.0));
            }
        });
    });
}

pub(crate) fn read_ask(reader: &mut Reader<'_>) -> Read<Frame<'static>> {
    reader.rename("dump ask");
    Ok(Frame::DumpAsk(DumpAsk {
        table: read_table(reader)?,
        call: reader.varint("call")?,
        cursor: reader.varint("cursor")?,
    }))
}

pub(crate) fn read_part(reader: &mut Reader<'_>) -> Read<Frame<'static>> {
    reader.rename("dump part");
    Ok(Frame::DumpPart(DumpPart {
        table: read_table(reader)?,
        call: reader.varint("call")?,
        page: read_option(reader, "page", |reader| {
            Ok(DumpPage {
                next: reader.varint("next")?,
                records: reader.list("records", LEAST_RECORD, read_record)?,
            })
        })?,
    }))
}

fn read_record(reader: &mut Reader<'_>) -> Read<DumpRecord> {
    Ok(DumpRecord {
        key: Box::from(reader.bytes("key")?),
        value: Box::from(reader.bytes("value")?),
        expires: read_option(reader, "expires", |reader| Ok(Millis(reader.varint("expires")?)))?,
    })
}
