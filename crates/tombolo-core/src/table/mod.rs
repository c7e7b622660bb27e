//! One replicated table, a machine of its own.

mod answer;
mod ask;
mod contact;
mod stable;

pub use answer::Answered;
pub use ask::Finished;
pub use contact::Contact;

use crate::clock::{Clock, Dot, Origins, VersionVector};
use crate::entry::{Change, EntryRef};
use crate::id::Incarnation;
use crate::message::OpRef;
use crate::store::Store;
use crate::time::{Millis, Stamp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use answer::Scan;
use ask::Asking;
use stable::Stability;

/// What bounds a table's work and memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How far clocks may differ: an expired record is removed that much later, in milliseconds.
    pub max_drift: u64,
    /// How many dots may be removed ahead before the peers that can fill the gap are asked.
    pub removed_ahead: usize,
    /// How many bytes of keys and values one chunk of a sync carries.
    pub chunk_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_drift: 1_000, removed_ahead: 10_000, chunk_bytes: 64 * 1024 }
    }
}

/// A local write, as its op must go to the peers.
#[derive(Debug)]
pub struct Written<'a> {
    /// The write's name.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// What it supersedes.
    pub replaces: &'a [Dot],
}

/// What became of an op that a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It was taken in, or was known already.
    InOrder,
    /// It was taken in, and something before it is missing: ask the peer for a sync.
    Gap,
}

/// One replicated table (rules 2 to 7, 9 and 13).
pub struct Table<S> {
    me: Incarnation,
    limits: Limits,
    store: S,
    clock: Clock,
    origins: Origins,
    contacts: BTreeMap<Incarnation, Contact>,
    scans: BTreeMap<Incarnation, Scan>,
    asks: BTreeMap<Incarnation, Asking>,
    stability: Stability,
    /// Where the tombstones are, to drop them when they are stable.
    tombstones: BTreeMap<Dot, Box<[u8]>>,
    values: usize,
    /// How many values were ever put with an expiry; without any there is nothing to sweep.
    expiring: usize,
    next_session: u64,
    /// Room for the dots that the current step takes away, kept to save an allocation a write.
    gone: Vec<Dot>,
}

impl<S: Store> Table<S> {
    /// An empty table of the process `me`, over `store`.
    pub fn new(me: Incarnation, store: S, limits: Limits) -> Table<S> {
        Table {
            me,
            limits,
            store,
            clock: Clock::default(),
            origins: Origins::default(),
            contacts: BTreeMap::new(),
            scans: BTreeMap::new(),
            asks: BTreeMap::new(),
            stability: Stability::default(),
            tombstones: BTreeMap::new(),
            values: 0,
            expiring: 0,
            next_session: 0,
            gone: Vec::new(),
        }
    }

    /// Writes `key` (rule 2). `None` if there was nothing to delete; then nothing happened.
    ///
    /// The op must be sent to every contact, in the order of the writes.
    pub fn write(&mut self, now: Millis, key: &[u8], change: Change<'_>) -> Option<Written<'_>> {
        let mut visible = false;
        let gone = &mut self.gone;
        gone.clear();
        self.store.entries(key, &mut |entry| {
            visible |= entry.is_visible(now);
            gone.push(entry.dot);
        });
        let (value, expires) = match change {
            Change::Put { value, expires } => (Some(value), expires),
            Change::Delete if visible => (None, None),
            Change::Delete => return None,
        };
        let dot = Dot { origin: self.me, seq: self.origins.seen(self.me) + 1 };
        let stamp = self.clock.next(now);
        // Covered before it is live: what it replaces may be the writer's own, and the own prefix
        // has no holes.
        self.substitute(key, Some(EntryRef { dot, stamp, expires, value }));
        self.origins.advance(self.me, dot.seq);
        Some(Written { dot, stamp, replaces: &self.gone })
    }

    /// Takes in an op of the linked peer `from` (rule 3).
    pub fn take_in(&mut self, from: Incarnation, op: &OpRef<'_>) -> Arrival {
        self.clock.observe(op.entry.stamp);
        let seq = op.entry.dot.seq;
        let seen = self.origins.seen(from);
        let Some(contact) = self.contacts.get_mut(&from) else {
            return Arrival::Gap;
        };
        let known = seq <= seen || contact.has_applied(seq);
        contact.on_op(seq);
        if !known {
            self.merge(op.key, op.replaces, Some(op.entry));
        }
        if self.join_arrivals(from) >= seq { Arrival::InOrder } else { Arrival::Gap }
    }

    /// What to acknowledge to `peer`.
    pub fn ack_for(&mut self, peer: Incarnation) -> Option<u64> {
        self.contacts.get_mut(&peer).map(Contact::ack)
    }

    /// `peer` acknowledged our ops up to `seq`.
    pub fn on_ack(&mut self, peer: Incarnation, seq: u64) {
        // Nobody has what was not written yet, whatever a broken peer says.
        let seq = seq.min(self.last_written());
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.on_ack(seq);
        }
    }

