//! The conflict ledger, and what an operator does about it.

use crate::acknowledged::Receipt;
use crate::raw::{RawTable, WriteError};
use crate::shared::SharedTable;
use std::collections::BTreeMap;
use std::sync::Arc;
use tombolo_core::{Change as CoreChange, Conflict as CoreConflict, Entry, Incarnation, Kind};

pub use tombolo_core::Outcome;

/// One event of a key, as it stands in the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// The write's name: `NODE:SEQUENCE`, with a number for a node that is gone.
    pub dot: String,
    /// When it was written, in milliseconds since the Unix epoch, by the hybrid logical clock.
    pub written: u64,
    /// What was written; none for a delete.
    pub value: Option<Vec<u8>>,
    /// When it expires.
    pub expires: Option<u64>,
    /// Whether it is itself the outcome of a conflict.
    pub outcome: bool,
}

/// A merge that discarded something, or could not decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Its name, the same on every node that noted it: 16 hexadecimal digits.
    pub id: String,
    /// When this node noted it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The table.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
    /// The policy then.
    pub policy: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What the key holds because of it; none if that is nothing, or undecided.
    pub kept: Option<KeyEvent>,
    /// What it does not hold any more; all siblings, if it is undecided.
    pub lost: Vec<KeyEvent>,
    /// When somebody decided what was undecided.
    pub settled: Option<u64>,
}

/// A key that waits for somebody to decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecided {
    /// The table.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
    /// Since when.
    pub since: u64,
    /// Why the policy does not decide.
    pub cause: String,
    /// What the key holds, the newest last.
    pub siblings: Vec<KeyEvent>,
}

/// How much the ledger of a table holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LedgerStatus {
    /// How many conflicts were ever noted.
    pub noted: u64,
    /// How many of them are kept.
    pub kept: usize,
    /// How many had to make room for newer ones.
    pub dropped: u64,
    /// How many bytes the kept ones take.
    pub bytes: usize,
    /// How many bytes they may take.
    pub limit: usize,
    /// How many keys wait for somebody to decide.
    pub undecided: usize,
}

