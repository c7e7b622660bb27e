//! One table in one file: a recorded sync (rule 4) in a container.

use super::container::{Content, Damage, Reader, Writer};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tombolo_core::{Declaration, Epochs, Incarnation, Member, Message, Stamp, SyncBody, TableId};
use tombolo_wire::{Frame, MAX_FRAME};

/// How the names of snapshots end.
pub(super) const ENDING: &str = ".snapshot";

/// How the names of files end that are being written.
pub(super) const UNFINISHED: &str = ".snapshot.tmp";

/// Who wrote a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) cluster: String,
    pub(super) node: String,
    /// When that process started, in microseconds since the epoch.
    pub(super) started: u64,
    /// When it was written, in milliseconds since the epoch.
    pub(super) written: u64,
}

/// What a snapshot holds, piece by piece, in this order.
pub(super) enum Piece {
    Header(Header),
    Table {
        name: String,
        declaration: Declaration,
        epochs: Epochs,
    },
    Members(Vec<Member>),
    /// A step of the sync: its beginning, any number of chunks, its end.
    Step(SyncBody),
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("it is of the cluster {0:?}")]
    OtherCluster(String),
    #[error("its clock is {0} ms ahead of this machine's; compare the clocks")]
    Ahead(u64),
    #[error("it is of the table {0:?}, whose snapshot has another name")]
    OtherTable(String),
    #[error("its table cannot be made: {0}")]
    Declaration(tombolo_core::DeclareError),
}

/// The file of a table. Names may hold anything but control characters, so that only what every
/// file system takes is kept of them; the number tells them apart.
pub(super) fn path_of(dir: &Path, table: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let mut name: String = table.chars().take(40).map(plain).collect();
    // Writing to a string cannot fail.
    let _ = write!(name, "-{:016x}{ENDING}", TableId::of(table).0);
    dir.join(name)
}

/// A snapshot that is being written: under another name until it is whole and on the disk.
pub(super) struct Unfinished {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    writer: Writer,
    out: Vec<u8>,
    written: u64,
}

impl Unfinished {
    pub(super) fn create(path: PathBuf, header: &Header) -> io::Result<Unfinished> {
        let temporary = path.with_extension("snapshot.tmp");
        let file = File::create(&temporary)?;
        let mut out = Vec::new();
        let mut writer = Writer::new(Content::Snapshot, &mut out);
        let header = postcard::to_stdvec(header).map_err(io::Error::other)?;
        writer.raw().extend_from_slice(&header);
        writer.end_block(&mut out);
        Ok(Unfinished { path, temporary, file, writer, out, written: 0 })
    }

    pub(super) fn push(&mut self, message: &Message) -> io::Result<()> {
        tombolo_wire::encode_message(self.writer.raw(), message);
        self.writer.settle(&mut self.out);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// It is whole: takes the place of the one before. Returns how many bytes it has.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.writer.end(&mut self.out);
        self.file.write_all(&self.out)?;
        self.file.sync_all()?;
        drop(self.file);
        std::fs::rename(&self.temporary, &self.path)?;
        if let Some(dir) = self.path.parent() {
            // Until the folder is on the disk, the old name may be back after a power cut.
            File::open(dir)?.sync_all()?;
        }
        Ok(self.written + self.out.len() as u64)
    }
}

/// What a snapshot that was checked is of.
pub(super) struct Checked {
    pub(super) header: Header,
    pub(super) name: String,
    pub(super) declaration: Declaration,
    pub(super) epochs: Epochs,
    pub(super) members: Vec<Member>,
    /// The highest stamp in it.
    pub(super) clock: Stamp,
}

