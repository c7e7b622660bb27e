//! The steps of a sync as bytes.

use crate::error::Problem;
use crate::parts::{
    LEAST_DOT, LEAST_ENTRY, LEAST_SET, read_dot, read_dots, read_entry, read_map, read_option,
    read_set, read_vector, write_dot, write_dots, write_entry, write_map, write_option, write_set,
    write_vector,
};
use crate::read::{Read, Reader};
use crate::serial::{read_remembered, write_remembered};
use crate::write;
use tombolo_core::{
    Ask, Begin, Chunk, ChunkBatch, ChunkKey, DIGEST_PARTS, Incarnation, LiveSet, Purpose, Rest,
    Stamp, SyncBody,
};

const ASK: u8 = 1;
const BEGIN: u8 = 2;
const CHUNK: u8 = 3;
const DONE: u8 = 4;
const ASK_MORE: u8 = 5;

const JOIN: u8 = 1;
const FILL: u8 = 2;
const LOOK: u8 = 3;

/// The least bytes of a key in a chunk: its length and two counts.
const LEAST_KEY: usize = 3;

/// The least bytes of a batch in a chunk: its first write and two counts.
const LEAST_BATCH: usize = LEAST_DOT + 2;

pub(crate) fn write_body(out: &mut Vec<u8>, body: &SyncBody) {
    match body {
        SyncBody::Ask(ask) => {
            out.push(ASK);
            write_ask(out, ask);
        }
        SyncBody::AskMore { parts } => {
            out.push(ASK_MORE);
            write::bytes(out, parts);
        }
        SyncBody::Begin(begin) => {
            out.push(BEGIN);
            write_map(out, &begin.seen, |out, seq| write::varint(out, *seq));
            write::u64(out, begin.clock.0);
            write::u64(out, begin.fingerprint);
            write::varint(out, begin.lacking);
        }
        SyncBody::Chunk(chunk) => {
            out.push(CHUNK);
            write_chunk(out, chunk);
        }
        SyncBody::Done { live, removed_ahead } => {
            out.push(DONE);
            write::count(out, live.len());
            for set in live {
                write::u64(out, set.origin.0);
                write_set(out, &set.live);
            }
            write_dots(out, removed_ahead);
        }
    }
}

pub(crate) fn read_body(reader: &mut Reader<'_>) -> Read<SyncBody> {
    match reader.u8("step")? {
        ASK => {
            reader.rename("sync ask");
            read_ask(reader).map(SyncBody::Ask)
        }
        ASK_MORE => {
            reader.rename("sync ask more");
            Ok(SyncBody::AskMore { parts: read_parts(reader)? })
        }
        BEGIN => {
            reader.rename("sync begin");
            Ok(SyncBody::Begin(Begin {
                seen: read_map(reader, "seen", LEAST_DOT, |reader| reader.varint("seen"))?,
                clock: Stamp(reader.u64("clock")?),
                fingerprint: reader.u64("fingerprint")?,
                lacking: reader.varint("lacking")?,
            }))
        }
        CHUNK => {
            reader.rename("sync chunk");
            read_chunk(reader).map(SyncBody::Chunk)
        }
        DONE => {
            reader.rename("sync done");
            Ok(SyncBody::Done {
                live: reader.list("live", 8 + LEAST_SET, read_live)?,
                removed_ahead: read_dots(reader, "removed ahead")?,
            })
        }
        other => Err(reader.error("step", Problem::Unknown(other.into()))),
    }
}

fn write_ask(out: &mut Vec<u8>, ask: &Ask) {
    write_vector(out, &ask.seen);
    write_option(out, ask.rest.as_ref(), write_rest);
    write_map(out, &ask.live_beyond, write_set);
    write_map(out, &ask.sums, |out, sum| write::u64(out, *sum));
    match ask.purpose {
        Purpose::Join => out.push(JOIN),
        Purpose::Fill { index, of } => {
            out.push(FILL);
            write::u32(out, index);
            write::u32(out, of);
        }
        Purpose::Look => out.push(LOOK),
    }
}

fn write_rest(out: &mut Vec<u8>, rest: &Rest) {
    write::bytes(out, &rest.whole);
    rest.sums.iter().for_each(|sum| write::u64(out, *sum));
}