/// What is to become of a key in conflict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice<'a> {
    /// The sibling of that name; see [`KeyEvent::dot`].
    Take(&'a str),
    /// This value.
    Value(&'a [u8]),
    /// Nothing.
    Delete,
}

/// Why a conflict was not resolved, or a merge not undone. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResolveError {
    /// The key holds no sibling of that name now.
    #[error("the key holds no value {wanted:?} now; it holds {known:?}")]
    NoSibling {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The ledger has no such entry, or not any more.
    #[error("the ledger of table {table:?} has no entry {id:?}; older ones make room for newer")]
    NoEntry {
        /// The table.
        table: String,
        /// What was asked for.
        id: String,
    },
    /// Nothing was decided that could be undone.
    #[error("nothing was decided of key {0:?} that could be undone: resolve it instead")]
    NothingDecided(String),
    /// The key was written since: undoing would overwrite that.
    #[error("key {0:?} was written since, which undoing would overwrite; resolve it with a value")]
    Changed(String),
    /// The key holds nothing.
    #[error("key {0:?} holds nothing")]
    Nothing(String),
    /// The write cannot be made.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Names of the nodes that wrote.
struct Writers(BTreeMap<Incarnation, String>);

impl Writers {
    fn event(&self, entry: &Entry) -> KeyEvent {
        let origin = entry.dot.origin;
        let node = self.0.get(&origin).cloned().unwrap_or_else(|| format!("{:016x}", origin.0));
        KeyEvent {
            dot: format!("{node}:{}", entry.dot.seq),
            written: entry.stamp.millis().0,
            value: entry.value.as_deref().map(<[u8]>::to_vec),
            expires: entry.expires.map(|at| at.0),
            outcome: entry.mark.outcome,
        }
    }
}

impl RawTable {
    /// What merges of the table discarded or could not decide, as this node met them, oldest first.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let writers = self.writers();
        let mut all: Vec<Conflict> = Vec::new();
        for part in self.parts() {
            part.with(|machine| {
                all.extend(machine.ledger().iter().map(|conflict| shown(conflict, part, &writers)));
            });
        }
        all.sort_by_key(|conflict| conflict.at);
        all
    }

    /// The keys that wait for somebody to decide, at most so many.
    pub fn undecided(&self, most: usize) -> Vec<Undecided> {
        let writers = self.writers();
        let now = crate::clock::now();
        let mut all: Vec<Undecided> = Vec::new();
        for part in self.parts() {
            part.with(|machine| {
                let open = machine.undecided(&[], most - all.len());
                all.extend(open.into_iter().map(|open| {
                    Undecided {
                        table: self.name().to_owned(),
                        since: open.since.0,
                        cause: open.cause.into(),
                        siblings: machine
                            .visible(&open.key, now)
                            .iter()
                            .map(|entry| writers.event(entry))
                            .collect(),
                        key: open.key.into(),
                    }
                }));
            });
        }
        all
    }

    /// The values of a key, if several were written concurrently; the newest last.
    pub fn siblings(&self, key: &[u8]) -> Vec<KeyEvent> {
        let writers = self.writers();
        let now = crate::clock::now();
        let entries = self.part(key).with(|machine| machine.visible(key, now));
        entries.iter().map(|entry| writers.event(entry)).collect()
    }

    /// How much the ledger holds.
    pub fn ledger(&self) -> LedgerStatus {
        let mut all = LedgerStatus::default();
        for part in self.parts() {
            all.add(&part.with(|machine| ledger_status(machine)));
        }
        all
    }

    /// Decides what a key holds. It is a write like any other: it replaces all values of the key
    /// that this node sees, and ends the alarm on every node.
    ///
    /// # Errors
    ///
    /// [`ResolveError`]; nothing is changed then.
    pub fn resolve(&self, key: &[u8], choice: Choice<'_>) -> Result<Receipt, ResolveError> {
        self.check(key.len() + if let Choice::Value(value) = choice { value.len() } else { 0 })?;
        if let Choice::Value(_) = choice {
            // What is kept under an object's key is that object.
            self.check_kind(Kind::Bag, false)?;
        }
        let writers = self.writers();
        let mut taken = None;
        let part = self.part(key);
        let (seq, result) = part.amend(key, |machine, now| {
            let siblings = machine.visible(key, now);
            let change = match choice {
                Choice::Value(value) => CoreChange::Put { value, expires: None },
                Choice::Delete if siblings.is_empty() => {
                    return (None, Err(ResolveError::Nothing(text(key))));
                }
                Choice::Delete => CoreChange::Delete,
                Choice::Take(dot) => {
                    let named = |entry: &&Entry| writers.event(entry).dot == dot;
                    let Some(entry) = siblings.iter().find(named) else {
                        let known = siblings.iter().map(|entry| writers.event(entry).dot);
                        let (wanted, known) = (dot.to_owned(), known.collect());
                        return (None, Err(ResolveError::NoSibling { wanted, known }));
                    };
                    put(&mut taken, entry)
                }
            };
            (Some(change), Ok(()))
        })?;
        result?;
        part.mesh.schedule_flush();
        Ok(self.receipt(part, seq.unwrap_or_default()))
    }

    /// Undoes what a merge decided: puts back what it discarded (the newest, if that were several),
    /// or deletes again what an island's word brought back. It is a write like any other.
    ///
    /// # Errors
    ///
    /// [`ResolveError`]; nothing is changed then.
    pub fn undo(&self, id: &str) -> Result<Receipt, ResolveError> {
        self.check(0)?;
        let missing = || ResolveError::NoEntry { table: self.name().to_owned(), id: id.to_owned() };
        let number = u64::from_str_radix(id, 16).map_err(|_| missing())?;
        let find = |part: &Arc<SharedTable>| {
            part.with(|machine| machine.ledger().find(number ^ part.id.0).cloned())
        };
        let found = self.parts().iter().find_map(|part| Some((part, find(part)?)));
        let (part, conflict) = found.ok_or_else(missing)?;
        if conflict.outcome == Outcome::Undecided {
            return Err(ResolveError::NothingDecided(text(&conflict.key)));
        }
        let mut back = None;
        let (seq, result) = part.amend(&conflict.key, |machine, now| {
            let held = machine.visible(&conflict.key, now);
            let held: Vec<_> = held.iter().map(|entry| entry.dot).collect();
            let kept: Vec<_> = conflict.kept.iter().map(|entry| entry.dot).collect();
            if held != kept {
                return (None, Err(ResolveError::Changed(text(&conflict.key))));
            }
            let newest = conflict.lost.iter().max_by_key(|entry| entry.as_ref().rank());
            let change = match newest.filter(|entry| entry.value.is_some()) {
                Some(entry) => put(&mut back, entry),
                None => CoreChange::Delete,
            };
            (Some(change), Ok(()))
        })?;
        result?;
        part.mesh.schedule_flush();
        Ok(self.receipt(part, seq.unwrap_or_default()))
    }

    fn writers(&self) -> Writers {
        let node = self.inner.shell.node.lock();
        let members = node.members();
        let all = std::iter::once(members.me()).chain(members.others());
        let named = all.map(|known| (known.member.id.incarnation(), known.member.id.name.clone()));
        Writers(named.collect())
    }

    /// A key as people read it; that of a bag with its object.
    pub fn key_text(&self, key: &[u8]) -> String {
        match crate::composite::decode(key).filter(|_| self.kind() == Kind::Bag) {
            Some((key, identity)) => format!("{} {}", text(&key), text(identity)),
            None => text(key),
        }
    }
}

/// A put of what `entry` holds, which is kept in `place` as long as it takes.
fn put<'p>(place: &'p mut Option<Entry>, entry: &Entry) -> CoreChange<'p> {
    let entry = place.insert(entry.clone());
    CoreChange::Put { value: entry.value.as_deref().unwrap_or_default(), expires: entry.expires }
}

fn shown(conflict: &CoreConflict, part: &SharedTable, writers: &Writers) -> Conflict {
    Conflict {
        // Dots are counted per fragment, so their sum alone may stand in the ledger of another.
        id: format!("{:016x}", conflict.id ^ part.id.0),
        at: conflict.at.0,
        table: part.name.clone(),
        key: conflict.key.to_vec(),
        policy: conflict.policy.to_string(),
        outcome: conflict.outcome,
        kept: conflict.kept.as_ref().map(|entry| writers.event(entry)),
        lost: conflict.lost.iter().map(|entry| writers.event(entry)).collect(),
        settled: conflict.settled.map(|at| at.0),
    }
}

pub(crate) fn ledger_status<S: tombolo_core::Store>(
    machine: &tombolo_core::Table<S>,
) -> LedgerStatus {
    let ledger = machine.ledger();
    let (bytes, limit) = ledger.bytes();
    LedgerStatus {
        noted: ledger.noted(),
        kept: ledger.len(),
        dropped: ledger.dropped(),
        bytes,
        limit,
        undecided: machine.alarms(),
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
