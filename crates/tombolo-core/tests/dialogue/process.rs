//! One process of a dialogue: a node, its tables, and what its shell would keep.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{
    BTreeStore, Change, Conclusion, Entry, Incarnation, Limits, Lone, Millis, NewTable, Node,
    NodeId, OpRef, Ripe, Settings, Table, TableId, Tables, Written,
};

/// One op on its way.
#[derive(Clone, Debug)]
pub struct Op {
    pub key: Vec<u8>,
    pub entry: Entry,
    pub replaces: Vec<tombolo_core::Dot>,
}

impl Op {
    fn of(key: &[u8], written: &Written<'_>, value: Option<&[u8]>) -> Op {
        let entry = Entry {
            dot: written.dot,
            stamp: written.stamp,
            mark: written.mark,
            expires: written.expires,
            value: value.map(Into::into),
        };
        Op { key: key.into(), entry, replaces: written.replaces.to_vec() }
    }

    pub fn as_ref(&self) -> OpRef<'_> {
        let (key, entry, replaces) = (&self.key, self.entry.as_ref(), &self.replaces);
        OpRef { key, entry, replaces, request: None }
    }
}

/// The tables of one process.
pub struct Memory {
    me: Incarnation,
    tables: RefCell<BTreeMap<TableId, Table<BTreeStore>>>,
}

impl Tables for Memory {
    type Store = BTreeStore;

    fn create(&mut self, new: NewTable<'_>) {
        let (store, limits) = (BTreeStore::default(), Limits::default());
        let table = Table::new(self.me, store, limits, new.declaration, new.epochs.clone());
        self.tables.get_mut().insert(new.id, table);
    }

    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<BTreeStore>) -> R) -> R {
        step(self.tables.borrow_mut().get_mut(&id).expect("the node made the table"))
    }
}

/// What a dialogue tells of whenever it changed, though no message says it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// How far all links acknowledged the node's writes.
    pub acked: u64,
    pub tombstones: usize,
}

/// One process.
pub struct Process {
    pub id: NodeId,
    pub node: Node<Memory>,
    pub writable: BTreeSet<TableId>,
    /// To whom the ops of each table go.
    pub fan_out: BTreeSet<(TableId, Incarnation)>,
    /// The addresses that are being dialled.
    pub dialling: BTreeSet<String>,
    /// By how many milliseconds its wall clock is ahead.
    pub ahead: u64,
    watched: BTreeMap<TableId, Watched>,
}

impl Process {
    pub fn new(id: NodeId, now: Millis) -> Process {
        let memory = Memory { me: id.incarnation(), tables: RefCell::default() };
        let settings = Settings::new(id.clone(), id.name.clone());
        Process {
            id,
            node: Node::new(settings, memory, now),
            writable: BTreeSet::new(),
            fan_out: BTreeSet::new(),
            dialling: BTreeSet::new(),
            ahead: 0,
            watched: BTreeMap::new(),
        }
    }

    pub fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<BTreeStore>) -> R) -> R {
        self.node.tables().with(id, step)
    }

    /// The tables that it has.
    pub fn tables(&self) -> Vec<TableId> {
        self.node.tables().tables.borrow().keys().copied().collect()
    }

    /// The table that writes go to. A dialogue speaks of one at a time.
    pub fn table(&self) -> TableId {
        *self.tables().first().expect("a table was declared before it is written")
    }

    /// Writes the table. `None` if there was nothing to delete.
    pub fn write(&self, now: Millis, key: &str, value: Option<(&str, Option<u64>)>) -> Option<Op> {
        let now = now.plus(self.ahead);
        let expires = value.and_then(|(_, span)| span).map(|span| now.plus(span));
        let change = match value {
            Some((value, _)) => Change::Put { value: value.as_bytes(), expires },
            None => Change::Delete,
        };
        self.with(self.table(), |table| {
            let written = table.write(now, key.as_bytes(), change)?;
            Some(Op::of(key.as_bytes(), &written, value.map(|(value, _)| value.as_bytes())))
        })
    }

    /// Lets the newest of some siblings take the place of all.
    pub fn conclude(&self, now: Millis, table: TableId, ripe: &Ripe) -> Option<Op> {
        let newest = ripe.siblings.last()?;
        let value = newest.value.as_deref()?;
        self.with(table, |table| {
            let conclusion = Conclusion::Value { value, expires: newest.expires };
            let written = table.conclude(now.plus(self.ahead), ripe, conclusion)?;
            Some(Op::of(&ripe.key, &written, Some(value)))
        })
    }

    /// This node's word on a key that another island wrote alone.
    pub fn overrule(&self, now: Millis, table: TableId, lone: &Lone) -> Option<Op> {
        self.with(table, |table| {
            let now = now.plus(self.ahead);
            let (written, shown) = table.overrule(now, &lone.key, &lone.writes)?;
            let value = shown.as_ref().and_then(|entry| entry.value.as_deref());
            Some(Op::of(&lone.key, &written, value))
        })
    }

    /// Tells every table what the wall clock shows.
    pub fn set_wall(&self, now: Millis) {
        for id in self.tables() {
            self.with(id, |table| table.set_wall(now.plus(self.ahead)));
        }
    }

    /// What changed since it was asked last: the table, what was, what is.
    pub fn changes(&mut self) -> Vec<(TableId, Watched, Watched)> {
        let mut changes = Vec::new();
        for id in self.tables() {
            let is = self.with(id, |table| Watched {
                acked: table.acked_by_all(),
                tombstones: table.tombstones(),
            });
            let was = self.watched.insert(id, is).unwrap_or_default();
            if was != is {
                changes.push((id, was, is));
            }
        }
        changes
    }
}
