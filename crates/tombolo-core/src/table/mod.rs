//! One replicated table, a machine of its own.

mod answer;
mod ask;
mod batch;
mod contact;
mod feed;
mod ledger;
mod noting;
mod owners;
mod parked;
mod pause;
mod preview;
mod serial;
mod siblings;
mod snapshot;
mod stable;

pub use answer::Answered;
pub use ask::{Aim, Checkpoint, Finished, Progress, SyncReport};
pub use contact::Contact;
pub use feed::{ChangeKind, KeyChange, TooOld};
pub use ledger::{Conflict, Ledger, Outcome};
pub use parked::Parked;
pub use preview::{Lone, Preview};
pub use serial::Served;
pub use siblings::{Conclusion, Ripe, Undecided};
pub use snapshot::Replayed;

use crate::clock::{Clock, Dot, Origins, VersionVector};
use crate::declaration::{Declaration, Epochs};
use crate::entry::{Change, Entry, EntryRef, Mark};
use crate::id::Incarnation;
use crate::message::OpRef;
use crate::store::Store;
use crate::time::{Millis, Stamp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use answer::Scan;
use ask::Asking;
use batch::Batches;
use feed::Feed;
use owners::Owners;
use serial::Serial;
use siblings::Siblings;
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
    /// How many bytes of conflicts the ledger keeps.
    pub ledger_bytes: usize,
    /// How many bytes of changes are kept for those who watch the table, if anybody ever did.
    pub feed_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_drift: 1_000,
            removed_ahead: 10_000,
            chunk_bytes: 32 * 1024,
            ledger_bytes: 1 << 20,
            feed_bytes: 4 << 20,
        }
    }
}

/// A local write, as its op must go to the peers.
#[derive(Debug)]
pub struct Written<'a> {
    /// The write's name.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// How it was made.
    pub mark: Mark,
    /// When it expires.
    pub expires: Option<Millis>,
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
    /// It was not taken in: its stamp lies too far in the future. A sync brings it when the clocks
    /// have come closer.
    Parked,
    /// It was not taken in: the table stands still. A sync brings it when it moves again.
    Paused,
}

/// One replicated table (rules 2 to 11 and 13).
pub struct Table<S> {
    me: Incarnation,
    limits: Limits,
    store: S,
    clock: Clock,
    origins: Origins,
    contacts: BTreeMap<Incarnation, Contact>,
    /// The peers that said where their ops start before ours went to them.
    early: BTreeMap<Incarnation, Contact>,
    scans: BTreeMap<Incarnation, Scan>,
    asks: BTreeMap<Incarnation, Asking>,
    stability: Stability,
    /// Where the tombstones are, to drop them when they are stable.
    tombstones: BTreeMap<Dot, Box<[u8]>>,
    /// The batches that are not stable yet.
    batches: Batches,
    epochs: Epochs,
    /// Whether one event stays of each key (rule 7) in the current epoch.
    last_writer_wins: bool,
    /// The policy, as the ledger shows it.
    policy: Arc<str>,
    siblings: Siblings,
    serial: Serial,
    owners: Owners,
    ledger: Ledger,
    /// What another island wrote alone and is about to be overruled.
    lone: BTreeMap<Dot, Entry>,
    /// The peers that this island's word is being spoken to, and how far each was seen before.
    overruling: BTreeMap<Incarnation, u64>,
    parked: BTreeMap<Incarnation, Parked>,
    /// Whether it stands still.
    paused: bool,
    /// The wall clock, as it was told last.
    wall: Millis,
    /// How many keys hold a value.
    keys: usize,
    /// How many values were ever put with an expiry; without any there is nothing to sweep.
    expiring: usize,
    next_session: u64,
    /// What changes, once somebody watched.
    feed: Option<Box<Feed>>,
    /// Room for the dots that the current step takes away, kept to save an allocation a write.
    gone: Vec<Dot>,
}

