//! Serial operations as bytes.

use crate::error::Problem;
use crate::frame::MAX_RECORD;
use crate::op::{Answered, read_answered, write_answered};
use crate::parts::{LEAST_DOT, read_dot, read_option, write_dot, write_option};
use crate::read::{Read, Reader};
use crate::{hello, write};
use std::sync::Arc;
use tombolo_core::{
    Done, Edit, Expect, Expiry, FLOAT, INTEGER, Incarnation, Millis, Refused, Remembered, Reply,
    Request, RequestId, RequestRef, SerialBody,
};

const READY: u8 = 1;
const WANT: u8 = 2;
const LEND: u8 = 3;
const REFUSE: u8 = 4;
const RETURN: u8 = 5;
const REQUEST: u8 = 6;
const REPLY: u8 = 7;

const ANYTHING: u8 = 1;
const ABSENT: u8 = 2;
const PRESENT: u8 = 3;
const VALUE: u8 = 4;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const APPEND: u8 = 3;
const ADD: u8 = 4;
const ADD_FLOAT: u8 = 5;

const DEFAULT: u8 = 1;
const KEEP: u8 = 2;
const AT: u8 = 3;

const DONE: u8 = 1;
const UNMET: u8 = 2;
const NOT_AN_INTEGER: u8 = 3;
const NOT_A_FLOAT: u8 = 4;
const OUT_OF_RANGE: u8 = 5;
const TOO_LARGE: u8 = 6;
const QUORUM: u8 = 7;
const AGAIN: u8 = 8;
const UNCERTAIN: u8 = 9;

/// The least bytes of a remembered request: a dot and what goes with an op.
const LEAST_REMEMBERED: usize = LEAST_DOT + Answered::LEAST + 1;

pub(crate) fn write_serial(out: &mut Vec<u8>, body: &SerialBody) {
    let grant = |out: &mut Vec<u8>, kind: u8, grant: u64| {
        out.push(kind);
        write::varint(out, grant);
    };
    match body {
        SerialBody::Ready => out.push(READY),
        SerialBody::Want { grant: number } => grant(out, WANT, *number),
        SerialBody::Lend { grant: number } => grant(out, LEND, *number),
        SerialBody::Refuse { grant: number } => grant(out, REFUSE, *number),
        SerialBody::Return { grant: number } => grant(out, RETURN, *number),
        SerialBody::Request(request) => {
            out.push(REQUEST);
            write_request(out, request);
        }
        SerialBody::Reply { id, attempt, reply } => {
            out.push(REPLY);
            write_id(out, *id);
            write::varint(out, (*attempt).into());
            write_reply(out, reply);
        }
    }
}

pub(crate) fn read_serial(reader: &mut Reader<'_>) -> Read<SerialBody> {
    reader.rename("serial");
    match reader.u8("what")? {
        READY => Ok(SerialBody::Ready),
        WANT => Ok(SerialBody::Want { grant: reader.varint("grant")? }),
        LEND => Ok(SerialBody::Lend { grant: reader.varint("grant")? }),
        REFUSE => Ok(SerialBody::Refuse { grant: reader.varint("grant")? }),
        RETURN => Ok(SerialBody::Return { grant: reader.varint("grant")? }),
        REQUEST => {
            reader.rename("request");
            read_request(reader).map(SerialBody::Request)
        }
        REPLY => {
            reader.rename("reply");
            let (id, attempt) = (read_id(reader)?, read_attempt(reader)?);
            Ok(SerialBody::Reply { id, attempt, reply: read_reply(reader)? })
        }
        other => Err(reader.error("what", Problem::Unknown(other.into()))),
    }
}

fn write_id(out: &mut Vec<u8>, id: RequestId) {
    write::u64(out, id.origin.0);
    write::varint(out, id.number);
}

fn read_id(reader: &mut Reader<'_>) -> Read<RequestId> {
    let origin = Incarnation(reader.u64("asker")?);
    Ok(RequestId { origin, number: reader.varint("number")? })
}

fn read_attempt(reader: &mut Reader<'_>) -> Read<u32> {
    let attempt = reader.varint("attempt")?;
    u32::try_from(attempt).map_err(|_| reader.error("attempt", Problem::Unknown(attempt)))
}

fn write_request(out: &mut Vec<u8>, request: &Request) {
    write_id(out, request.id);
    write::varint(out, request.floor);
    write::varint(out, request.attempt.into());
    write::bytes(out, &request.key);
    match &request.expect {
        Expect::Anything => out.push(ANYTHING),
        Expect::Absent => out.push(ABSENT),
        Expect::Present => out.push(PRESENT),
        Expect::Value(value) => {
            out.push(VALUE);
            write::bytes(out, value);
        }
    }
    match &request.edit {
        Edit::Put { value, expiry } => {
            out.push(PUT);
            write::bytes(out, value);
            match expiry {
                Expiry::Default => out.push(DEFAULT),
                Expiry::Keep => out.push(KEEP),
                Expiry::At(at) => {
                    out.push(AT);
                    write::varint(out, at.0);
                }
            }
        }
        Edit::Delete => out.push(DELETE),
        Edit::Append(bytes) => {
            out.push(APPEND);
            write::bytes(out, bytes);
        }
        Edit::Add(by) => {
            out.push(ADD);
            write::u64(out, *by as u64);
        }
        Edit::AddFloat(by) => {
            out.push(ADD_FLOAT);
            write::u64(out, by.to_bits());
        }
    }
    write::flag(out, request.tell_previous);
    write_option(out, request.copies, write::u32);
    write::u32(out, request.patience);
}

