//! The handshake as bytes.
//!
//! Three places stay where they are in every version of the protocol, so that releases can tell
//! each other that they differ: the magic bytes, the two bytes of the version right after the
//! kind in a hello and a welcome, and the refusal for a protocol.

use super::proof::lane_number;
use super::{Handshake, Hello, Lane, MAGIC, MAX_NAME, PROTOCOL, Refusal, Welcome};
use crate::error::Problem;
use crate::frame::{MAX_HELLO_FRAME, framed, split};
use crate::parts::{read_members, write_members, write_node};
use crate::read::{Read, Reader};
use crate::write;
use tombolo_core::{Millis, NodeId};

const HELLO: u8 = 32;
const WELCOME: u8 = 33;
const CONFIRM: u8 = 34;
const ACCEPTED: u8 = 35;
const REFUSE: u8 = 36;

const NOT_TOMBOLO: u8 = 1;
const OTHER_PROTOCOL: u8 = 2;
const OTHER_CLUSTER: u8 = 3;
const OTHER_SECRET: u8 = 4;
const NAME_TAKEN: u8 = 5;
const SUPERSEDED: u8 = 6;
const CLOCK_DRIFT: u8 = 7;
const ONE_SELF: u8 = 8;
const CUT: u8 = 9;
const ALREADY_LINKED: u8 = 10;
const TOO_LARGE: u8 = 11;
const GARBLED: u8 = 12;

/// Appends the first message that a side sends on a connection: the magic bytes and a frame.
pub fn encode_opening(out: &mut Vec<u8>, message: &Handshake) {
    out.extend_from_slice(&MAGIC);
    encode_handshake(out, message);
}

/// Appends a message of the handshake that is not its side's first, as a frame.
pub fn encode_handshake(out: &mut Vec<u8>, message: &Handshake) {
    match message {
        Handshake::Hello(hello) => framed(out, HELLO, |out| write_hello(out, hello)),
        Handshake::Welcome(welcome) => framed(out, WELCOME, |out| write_welcome(out, welcome)),
        Handshake::Confirm { proof, members } => framed(out, CONFIRM, |out| {
            out.extend_from_slice(proof);
            write_members(out, members);
        }),
        Handshake::Accepted { members } => framed(out, ACCEPTED, |out| {
            write_members(out, members);
        }),
        Handshake::Refuse(refusal) => framed(out, REFUSE, |out| write_refusal(out, refusal)),
    }
}