impl<S: Store> Table<S> {
    /// An empty table of the process `me`, over `store`.
    pub fn new(
        me: Incarnation,
        store: S,
        limits: Limits,
        declaration: &Declaration,
        epochs: Epochs,
    ) -> Table<S> {
        Table {
            me,
            epochs,
            last_writer_wins: declaration.policy.is_last_writer_wins(),
            policy: declaration.policy.to_string().into(),
            siblings: Siblings::default(),
            serial: Serial::requiring(declaration.quorum),
            owners: Owners::default(),
            ledger: Ledger::new(limits.ledger_bytes),
            lone: BTreeMap::new(),
            overruling: BTreeMap::new(),
            parked: BTreeMap::new(),
            paused: false,
            wall: Millis(0),
            limits,
            store,
            clock: Clock::default(),
            origins: Origins::default(),
            contacts: BTreeMap::new(),
            early: BTreeMap::new(),
            scans: BTreeMap::new(),
            asks: BTreeMap::new(),
            stability: Stability::default(),
            tombstones: BTreeMap::new(),
            batches: Batches::default(),
            keys: 0,
            expiring: 0,
            next_session: 0,
            feed: None,
            gone: Vec::new(),
        }
    }

    /// The table is declared so from now on: what is written here from here on is of the new epoch.
    pub fn adopt(&mut self, declaration: &Declaration, epochs: Epochs) {
        self.last_writer_wins = declaration.policy.is_last_writer_wins();
        self.policy = declaration.policy.to_string().into();
        self.serial.require(declaration.quorum);
        self.epochs = epochs;
        if self.paused {
            // Nothing is removed meanwhile, but readers go by the policy of now.
            self.tell_contested();
        } else {
            self.judge_all_anew();
        }
    }

    /// Another island may have altered the table otherwise at the same time, and lost: its siblings
    /// are judged anew.
    fn judge_all_anew(&mut self) {
        for key in self.siblings.keys() {
            self.judge_anew(&key);
        }
        self.tell_contested();
    }

    /// Removes what events of `key` beat each other by rule 7.
    fn judge_anew(&mut self, key: &[u8]) {
        let mut entries: Vec<Entry> = Vec::new();
        self.store.entries(key, &mut |entry| entries.push(entry.to_entry()));
        entries.sort_by_key(|entry| entry.as_ref().rank());
        let beaten =
            |one: &&Entry| entries.iter().any(|by| self.beats(&by.as_ref(), &one.as_ref()));
        let lost: Vec<Entry> = entries.iter().filter(beaten).cloned().collect();
        let dots: Vec<Dot> = lost.iter().map(|entry| entry.dot).collect();
        if !lost.is_empty() {
            self.note_discarded(key, entries.last().map(Entry::as_ref), lost, false);
            self.merge(key, &dots, None, false);
        }
    }

    /// Whether `one` removes `other` by rule 7.
    fn beats(&self, one: &EntryRef<'_>, other: &EntryRef<'_>) -> bool {
        let (first, last) = (other.mark.epoch, one.mark.epoch);
        one.wins_over(other) && self.epochs.last_writer_won(first, last, self.last_writer_wins)
    }

    /// This process.
    pub fn me(&self) -> Incarnation {
        self.me
    }

    /// What the wall clock shows; to be told before ops and pieces of syncs are taken in, which are
    /// refused if they come from too far in the future.
    pub fn set_wall(&mut self, wall: Millis) {
        self.wall = wall;
    }

