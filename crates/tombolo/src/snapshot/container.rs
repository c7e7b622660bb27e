//! The container of snapshots and backups: checksummed blocks, read and written as they come.
//!
//! All numbers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | prelude | `TOMBOLO\n`, u16 version, u8 kind, u8 0, u32 checksum of those 12 bytes |
//! | block, any number | u32 packed length, u32 length, u64 checksum, the packed bytes (LZ4) |
//! | trailer | u32 0, u32 0, u64 checksum of all checksums |
//!
//! A block's checksum is XXH3 seeded with its number and length, so that blocks cannot change
//! places; nothing may follow the trailer, and without it the file was cut off.

use tombolo_wire::MAX_FRAME;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What every container begins with.
const MAGIC: &[u8; 8] = b"TOMBOLO\n";

/// Raised with every change to the container or to the bytes of what is inside.
const VERSION: u16 = 1;

const PRELUDE: usize = 16;
const HEAD: usize = 16;

/// A block is ended when it has as much.
const BLOCK: usize = 256 << 10;

/// No block is larger: the largest record, behind others.
const MAX_BLOCK: usize = MAX_FRAME + BLOCK;

/// What a container holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Snapshot = 1,
    Backup = 2,
}

/// Why a snapshot or a backup cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is something else altogether.
    #[error("it is no {0} of Tombolo")]
    Foreign(&'static str),
    /// Another release wrote it. Use that release, or one that knows both.
    #[error("it is of version {found}, and this release reads version {VERSION}")]
    Version {
        /// The version it says.
        found: u16,
    },
    /// Bytes of it are not what was written.
    #[error("its block {block} does not have the checksum that was written with it")]
    Checksum {
        /// Which block, from 0.
        block: u64,
    },
    /// It ends too early.
    #[error("it was cut off after block {blocks}")]
    CutOff {
        /// How many blocks are whole.
        blocks: u64,
    },
    /// Something follows its end.
    #[error("something follows its end")]
    Trailing,
    /// It is whole, and what it says cannot be.
    #[error("what it holds cannot be read: {0}")]
    Content(String),
}

/// Makes the bytes of a container.
pub(crate) struct Writer {
    raw: Vec<u8>,
    blocks: u64,
    chain: u64,
}

impl Writer {
    /// The beginning goes to `out`.
    pub(crate) fn new(content: Content, out: &mut Vec<u8>) -> Writer {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[content as u8, 0]);
        let sum = xxh3_64(&out[start..]) as u32;
        out.extend_from_slice(&sum.to_le_bytes());
        Writer { raw: Vec::new(), blocks: 0, chain: 0 }
    }

    /// Where what is to be written next is appended.
    pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// Ends the block if it is long enough. What was appended since the last call lies in one.
    pub(crate) fn settle(&mut self, out: &mut Vec<u8>) {
        if self.raw.len() >= BLOCK {
            self.end_block(out);
        }
    }

    /// Ends the block.
    pub(crate) fn end_block(&mut self, out: &mut Vec<u8>) {
        if self.raw.is_empty() {
            return;
        }
        let packed = lz4_flex::block::compress(&self.raw);
        let sum = checksum(&packed, self.blocks, self.raw.len());
        out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.raw.len() as u32).to_le_bytes());
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&packed);
        (self.chain, self.blocks) = (chained(self.chain, sum), self.blocks + 1);
        self.raw.clear();
        self.raw.shrink_to(4 * BLOCK);
    }

    /// Ends the container.
    pub(crate) fn end(mut self, out: &mut Vec<u8>) {
        self.end_block(out);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&chained(self.chain, self.blocks).to_le_bytes());
    }
}

/// Reads a container from bytes that come in pieces of any size.
pub(crate) struct Reader {
    content: Content,
    bytes: Vec<u8>,
    /// How many of the bytes were read already.
    at: usize,
    begun: bool,
    ended: bool,
    blocks: u64,
    chain: u64,
}

impl Reader {
    pub(crate) fn new(content: Content) -> Reader {
        let bytes = Vec::new();
        Reader { content, bytes, at: 0, begun: false, ended: false, blocks: 0, chain: 0 }
    }

