//! Snapshots: what a restarted node starts from.
//!
//! A snapshot of a table is a sync (rule 4) that is recorded into a file instead of being sent, and
//! taken in by the node's next process as its first. It is made beside the writers in the short
//! steps of every sync, by a thread that may block, and takes the place of the one before when it
//! is whole and on the disk.

mod container;
mod file;
mod load;

pub use container::Damage;
pub(crate) use container::{Content, Reader, Writer};
pub(crate) use file::{content, message};
pub(crate) use load::Found;

use crate::clock::now;
use crate::shared::SharedTable;
use crate::shell::Shell;
use file::{Header, Unfinished, path_of};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tombolo_core::{Answered, Message, SyncBody, TableId, VersionVector};

/// How long a node waits for the process before it to let go of the folder.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// The snapshots of a node, as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotStatus {
    /// The folder.
    pub dir: PathBuf,
    /// How often a table that changed is written.
    pub every: Duration,
    /// The last error of writing one, until writing succeeds again. The node goes on without.
    pub error: Option<String>,
    /// The snapshots that could not be used when the node started: what was wrong, and where they
    /// were put.
    pub set_aside: Vec<String>,
    /// The snapshots that there are, by table; of one of several fragments the oldest moment and
    /// all bytes.
    pub tables: BTreeMap<String, TableSnapshot>,
}

/// The newest snapshot of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableSnapshot {
    /// When it was written, in milliseconds since the epoch.
    pub at: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What writes the snapshots of a node.
pub(crate) struct Keeper {
    dir: PathBuf,
    every: Duration,
    /// Held while the node runs, so that no other writes there.
    lock: Mutex<Option<File>>,
    /// One at a time writes.
    saving: Mutex<BTreeMap<TableId, State>>,
    shown: Mutex<SnapshotStatus>,
    /// The newest snapshot of each fragment of each table.
    newest: Mutex<BTreeMap<(String, TableId), TableSnapshot>>,
}

/// What a table was when it was written last.
#[derive(PartialEq, Eq)]
struct State {
    seen: VersionVector,
    fingerprint: u64,
    epoch: u8,
}

impl Keeper {
    /// Takes the folder for this node. Files that a crash left unfinished are removed.
    pub(crate) fn open(dir: PathBuf, every: Duration) -> io::Result<Keeper> {
        std::fs::create_dir_all(&dir)?;
        let lock = lock(&dir)?;
        for name in names(&dir, file::UNFINISHED)? {
            std::fs::remove_file(name)?;
        }
        let shown = SnapshotStatus {
            dir: dir.clone(),
            every,
            error: None,
            set_aside: Vec::new(),
            tables: BTreeMap::new(),
        };
        let (lock, shown) = (Mutex::new(Some(lock)), Mutex::new(shown));
        let (saving, newest) = (Mutex::default(), Mutex::default());
        Ok(Keeper { dir, every, lock, saving, shown, newest })
    }

    pub(crate) fn status(&self) -> SnapshotStatus {
        let mut shown = self.shown.lock().clone();
        for ((table, _), one) in self.newest.lock().iter() {
            let all =
                shown.tables.entry(table.clone()).or_insert(TableSnapshot { bytes: 0, ..*one });
            (all.at, all.bytes) = (all.at.min(one.at), all.bytes + one.bytes);
        }
        shown
    }

    fn note(&self, table: &SharedTable, snapshot: TableSnapshot) {
        self.newest.lock().insert((table.name.clone(), table.id), snapshot);
    }

    /// Writes what changed, for as long as the node runs.
    pub(crate) async fn run(self: Arc<Self>, shell: Arc<Shell>) {
        loop {
            tokio::time::sleep(self.every).await;
            self.save(&shell).await;
        }
    }

    /// The node has ended: writes what it leaves, and lets go of the folder.
    pub(crate) async fn finish(self: &Arc<Self>, shell: &Arc<Shell>) {
        self.save(shell).await;
        *self.lock.lock() = None;
    }

