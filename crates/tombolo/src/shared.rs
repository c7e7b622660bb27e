//! A table as the threads of this process share it.

use crate::acknowledged::Receipt;
use crate::clock::now;
use crate::mesh::Mesh;
use crate::mesh::link::Link;
use crate::pause::Turnstile;
use crate::policy::Judge;
use crate::prepared;
use crate::raw::WriteError;
use crate::resolve::Functions;
use crate::serial::{SerialOp, most};
use crate::status::SyncStatus;
use crate::waiters::Waiters;
use crate::watch::{BellGuard, BellLock, Hub};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use tombolo_core::{
    Arrival, Change, Conclusion, Decision, Declaration, Done, Dot, Entry, EntryRef, Epochs,
    Incarnation, KeyChange, Lone, Message, Millis, OpRef, Reply, Request, RequestRef, Ripe,
    TOLD_BYTES, Table, TableId, TooOld, Written,
};
use tombolo_store::{ConcurrentStore, Reader};

/// A buffer for ops that grew beyond this is given back after the op.
const KEPT_CAPACITY: usize = 1024 * 1024;

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
    /// One op, encoded once for all links.
    encoded: Vec<u8>,
}

/// What became of a request that this node was asked to carry out.
pub(crate) enum Served {
    /// It is carried out by this write, which is to be waited for.
    Done { dot: Dot, told: Option<Arc<[u8]>>, lost: bool },
    /// To be answered at once.
    Reply(Reply),
    /// Nobody waits for it any more.
    Stale,
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
        let machine =
            Machine { table, links: Vec::new(), names: Arc::default(), encoded: Vec::new() };
        SharedTable {
            me: table_of,
            id,
            name: name.to_owned(),
            fragment,
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

    /// Writes `key` and queues the op for every link. Returns the number of the write, if it was
    /// one: a delete of nothing is none.
    pub(crate) fn write(&self, key: &[u8], change: Change<'_>) -> Result<Option<u64>, WriteError> {
        let time = now();
        Ok(self.write_locked(&mut *self.lock_to_write()?, time, key, change))
    }

    /// The machine, to be written to; not while the table stands still.
    fn lock_to_write(&self) -> Result<BellGuard<'_, Machine>, WriteError> {
        let machine = self.machine.lock();
        if machine.table.is_paused() { Err(WriteError::Paused) } else { Ok(machine) }
    }