    /// From now on our ops go to `peer`. Returns the number to attach with: our last op that does
    /// not go there.
    pub fn attach(&mut self, peer: Incarnation) -> u64 {
        let base = self.origins.seen(self.me);
        self.contacts.insert(peer, Contact::new(base));
        base
    }

    /// Whether our ops go to `peer`.
    pub fn is_attached(&self, peer: Incarnation) -> bool {
        self.contacts.contains_key(&peer)
    }

    /// `peer` says where its ops on the link start.
    pub fn on_attach(&mut self, peer: Incarnation, seq: u64) -> Arrival {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return Arrival::Gap;
        };
        let dropped = contact.on_attach(seq);
        self.join_arrivals(peer);
        if dropped && self.origins.seen(peer) < seq { Arrival::Gap } else { Arrival::InOrder }
    }

    /// The link to `peer` is gone: what depends on it is forgotten. What arrived stays, and so does
    /// what was reported: `seen` never shrinks, and a report counts by what it covers.
    pub fn detach(&mut self, peer: Incarnation) {
        self.contacts.remove(&peer);
        self.scans.remove(&peer);
        self.asks.remove(&peer);
    }

    /// Our last write.
    pub fn last_written(&self) -> u64 {
        self.origins.seen(self.me)
    }

    /// The links that carry the table, with how far each acknowledged.
    pub fn contacts(&self) -> impl Iterator<Item = (Incarnation, &Contact)> {
        self.contacts.iter().map(|(peer, contact)| (*peer, contact))
    }

    /// How far every link has acknowledged our ops; our last write if there is no link.
    pub fn acked_by_all(&self) -> u64 {
        let acked = self.contacts.values().map(Contact::acked);
        acked.min().unwrap_or_else(|| self.last_written())
    }

    /// The records.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// `seen` of the rules.
    pub fn seen(&self) -> VersionVector {
        self.origins.seen_vector()
    }

    /// How far the dots of `origin` were taken in without a hole.
    pub fn seen_of(&self, origin: Incarnation) -> u64 {
        self.origins.seen(origin)
    }

    /// Per origin: `seen`, live dots, what was removed ahead.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether the op `dot` of a linked peer was taken in, beyond a gap or not.
    pub fn has_taken_in(&self, dot: Dot) -> bool {
        dot.seq <= self.origins.seen(dot.origin)
            || self.contacts.get(&dot.origin).is_some_and(|contact| contact.has_applied(dot.seq))
    }

    /// Equal `seen` and equal fingerprint mean equal tables.
    pub fn fingerprint(&self) -> u64 {
        self.origins.fingerprint()
    }

    /// How many keys hold a value; one that expired counts until it is swept.
    pub fn len(&self) -> usize {
        self.values
    }

    /// Whether no key holds a value.
    pub fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// How many deletes are remembered because they are not yet stable.
    pub fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Advances `seen` by what came in on the link to `peer`; the new reach.
    fn join_arrivals(&mut self, peer: Incarnation) -> u64 {
        let seen = self.origins.seen(peer);
        let reach = self.contacts.get_mut(&peer).map_or(seen, |contact| contact.join_prefix(seen));
        self.origins.advance(peer, reach);
        reach
    }

    /// Removes `replaces` from `key` and puts `new`, if the table lets it in; one step for readers.
    fn merge(&mut self, key: &[u8], replaces: &[Dot], new: Option<EntryRef<'_>>) {
        let new = new.filter(|entry| !self.origins.refuses(entry.dot));
        let mut beaten = false;
        let gone = &mut self.gone;
        gone.clear();
        self.store.entries(key, &mut |entry| {
            let loses = new.is_some_and(|new| new.wins_over(&entry));
            if loses || replaces.contains(&entry.dot) {
                gone.push(entry.dot);
            } else {
                beaten |= new.is_some();
            }
        });
        for dot in replaces.iter().filter(|dot| !gone.contains(dot)) {
            self.origins.remember_removed(*dot);
        }
        if beaten {
            // Rule 7: the older of two events is removed, here the one that just came.
            self.origins.remember_removed(new.expect("only a new event is beaten").dot);
            self.substitute(key, None);
        } else {
            self.substitute(key, new);
        }
    }

    /// Takes `self.gone` from `key` and adds `new`, in the store and in all that counts dots.
    fn substitute(&mut self, key: &[u8], new: Option<EntryRef<'_>>) {
        if self.gone.is_empty() && new.is_none() {
            return;
        }
        for dot in &self.gone {
            let was_value = self.tombstones.remove(dot).is_none();
            self.values -= usize::from(was_value);
            self.origins.bury(*dot, was_value);
        }
        if let Some(entry) = new {
            let is_value = entry.value.is_some();
            self.origins.enliven(entry.dot, is_value);
            self.clock.observe(entry.stamp);
            if is_value {
                self.values += 1;
                self.expiring += usize::from(entry.expires.is_some());
            } else {
                self.tombstones.insert(entry.dot, key.into());
            }
        }
        self.store.replace(key, &self.gone, new);
    }
}