    async fn save(self: &Arc<Self>, shell: &Arc<Shell>) {
        let (keeper, shown) = (Arc::clone(self), Arc::clone(shell));
        let saved = shell.runtime.spawn_blocking(move || keeper.save_changed(&shown));
        if saved.await.is_err() {
            tracing::error!("writing snapshots panicked");
        }
    }

    fn save_changed(&self, shell: &Shell) {
        let mut saved = self.saving.lock();
        let mut failed = None;
        // A table that is being filled may be less than what its snapshot has.
        for table in shell.registry.all().into_iter().filter(|table| table.is_writable()) {
            let written = save_table(shell, &table, &self.dir, saved.get(&table.id));
            match written {
                Ok(None) => {}
                Ok(Some((state, bytes))) => {
                    saved.insert(table.id, state);
                    let snapshot = TableSnapshot { at: now().0, bytes };
                    self.note(&table, snapshot);
                }
                Err(error) => failed = Some(format!("table {:?}: {error}", table.name)),
            }
        }
        let before = std::mem::replace(&mut self.shown.lock().error, failed.clone());
        match (before, failed) {
            (before, Some(error)) if before.as_ref() != Some(&error) => tracing::error!(
                dir = %self.dir.display(),
                error,
                "a snapshot cannot be written; the node goes on, and the one before stays"
            ),
            (Some(_), None) => tracing::info!("snapshots are written again"),
            _ => {}
        }
    }
}

/// Writes a table, if it changed. The steps hold its lock as shortly as those of a sync.
fn save_table(
    shell: &Shell,
    table: &SharedTable,
    dir: &Path,
    before: Option<&State>,
) -> io::Result<Option<(State, u64)>> {
    let header = Header {
        cluster: shell.local.cluster.clone(),
        node: shell.me.name.clone(),
        started: shell.me.started,
        written: now().0,
    };
    loop {
        let Some((declare, members)) = declared(shell, table) else { return Ok(None) };
        let Message::Declare { name, epochs, .. } = &declare else { return Ok(None) };
        let epoch = epochs.current();
        let (state, begin) = table.peek(|machine| {
            let (seen, fingerprint) = (machine.seen(), machine.fingerprint());
            let state = State { seen, fingerprint, epoch };
            let changed = before != Some(&state);
            (state, changed.then(|| machine.record()))
        });
        let Some(begin) = begin else { return Ok(None) };
        let dropped = DropRecord(table);
        let mut file = Unfinished::create(path_of(dir, name), &header)?;
        file.push(&declare)?;
        file.push(&Message::Members(members))?;
        let step = |body| Message::Sync { table: table.id, session: 0, body };
        file.push(&step(begin))?;
        loop {
            match table.peek(|machine| machine.record_step()) {
                Answered::Nothing => return Err(io::Error::other("the record was dropped")),
                Answered::Walked => {}
                Answered::Send(_, body) => {
                    let done = matches!(body, SyncBody::Done { .. });
                    file.push(&step(body))?;
                    if done {
                        break;
                    }
                }
            }
            // Writers that wait for the table come first.
            std::thread::yield_now();
        }
        drop(dropped);
        // Entries of a later epoch are not judged rightly by who does not know it.
        if declared(shell, table).is_some_and(|(again, _)| again == declare) {
            return file.finish().map(|bytes| Some((state, bytes)));
        }
    }
}

/// Ends the record of a table whose file could not be written.
struct DropRecord<'a>(&'a SharedTable);

impl Drop for DropRecord<'_> {
    fn drop(&mut self) {
        self.0.peek(|machine| machine.drop_record());
    }
}

/// How a table is declared, and who the members are.
fn declared(shell: &Shell, table: &SharedTable) -> Option<(Message, Vec<tombolo_core::Member>)> {
    let node = shell.node.lock();
    Some((node.declared(table.id)?, node.members().to_tell()))
}

/// Locks the folder. The process before may need a moment to end.
fn lock(dir: &Path) -> io::Result<File> {
    let file = File::create(dir.join("lock"))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another node that runs keeps its snapshots there"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// The files in the folder whose names end so.
fn names(dir: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(ending) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// How far a stamp is ahead of this machine's clock, in milliseconds.
fn ahead(stamp: tombolo_core::Stamp) -> u64 {
    stamp.millis().since(now())
}
