//! The steps of a sync as bytes.

use crate::error::Problem;
use crate::parts::{
    LEAST_ENTRY, LEAST_SET, read_dots, read_entry, read_map, read_set, read_vector, write_dots,
    write_entry, write_map, write_set, write_vector,
};
use crate::read::{Read, Reader};
use crate::write;
use tombolo_core::{Chunk, ChunkKey, Incarnation, LiveSet, Stamp, SyncBody};

const ASK: u8 = 1;
const BEGIN: u8 = 2;
const CHUNK: u8 = 3;
const DONE: u8 = 4;

/// The least bytes of a key in a chunk: its length and two counts.
const LEAST_KEY: usize = 3;

pub(crate) fn write_body(out: &mut Vec<u8>, body: &SyncBody) {
    match body {
        SyncBody::Ask { seen, live_beyond, sums } => {
            out.push(ASK);
            write_vector(out, seen);
            write_map(out, live_beyond, write_set);
            write_map(out, sums, |out, sum| write::u64(out, *sum));
        }
        SyncBody::Begin { seen, clock } => {
            out.push(BEGIN);
            write_vector(out, seen);
            write::u64(out, clock.0);
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
            Ok(SyncBody::Ask {
                seen: read_vector(reader, "seen")?,
                live_beyond: read_map(reader, "live beyond", 8 + LEAST_SET, |reader| {
                    read_set(reader, "live beyond")
                })?,
                sums: read_map(reader, "sums", 16, |reader| reader.u64("sums"))?,
            })
        }
        BEGIN => {
            reader.rename("sync begin");
            let seen = read_vector(reader, "seen")?;
            Ok(SyncBody::Begin { seen, clock: Stamp(reader.u64("clock")?) })
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

fn write_chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    write_vector(out, &chunk.seen_since);
    write::count(out, chunk.keys.len());
    for key in &chunk.keys {
        write::bytes(out, &key.key);
        write_dots(out, &key.live);
        write::count(out, key.entries.len());
        for entry in &key.entries {
            write_entry(out, entry);
        }
    }
}

fn read_chunk(reader: &mut Reader<'_>) -> Read<Chunk> {
    Ok(Chunk {
        seen_since: read_vector(reader, "seen since")?,
        keys: reader.list("keys", LEAST_KEY, |reader| {
            Ok(ChunkKey {
                key: Box::from(reader.bytes("key")?),
                live: read_dots(reader, "live dots of a key")?,
                entries: reader.list("entries", LEAST_ENTRY, read_entry)?,
            })
        })?,
    })
}

fn read_live(reader: &mut Reader<'_>) -> Read<LiveSet> {
    Ok(LiveSet { origin: Incarnation(reader.u64("live")?), live: read_set(reader, "live")? })
}
