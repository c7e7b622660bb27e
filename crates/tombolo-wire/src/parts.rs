//! The parts that several messages are made of, each written and read side by side.

use crate::error::Problem;
use crate::op::{EXPIRES, HAS_VALUE, OUTCOME, flags_of};
use crate::read::{Read, Reader};
use crate::write;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;
use tombolo_core::{
    Dot, DotSet, Entry, Incarnation, Mark, Member, Millis, NodeId, Stamp, TableId, VersionVector,
};

/// The flag of an entry that was not written in the first epoch. Few tables are ever altered.
const EPOCH: u8 = 8;

/// The least bytes of a dot: an origin, and a number of one group.
pub(crate) const LEAST_DOT: usize = 9;

/// The least bytes of an entry: a dot, a stamp and the flags.
pub(crate) const LEAST_ENTRY: usize = LEAST_DOT + 9;

/// The least bytes of a set of dots: its count.
pub(crate) const LEAST_SET: usize = 8;

/// The least bytes of a member: two empty strings, its start, the flag, a count, the version.
pub(crate) const LEAST_MEMBER: usize = 13;

pub(crate) fn read_table(reader: &mut Reader<'_>) -> Read<TableId> {
    reader.u64("table").map(TableId)
}

pub(crate) fn write_dot(out: &mut Vec<u8>, dot: Dot) {
    write::u64(out, dot.origin.0);
    write::varint(out, dot.seq);
}

pub(crate) fn read_dot(reader: &mut Reader<'_>, field: &'static str) -> Read<Dot> {
    Ok(Dot { origin: Incarnation(reader.u64(field)?), seq: reader.varint(field)? })
}

pub(crate) fn write_dots(out: &mut Vec<u8>, dots: &[Dot]) {
    write::count(out, dots.len());
    for dot in dots {
        write_dot(out, *dot);
    }
}

pub(crate) fn read_dots(reader: &mut Reader<'_>, field: &'static str) -> Read<Vec<Dot>> {
    reader.list(field, LEAST_DOT, |reader| read_dot(reader, field))
}

pub(crate) fn write_vector(out: &mut Vec<u8>, vector: &VersionVector) {
    write::count(out, vector.len());
    for (origin, seq) in vector.iter() {
        write_dot(out, Dot { origin, seq });
    }
}

pub(crate) fn read_vector(reader: &mut Reader<'_>, field: &'static str) -> Read<VersionVector> {
    let map = read_map(reader, field, LEAST_DOT, |reader| match reader.varint(field)? {
        0 => Err(reader.error(field, Problem::Unknown(0))),
        seq => Ok(seq),
    })?;
    Ok(map.into_iter().collect())
}

/// A flag whether it is there, and then the value.
pub(crate) fn write_option<T>(
    out: &mut Vec<u8>,
    option: Option<T>,
    write_value: impl Fn(&mut Vec<u8>, T),
) {
    write::flag(out, option.is_some());
    if let Some(value) = option {
        write_value(out, value);
    }
}

pub(crate) fn read_option<'a, T>(
    reader: &mut Reader<'a>,
    field: &'static str,
    read_value: impl Fn(&mut Reader<'a>) -> Read<T>,
) -> Read<Option<T>> {
    if reader.flag(field)? { read_value(reader).map(Some) } else { Ok(None) }
}

/// Anything by origin.
pub(crate) fn write_map<T>(
    out: &mut Vec<u8>,
    map: &BTreeMap<Incarnation, T>,
    write_value: impl Fn(&mut Vec<u8>, &T),
) {
    write::count(out, map.len());
    for (origin, value) in map {
        write::u64(out, origin.0);
        write_value(out, value);
    }
}

/// Anything by origin; the origins grow, so that none comes twice.
pub(crate) fn read_map<'a, T>(
    reader: &mut Reader<'a>,
    field: &'static str,
    least: usize,
    read_value: impl Fn(&mut Reader<'a>) -> Read<T>,
) -> Read<BTreeMap<Incarnation, T>> {
    let mut map = BTreeMap::new();
    for _ in 0..reader.count(field, least)? {
        let origin = Incarnation(reader.u64(field)?);
        if map.last_key_value().is_some_and(|(last, _)| *last >= origin) {
            return Err(reader.error(field, Problem::Order));
        }
        map.insert(origin, read_value(reader)?);
    }
    Ok(map)
}

