//! Writing to a table: the change here, and its op on the queue of every link.

use super::{Machine, SharedTable};
use crate::clock::now;
use crate::mesh::link::Link;
use crate::prepared;
use crate::raw::WriteError;
use crate::serial::{SerialOp, most};
use crate::watch::BellGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tombolo_core::{
    Change, Conclusion, Decision, Done, Dot, EntryRef, Lone, Millis, OpRef, Reply, Request,
    RequestRef, Ripe, TOLD_BYTES, Table, TableId, Written,
};
use tombolo_store::{ConcurrentStore, Kept};

/// How many records are written under one hold of the lock.
const HOLD: usize = 64;

/// A buffer for ops that grew beyond this is given back after the ops.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// What became of a request that this node was asked to carry out.
pub(crate) enum Served {
    /// It is carried out by this write, which is to be waited for.
    Done { dot: Dot, told: Option<Arc<[u8]>>, lost: bool },
    /// To be answered at once.
    Reply(Reply),
    /// Nobody waits for it any more.
    Stale,
}

impl SharedTable {
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
            let (change, result) = self.records.read(key, || time, choose);
            let written =
                change.and_then(|change| self.write_locked(&mut machine, time, key, change));
            return Ok((written, result));
        }
        let mut tries = prepared::TRIES;
        loop {
            let mut said = prepared::prepare(|| self.records.read(key, || time, |_| ()));
            let mut machine = self.lock_to_write()?;
            let look = || self.records.read(key, || time, |_| ());
            let ((), same) = prepared::without_asking(&mut said, look);
            tries -= 1;
            if same || tries == 0 {
                let decide = || self.records.read(key, || time, choose);
                let ((change, result), _) = prepared::without_asking(&mut said, decide);
                let written =
                    change.and_then(|change| self.write_locked(&mut machine, time, key, change));
                return Ok((written, result));
            }
        }
    }

    /// The machine, with what readers are shown of `key`; no resolver is asked under the lock.
    fn lock_shown(&self, key: &[u8], time: Millis) -> (BellGuard<'_, Machine>, Option<Kept>) {
        if !self.judge.load().asks_the_program() {
            let machine = self.machine.lock();
            return (machine, self.records.get(key, || time));
        }
        let mut tries = prepared::TRIES;
        loop {
            let mut said = prepared::prepare(|| self.records.read(key, || time, |_| ()));
            let machine = self.machine.lock();
            let (shown, same) =
                prepared::without_asking(&mut said, || self.records.get(key, || time));
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
        let change = machine.with_ttl(time, change);
        let Machine { table, links, outgoing, .. } = machine;
        let written = table.write(time, key, change)?;
        let seq = written.dot.seq;
        outgoing.add(self.id, links, key, value_of(change), &written, None);
        self.send(machine, seq);
        Some(seq)
    }

    /// Writes these records in their order, a few at a time, so that nobody waits long for the
    /// lock. Returns the number of the last write, if there was one.
    pub(crate) fn write_many(
        &self,
        records: &[(&[u8], &[u8])],
        expires: Option<Millis>,
    ) -> Result<Option<u64>, WriteError> {
        let mut last = None;
        for some in records.chunks(HOLD) {
            // What the keys hold is fetched into the cache without the lock.
            self.records.touch(some.iter().map(|(key, _)| *key));
            let mut machine = self.lock_to_write()?;
            let time = now();
            let expires = expires.or_else(|| machine.expires(time));
            let Machine { table, links, outgoing, .. } = &mut *machine;
            for (key, value) in some {
                if let Some(written) = table.write(time, key, Change::Put { value, expires }) {
                    last = Some(written.dot.seq);
                    outgoing.add(self.id, links, key, Some(value), &written, None);
                    outgoing.send_if_large(links);
                }
            }
            if let Some(seq) = last {
                self.send(&mut machine, seq);
            }
        }
        Ok(last)
    }

    /// Carries out a request of another node, if this one leads.
    pub(crate) fn serve(&self, request: &Request) -> Served {
        let time = now();
        let (mut machine, shown) = self.lock_shown(&request.key, time);
        let shown = shown.as_ref().map(Kept::entry);
        let expires = machine.expires(time);
        let Machine { table, links, outgoing, .. } = &mut *machine;
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
                outgoing.add(self.id, links, &request.key, value, &written, Some(carried));
                self.send(&mut machine, dot.seq);
                Served::Done { dot, told, lost: false }
            }
        }
    }

    /// Carries out a serial operation of this node, if it leads: with the number of the write.
    pub(crate) fn serve_here(&self, op: &SerialOp) -> Option<(Option<u64>, Reply)> {
        // Whoever does not lead need not look the key up; asked again, because that took its time.
        if !self.leads() {
            return None;
        }
        let time = now();
        let (mut machine, shown) = self.lock_shown(&op.key, time);
        if !machine.table.leads() {
            return None;
        }
        if let Err(refused) = machine.table.quorum() {
            return Some((None, Reply::Refused(refused)));
        }
        let shown = shown.as_ref().map(Kept::entry);
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
            *change = machine.with_ttl(time, *change);
        }
        let Machine { table, links, outgoing, .. } = &mut *machine;
        let mut last = None;
        let each = changes.iter().map(|(key, change)| (&key[..], *change));
        table.write_batch(time, each, |number, written| {
            let (key, change) = &changes[number];
            outgoing.add(self.id, links, key, value_of(*change), written, None);
            last = Some(written.dot.seq);
        });
        let Some(seq) = last else { return Ok(None) };
        outgoing.wrap_as_batch(self.id);
        self.send(&mut machine, seq);
        Ok(Some(seq))
    }

    /// Puts the ops of what was written, up to `seq`, on the queue of every link.
    fn send(&self, machine: &mut Machine, seq: u64) {
        let Machine { links, outgoing, .. } = machine;
        outgoing.send(links);
        self.written.store(seq, Ordering::Release);
        if links.is_empty() && !self.mesh.has_ended() {
            self.acked.store(seq, Ordering::Release);
        }
    }

    /// Writes the outcome of a conflict, if the key still holds it.
    pub(crate) fn conclude(&self, ripe: &Ripe, conclusion: Conclusion<'_>) {
        let mut machine = self.machine.lock();
        let Machine { table, links, outgoing, .. } = &mut *machine;
        let value = match conclusion {
            Conclusion::Value { value, .. } => Some(value),
            Conclusion::Delete => None,
        };
        if let Some(written) = table.conclude(now(), ripe, conclusion) {
            let seq = written.dot.seq;
            outgoing.add(self.id, links, &ripe.key, value, &written, None);
            self.send(&mut machine, seq);
        }
    }

    /// This island's word counts for these keys.
    pub(crate) fn overrule(&self, lone: &[Lone]) {
        let mut machine = self.machine.lock();
        for Lone { key, writes } in lone {
            let Machine { table, links, outgoing, .. } = &mut *machine;
            if let Some((written, shown)) = table.overrule(now(), key, writes) {
                let value = shown.as_ref().and_then(|entry| entry.value.as_deref());
                let seq = written.dot.seq;
                outgoing.add(self.id, links, key, value, &written, None);
                self.send(&mut machine, seq);
            }
        }
    }
}