/// [`split`] for the first frame that the other side sends, which the magic bytes come before.
///
/// A stranger is refused at its first wrong byte.
pub fn split_opening(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, Refusal> {
    let common = buffer.len().min(MAGIC.len());
    if buffer[..common] != MAGIC[..common] {
        return Err(Refusal::NotTombolo);
    }
    let frame = split(&buffer[common..], MAX_HELLO_FRAME)?;
    Ok(frame.map(|(frame, length)| (frame, MAGIC.len() + length)))
}

/// Reads a frame of the handshake, its kind first.
///
/// A hello or a welcome in another version of the protocol is refused as such, whatever else is
/// in it.
pub fn decode_handshake(frame: &[u8]) -> Result<Handshake, Refusal> {
    let mut reader = Reader::new("unknown handshake", frame);
    let message = match reader.u8("kind")? {
        HELLO => {
            reader.rename("hello");
            check_protocol(&mut reader)?;
            Handshake::Hello(read_hello(&mut reader)?)
        }
        WELCOME => {
            reader.rename("welcome");
            check_protocol(&mut reader)?;
            Handshake::Welcome(read_welcome(&mut reader)?)
        }
        CONFIRM => {
            reader.rename("confirm");
            Handshake::Confirm {
                proof: reader.array("proof")?,
                members: read_members(&mut reader)?,
            }
        }
        ACCEPTED => {
            reader.rename("accepted");
            let members = read_members(&mut reader)?;
            Handshake::Accepted { members }
        }
        REFUSE => {
            reader.rename("refuse");
            Handshake::Refuse(read_refusal(&mut reader)?)
        }
        other => return Err(reader.error("kind", Problem::Unknown(other.into())).into()),
    };
    reader.end()?;
    Ok(message)
}

fn check_protocol(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    match reader.u16("protocol")? {
        PROTOCOL => Ok(()),
        theirs => Err(Refusal::Protocol { ours: PROTOCOL, theirs }),
    }
}

fn write_hello(out: &mut Vec<u8>, hello: &Hello) {
    write::u16(out, hello.protocol);
    write::string(out, &hello.cluster);
    write_node(out, &hello.id);
    write::string(out, &hello.address);
    out.push(lane_number(hello.lane));
    write::u64(out, hello.link);
    out.extend_from_slice(&hello.nonce);
    write::u64(out, hello.clock.0);
}

fn read_hello(reader: &mut Reader<'_>) -> Read<Hello> {
    Ok(Hello {
        protocol: PROTOCOL,
        cluster: reader.short_string("cluster", MAX_NAME)?,
        id: read_id(reader)?,
        address: reader.short_string("address", MAX_NAME)?,
        lane: match reader.u8("lane")? {
            1 => Lane::Data,
            2 => Lane::Control,
            other => return Err(reader.error("lane", Problem::Unknown(other.into()))),
        },
        link: reader.u64("link")?,
        nonce: reader.array("nonce")?,
        clock: Millis(reader.u64("clock")?),
    })
}

fn write_welcome(out: &mut Vec<u8>, welcome: &Welcome) {
    write::u16(out, welcome.protocol);
    write::string(out, &welcome.cluster);
    write_node(out, &welcome.id);
    write::string(out, &welcome.address);
    out.extend_from_slice(&welcome.nonce);
    write::u64(out, welcome.clock.0);
    out.extend_from_slice(&welcome.proof);
}

fn read_welcome(reader: &mut Reader<'_>) -> Read<Welcome> {
    Ok(Welcome {
        protocol: PROTOCOL,
        cluster: reader.short_string("cluster", MAX_NAME)?,
        id: read_id(reader)?,
        address: reader.short_string("address", MAX_NAME)?,
        nonce: reader.array("nonce")?,
        clock: Millis(reader.u64("clock")?),
        proof: reader.array("proof")?,
    })
}

fn read_id(reader: &mut Reader<'_>) -> Read<NodeId> {
    Ok(NodeId { name: reader.short_string("name", MAX_NAME)?, started: reader.u64("start")? })
}

fn write_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    match refusal {
        Refusal::NotTombolo => out.push(NOT_TOMBOLO),
        Refusal::Protocol { ours, theirs } => {
            out.push(OTHER_PROTOCOL);
            write::u16(out, *ours);
            write::u16(out, *theirs);
        }
        Refusal::Cluster { ours, theirs } => {
            out.push(OTHER_CLUSTER);
            write::string(out, ours);
            write::string(out, theirs);
        }
        Refusal::Secret => out.push(OTHER_SECRET),
        Refusal::NameTaken { name, started, address, heard_millis_ago } => {
            out.push(NAME_TAKEN);
            write::string(out, name);
            write::u64(out, *started);
            write::string(out, address);
            write::u64(out, *heard_millis_ago);
        }
        Refusal::Superseded { name, by } => {
            out.push(SUPERSEDED);
            write::string(out, name);
            write::u64(out, *by);
        }
        Refusal::ClockDrift { millis, ahead, max } => {
            out.push(CLOCK_DRIFT);
            write::u64(out, *millis);
            write::flag(out, *ahead);
            write::u64(out, *max);
        }
        Refusal::OneSelf => out.push(ONE_SELF),
        Refusal::Cut => out.push(CUT),
        Refusal::AlreadyLinked => out.push(ALREADY_LINKED),
        Refusal::TooLarge { length, limit } => {
            out.push(TOO_LARGE);
            write::u64(out, *length);
            write::u64(out, *limit);
        }
        Refusal::Garbled { what } => {
            out.push(GARBLED);
            write::string(out, what);
        }
    }
}

fn read_refusal(reader: &mut Reader<'_>) -> Read<Refusal> {
    Ok(match reader.u8("reason")? {
        NOT_TOMBOLO => Refusal::NotTombolo,
        OTHER_PROTOCOL => {
            Refusal::Protocol { ours: reader.u16("ours")?, theirs: reader.u16("theirs")? }
        }
        OTHER_CLUSTER => Refusal::Cluster {
            ours: reader.short_string("ours", MAX_NAME)?,
            theirs: reader.short_string("theirs", MAX_NAME)?,
        },
        OTHER_SECRET => Refusal::Secret,
        NAME_TAKEN => Refusal::NameTaken {
            name: reader.short_string("name", MAX_NAME)?,
            started: reader.u64("start")?,
            address: reader.short_string("address", MAX_NAME)?,
            heard_millis_ago: reader.u64("heard")?,
        },
        SUPERSEDED => Refusal::Superseded {
            name: reader.short_string("name", MAX_NAME)?,
            by: reader.u64("by")?,
        },
        CLOCK_DRIFT => Refusal::ClockDrift {
            millis: reader.u64("millis")?,
            ahead: reader.flag("ahead")?,
            max: reader.u64("max")?,
        },
        ONE_SELF => Refusal::OneSelf,
        CUT => Refusal::Cut,
        ALREADY_LINKED => Refusal::AlreadyLinked,
        TOO_LARGE => {
            Refusal::TooLarge { length: reader.u64("length")?, limit: reader.u64("limit")? }
        }
        GARBLED => Refusal::Garbled { what: reader.short_string("what", MAX_NAME)? },
        other => return Err(reader.error("reason", Problem::Unknown(other.into()))),
    })
}
