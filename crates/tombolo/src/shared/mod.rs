//! A table as the threads of this process share it.

mod write;

pub(crate) use write::Served;

use crate::acknowledged::Receipt;
use crate::clock::now;
use crate::mesh::Mesh;
use crate::mesh::link::Link;
use crate::pause::Turnstile;
use crate::policy::Judge;
use crate::resolve::Functions;
use crate::serving::Unanswered;
use crate::status::SyncStatus;
use crate::waiters::Waiters;
use crate::watch::{BellLock, Hub};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use tombolo_core::{
    Arrival, Declaration, Epochs, Incarnation, KeyChange, Kind, Message, OpRef, Table, TableId,
    TooOld,
};
use tombolo_store::{ConcurrentStore, Reader};
use write::Outgoing;

/// One fragment of a table, and of most tables the only one: the machine under its short lock, the
/// records beside it.
///
/// Locks, in this order, none held over a wait: the node machine, a table, a link's queue. The
/// waiters' lock is a leaf, and wakers are called without it and without a table's.
pub(crate) struct SharedTable {
    /// This process.
    pub(crate) me: Incarnation,
    pub(crate) id: TableId,
    /// The table's name, whichever fragment it is.
    pub(crate) name: String,
    pub(crate) fragment: u16,
    /// Its shape, which no alteration changes.
    pub(crate) kind: Kind,
    declaration: ArcSwap<Declaration>,
    judge: ArcSwap<Judge>,
    functions: Arc<Functions>,
    /// Whether somebody judges siblings just now.
    pub(crate) judging: AtomicBool,
    /// What the last sync with each peer did.
    pub(crate) syncs: Mutex<BTreeMap<String, SyncStatus>>,
    pub(crate) records: Reader,
    machine: BellLock<Machine>,
    /// Who watches the table.
    pub(crate) hub: Hub,
    /// How far every link that carries the table has acknowledged our ops.
    acked: AtomicU64,
    /// Our last write.
    written: AtomicU64,
    /// Those who wait for every link.
    pub(crate) for_all: Waiters,
    /// Those who wait for some number of copies: they look again at every acknowledgement.
    pub(crate) for_some: Waiters,
    /// The serial operations that this node carried out for others and has not answered.
    pub(crate) unanswered: Unanswered,
    writable: AtomicBool,
    pub(crate) became_writable: Notify,
    /// Where writers wait while the table stands still.
    pub(crate) turnstile: Turnstile,
    pub(crate) mesh: Arc<Mesh>,
}

struct Machine {
    table: Table<ConcurrentStore>,
    /// The links that our ops go to: exactly the table's contacts.
    links: Vec<Arc<Link>>,
    /// Their names, made once for all who ask who acknowledged.
    names: Arc<[String]>,
    /// What is to go to them when the lock is given back.
    outgoing: Outgoing,
    /// After how many milliseconds a value expires if nothing is said of it.
    ttl: Option<u64>,
}

impl Machine {
    fn set_links(&mut self, mut links: Vec<Arc<Link>>) {
        links.sort_by(|one, other| one.peer.name.cmp(&other.peer.name));
        self.names = links.iter().map(|link| link.peer.name.clone()).collect();
        self.links = links;
    }
}

impl SharedTable {
    pub(crate) fn new(
        id: TableId,
        (name, fragment): (&str, u16),
        declaration: &Declaration,
        table: Table<ConcurrentStore>,
        records: Reader,
        mesh: Arc<Mesh>,
        functions: Arc<Functions>,
    ) -> SharedTable {
        let judge = Arc::new(Judge::new(name, declaration, &functions));
        records.set_view(Arc::clone(&judge) as _);
        let table_of = table.me();
        let machine = Machine {
            table,
            links: Vec::new(),
            names: Arc::default(),
            outgoing: Outgoing::default(),
            ttl: declaration.ttl,
        };
        SharedTable {
            me: table_of,
            id,
            name: name.to_owned(),
            fragment,
            kind: declaration.kind,
            declaration: ArcSwap::from_pointee(declaration.clone()),
            judge: ArcSwap::new(judge),
            functions,
            judging: AtomicBool::new(false),
            syncs: Mutex::default(),
            records,
            machine: BellLock::new(machine, |machine| machine.table.take_changed()),
            hub: Hub::default(),
            acked: AtomicU64::new(0),
            written: AtomicU64::new(0),
            for_all: Waiters::default(),
            for_some: Waiters::default(),
            unanswered: Unanswered::default(),
            writable: AtomicBool::new(false),
            became_writable: Notify::new(),
            turnstile: Turnstile::default(),
            mesh,
        }
    }

    /// How the table is declared now.
    pub(crate) fn declaration(&self) -> Arc<Declaration> {
        self.declaration.load_full()
    }

    /// Whether a function of the program is asked when siblings are read.
    pub(crate) fn asks_the_program(&self) -> bool {
        self.judge.load().asks_the_program()
    }

    /// How siblings are judged now.
    pub(crate) fn judge(&self) -> Arc<Judge> {
        self.judge.load_full()
    }

    /// The table is declared so from now on.
    pub(crate) fn adopt(&self, declaration: &Declaration, epochs: Epochs) {
        let judge = Arc::new(Judge::new(&self.name, declaration, &self.functions));
        let mut machine = self.machine.lock();
        machine.table.adopt(declaration, epochs);
        machine.ttl = declaration.ttl;
        self.declaration.store(Arc::new(declaration.clone()));
        self.records.set_view(Arc::clone(&judge) as _);
        self.judge.store(judge);
    }

