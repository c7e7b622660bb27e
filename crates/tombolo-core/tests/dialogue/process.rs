//! One process of a dialogue: a node, its tables, and what its shell would keep.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{
    BTreeStore, Change, Declaration, Entry, Incarnation, Limits, Millis, Node, NodeId, OpRef,
    Settings, Table, TableId, Tables,
};

/// One op on its way.
#[derive(Clone, Debug)]
pub struct Op {
    pub key: Vec<u8>,
    pub entry: Entry,
    pub replaces: Vec<tombolo_core::Dot>,
}

impl Op {
    pub fn as_ref(&self) -> OpRef<'_> {
        OpRef { key: &self.key, entry: self.entry.as_ref(), replaces: &self.replaces }
    }
}

/// The tables of one process.
pub struct Memory {
    me: Incarnation,
    tables: RefCell<BTreeMap<TableId, Table<BTreeStore>>>,
}

impl Tables for Memory {
    type Store = BTreeStore;

    fn create(&mut self, id: TableId, _name: &str, _declaration: Declaration) {
        let table = Table::new(self.me, BTreeStore::default(), Limits::default());
        self.tables.get_mut().insert(id, table);
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
        let expires = value.and_then(|(_, span)| span).map(|span| now.plus(span));
        let change = match value {
            Some((value, _)) => Change::Put { value: value.as_bytes(), expires },
            None => Change::Delete,
        };
        self.with(self.table(), |table| {
            let written = table.write(now, key.as_bytes(), change)?;
            let entry = Entry {
                dot: written.dot,
                stamp: written.stamp,
                expires,
                value: value.map(|(value, _)| value.as_bytes().into()),
            };
            Some(Op { key: key.into(), entry, replaces: written.replaces.to_vec() })
        })
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