fn read_rest(reader: &mut Reader<'_>) -> Read<Rest> {
    let whole = read_parts(reader)?;
    let sums = (0..DIGEST_PARTS).map(|_| reader.u64("sums of the rest"));
    Ok(Rest { whole, sums: sums.collect::<Read<Vec<u64>>>()? })
}

/// Parts of the origins; each is named once.
fn read_parts(reader: &mut Reader<'_>) -> Read<Vec<u8>> {
    let parts = reader.bytes("parts")?;
    if parts.len() > DIGEST_PARTS {
        let (count, limit) = (parts.len(), DIGEST_PARTS);
        return Err(reader.error("parts", Problem::Many { count, limit }));
    }
    Ok(parts.to_vec())
}

fn read_ask(reader: &mut Reader<'_>) -> Read<Ask> {
    Ok(Ask {
        seen: read_vector(reader, "seen")?,
        rest: read_option(reader, "rest", read_rest)?,
        live_beyond: read_map(reader, "live beyond", 8 + LEAST_SET, |reader| {
            read_set(reader, "live beyond")
        })?,
        sums: read_map(reader, "sums", 16, |reader| reader.u64("sums"))?,
        purpose: read_purpose(reader)?,
    })
}

fn read_purpose(reader: &mut Reader<'_>) -> Read<Purpose> {
    match reader.u8("purpose")? {
        JOIN => Ok(Purpose::Join),
        FILL => {
            let (index, of) = (reader.u32("part")?, reader.u32("parts")?);
            match (index, of) {
                (_, 0) => Err(reader.error("parts", Problem::Unknown(0))),
                _ if index >= of => Err(reader.error("part", Problem::Unknown(index.into()))),
                _ => Ok(Purpose::Fill { index, of }),
            }
        }
        LOOK => Ok(Purpose::Look),
        other => Err(reader.error("purpose", Problem::Unknown(other.into()))),
    }
}

fn write_chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    write_vector(out, &chunk.seen_since);
    write::count(out, chunk.keys.len());
    for key in &chunk.keys {
        write::bytes(out, &key.key);
        write_dots(out, &key.others);
        write::count(out, key.entries.len());
        for entry in &key.entries {
            write_entry(out, entry);
        }
    }
    write::count(out, chunk.batches.len());
    for batch in &chunk.batches {
        write_dot(out, batch.first);
        write::varint(out, batch.count);
        write::count(out, batch.keys.len());
        for (number, replaces) in &batch.keys {
            write::varint(out, u64::from(*number));
            write_dots(out, replaces);
        }
    }
    write_remembered(out, &chunk.requests);
}

fn read_chunk(reader: &mut Reader<'_>) -> Read<Chunk> {
    let seen_since = read_vector(reader, "seen since")?;
    let keys = reader.list("keys", LEAST_KEY, |reader| {
        Ok(ChunkKey {
            key: Box::from(reader.bytes("key")?),
            others: read_dots(reader, "other live dots of a key")?,
            entries: reader.list("entries", LEAST_ENTRY, read_entry)?,
        })
    })?;
    let batches = reader.list("batches", LEAST_BATCH, |reader| {
        Ok(ChunkBatch {
            first: read_dot(reader, "first write of a batch")?,
            count: reader.varint("writes of a batch")?,
            keys: reader.list("keys of a batch", 2, |reader| {
                let number = read_number(reader, keys.len())?;
                Ok((number, read_dots(reader, "replaced by a batch")?))
            })?,
        })
    })?;
    let requests = read_remembered(reader)?;
    Ok(Chunk { seen_since, keys, requests, batches })
}

/// The number of one of `count` keys.
fn read_number(reader: &mut Reader<'_>, count: usize) -> Read<u32> {
    let number = reader.varint("keys of a batch")?;
    match u32::try_from(number) {
        Ok(known) if (known as usize) < count => Ok(known),
        _ => Err(reader.error("keys of a batch", Problem::Unknown(number))),
    }
}

fn read_live(reader: &mut Reader<'_>) -> Read<LiveSet> {
    Ok(LiveSet { origin: Incarnation(reader.u64("live")?), live: read_set(reader, "live")? })
}