/// A set in the portable format of Roaring treemaps. Most sets are long runs with a few holes, and
/// are written as such: they take as many bytes as there are holes, not as there are dots.
pub(crate) fn write_set(out: &mut Vec<u8>, set: &DotSet) {
    let mut set = set.clone();
    set.optimize();
    let parts = || set.bitmaps().filter(|(_, bitmap)| !bitmap.is_empty());
    out.reserve(set.serialized_size());
    write::u64(out, parts().count() as u64);
    for (high, bitmap) in parts() {
        write::u32(out, high);
        bitmap.serialize_into(&mut *out).expect("writing to memory does not fail");
    }
}

/// A set in the portable format of Roaring treemaps.
///
/// The library reads treemaps whose parts come twice, in any order, or empty. Only the parts are
/// left to it here, so that none of that gets into a node.
pub(crate) fn read_set(reader: &mut Reader<'_>, field: &'static str) -> Read<DotSet> {
    let count = reader.u64(field)?;
    let mut parts: Vec<(u32, RoaringBitmap)> = Vec::new();
    for _ in 0..count {
        let high = reader.u32(field)?;
        if parts.last().is_some_and(|(last, _)| *last >= high) {
            return Err(reader.error(field, Problem::Order));
        }
        match reader.through(|rest| RoaringBitmap::deserialize_from(rest)) {
            Ok(bitmap) if !bitmap.is_empty() => parts.push((high, bitmap)),
            _ => return Err(reader.error(field, Problem::Set)),
        }
    }
    Ok(DotSet::from_bitmaps(parts))
}

pub(crate) fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    write_dot(out, entry.dot);
    write::u64(out, entry.stamp.0);
    let epoch = entry.mark.epoch;
    let altered = u8::from(epoch > 0) * EPOCH;
    out.push(flags_of(&entry.as_ref()) | altered);
    if epoch > 0 {
        out.push(epoch);
    }
    if let Some(expires) = entry.expires {
        write::varint(out, expires.0);
    }
    if let Some(value) = &entry.value {
        write::bytes(out, value);
    }
}

pub(crate) fn read_entry(reader: &mut Reader<'_>) -> Read<Entry> {
    let dot = read_dot(reader, "entry's dot")?;
    let stamp = Stamp(reader.u64("entry's stamp")?);
    let flags = reader.u8("entry's flags")?;
    if flags & !(HAS_VALUE | EXPIRES | OUTCOME | EPOCH) != 0 {
        return Err(reader.error("entry's flags", Problem::Unknown(flags.into())));
    }
    let epoch = match flags & EPOCH {
        0 => 0,
        _ => match reader.u8("entry's epoch")? {
            0 => return Err(reader.error("entry's epoch", Problem::Unknown(0))),
            epoch => epoch,
        },
    };
    let expires = match flags & EXPIRES {
        0 => None,
        _ => Some(Millis(reader.varint("entry's expires")?)),
    };
    let value = match flags & HAS_VALUE {
        0 => None,
        _ => Some(Arc::from(reader.bytes("entry's value")?)),
    };
    let mark = Mark { epoch, outcome: flags & OUTCOME != 0 };
    Ok(Entry { dot, stamp, mark, expires, value })
}

pub(crate) fn write_member(out: &mut Vec<u8>, member: &Member) {
    write_node(out, &member.id);
    write::string(out, &member.address);
    write::flag(out, member.left);
    write::varint(out, member.links_version);
    write::count(out, member.linked_to.len());
    for linked in &member.linked_to {
        write::u64(out, linked.0);
    }
}

pub(crate) fn read_member(reader: &mut Reader<'_>) -> Read<Member> {
    Ok(Member {
        id: NodeId {
            name: reader.string("member's name")?,
            started: reader.u64("member's start")?,
        },
        address: reader.string("member's address")?,
        left: reader.flag("member's left")?,
        links_version: reader.varint("member's links version")?,
        linked_to: reader
            .list("member's links", 8, |reader| reader.u64("member's links").map(Incarnation))?,
    })
}

pub(crate) fn write_members(out: &mut Vec<u8>, members: &[Member]) {
    write::count(out, members.len());
    for member in members {
        write_member(out, member);
    }
}

pub(crate) fn read_members(reader: &mut Reader<'_>) -> Read<Vec<Member>> {
    reader.list("members", LEAST_MEMBER, read_member)
}

pub(crate) fn write_node(out: &mut Vec<u8>, node: &NodeId) {
    write::string(out, &node.name);
    write::u64(out, node.started);
}