/// What a change has a key hold.
fn value_of(change: Change<'_>) -> Option<&[u8]> {
    match change {
        Change::Put { value, .. } => Some(value),
        Change::Delete => None,
    }
}

impl Machine {
    /// When what is written now expires if nothing is said of it.
    fn expires(&self, time: Millis) -> Option<Millis> {
        self.ttl.map(|ttl| time.plus(ttl))
    }

    /// The change, with the table's own expiry if it has none.
    fn with_ttl<'v>(&self, time: Millis, change: Change<'v>) -> Change<'v> {
        match change {
            Change::Put { value, expires: None } => {
                Change::Put { value, expires: self.expires(time) }
            }
            other => other,
        }
    }
}

/// The ops that were written under one hold of the lock, encoded once for all links.
#[derive(Default)]
pub(super) struct Outgoing {
    frames: Vec<u8>,
    count: u32,
}

impl Outgoing {
    fn add(
        &mut self,
        table: TableId,
        links: &[Arc<Link>],
        key: &[u8],
        value: Option<&[u8]>,
        written: &Written<'_>,
        request: Option<RequestRef<'_>>,
    ) {
        if !links.is_empty() {
            let Written { dot, stamp, mark, expires, replaces } = *written;
            let entry = EntryRef { dot, stamp, mark, expires, value };
            let op = OpRef { key, entry, replaces, request };
            tombolo_wire::encode_op(&mut self.frames, table, &op);
            self.count += 1;
        }
    }

    /// Several ops are one frame, that its receivers show as one.
    fn wrap_as_batch(&mut self, table: TableId) {
        if self.count > 1 {
            let frames = std::mem::take(&mut self.frames);
            tombolo_wire::encode_batch(&mut self.frames, table, self.count, &frames);
        }
    }

    /// Large values go out as they are written, so that they do not pile up here.
    fn send_if_large(&mut self, links: &[Arc<Link>]) {
        if self.frames.len() > KEPT_CAPACITY / 4 {
            self.send(links);
        }
    }

    fn send(&mut self, links: &[Arc<Link>]) {
        if self.count > 0 {
            links.iter().for_each(|link| link.data.push_ops(&self.frames, self.count));
        }
        self.count = 0;
        self.frames.clear();
        if self.frames.capacity() > KEPT_CAPACITY {
            self.frames = Vec::new();
        }
    }
}
