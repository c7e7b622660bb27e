//! Watchers: programs that follow a table by its change feed, and read it whenever they must begin
//! anew. They only look on, by a chance of their own, so that a schedule is the same without them.

use crate::invariant::{Checked, check_watcher, shown_by};
use crate::sight::Sight;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{ChangeKind, Incarnation, Kind, Store, TableId};

/// How many watchers a schedule has.
const WATCHERS: usize = 5;

/// In how many steps a watcher reads a table.
const READS: u32 = 4;

/// How many changes a watcher is behind that is noted as one that lagged.
const FAR: usize = 4;

/// What a watcher wants to hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Every key.
    All,
    /// One key.
    Key(Box<[u8]>),
    /// The keys that begin so.
    Prefix(Box<[u8]>),
    /// The keys from the first one on, up to the second one.
    Range(Box<[u8]>, Box<[u8]>),
}

impl Wanted {
    /// Whether a key is meant.
    pub fn has(&self, key: &[u8]) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Key(only) => **only == *key,
            Wanted::Prefix(prefix) => key.starts_with(prefix),
            Wanted::Range(from, to) => **from <= *key && *key < **to,
        }
    }
}

/// One watcher of a table on whichever process a node runs as.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// The number of the node.
    pub slot: usize,
    /// The table.
    pub table: TableId,
    /// What it wants to hear of.
    pub wanted: Wanted,
    /// The process that it has heard, and the number of the last change.
    pub cursor: Option<(Incarnation, u64)>,
    /// How many buckets it still has to read before it goes on with changes.
    pub unread: u32,
    /// What it has made of what it was told.
    pub map: BTreeMap<Box<[u8]>, Vec<u8>>,
}

impl<S: Store + Default> World<S> {
    /// Some watcher looks, or another one begins.
    pub(crate) fn watch_some(&mut self) {
        if !self.watch_rng.chance(20) {
            return;
        }
        if self.watchers.len() < WATCHERS && self.watch_rng.chance(20) {
            let watcher = self.some_watcher();
            return self.watchers.push(watcher);
        }
        if self.watchers.is_empty() {
            return;
        }
        // Some look only now and then, so that much has happened meanwhile.
        let at = self.watch_rng.below(self.watchers.len());
        if at.is_multiple_of(2) || self.watch_rng.chance(10) {
            let most = [1, 2, 5, usize::MAX][self.watch_rng.below(4)];
            let told_all = self.pull(at, most);
            if told_all && let Err(violation) = check_watcher(self, &self.watchers[at], false) {
                self.found.get_or_insert(violation);
            }
        }
    }

    /// Every watcher hears all that there is to hear.
    pub(crate) fn pull_all(&mut self) {
        for at in 0..self.watchers.len() {
            // What it reads now may be of no use, because too much has happened since it began.
            for _ in 0..2 * READS + 4 {
                self.pull(at, usize::MAX);
            }
        }
    }

    /// Somebody watches the first table of a node from now on.
    pub(crate) fn watch(&mut self, slot: usize) {
        let table = TableId::of(&World::<S>::table_name(0));
        let (wanted, cursor, unread, map) = (Wanted::All, None, 0, BTreeMap::new());
        self.watchers.push(Watcher { slot, table, wanted, cursor, unread, map });
        self.pull_all();
    }

    /// Whether those who watch a node have heard all and have the table.
    pub(crate) fn told(&mut self, slot: usize) -> Checked {
        self.pull_all();
        let mut watching = self.watchers.iter().filter(|watcher| watcher.slot == slot);
        watching.try_for_each(|watcher| check_watcher(self, watcher, false))
    }

    fn some_watcher(&mut self) -> Watcher {
        let letter = b'a' + self.watch_rng.below(self.config.keys) as u8;
        let bag = self.config.tables.iter().any(|d| d.kind == Kind::Bag);
        let wanted = match self.watch_rng.below(6) {
            0 if bag => Wanted::Key([letter, b'1'].into()),
            0 => Wanted::Key([letter].into()),
            1 => Wanted::Prefix([letter].into()),
            2 => Wanted::Range([letter].into(), [letter + 2].into()),
            _ => Wanted::All,
        };
        let number = self.watch_rng.below(self.config.tables.len());
        Watcher {
            slot: self.watch_rng.below(self.config.nodes),
            table: TableId::of(&World::<S>::table_name(number)),
            wanted,
            cursor: None,
            unread: 0,
            map: BTreeMap::new(),
        }
    }

    /// One step of a watcher: it begins, reads a bucket, or takes some changes. True if it knows of
    /// all that is known by now.
    fn pull(&mut self, at: usize, most: usize) -> bool {
        let mut watcher = self.watchers[at].clone();
        let Some(process) = self.current[watcher.slot] else { return false };
        let told_all = match watcher.cursor {
            Some((incarnation, _)) if incarnation != self.procs[process].incarnation => {
                self.sight(Sight::WatchReset);
                watcher.begin(self, process)
            }
            None => watcher.begin(self, process),
            Some(_) if watcher.unread > 0 => watcher.read(self, process),
            Some((_, number)) => watcher.follow(self, process, number, most),
        };
        self.watchers[at] = watcher;
        told_all
    }
}

impl Watcher {
    fn begin<S: Store + Default>(&mut self, world: &World<S>, process: usize) -> bool {
        self.map.clear();
        let me = &world.procs[process];
        let head = me.look(self.table, |t| (t.watch(), t.store().buckets()));
        self.cursor = head.map(|(head, _)| (me.incarnation, head));
        self.unread = head.map_or(0, |(_, buckets)| buckets);
        false
    }

    fn read<S: Store + Default>(&mut self, world: &World<S>, process: usize) -> bool {
        let mut keys: BTreeSet<Box<[u8]>> = BTreeSet::new();
        world.procs[process].look(self.table, |t| {
            let rest = self.unread.saturating_sub(t.store().buckets().div_ceil(READS));
            for bucket in rest..std::mem::replace(&mut self.unread, rest) {
                t.store().visit(bucket, &mut |key, _| {
                    keys.insert(key.into());
                });
            }
        });
        for key in keys.into_iter().filter(|key| self.wanted.has(key)) {
            if let Some(value) = shown_by(world, process, self.table, &key) {
                self.map.insert(key, value);
            }
        }
        false
    }

    fn follow<S: Store + Default>(
        &mut self,
        world: &mut World<S>,
        process: usize,
        number: u64,
        most: usize,
    ) -> bool {
        let changes = world.procs[process].look(self.table, |t| t.changes_since(number, most));
        let Some(Ok(changes)) = changes else {
            world.sight(Sight::WatchReset);
            return self.begin(world, process);
        };
        if changes.len() >= FAR {
            world.sight(Sight::WatchLagged);
        }
        for change in changes.iter().filter(|change| self.wanted.has(&change.key)) {
            let shown = match change.kind {
                ChangeKind::Delete | ChangeKind::Hidden => None,
                _ if change.contested => shown_by(world, process, self.table, &change.key),
                _ => Some(change.value.to_vec()),
            };
            match shown {
                Some(value) => self.map.insert(change.key[..].into(), value),
                None => self.map.remove(&change.key[..]),
            };
        }
        let last = changes.last().map_or(number, |change| change.number);
        self.cursor = Some((world.procs[process].incarnation, last));
        changes.len() < most
    }
}
