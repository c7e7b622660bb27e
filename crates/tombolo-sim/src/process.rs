//! One process: a node of the shipping core, its tables, and its clock.

use crate::oracle::Truth;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tombolo_core::{
    Change, Declaration, Dot, Incarnation, Limits, Millis, Node, NodeId, Stamp, Store, Table,
    TableId, Tables,
};

/// A local write that was done, as its op goes to the peers.
#[derive(Clone, Debug)]
pub struct DoneWrite {
    /// The table.
    pub table: TableId,
    /// The key.
    pub key: Box<[u8]>,
    /// The value; none for a delete.
    pub value: Option<Box<[u8]>>,
    /// When it expires.
    pub expires: Option<Millis>,
    /// Its name.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// What it supersedes.
    pub replaces: Vec<Dot>,
}

/// A local write that a client wants.
#[derive(Clone, Debug)]
pub struct WantedWrite {
    /// The table.
    pub table: TableId,
    /// The key.
    pub key: Box<[u8]>,
    /// The value; none for a delete.
    pub value: Option<Box<[u8]>>,
    /// When it expires.
    pub expires: Option<Millis>,
}

/// The tables of one process, as the node machine reaches them.
pub struct SimTables<S> {
    me: Incarnation,
    limits: Limits,
    tables: RefCell<BTreeMap<TableId, Table<S>>>,
    /// Writes of client threads that get hold of a table's lock between two steps of a walk: after
    /// how many steps, at what time, what.
    planned: RefCell<VecDeque<(usize, Millis, WantedWrite)>>,
    done: RefCell<Vec<DoneWrite>>,
    steps: Cell<u64>,
}

impl<S: Store + Default> SimTables<S> {
    /// No tables yet.
    pub fn new(me: Incarnation, limits: Limits) -> SimTables<S> {
        SimTables {
            me,
            limits,
            tables: RefCell::default(),
            planned: RefCell::default(),
            done: RefCell::default(),
            steps: Cell::new(0),
        }
    }

    /// Runs `look` on a table, if it is there.
    pub fn look<R>(&self, id: TableId, look: impl FnOnce(&mut Table<S>) -> R) -> Option<R> {
        self.tables.borrow_mut().get_mut(&id).map(look)
    }

    /// The tables that exist.
    pub fn ids(&self) -> Vec<TableId> {
        self.tables.borrow().keys().copied().collect()
    }

    /// Does a write now.
    pub fn write(&self, now: Millis, wanted: &WantedWrite) -> Option<DoneWrite> {
        self.look(wanted.table, |table| do_write(table, now, wanted)).flatten()
    }

    /// Has a write done after that many steps of whatever the node does next.
    pub fn plan(&self, after_steps: usize, now: Millis, wanted: WantedWrite) {
        self.planned.borrow_mut().push_back((after_steps, now, wanted));
    }

    /// The planned writes that were done; those that were not are dropped.
    pub fn take_done(&self) -> Vec<DoneWrite> {
        self.planned.borrow_mut().clear();
        self.done.take()
    }

    fn run_planned(&self, id: TableId, table: &mut Table<S>) {
        let mut planned = self.planned.borrow_mut();
        let Some((steps, now, wanted)) = planned.front_mut() else {
            return;
        };
        if *steps > 0 {
            *steps -= 1;
        } else if wanted.table == id {
            let done = do_write(table, *now, wanted);
            self.done.borrow_mut().extend(done);
            planned.pop_front();
        }
    }
}

fn do_write<S: Store>(
    table: &mut Table<S>,
    now: Millis,
    wanted: &WantedWrite,
) -> Option<DoneWrite> {
    let change = match &wanted.value {
        Some(value) => Change::Put { value, expires: wanted.expires },
        None => Change::Delete,
    };
    let written = table.write(now, &wanted.key, change)?;
    Some(DoneWrite {
        table: wanted.table,
        key: wanted.key.clone(),
        value: wanted.value.clone(),
        expires: wanted.value.as_ref().and(wanted.expires),
        dot: written.dot,
        stamp: written.stamp,
        replaces: written.replaces.to_vec(),
    })
}

impl<S: Store + Default> Tables for SimTables<S> {
    type Store = S;

    fn create(&mut self, id: TableId, _name: &str, _declaration: Declaration) {
        let table = Table::new(self.me, S::default(), self.limits);
        let before = self.tables.borrow_mut().insert(id, table);
        assert!(before.is_none(), "a table was made twice");
    }

    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<S>) -> R) -> R {
        self.steps.set(self.steps.get() + 1);
        let mut tables = self.tables.borrow_mut();
        let table = tables.get_mut(&id).expect("the node speaks of tables that it made");
        self.run_planned(id, table);
        step(table)
    }
}

/// One process.
pub struct Process<S> {
    /// The number of its node.
    pub slot: usize,
    /// Who it is.
    pub id: NodeId,
    /// Its short name.
    pub incarnation: Incarnation,
    /// The shipping machine.
    pub node: Node<SimTables<S>>,
    /// Whether it runs. Its memory stays readable for the oracle when it does not.
    pub alive: bool,
    /// The tables that may be written.
    pub writable: BTreeSet<TableId>,
    /// To whom the ops of each table go, as process numbers.
    pub fan_out: BTreeSet<(TableId, usize)>,
    /// What the simulator knows of each table.
    pub truth: BTreeMap<TableId, Truth>,
    /// Whether discovery told it anything.
    pub discovered: bool,
    /// Set when it learned that a newer process has its name.
    pub superseded: bool,
}

impl<S: Store + Default> Process<S> {
    /// Runs `look` on a table, if it is there.
    pub fn look<R>(&self, id: TableId, look: impl FnOnce(&mut Table<S>) -> R) -> Option<R> {
        self.node.tables().look(id, look)
    }

    /// How far the process says that it has seen `origin`.
    pub fn seen_of(&self, table: TableId, origin: Incarnation) -> u64 {
        self.look(table, |t| t.seen_of(origin)).unwrap_or(0)
    }

    /// Whether the process has the effects of `dot`: covered by `seen`, or taken in beyond a gap.
    pub fn has(&self, table: TableId, dot: Dot) -> bool {
        dot.seq <= self.seen_of(table, dot.origin)
            || self.truth.get(&table).is_some_and(|truth| truth.applied.contains(&dot))
    }
}