    /// Writes `key` (rule 2). `None` if there was nothing to delete; then nothing happened.
    ///
    /// The op must be sent to every contact, in the order of the writes.
    pub fn write(&mut self, now: Millis, key: &[u8], change: Change<'_>) -> Option<Written<'_>> {
        self.wall = now;
        let (mut visible, mut kept) = (false, 0);
        let Table { store, gone, owners, epochs, last_writer_wins, .. } = self;
        gone.clear();
        store.entries(key, &mut |entry| {
            let hidden = owners.hide(entry.dot.origin);
            let (first, last) = (entry.mark.epoch, epochs.current());
            if hidden && !epochs.last_writer_won(first, last, *last_writer_wins) {
                // The writer does not see it, so it does not supersede it. What is from an epoch of
                // rule 7 goes all the same: every other node will remove it.
                kept += usize::from(entry.value.is_some());
                return;
            }
            visible |= !hidden && entry.is_visible(now);
            gone.push(entry.dot);
        });
        let (value, expires) = match change {
            Change::Put { value, expires } => (Some(value), expires),
            Change::Delete if visible => (None, None),
            Change::Delete => return None,
        };
        let dot = Dot { origin: self.me, seq: self.origins.seen(self.me) + 1 };
        let stamp = self.clock.next(now);
        let mark = self.current_mark();
        let event = EntryRef { dot, stamp, mark, expires, value };
        // Covered before it is live: what it replaces may be the writer's own, and the own prefix
        // has no holes.
        self.substitute(key, kept, self.to_keep(event));
        self.origins.advance(self.me, dot.seq);
        Some(Written { dot, stamp, mark, expires, replaces: &self.gone })
    }

    /// How a write is marked that nobody but a client wants.
    fn current_mark(&self) -> Mark {
        Mark { epoch: self.epochs.current(), outcome: false }
    }

    /// Takes in an op of the linked peer `from` (rule 3).
    pub fn take_in(&mut self, from: Incarnation, op: &OpRef<'_>) -> Arrival {
        if self.paused {
            return Arrival::Paused;
        }
        if self.is_ahead(op.entry.stamp) {
            self.park(from, op.entry.stamp);
            return Arrival::Parked;
        }
        self.clock.observe(op.entry.stamp);
        let seq = op.entry.dot.seq;
        let seen = self.origins.seen(from);
        let Some(contact) = self.contacts.get_mut(&from) else {
            return Arrival::Gap;
        };
        let known = seq <= seen || contact.has_applied(seq);
        contact.on_op(seq);
        if !known {
            if let Some(request) = &op.request {
                self.note_request(request, op.entry.dot);
            }
            self.note_overruled(op);
            if !self.ledger.is_empty() {
                op.replaces.iter().for_each(|dot| self.ledger.retract(*dot));
            }
            self.merge(op.key, op.replaces, Some(op.entry), true);
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
        let early = self.early.remove(&peer);
        self.contacts.insert(peer, early.unwrap_or_default().starting_at(base));
        base
    }

    /// Whether our ops go to `peer`.
    pub fn is_attached(&self, peer: Incarnation) -> bool {
        self.contacts.contains_key(&peer)
    }

    /// `peer` says where its ops on the link start.
    pub fn on_attach(&mut self, peer: Incarnation, seq: u64) -> Arrival {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            self.early.entry(peer).or_default().on_attach(seq);
            return Arrival::InOrder;
        };
        let dropped = contact.on_attach(seq);
        self.join_arrivals(peer);
        if dropped && self.origins.seen(peer) < seq { Arrival::Gap } else { Arrival::InOrder }
    }

    /// The link to `peer` is gone: what depends on it is forgotten. What arrived stays, and so does
    /// what was reported: `seen` never shrinks, and a report counts by what it covers.
    pub fn detach(&mut self, peer: Incarnation) {
        self.contacts.remove(&peer);
        self.early.remove(&peer);
        self.overruling.remove(&peer);
        if self.overruling.is_empty() {
            self.lone.clear();
        }
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

    /// What of `seen` moved since the last call: what is to be reported.
    pub fn take_news(&mut self) -> VersionVector {
        self.origins.take_news()
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
        self.keys
    }

    /// Whether no key holds a value.
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// What merges discarded, or could not decide.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
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

    /// Whether events of an epoch remove some of those before them (rule 7).
    fn removes_older(&self, epoch: u8) -> bool {
        self.epochs.last_writer_won(0, epoch, self.last_writer_wins)
    }

    /// Whether something that `key` holds would remove `new` by rule 7.
    fn is_beaten(&self, key: &[u8], new: &EntryRef<'_>) -> bool {
        let mut beaten = false;
        self.store.entries(key, &mut |entry| beaten |= self.beats(&entry, new));
        beaten
    }

    /// The event as it is kept: a delete is remembered only by rule 7.
    fn to_keep<'a>(&self, event: EntryRef<'a>) -> Option<EntryRef<'a>> {
        let keeps = event.value.is_some() || self.removes_older(event.mark.epoch);
        keeps.then_some(event)
    }