/// Reads a snapshot from the beginning to the end, without using anything of it.
pub(super) fn check(path: &Path, cluster: &str) -> Result<Checked, Unusable> {
    let (mut header, mut table, mut members, mut clock) = (None, None, None, Stamp(0));
    walk(path, &mut |piece| {
        match piece {
            Piece::Header(of) if of.cluster != cluster => {
                return Err(Unusable::OtherCluster(of.cluster));
            }
            Piece::Header(of) => header = Some(of),
            Piece::Table { name, .. } if path.file_name() != path_of(path, &name).file_name() => {
                return Err(Unusable::OtherTable(name));
            }
            Piece::Table { name, declaration, epochs } => {
                table = Some((name, declaration, epochs));
            }
            Piece::Members(known) => members = Some(known),
            Piece::Step(SyncBody::Begin(begin)) => clock = clock.max(begin.clock),
            Piece::Step(SyncBody::Chunk(chunk)) => {
                let entries = chunk.keys.iter().flat_map(|key| &key.entries);
                clock = entries.map(|entry| entry.stamp).fold(clock, Stamp::max);
            }
            Piece::Step(_) => {}
        }
        Ok(())
    })?;
    match (header, table, members) {
        (Some(header), Some((name, declaration, epochs)), Some(members)) => {
            Ok(Checked { header, name, declaration, epochs, members, clock })
        }
        _ => Err(Damage::Content("it holds no table".to_owned()).into()),
    }
}

/// Shows every piece of a snapshot. Whatever is shown may turn out to be cut off later.
pub(super) fn walk(
    path: &Path,
    see: &mut dyn FnMut(Piece) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let mut file = File::open(path)?;
    let mut reader = Reader::new(Content::Snapshot);
    let mut piece = vec![0; 64 << 10];
    let mut stage = Stage::Header;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        reader.push(&piece[..count]);
        while let Some(block) = reader.next()? {
            let mut rest = &block[..];
            if stage == Stage::Header {
                let (header, after) = postcard::take_from_bytes(rest).map_err(content)?;
                see(Piece::Header(header))?;
                (stage, rest) = (Stage::Table, after);
            }
            while let Some((message, after)) = message(rest)? {
                let (piece, next) = stage.follow(message)?;
                see(piece)?;
                (stage, rest) = (next, after);
            }
        }
    }
    reader.end()?;
    if stage == Stage::End {
        return Ok(());
    }
    Err(Damage::Content("its sync has no end".to_owned()).into())
}

/// What comes next in a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Header,
    Table,
    Members,
    Begin,
    Walk,
    End,
}

impl Stage {
    fn follow(self, message: Message) -> Result<(Piece, Stage), Damage> {
        Ok(match (self, message) {
            (Stage::Table, Message::Declare { name, declaration, epochs }) => {
                (Piece::Table { name, declaration, epochs }, Stage::Members)
            }
            (Stage::Members, Message::Members(members)) => (Piece::Members(members), Stage::Begin),
            (Stage::Begin, Message::Sync { body: body @ SyncBody::Begin(_), .. }) => {
                (Piece::Step(body), Stage::Walk)
            }
            (Stage::Walk, Message::Sync { body: body @ SyncBody::Chunk(_), .. }) => {
                (Piece::Step(body), Stage::Walk)
            }
            (Stage::Walk, Message::Sync { body: body @ SyncBody::Done { .. }, .. }) => {
                (Piece::Step(body), Stage::End)
            }
            (stage, _) => {
                let text = format!("another message stands where its {stage:?} should");
                return Err(Damage::Content(text));
            }
        })
    }
}

/// The first of the messages in a block, and what is after it.
pub(crate) fn message(bytes: &[u8]) -> Result<Option<(Message, &[u8])>, Damage> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut = || Damage::Content("a message does not end with its block".to_owned());
    let (frame, length) =
        tombolo_wire::split(bytes, MAX_FRAME).map_err(content)?.ok_or_else(cut)?;
    match tombolo_wire::decode_frame(frame, Incarnation::NOBODY, &mut Vec::new()) {
        Ok(Frame::Message(message)) => Ok(Some((message, &bytes[length..]))),
        Ok(_) => Err(Damage::Content("a frame is no message".to_owned())),
        Err(error) => Err(content(error)),
    }
}

pub(crate) fn content(error: impl ToString) -> Damage {
    Damage::Content(error.to_string())
}
