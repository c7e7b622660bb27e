//! Writing fields into a frame: the counterparts of the reader's.

/// A number in groups of seven bits, the lowest first (LEB128).
pub(crate) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn count(out: &mut Vec<u8>, count: usize) {
    varint(out, count as u64);
}

pub(crate) fn u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// A length and the bytes.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    count(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn string(out: &mut Vec<u8>, string: &str) {
    bytes(out, string.as_bytes());
}

pub(crate) fn flag(out: &mut Vec<u8>, flag: bool) {
    out.push(u8::from(flag));
}