    /// Removes `replaces` from `key` and puts `new`, if the table lets it in; one step for readers.
    /// `exact`: these are the very dots that the writer of `new` superseded.
    fn merge(&mut self, key: &[u8], replaces: &[Dot], new: Option<EntryRef<'_>>, exact: bool) {
        let new = new.filter(|event| !self.origins.refuses(event.dot));
        let banned = new.filter(|event| self.owners.refuse(event.dot.origin));
        if let Some(event) = banned {
            self.origins.remember_removed(event.dot);
        }
        let new = new.filter(|_| banned.is_none());
        let put = new.and_then(|event| self.to_keep(event));
        let outcome = exact && new.is_some_and(|event| event.mark.outcome);
        let (mut kept, mut beaten_by) = (0, None);
        let mut lost: Vec<Entry> = Vec::new();
        let Table { store, gone, epochs, last_writer_wins, .. } = self;
        let beats = |one: &EntryRef<'_>, other: &EntryRef<'_>| {
            one.wins_over(other)
                && epochs.last_writer_won(other.mark.epoch, one.mark.epoch, *last_writer_wins)
        };
        gone.clear();
        store.entries(key, &mut |entry| {
            let replaced = replaces.contains(&entry.dot);
            let loses = put.is_some_and(|event| beats(&event, &entry));
            if replaced || loses {
                gone.push(entry.dot);
                // What the writer saw was overwritten. What it had not seen is discarded, and so
                // is what an outcome takes the place of.
                if !replaced || outcome {
                    lost.push(entry.to_entry());
                }
                return;
            }
            kept += usize::from(entry.value.is_some());
            if put.is_some_and(|event| beats(&entry, &event)) {
                beaten_by = Some(entry.to_entry());
            }
        });
        for dot in replaces.iter().filter(|dot| !gone.contains(dot)) {
            self.origins.remember_removed(*dot);
        }
        if let (Some(by), Some(event)) = (&beaten_by, put) {
            // Rule 7: the older of two events is removed, here the one that just came.
            self.origins.remember_removed(event.dot);
            self.note_discarded(key, Some(by.as_ref()), vec![event.to_entry()], false);
        }
        if !lost.is_empty() {
            self.note_discarded(key, new, lost, outcome);
        }
        self.substitute(key, kept, put.filter(|_| beaten_by.is_none()));
    }

    /// Takes `self.gone` from `key` and adds `new`, in the store and in all that counts dots. So
    /// many values of the key stay.
    fn substitute(&mut self, key: &[u8], kept: usize, new: Option<EntryRef<'_>>) {
        if self.gone.is_empty() && new.is_none() {
            return;
        }
        let change = self.foresee(key, &self.gone, new);
        let mut before = kept;
        for dot in &self.gone {
            let was_value = self.tombstones.is_empty() || self.tombstones.remove(dot).is_none();
            before += usize::from(was_value);
            self.origins.bury(*dot, was_value);
        }
        let mut after = kept;
        if let Some(entry) = new {
            let is_value = entry.value.is_some();
            self.origins.enliven(entry.dot, is_value);
            self.clock.observe(entry.stamp);
            if is_value {
                after += 1;
                self.expiring += usize::from(entry.expires.is_some());
            } else {
                self.tombstones.insert(entry.dot, key.into());
            }
        }
        self.recount(key, before, after);
        self.store.replace(key, &self.gone, new);
        self.tell(change);
    }

    /// `key` held so many values, and holds so many now.
    fn recount(&mut self, key: &[u8], before: usize, after: usize) {
        self.keys = self.keys + usize::from(after > 0) - usize::from(before > 0);
        if (before > 1 || after > 1) && self.siblings.count(key, after) {
            self.ledger.settle(key, self.wall);
        }
    }
}
