//! Backups: what the tables show, in a file, and back again as new writes.
//!
//! A backup knows nothing of dots and stamps, so it can be restored into any cluster at any time.
//! It has the container of snapshots. In it: a header, and then for each table a declaration and
//! its records.

use crate::acknowledged::Ack;
use crate::clock::now;
use crate::node::{CreateError, Node};
use crate::raw::{RawRecord, RawTable, WriteError, record};
use crate::snapshot::{Content, Damage, Reader, Writer, content, message};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use tombolo_core::{Change as CoreChange, Declaration, Epochs, Message, Millis};
use tombolo_wire::MAX_RECORD;

/// The tag of a table in a backup, and of a record.
const TABLE: u8 = 1;
const RECORD: u8 = 2;

/// How many records are walked at a time, and a piece may have besides.
const STEP: usize = 512;

/// About how many bytes a piece of a backup has, at least.
const PIECE: usize = 64 << 10;

/// After how many bytes of records a restore waits for the peers to have them.
const WINDOW: usize = 2 << 20;

/// For how long it waits for them at a time. A peer that is slower is filled by a sync.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Header {
    cluster: String,
    node: String,
    /// In milliseconds since the epoch.
    at: u64,
}

/// A backup that is being made; its pieces one after the other are the file.
///
/// Each record is what readers are shown at the moment at which the walk comes to it: records that
/// are hidden or expired are left out, and siblings are what the policy makes of them. A piece
/// costs a walk over a 256th of a table or less; writers do not wait.
pub struct Backup {
    writer: Option<Writer>,
    tables: VecDeque<RawTable>,
    cursor: u64,
    declared: bool,
    out: Vec<u8>,
}

impl Backup {
    /// The next piece of the file; none at its end. A piece has at most some 512 records and
    /// 300 KiB.
    pub fn next_piece(&mut self) -> Option<Vec<u8>> {
        while self.out.len() < PIECE {
            let writer = self.writer.as_mut()?;
            let Some(table) = self.tables.front() else {
                if let Some(writer) = self.writer.take() {
                    writer.end(&mut self.out);
                }
                break;
            };
            if !self.declared {
                writer.raw().push(TABLE);
                let (declaration, epochs) = (table.declaration(), Epochs::default());
                let name = table.name().to_owned();
                let declare = Message::Declare { name, declaration, epochs };
                tombolo_wire::encode_message(writer.raw(), &declare);
                self.declared = true;
            }
            let out = &mut self.out;
            self.cursor = table.scan(self.cursor, STEP, |key, record| {
                write_record(writer.raw(), key, record);
                writer.settle(out);
            });
            if self.cursor == 0 {
                self.tables.pop_front();
                self.declared = false;
            }
        }
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }
}

/// Of a bag the key is where an object lies, so that a restore puts it there again.
fn write_record(out: &mut Vec<u8>, key: &[u8], RawRecord { value, expires }: RawRecord<'_>) {
    out.push(RECORD);
    out.extend_from_slice(&expires.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// One record of a backup.
struct Kept<'a> {
    key: &'a [u8],
    value: &'a [u8],
    expires: Option<u64>,
}

/// The record at the beginning of `bytes`, behind its tag, and what is after it.
fn read_record(bytes: &[u8]) -> Option<(Kept<'_>, &[u8])> {
    let (expires, rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value) as usize)?;
    let expires = Some(u64::from_le_bytes(*expires)).filter(|at| *at > 0);
    Some((Kept { key, value, expires }, rest))
}

/// What a restore did to one table, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RestoredTable {
    /// The table.
    pub name: String,
    /// Whether it was not there, and was declared.
    pub created: bool,
    /// How many records it did not have.
    pub added: u64,
    /// How many records it had with another value or another expiry.
    pub changed: u64,
    /// How many it had already.
    pub same: u64,
    /// How many were left out because they have expired since.
    pub expired: u64,
    /// Why nothing of it was restored, if it is declared otherwise here.
    pub refused: Option<String>,
}