    /// Writes `key` as `choose` says after it saw what is there, in one step.
    pub(crate) fn decide<'v, R>(
        &self,
        key: &[u8],
        choose: impl FnOnce(Option<EntryRef<'_>>) -> (Option<Change<'v>>, R),
    ) -> Result<(Option<u64>, R), WriteError> {
        let time = now();
        if !self.judge.load().asks_the_program() {
            let mut machine = self.lock_to_write()?;
            let (change, result) = self.records.read(key, time, choose);
            let written =
                change.and_then(|change| self.write_locked(&mut machine, time, key, change));
            return Ok((written, result));
        }
        let mut tries = prepared::TRIES;
        loop {
            let mut said = prepared::prepare(|| self.records.read(key, time, |_| ()));
            let mut machine = self.lock_to_write()?;
            let look = || self.records.read(key, time, |_| ());
            let ((), same) = prepared::without_asking(&mut said, look);
            tries -= 1;
            if same || tries == 0 {
                let decide = || self.records.read(key, time, choose);
                let ((change, result), _) = prepared::without_asking(&mut said, decide);
                let written =
                    change.and_then(|change| self.write_locked(&mut machine, time, key, change));
                return Ok((written, result));
            }
        }
    }

    /// The machine, with what readers are shown of `key`; no resolver is asked under the lock.
    fn lock_shown(&self, key: &[u8], time: Millis) -> (BellGuard<'_, Machine>, Option<Entry>) {
        if !self.judge.load().asks_the_program() {
            let machine = self.machine.lock();
            return (machine, self.records.get(key, time));
        }
        let mut tries = prepared::TRIES;
        loop {
            let mut said = prepared::prepare(|| self.records.read(key, time, |_| ()));
            let machine = self.machine.lock();
            let (shown, same) = prepared::without_asking(&mut said, || self.records.get(key, time));
            tries -= 1;
            if same || tries == 0 {
                return (machine, shown);
            }
        }
    }

    /// Changes `key` as `choose` says after it saw the machine, in one step.
    pub(crate) fn amend<'v, R>(
        &self,
        key: &[u8],
        choose: impl FnOnce(&Table<ConcurrentStore>, Millis) -> (Option<Change<'v>>, R),
    ) -> Result<(Option<u64>, R), WriteError> {
        let time = now();
        let mut machine = self.lock_to_write()?;
        let (change, result) = choose(&machine.table, time);
        let written = change.and_then(|change| self.write_locked(&mut machine, time, key, change));
        Ok((written, result))
    }

    fn write_locked(
        &self,
        machine: &mut Machine,
        time: Millis,
        key: &[u8],
        change: Change<'_>,
    ) -> Option<u64> {
        let change = self.with_ttl(time, change);
        let Machine { table, links, encoded, .. } = machine;
        let written = table.write(time, key, change)?;
        let value = match change {
            Change::Put { value, .. } => Some(value),
            Change::Delete => None,
        };
        Some(self.send(links, encoded, key, value, &written, None))
    }

    /// Carries out a request of another node, if this one leads.
    pub(crate) fn serve(&self, request: &Request) -> Served {
        let time = now();
        let expires = self.declaration.load().ttl.map(|ttl| time.plus(ttl));
        let (mut machine, shown) = self.lock_shown(&request.key, time);
        let shown = shown.as_ref().map(Entry::as_ref);
        let Machine { table, links, encoded, .. } = &mut *machine;
        match table.serve(time, request, shown, most(&request.key), expires) {
            tombolo_core::Served::Reply(reply) => Served::Reply(reply),
            tombolo_core::Served::Stale => Served::Stale,
            tombolo_core::Served::Known { dot, told, lost } => Served::Done { dot, told, lost },
            tombolo_core::Served::Wrote { written, value, told } => {
                let dot = written.dot;
                let (id, floor) = (request.id, request.floor);
                let kept = told.as_deref().filter(|told| told.len() <= TOLD_BYTES);
                let lost = told.is_some() && kept.is_none();
                let carried = RequestRef { id, floor, told: kept, lost };
                let value = value.as_deref();
                self.send(links, encoded, &request.key, value, &written, Some(carried));
                Served::Done { dot, told, lost: false }
            }
        }
    }

    /// Carries out a serial operation of this node, if it leads: with the number of the write.
    pub(crate) fn serve_here(&self, op: &SerialOp) -> Option<(Option<u64>, Reply)> {
        let time = now();
        let (mut machine, shown) = self.lock_shown(&op.key, time);
        if !machine.table.leads() {
            return None;
        }
        if let Err(refused) = machine.table.quorum() {
            return Some((None, Reply::Refused(refused)));
        }
        let shown = shown.as_ref().map(Entry::as_ref);
        let decision = op.edit.decide(&op.expect, op.tell_previous, shown, most(&op.key));
        let (change, told) = match &decision {
            Decision::Unmet(holds) => return Some((None, Reply::Unmet(holds.clone()))),
            Decision::Refused(refused) => return Some((None, Reply::Refused(refused.clone()))),
            Decision::Nothing => return Some((None, Reply::Done(Done::nothing()))),
            Decision::Delete { told } => (Change::Delete, told),
            Decision::Put { value, expires, told } => {
                (Change::Put { value, expires: *expires }, told)
            }
        };
        let seq = self.write_locked(&mut machine, time, &op.key, change);
        let done = Done { told: told.clone(), ..Done::nothing() };
        Some((seq, Reply::Done(done)))
    }

    /// The change, with the table's own expiry if it has none.
    fn with_ttl<'v>(&self, time: Millis, change: Change<'v>) -> Change<'v> {
        match change {
            Change::Put { value, expires: None } => {
                let expires = self.declaration.load().ttl.map(|ttl| time.plus(ttl));
                Change::Put { value, expires }
            }
            other => other,
        }
    }

    /// Writes the keys that `choose` names, which runs when nobody else can write, so that readers
    /// everywhere see all or nothing. Returns the number of the last write, if there was one.
    pub(crate) fn write_batch<'v, E: From<WriteError>>(
        &self,
        choose: impl FnOnce() -> Result<Vec<(Vec<u8>, Change<'v>)>, E>,
    ) -> Result<Option<u64>, E> {
        let mut machine = self.lock_to_write()?;
        let time = now();
        let mut changes = choose()?;
        for (_, change) in &mut changes {
            *change = self.with_ttl(time, *change);
        }
        let Machine { table, links, .. } = &mut *machine;
        let (mut ops, mut count, mut last) = (Vec::new(), 0, None);
        let each = changes.iter().map(|(key, change)| (&key[..], *change));
        table.write_batch(time, each, |number, written| {
            let Written { dot, stamp, mark, expires, replaces } = *written;
            let (key, change) = &changes[number];
            let value = match change {
                Change::Put { value, .. } => Some(*value),
                Change::Delete => None,
            };
            if !links.is_empty() {
                let entry = EntryRef { dot, stamp, mark, expires, value };
                let op = OpRef { key, entry, replaces, request: None };
                tombolo_wire::encode_op(&mut ops, self.id, &op);
            }
            count += 1;
            last = Some(dot.seq);
        });
        let Some(seq) = last else { return Ok(None) };
        if count > 1 && !links.is_empty() {
            let frames = std::mem::take(&mut ops);
            tombolo_wire::encode_batch(&mut ops, self.id, count, &frames);
        }
        links.iter().for_each(|link| link.send_op(&ops));
        self.note_written(links, seq);
        Ok(Some(seq))
    }

    /// Takes in a batch of `from`: readers see all of it from then on.
    pub(crate) fn take_in_batch(&self, from: Incarnation, ops: &[OpRef<'_>]) -> Arrival {
        let mut machine = self.machine.lock();
        machine.table.set_wall(now());
        machine.table.take_in_batch(from, ops)
    }

    /// Puts what was written on the queue of every link. Returns its number.
    fn send(
        &self,
        links: &[Arc<Link>],
        encoded: &mut Vec<u8>,
        key: &[u8],
        value: Option<&[u8]>,
        written: &Written<'_>,
        request: Option<RequestRef<'_>>,
    ) -> u64 {
        let Written { dot, stamp, mark, expires, replaces } = *written;
        if !links.is_empty() {
            encoded.clear();
            let entry = EntryRef { dot, stamp, mark, expires, value };
            tombolo_wire::encode_op(encoded, self.id, &OpRef { key, entry, replaces, request });
            for link in links {
                link.send_op(encoded);
            }
            if encoded.capacity() > KEPT_CAPACITY {
                *encoded = Vec::new();
            }
        }
        self.note_written(links, dot.seq);
        dot.seq
    }

    /// `seq` is our last write; these links are to acknowledge it.
    fn note_written(&self, links: &[Arc<Link>], seq: u64) {
        self.written.store(seq, Ordering::Release);
        if links.is_empty() && !self.mesh.has_ended() {
            self.acked.store(seq, Ordering::Release);
        }
    }

    /// Writes the outcome of a conflict, if the key still holds it.
    pub(crate) fn conclude(&self, ripe: &Ripe, conclusion: Conclusion<'_>) {
        let mut machine = self.machine.lock();
        let Machine { table, links, encoded, .. } = &mut *machine;
        let value = match conclusion {
            Conclusion::Value { value, .. } => Some(value),
            Conclusion::Delete => None,
        };
        if let Some(written) = table.conclude(now(), ripe, conclusion) {
            self.send(links, encoded, &ripe.key, value, &written, None);
        }
    }

    /// This island's word counts for these keys.
    pub(crate) fn overrule(&self, lone: &[Lone]) {
        let mut machine = self.machine.lock();
        let Machine { table, links, encoded, .. } = &mut *machine;
        for Lone { key, writes } in lone {
            if let Some((written, shown)) = table.overrule(now(), key, writes) {
                let value = shown.as_ref().and_then(|entry| entry.value.as_deref());
                self.send(links, encoded, key, value, &written, None);
            }
        }
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

    /// Wakes whoever waits, to see that the node has ended.
    pub(crate) fn release_all(&self) {
        self.for_all.release_all();
        self.for_some.release_all();
    }
}
