//! Every frame of a linked peer but ops, and the way into all of them.

use crate::batch::{BATCH, decode_batch};
use crate::declaration::{read_declare, write_declare};
use crate::dump::{self, DUMP_ASK, DUMP_PART, DumpAsk, DumpPart};
use crate::error::Problem;
use crate::frame::framed;
use crate::op::{OP, decode_op};
use crate::parts::{read_members, read_table, read_vector, write_members, write_vector};
use crate::read::{Read, Reader};
use crate::serial::{read_serial, write_serial};
use crate::sync::{read_body, write_body};
use crate::{DecodeError, hello, write};
use tombolo_core::{Dot, Incarnation, Message, OpRef, TableId};

const DECLARE: u8 = 2;
const ATTACH: u8 = 3;
const ACK: u8 = 4;
const SYNC: u8 = 5;
const REPORT: u8 = 6;
const MEMBERS: u8 = 7;
const SWIM: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const APART: u8 = 11;
const SERIAL: u8 = 13;
const TAKEN: u8 = 16;

/// A frame of a linked peer.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame<'a> {
    /// An op, borrowed from the frame.
    Op {
        /// The table.
        table: TableId,
        /// The op.
        op: OpRef<'a>,
    },
    /// Ops that are to be taken in together, borrowed from the frame.
    Batch {
        /// The table.
        table: TableId,
        /// The ops; their dots follow each other.
        ops: Vec<OpRef<'a>>,
    },
    /// What is for the core to handle.
    Message(Message),
    /// To be sent back at once as a pong, to measure the round trip.
    Ping {
        /// When it was sent, in microseconds of a clock that only the sender reads.
        sent: u64,
    },
    /// A ping came back.
    Pong {
        /// What the ping said.
        sent: u64,
    },
    /// The peer has taken in so many bytes of the pieces of syncs on this link.
    Taken {
        /// How many since the link is up, each piece with its length.
        bytes: u64,
    },
    /// The peer wants a part of our copy of a table.
    DumpAsk(DumpAsk),
    /// A part of the peer's copy of a table.
    DumpPart(DumpPart),
}

/// Reads a frame, its kind first, that came from `from`. `replaces` is scratch for ops: give the
/// same list again and again, and reading an op allocates nothing.
pub fn decode_frame<'a>(
    frame: &'a [u8],
    from: Incarnation,
    replaces: &'a mut Vec<Dot>,
) -> Result<Frame<'a>, DecodeError> {
    if frame.first() == Some(&OP) {
        let (table, op) = decode_op(frame, from, replaces)?;
        return Ok(Frame::Op { table, op });
    }
    if frame.first() == Some(&BATCH) {
        let (table, ops) = decode_batch(frame, from, replaces)?;
        return Ok(Frame::Batch { table, ops });
    }
    decode_slow(frame)
}

fn decode_slow(frame: &[u8]) -> Read<Frame<'static>> {
    let mut reader = Reader::new("unknown kind", frame);
    let kind = reader.u8("kind")?;
    let frame = match kind {
        DECLARE => Frame::Message(read_declare(&mut reader)?),
        ATTACH => {
            reader.rename("attach");
            let table = read_table(&mut reader)?;
            let seq = reader.varint("seq")?;
            Frame::Message(Message::Attach { table, seq })
        }
        ACK => {
            reader.rename("ack");
            let table = read_table(&mut reader)?;
            let seq = reader.varint("seq")?;
            Frame::Message(Message::Ack { table, seq })
        }
        SYNC => {
            reader.rename("sync");
            Frame::Message(Message::Sync {
                table: read_table(&mut reader)?,
                session: reader.varint("session")?,
                body: read_body(&mut reader)?,
            })
        }
        SERIAL => {
            reader.rename("serial");
            let table = read_table(&mut reader)?;
            let body = read_serial(&mut reader)?;
            Frame::Message(Message::Serial { table, body })
        }
        REPORT => Frame::Message(read_report(&mut reader)?),
        APART => Frame::Message(read_apart(&mut reader)?),
        MEMBERS => {
            reader.rename("members");
            Frame::Message(Message::Members(read_members(&mut reader)?))
        }
        SWIM => Frame::Message(Message::Swim(reader.remainder().to_vec())),
        PING => {
            reader.rename("ping");
            let sent = reader.u64("sent")?;
            Frame::Ping { sent }
        }
        PONG => {
            reader.rename("pong");
            let sent = reader.u64("sent")?;
            Frame::Pong { sent }
        }
        TAKEN => {
            reader.rename("taken");
            let bytes = reader.u64("bytes")?;
            Frame::Taken { bytes }
        }
        DUMP_ASK => dump::read_ask(&mut reader)?,
        DUMP_PART => dump::read_part(&mut reader)?,
        other => return Err(reader.error("kind", Problem::Unknown(other.into()))),
    };
    reader.end()?;
    Ok(frame)
}

/// Appends one message as a frame.
pub fn encode_message(out: &mut Vec<u8>, message: &Message) {
    match message {
        Message::Declare { name, declaration, epochs } => framed(out, DECLARE, |out| {
            write_declare(out, name, declaration, epochs);
        }),
        Message::Attach { table, seq } => framed(out, ATTACH, |out| {
            write::u64(out, table.0);
            write::varint(out, *seq);
        }),
        Message::Ack { table, seq } => framed(out, ACK, |out| {
            write::u64(out, table.0);
            write::varint(out, *seq);
        }),
        Message::Sync { table, session, body } => framed(out, SYNC, |out| {
            write::u64(out, table.0);
            write::varint(out, *session);
            write_body(out, body);
        }),
        Message::Report { table, about, seen, fingerprint } => framed(out, REPORT, |out| {
            write::u64(out, table.0);
            write::u64(out, about.0);
            write_vector(out, seen);
            write::u64(out, *fingerprint);
        }),
        Message::Apart { table, members, lowest, rehearsal } => framed(out, APART, |out| {
            write::u64(out, table.0);
            write::u32(out, *members);
            write::string(out, lowest);
            write::flag(out, *rehearsal);
        }),
        Message::Serial { table, body } => framed(out, SERIAL, |out| {
            write::u64(out, table.0);
            write_serial(out, body);
        }),
        Message::Members(members) => framed(out, MEMBERS, |out| write_members(out, members)),
        Message::Swim(packet) => framed(out, SWIM, |out| out.extend_from_slice(packet)),
    }
}

/// Appends a ping as a frame.
pub fn encode_ping(out: &mut Vec<u8>, sent: u64) {
    framed(out, PING, |out| write::u64(out, sent));
}

/// Appends the answer to a ping as a frame.
pub fn encode_pong(out: &mut Vec<u8>, sent: u64) {
    framed(out, PONG, |out| write::u64(out, sent));
}

/// Appends how many bytes of pieces of syncs were taken in as a frame.
pub fn encode_taken(out: &mut Vec<u8>, bytes: u64) {
    framed(out, TAKEN, |out| write::u64(out, bytes));
}

fn read_report(reader: &mut Reader<'_>) -> Read<Message> {
    reader.rename("report");
    Ok(Message::Report {
        table: read_table(reader)?,
        about: Incarnation(reader.u64("about")?),
        seen: read_vector(reader, "seen")?,
        fingerprint: reader.u64("fingerprint")?,
    })
}

fn read_apart(reader: &mut Reader<'_>) -> Read<Message> {
    reader.rename("apart");
    Ok(Message::Apart {
        table: read_table(reader)?,
        members: reader.u32("members")?,
        lowest: reader.short_string("lowest name", hello::MAX_NAME)?,
        rehearsal: reader.flag("rehearsal")?,
    })
}