fn read_request(reader: &mut Reader<'_>) -> Read<Request> {
    let id = read_id(reader)?;
    let floor = reader.varint("floor")?;
    let attempt = read_attempt(reader)?;
    let key: Box<[u8]> = reader.bytes("key")?.into();
    let expect = match reader.u8("condition")? {
        ANYTHING => Expect::Anything,
        ABSENT => Expect::Absent,
        PRESENT => Expect::Present,
        VALUE => Expect::Value(reader.bytes("expected value")?.into()),
        other => return Err(reader.error("condition", Problem::Unknown(other.into()))),
    };
    let edit = match reader.u8("edit")? {
        PUT => {
            let value: Box<[u8]> = reader.bytes("value")?.into();
            let (length, limit) = (key.len() + value.len(), MAX_RECORD);
            if length > limit {
                return Err(reader.error("value", Problem::Length { length, limit }));
            }
            let expiry = match reader.u8("expiry")? {
                DEFAULT => Expiry::Default,
                KEEP => Expiry::Keep,
                AT => Expiry::At(Millis(reader.varint("expires")?)),
                other => return Err(reader.error("expiry", Problem::Unknown(other.into()))),
            };
            Edit::Put { value, expiry }
        }
        DELETE => Edit::Delete,
        APPEND => Edit::Append(reader.bytes("appended bytes")?.into()),
        ADD => Edit::Add(reader.u64("number")? as i64),
        ADD_FLOAT => {
            let bits = reader.u64("number")?;
            let number = f64::from_bits(bits);
            if !number.is_finite() {
                return Err(reader.error("number", Problem::Unknown(bits)));
            }
            Edit::AddFloat(number)
        }
        other => return Err(reader.error("edit", Problem::Unknown(other.into()))),
    };
    let tell_previous = reader.flag("tell previous")?;
    let copies = read_option(reader, "copies", |reader| reader.u32("copies"))?;
    let patience = reader.u32("patience")?;
    Ok(Request { id, floor, attempt, key, expect, edit, tell_previous, copies, patience })
}

fn write_told(out: &mut Vec<u8>, told: Option<&Arc<[u8]>>) {
    write_option(out, told, |out, told| write::bytes(out, told));
}

fn read_told(reader: &mut Reader<'_>) -> Read<Option<Arc<[u8]>>> {
    read_option(reader, "told", |reader| reader.bytes("told").map(Arc::from))
}

fn write_reply(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Done(Done { dot, told, lost, by, missing }) => {
            out.push(DONE);
            write_option(out, *dot, write_dot);
            write_told(out, told.as_ref());
            write::flag(out, *lost);
            for names in [&by[..], &missing[..]] {
                write::count(out, names.len());
                names.iter().for_each(|name| write::string(out, name));
            }
        }
        Reply::Unmet(holds) => {
            out.push(UNMET);
            write_told(out, holds.as_ref());
        }
        Reply::Refused(Refused::NotANumber(kind)) => {
            out.push(if *kind == FLOAT { NOT_A_FLOAT } else { NOT_AN_INTEGER });
        }
        Reply::Refused(Refused::OutOfRange) => out.push(OUT_OF_RANGE),
        Reply::Refused(Refused::TooLarge) => out.push(TOO_LARGE),
        Reply::Refused(Refused::Quorum { members, required }) => {
            out.push(QUORUM);
            write::u32(out, *members);
            write::u32(out, *required);
        }
        Reply::Again => out.push(AGAIN),
        Reply::Uncertain => out.push(UNCERTAIN),
    }
}

fn read_reply(reader: &mut Reader<'_>) -> Read<Reply> {
    let refused = |refused| Ok(Reply::Refused(refused));
    match reader.u8("answer")? {
        DONE => Ok(Reply::Done(Done {
            dot: read_option(reader, "dot", |reader| read_dot(reader, "dot"))?,
            told: read_told(reader)?,
            lost: reader.flag("lost")?,
            by: read_names(reader)?.into(),
            missing: read_names(reader)?,
        })),
        UNMET => read_told(reader).map(Reply::Unmet),
        NOT_AN_INTEGER => refused(Refused::NotANumber(INTEGER)),
        NOT_A_FLOAT => refused(Refused::NotANumber(FLOAT)),
        OUT_OF_RANGE => refused(Refused::OutOfRange),
        TOO_LARGE => refused(Refused::TooLarge),
        QUORUM => refused(Refused::Quorum {
            members: reader.u32("members")?,
            required: reader.u32("required members")?,
        }),
        AGAIN => Ok(Reply::Again),
        UNCERTAIN => Ok(Reply::Uncertain),
        other => Err(reader.error("answer", Problem::Unknown(other.into()))),
    }
}

fn read_names(reader: &mut Reader<'_>) -> Read<Vec<String>> {
    reader.list("names", 1, |reader| reader.short_string("name", hello::MAX_NAME))
}

pub(crate) fn write_remembered(out: &mut Vec<u8>, requests: &[Remembered]) {
    write::count(out, requests.len());
    for known in requests {
        write_dot(out, known.dot);
        let (id, floor, lost) = (known.id, known.floor, known.lost);
        write_answered(out, &RequestRef { id, floor, told: known.told.as_deref(), lost });
        write::flag(out, known.old);
    }
}

pub(crate) fn read_remembered(reader: &mut Reader<'_>) -> Read<Vec<Remembered>> {
    reader.list("requests", LEAST_REMEMBERED, |reader| {
        let dot = read_dot(reader, "dot")?;
        let RequestRef { id, floor, told, lost } = read_answered(reader)?;
        let (told, old) = (told.map(Arc::from), reader.flag("old")?);
        Ok(Remembered { id, floor, dot, told, lost, old })
    })
}