    /// Runs a short step on the machine, and releases whoever it satisfied.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut Table<ConcurrentStore>) -> R) -> R {
        let mut machine = self.machine.lock();
        machine.table.set_wall(now());
        let result = step(&mut machine.table);
        // A link that the table lost is not sent to either.
        if machine.links.len() > machine.table.contacts().count() {
            let mut links = std::mem::take(&mut machine.links);
            links.retain(|link| machine.table.is_attached(link.incarnation));
            machine.set_links(links);
        }
        let moved = self.note_acked(&machine);
        drop(machine);
        if moved {
            self.for_all.release(self.acked());
        }
        // Any step may have brought one more copy of some write.
        self.for_some.release_all();
        result
    }

    /// Runs a short step on the machine that satisfies nobody.
    pub(crate) fn peek<R>(&self, step: impl FnOnce(&mut Table<ConcurrentStore>) -> R) -> R {
        step(&mut self.machine.lock().table)
    }

    /// Takes in a batch of `from`: readers see all of it from then on.
    pub(crate) fn take_in_batch(&self, from: Incarnation, ops: &[OpRef<'_>]) -> Arrival {
        let mut machine = self.machine.lock();
        machine.table.set_wall(now());
        machine.table.take_in_batch(from, ops)
    }

    /// Takes in ops of `from` under one hold of the lock: `feed` hands them over, in their order.
    /// Returns whether one came beyond a gap.
    pub(crate) fn take_in<E>(
        &self,
        from: Incarnation,
        feed: impl FnOnce(&mut dyn FnMut(&OpRef<'_>)) -> Result<(), E>,
    ) -> Result<Arrival, E> {
        let mut machine = self.machine.lock();
        machine.table.set_wall(now());
        let mut arrival = Arrival::InOrder;
        feed(&mut |op| match machine.table.take_in(from, op) {
            Arrival::InOrder => {}
            other => arrival = other,
        })?;
        Ok(arrival)
    }

    /// From now on our ops go to `link`, the first thing being where they start.
    pub(crate) fn attach(&self, link: &Arc<Link>) {
        let mut machine = self.machine.lock();
        let seq = machine.table.attach(link.incarnation);
        let mut links = std::mem::take(&mut machine.links);
        links.retain(|other| other.incarnation != link.incarnation);
        links.push(Arc::clone(link));
        machine.set_links(links);
        link.send(&Message::Attach { table: self.id, seq });
    }

    /// The link has taken all that was queued when ops were dropped: tells the peer where they go
    /// on, and repeats what may have been dropped with them.
    pub(crate) fn resume(&self, link: &Arc<Link>) {
        let mut machine = self.machine.lock();
        if machine.table.is_attached(link.incarnation) {
            let seq = machine.table.last_written();
            link.send(&Message::Attach { table: self.id, seq });
            if let Some(seq) = machine.table.ack_for(link.incarnation) {
                link.send(&Message::Ack { table: self.id, seq });
            }
        }
    }

    /// `peer` acknowledged our ops up to `seq`.
    pub(crate) fn on_ack(&self, peer: Incarnation, seq: u64) {
        self.with(|table| table.on_ack(peer, seq));
    }

    /// How far every link has acknowledged.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Acquire)
    }

    /// Whether every member is known to have our write `seq` (rule 6).
    pub(crate) fn is_stable(&self, receipt: Receipt) -> bool {
        self.machine.lock().table.stable(receipt.origin) >= receipt.seq
    }

    /// Our last write.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The peers that are known to have a write.
    pub(crate) fn acked_by(&self, receipt: Receipt) -> Arc<[String]> {
        let machine = self.machine.lock();
        let table = &machine.table;
        if table.contacts().all(|(peer, _)| table.peer_has(peer, receipt.dot())) {
            return Arc::clone(&machine.names);
        }
        drop(machine);
        let copies = self.copies(receipt).into_iter();
        copies.filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }

    /// The linked peers, and whether each is known to have a write.
    pub(crate) fn copies(&self, receipt: Receipt) -> Vec<(String, bool)> {
        let machine = self.machine.lock();
        let table = &machine.table;
        let has = |link: &Arc<Link>| table.peer_has(link.incarnation, receipt.dot());
        machine.links.iter().map(|link| (link.peer.name.clone(), has(link))).collect()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.writable.store(true, Ordering::Release);
        self.became_writable.notify_waiters();
    }

    /// Has changes kept from now on. Returns the number of the last one so far.
    pub(crate) fn watch(&self) -> u64 {
        self.machine.lock().table.watch()
    }

    /// The changes after the one of that number, at most so many.
    pub(crate) fn changes_since(
        &self,
        number: u64,
        most: usize,
    ) -> Result<Vec<Arc<KeyChange>>, TooOld> {
        self.machine.lock().table.changes_since(number, most)
    }

    /// Waits until there are changes that were not rung for yet.
    pub(crate) async fn changed(&self) {
        self.machine.rung().await;
    }

    fn note_acked(&self, machine: &Machine) -> bool {
        // The links of a node that ends are closed before the peers have everything.
        if self.mesh.has_ended() {
            return false;
        }
        let acked = machine.table.acked_by_all();
        self.acked.swap(acked, Ordering::AcqRel) != acked
    }

    /// Wakes whoever has waited long, to watch the time itself from now on.
    pub(crate) fn nudge(&self) {
        self.for_all.nudge();
        self.for_some.nudge();
    }

    /// Wakes whoever waits, to see that the node has ended.
    pub(crate) fn release_all(&self) {
        self.for_all.release_all();
        self.for_some.release_all();
    }
}