/// Why a restore stopped. The records before that place were restored, unless it was a dry run; it
/// can be started again, and finds them the same.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be read.
    #[error("the backup cannot be used: {0}")]
    Damage(#[from] Damage),
    /// A table cannot be made.
    #[error("table {table:?} cannot be made: {error}")]
    Create {
        /// The table.
        table: String,
        /// Why not.
        error: CreateError,
    },
    /// A table cannot be written.
    #[error("table {table:?} cannot be written: {error}")]
    Write {
        /// The table.
        table: String,
        /// Why not.
        error: WriteError,
    },
}

/// A backup that is being restored, piece by piece.
///
/// Whatever is missing here or differs is written as a new write, on every node; nothing is ever
/// deleted. So of a record that was written since the backup, the value of the backup stays.
pub struct Restore {
    node: Node,
    only: Option<String>,
    dry_run: bool,
    reader: Reader,
    begun: bool,
    report: Vec<RestoredTable>,
    /// The table that the next records are of; none if they are not wanted, or in a dry run if it
    /// is not there.
    table: Option<RawTable>,
    wanted: bool,
    unsent: usize,
}

impl Restore {
    /// Takes in the next bytes of the file, any number of them. Waits now and then until the peers
    /// have what was written.
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; nothing more is to be fed then.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.reader.push(bytes);
        while let Some(block) = self.reader.next()? {
            self.take_in(&block).await?;
        }
        Ok(())
    }

    /// The file has ended: what was done, by table.
    ///
    /// # Errors
    ///
    /// If the file was cut off.
    pub fn finish(self) -> Result<Vec<RestoredTable>, RestoreError> {
        self.reader.end()?;
        Ok(self.report)
    }

    async fn take_in(&mut self, block: &[u8]) -> Result<(), RestoreError> {
        let mut rest = block;
        if !self.begun {
            let (_, after) = postcard::take_from_bytes::<Header>(rest).map_err(content)?;
            (self.begun, rest) = (true, after);
        }
        while let Some((tag, after)) = rest.split_first() {
            rest = match *tag {
                TABLE => match message(after)? {
                    Some((Message::Declare { name, declaration, .. }, after)) => {
                        self.begin(name, declaration).await?;
                        after
                    }
                    _ => return Err(content("a table has no declaration").into()),
                },
                RECORD => {
                    let cut = || content("a record does not end with its block");
                    let (record, after) = read_record(after).ok_or_else(cut)?;
                    self.restore(&record).await?;
                    after
                }
                _ => return Err(content("something is neither a table nor a record").into()),
            };
        }
        Ok(())
    }

    async fn begin(&mut self, name: String, declaration: Declaration) -> Result<(), RestoreError> {
        self.settle().await;
        self.wanted = self.only.as_ref().is_none_or(|only| *only == name);
        self.table = None;
        if !self.wanted {
            return Ok(());
        }
        let mut report = RestoredTable { name: name.clone(), ..RestoredTable::default() };
        self.table = self.node.raw_table(&name);
        let known = self.table.as_ref().map(RawTable::declaration);
        match known {
            Some(known) if known != declaration => {
                let text = format!("it is {known} here, and {declaration} in the backup");
                report.refused = Some(text);
                (self.wanted, self.table) = (false, None);
            }
            Some(_) => {}
            None => {
                report.created = true;
                if !self.dry_run {
                    let created = self.node.create_table(&name, declaration).await;
                    let failed = |error| RestoreError::Create { table: name, error };
                    self.table = Some(created.map_err(failed)?);
                }
            }
        }
        self.report.push(report);
        Ok(())
    }

    async fn restore(&mut self, kept: &Kept<'_>) -> Result<(), RestoreError> {
        if !self.wanted {
            return Ok(());
        }
        let Some(report) = self.report.last_mut() else {
            return Err(content("a record is of no table").into());
        };
        if kept.expires.is_some_and(|at| at <= now().0) {
            report.expired += 1;
            return Ok(());
        }
        let done = match &self.table {
            Some(table) => merge(table, kept, self.dry_run)
                .map_err(|error| RestoreError::Write { table: table.name().to_owned(), error })?,
            None => Merged::Added,
        };
        match done {
            Merged::Same => report.same += 1,
            Merged::Added => report.added += 1,
            Merged::Changed => report.changed += 1,
        }
        if done != Merged::Same {
            self.unsent += kept.key.len() + kept.value.len() + 64;
        }
        if self.unsent >= WINDOW {
            self.settle().await;
        }
        Ok(())
    }

    /// Lets the peers catch up, so that no link's queue runs over.
    async fn settle(&mut self) {
        self.unsent = 0;
        let Some(table) = self.table.as_ref().filter(|_| !self.dry_run) else { return };
        for part in table.parts() {
            part.mesh.schedule_flush();
            let receipt = table.receipt(part, part.written());
            // A peer that is too slow gets the rest by a sync.
            let _ = table.acknowledged(receipt, Ack::All, WAIT).await;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Merged {
    Same,
    Added,
    Changed,
}

/// Writes a record if it is not there as it is in the backup.
fn merge(table: &RawTable, kept: &Kept<'_>, dry_run: bool) -> Result<Merged, WriteError> {
    let size = kept.key.len() + kept.value.len();
    if !dry_run {
        table.check(size)?;
    } else if size > MAX_RECORD {
        return Err(WriteError::TooLarge { size, limit: MAX_RECORD });
    }
    let part = table.part(kept.key);
    let has_ttl = table.declaration().ttl.is_some();
    let (_, done) = part.decide(kept.key, |entry| {
        let there = entry.as_ref().and_then(record);
        let done = match there {
            None => Merged::Added,
            Some(there) => {
                // A record without an expiry of its own gets the table's.
                let expires = there.expires == kept.expires || kept.expires.is_none() && has_ttl;
                let same = there.value == kept.value && expires;
                if same { Merged::Same } else { Merged::Changed }
            }
        };
        let expires = kept.expires.map(Millis);
        let put = CoreChange::Put { value: kept.value, expires };
        ((done != Merged::Same && !dry_run).then_some(put), done)
    })?;
    Ok(done)
}

impl Node {
    /// A backup of all tables, or of one. It goes on while the cluster is written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = tombolo::Node::builder().name("a").listen("127.0.0.1:0".parse()?);
    /// # let node = node.start().await?;
    /// let online = node.table::<String, u32>("online").await?;
    /// online.insert("ada", &3).await?;
    /// let mut backup = node.backup(None);
    /// let mut file = Vec::new();
    /// while let Some(piece) = backup.next_piece() {
    ///     file.extend_from_slice(&piece);
    /// }
    ///
    /// online.delete("ada").await?;
    /// let mut restore = node.restore(None, false);
    /// restore.feed(&file).await?;
    /// assert_eq!(restore.finish()?[0].added, 1);
    /// assert_eq!(online.get("ada")?, Some(3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn backup(&self, only: Option<&str>) -> Backup {
        let mut out = Vec::new();
        let mut writer = Writer::new(Content::Backup, &mut out);
        let header = Header {
            cluster: self.inner.shell.local.cluster.clone(),
            node: self.name().to_owned(),
            at: now().0,
        };
        if let Ok(header) = postcard::to_stdvec(&header) {
            writer.raw().extend_from_slice(&header);
        }
        let wanted = |table: &RawTable| only.is_none_or(|only| table.name() == only);
        let tables = self.raw_tables().into_iter().filter(wanted).collect();
        Backup { writer: Some(writer), tables, cursor: 0, declared: false, out }
    }

    /// Restores all tables of a backup, or one. A dry run reads everything, writes nothing, and
    /// tells what would be done.
    pub fn restore(&self, only: Option<&str>, dry_run: bool) -> Restore {
        Restore {
            node: self.clone(),
            only: only.map(str::to_owned),
            dry_run,
            reader: Reader::new(Content::Backup),
            begun: false,
            report: Vec::new(),
            table: None,
            wanted: false,
            unsent: 0,
        }
    }
}
