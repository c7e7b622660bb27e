//! One process: a node of the shipping core, its tables, and its clock.

use crate::invariant::Still;
use crate::oracle::{Op, Truth};
use crate::serial::Serving;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tombolo_core::{
    Change, Declaration, Dot, Epochs, Incarnation, Limits, Mark, Millis, NewTable, Node, NodeId,
    OwnerDown, Remembered, Request, Stamp, Store, Table, TableId, Tables, Written,
};

/// Who wanted a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A client.
    Client,
    /// The policy: it takes the place of siblings.
    Conclusion,
    /// An island's word: it takes the place of what another did alone.
    Overrule,
}

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
    /// How it was made.
    pub mark: Mark,
    /// What it supersedes.
    pub replaces: Vec<Dot>,
    /// Who wanted it.
    pub cause: Cause,
    /// The request that it carries out.
    pub request: Option<Remembered>,
}

impl DoneWrite {
    /// What a table says that it wrote.
    pub fn of(
        table: TableId,
        key: &[u8],
        value: Option<&[u8]>,
        written: &Written<'_>,
        cause: Cause,
    ) -> DoneWrite {
        DoneWrite {
            table,
            key: key.into(),
            value: value.map(Box::from),
            expires: written.expires,
            dot: written.dot,
            stamp: written.stamp,
            mark: written.mark,
            replaces: written.replaces.to_vec(),
            cause,
            request: None,
        }
    }
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

impl WantedWrite {
    /// What the table is to do.
    fn change(&self) -> Change<'_> {
        match &self.value {
            Some(value) => Change::Put { value, expires: self.expires },
            None => Change::Delete,
        }
    }
}

/// The tables of one process, as the node machine reaches them.
pub struct SimTables<S> {
    me: Incarnation,
    limits: Limits,
    tables: RefCell<BTreeMap<TableId, Table<S>>>,
    declared: RefCell<BTreeMap<TableId, (Declaration, Epochs)>>,
    /// The tables that were made since they were asked for.
    made: RefCell<Vec<TableId>>,
    /// What the wall clock of the node shows.
    wall: Cell<Millis>,
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
            declared: RefCell::default(),
            made: RefCell::default(),
            wall: Cell::default(),
            planned: RefCell::default(),
            done: RefCell::default(),
            steps: Cell::new(0),
        }
    }

    /// Runs `look` on a table, if it is there.
    pub fn look<R>(&self, id: TableId, look: impl FnOnce(&mut Table<S>) -> R) -> Option<R> {
        let mut tables = self.tables.borrow_mut();
        let table = tables.get_mut(&id)?;
        table.set_wall(self.wall.get());
        Some(look(table))
    }

    /// What the wall clock of the node showed last.
    pub fn wall(&self) -> Millis {
        self.wall.get()
    }

    /// The wall clock of the node shows that from now on.
    pub fn set_wall(&self, wall: Millis) {
        self.wall.set(wall);
    }

    /// How a table is declared here.
    pub fn declared(&self, id: TableId) -> Option<Declaration> {
        self.declared.borrow().get(&id).map(|(declaration, _)| declaration.clone())
    }

    /// The tables that were made since the last time, as they were declared.
    pub fn take_made(&self) -> Vec<(TableId, Declaration, Epochs)> {
        let declared = self.declared.borrow();
        let made = self.made.take().into_iter();
        made.map(|id| (id, declared[&id].0.clone(), declared[&id].1.clone())).collect()
    }

    /// Whether a table hides the records of those that are down.
    pub fn hides(&self, id: TableId) -> bool {
        let declared = self.declared.borrow();
        declared.get(&id).is_some_and(|(now, _)| now.owner_down == OwnerDown::Hide)
    }

    /// How often a table was altered, as far as is known here.
    pub fn epoch(&self, id: TableId) -> Option<u8> {
        self.declared.borrow().get(&id).map(|(_, epochs)| epochs.current())
    }

    /// A table was altered.
    pub fn adopt(&self, id: TableId, declaration: &Declaration, epochs: &Epochs) {
        self.look(id, |table| table.adopt(declaration, epochs.clone()));
        self.declared.borrow_mut().insert(id, (declaration.clone(), epochs.clone()));
    }

    /// The tables that exist.
    pub fn ids(&self) -> Vec<TableId> {
        self.tables.borrow().keys().copied().collect()
    }

    /// Does a write now.
    pub fn write(&self, now: Millis, wanted: &WantedWrite) -> Option<DoneWrite> {
        self.look(wanted.table, |table| do_write(table, now, wanted)).flatten()
    }

    /// Does several writes of one table together now.
    pub fn write_batch(
        &self,
        now: Millis,
        table: TableId,
        wanted: &[WantedWrite],
    ) -> Vec<DoneWrite> {
        let mut done = Vec::new();
        self.look(table, |t| {
            if t.is_paused() {
                return;
            }
            let changes = wanted.iter().map(|wanted| (&*wanted.key, wanted.change()));
            t.write_batch(now, changes, |number, written| {
                let WantedWrite { key, value, .. } = &wanted[number];
                let value = value.as_deref();
                done.push(DoneWrite::of(table, key, value, written, Cause::Client));
            });
        });
        done
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
    if table.is_paused() {
        return None;
    }
    let written = table.write(now, &wanted.key, wanted.change())?;
    let value = wanted.value.as_deref();
    Some(DoneWrite::of(wanted.table, &wanted.key, value, &written, Cause::Client))
}

impl<S: Store + Default> Tables for SimTables<S> {
    type Store = S;

    fn create(&mut self, new: NewTable<'_>) {
        let NewTable { id, declaration, epochs, .. } = new;
        let table = Table::new(self.me, S::default(), self.limits, declaration, epochs.clone());
        self.declared.borrow_mut().insert(id, (declaration.clone(), epochs.clone()));
        self.made.borrow_mut().push(id);
        let before = self.tables.borrow_mut().insert(id, table);
        assert!(before.is_none(), "a table was made twice");
    }

    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<S>) -> R) -> R {
        self.steps.set(self.steps.get() + 1);
        let mut tables = self.tables.borrow_mut();
        let table = tables.get_mut(&id).expect("the node speaks of tables that it made");
        table.set_wall(self.wall.get());
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
    /// The latest moment that its clock ever showed.
    pub latest: Millis,
    /// Whether any of its tables may be kept apart from a peer.
    pub may_hold: bool,
    /// The tables that stand still, with what they held when that began.
    pub paused: BTreeMap<TableId, Still>,
    /// The peers that were asked for a part of a table, as process numbers.
    pub fills: BTreeSet<(TableId, usize)>,
    /// The requests that it was asked to carry out: a thread of its own does, a little later.
    pub to_serve: Vec<(TableId, Incarnation, Request)>,
    /// The requests that it carried out as a leader and has not answered.
    pub serving: Vec<Serving>,
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

    /// Whether an event is live here.
    pub fn holds(&self, table: TableId, op: &Op) -> bool {
        let mut live = false;
        self.look(table, |t| {
            t.store().entries(&op.key, &mut |entry| live |= entry.dot == op.dot);
        });
        live
    }
}