    /// More bytes came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next block, unpacked, if it came as a whole.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        let rest = &self.bytes[self.at..];
        if self.ended {
            return if rest.is_empty() { Ok(None) } else { Err(Damage::Trailing) };
        }
        let Some((head, body)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let wrong = Damage::Checksum { block: self.blocks };
        let [a, b, c, d, e, f, g, h, sum @ ..] = *head;
        let packed = u32::from_le_bytes([a, b, c, d]) as usize;
        let length = u32::from_le_bytes([e, f, g, h]) as usize;
        let sum = u64::from_le_bytes(sum);
        if packed == 0 {
            if length != 0 || sum != chained(self.chain, self.blocks) {
                return Err(wrong);
            }
            (self.ended, self.at) = (true, self.at + HEAD);
            return self.next();
        }
        if length > MAX_BLOCK || packed > lz4_flex::block::get_maximum_output_size(length) {
            return Err(wrong);
        }
        let Some(body) = body.get(..packed) else { return Ok(None) };
        if checksum(body, self.blocks, length) != sum {
            return Err(wrong);
        }
        let raw = lz4_flex::block::decompress(body, length).map_err(|_| wrong.clone())?;
        if raw.len() != length {
            return Err(wrong);
        }
        self.at += HEAD + packed;
        (self.chain, self.blocks) = (chained(self.chain, sum), self.blocks + 1);
        Ok(Some(raw))
    }

    /// No more bytes come.
    pub(crate) fn end(&self) -> Result<(), Damage> {
        match (self.begun, self.ended) {
            (_, true) => Ok(()),
            (false, _) if !self.bytes.starts_with(MAGIC) => Err(self.foreign()),
            _ => Err(Damage::CutOff { blocks: self.blocks }),
        }
    }

    fn begin(&mut self) -> Result<bool, Damage> {
        let rest = &self.bytes[self.at..];
        if !rest.starts_with(&MAGIC[..rest.len().min(MAGIC.len())]) {
            return Err(self.foreign());
        }
        let Some(prelude) = rest.first_chunk::<PRELUDE>() else { return Ok(false) };
        let [.., v, w, content, _, a, b, c, d] = *prelude;
        if xxh3_64(&prelude[..12]) as u32 != u32::from_le_bytes([a, b, c, d]) {
            return Err(Damage::Checksum { block: 0 });
        }
        let found = u16::from_le_bytes([v, w]);
        if found != VERSION {
            return Err(Damage::Version { found });
        }
        if content != self.content as u8 {
            return Err(self.foreign());
        }
        (self.begun, self.at) = (true, self.at + PRELUDE);
        Ok(true)
    }

    fn foreign(&self) -> Damage {
        Damage::Foreign(match self.content {
            Content::Snapshot => "snapshot",
            Content::Backup => "backup",
        })
    }
}

fn checksum(packed: &[u8], block: u64, length: usize) -> u64 {
    xxh3_64_with_seed(packed, (block << 32) ^ length as u64)
}

fn chained(chain: u64, sum: u64) -> u64 {
    xxh3_64_with_seed(&sum.to_le_bytes(), chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(items: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(Content::Backup, &mut out);
        for item in items {
            writer.raw().extend_from_slice(item);
            writer.settle(&mut out);
        }
        writer.end(&mut out);
        out
    }

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<u8>, Damage> {
        let mut reader = Reader::new(Content::Backup);
        let mut all = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(block) = reader.next()? {
                all.extend_from_slice(&block);
            }
        }
        reader.end()?;
        Ok(all)
    }

    #[test]
    fn what_was_written_is_read_in_pieces_of_any_size() {
        let items: Vec<Vec<u8>> = (0..40u32).map(|n| vec![n as u8; 20_000]).collect();
        let bytes = container(&items);
        for piece in [1, 7, 4096, usize::MAX] {
            assert_eq!(read(&bytes, piece).as_deref(), Ok(&items.concat()[..]));
        }
        assert_eq!(read(&container(&[]), 5), Ok(Vec::new()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = container(&[(0..200u8).collect()]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            // The one byte that means nothing is in the checksum too.
            assert!(read(&flipped, 64).is_err(), "byte {at}");
            let cut = read(&bytes[..at], 64).unwrap_err();
            let foreign = Damage::Foreign("backup");
            assert!(matches!(cut, Damage::CutOff { .. }) || cut == foreign && at < 8, "{at}");
        }
        assert_eq!(read(&[&bytes[..], b"x"].concat(), 64), Err(Damage::Trailing));
    }

    #[test]
    fn blocks_do_not_change_places() {
        let one = container(&[vec![1; BLOCK], vec![2; BLOCK]]);
        let length = (one.len() - PRELUDE - HEAD) / 2;
        let (first, rest) = one[PRELUDE..].split_at(length);
        let (second, end) = rest.split_at(length);
        let swapped = [&one[..PRELUDE], second, first, end].concat();
        assert_eq!(read(&swapped, 64), Err(Damage::Checksum { block: 0 }));
    }

    #[test]
    fn another_version_says_so() {
        let mut bytes = container(&[]);
        bytes[8] = 2;
        let sum = xxh3_64(&bytes[..12]) as u32;
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(read(&bytes, 64), Err(Damage::Version { found: 2 }));
    }
}
