//! The asking side of a sync (rules 4a, and what the asker does with 4b to 4d).

use super::{Lone, Preview, Table};
use crate::clock::{Dot, DotSet, Dots, VersionVector, digest_part};
use crate::id::Incarnation;
use crate::message::{Ask, Begin, Chunk, ChunkKey, LiveSet, Purpose, Rest, SyncBody};
use crate::store::Store;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What a question is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// To join what the two have.
    Join,
    /// To take over one part of what the peer has, before asking for all that is left.
    Fill {
        /// Which part.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// To see what a join would do.
    Look,
    /// To find what the peer did alone, so that this island's word overrules it.
    Overrule,
}

impl Aim {
    fn purpose(self) -> Purpose {
        match self {
            Aim::Join => Purpose::Join,
            Aim::Fill { index, of } => Purpose::Fill { index, of },
            Aim::Look | Aim::Overrule => Purpose::Look,
        }
    }
}

/// How far an answer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// How many entries the answerer said that it will send.
    pub expected: u64,
    /// How many came.
    pub received: u64,
    /// Since when the question is open.
    pub since: Millis,
}

/// The steps of a sync at the asker, each of which may be its last if the link breaks or one of
/// the two ends. Whatever came up to there stays, and nothing is claimed before the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Checkpoint {
    /// The question is on its way.
    Asked,
    /// The answerer said what it had seen when it began to answer.
    Begun,
    /// Some of the entries came.
    Receiving,
    /// All of them came, and what the answerer has that is live; nothing was removed yet.
    Ended,
    /// What is dead at the answerer is being removed.
    Removing,
    /// No sync is open: it is complete, or was given up.
    Closed,
}

/// What a sync brought, and what it took away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SyncReport {
    /// How many entries came.
    pub brought: u64,
    /// How many values here were gone at the peer, and went.
    pub removed: u64,
    /// How many keys hold siblings because of it.
    pub conflicts: u64,
}

/// A question under way.
pub(super) struct Asking {
    session: u64,
    aim: Aim,
    /// When something of the answer came last.
    heard: Millis,
    /// `seen` when the question was asked: the answer speaks of what differs from it.
    asked: VersionVector,
    /// S, once the answer has begun.
    seen: Option<VersionVector>,
    progress: Progress,
    report: SyncReport,
    preview: Preview,
    /// What a look has told of already, so that its end does not count it again.
    told: BTreeSet<Dot>,
    /// Something of the answer was refused because it comes from too far in the future: the answer
    /// must not be claimed to be taken in.
    parked: bool,
    finish: Option<Finish>,
}

/// What `Done` brought, while it is being applied.
struct Finish {
    live: Vec<LiveSet>,
    removed_ahead: Vec<Dot>,
    /// The dots that are to be removed and were live when this round of the walk began.
    dead: Dots,
    bucket: u32,
}

/// What one step of the end of a sync brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finished {
    /// Nothing is to be finished with that peer.
    Nothing,
    /// Some keys were walked.
    Walked,
    /// The sync is complete: `seen` includes what the peer's was at its capture.
    Complete(SyncReport),
    /// A part of the peer's table is here.
    Filled(SyncReport),
    /// What a join would do.
    Looked(Preview),
    /// Keys that the peer deleted alone.
    Lone(Vec<Lone>),
    /// All that the peer did alone was told.
    Overruled,
}

/// Up to how many origins a question names all of them.
const ORIGINS_NAMED: usize = 256;

impl<S: Store> Table<S> {
    /// Opens a sync with `peer`, in place of one that may be under way. If there are many origins,
    /// those that are gone for good are summed up, but for the parts that are to be `whole`.
    pub fn ask(
        &mut self,
        peer: Incarnation,
        aim: Aim,
        whole: Vec<u8>,
        now: Millis,
    ) -> (u64, SyncBody) {
        self.next_session += 1;
        if aim == Aim::Overrule {
            let seen = self.origins.seen(peer);
            self.overruling.entry(peer).or_insert(seen);
        }
        let session = self.next_session;
        let asked = self.origins.seen_vector();
        let live_beyond = self.origins.live_beyond_seen();
        let mut ask = Ask {
            seen: asked.clone(),
            rest: None,
            live_beyond,
            sums: self.origins.sums(),
            purpose: aim.purpose(),
        };
        if self.origins.len() > ORIGINS_NAMED {
            let named = |origin: Incarnation| {
                origin == self.me
                    || origin == peer
                    || self.stability.is_member(origin)
                    || ask.live_beyond.contains_key(&origin)
                    || whole.contains(&(digest_part(origin) as u8))
            };
            ask.seen = asked.iter().filter(|(origin, _)| named(*origin)).collect();
            // Of what has no reach the answerer cannot see that it is named.
            let sums = self.origins.digest(|origin| origin == peer || ask.seen.reach(origin) > 0);
            ask.sums.retain(|origin, _| ask.seen.reach(*origin) > 0);
            ask.rest = Some(Rest { whole, sums });
        }
        let asking = Asking {
            session,
            aim,
            heard: now,
            asked,
            seen: None,
            progress: Progress { since: now, ..Progress::default() },
            report: SyncReport::default(),
            preview: Preview::default(),
            told: BTreeSet::new(),
            parked: false,
            finish: None,
        };
        self.asks.insert(peer, asking);
        (session, SyncBody::Ask(ask))
    }

    /// Whether a sync with `peer` is open, and since when nothing of it was heard.
    pub fn asking(&self, peer: Incarnation) -> Option<Millis> {
        self.asks.get(&peer).map(|asking| asking.heard)
    }

    /// What the open sync with `peer` is for, if it is that session.
    pub fn aim(&self, peer: Incarnation, session: u64) -> Option<Aim> {
        self.asks.get(&peer).filter(|asking| asking.session == session).map(|asking| asking.aim)
    }

    /// Which step the sync with `peer` has come to.
    pub fn checkpoint(&self, peer: Incarnation) -> Checkpoint {
        match self.asks.get(&peer) {
            None => Checkpoint::Closed,
            Some(Asking { finish: Some(Finish { bucket: 0, .. }), .. }) => Checkpoint::Ended,
            Some(Asking { finish: Some(_), .. }) => Checkpoint::Removing,
            Some(asking) if asking.progress.received > 0 => Checkpoint::Receiving,
            Some(asking) if asking.seen.is_some() => Checkpoint::Begun,
            Some(_) => Checkpoint::Asked,
        }
    }

    /// The syncs that are open, and how far they have come.
    pub fn progress(&self) -> impl Iterator<Item = (Incarnation, Progress)> + '_ {
        let joins = self.asks.iter().filter(|(_, asking)| asking.aim.purpose() != Purpose::Look);
        joins.map(|(peer, asking)| (*peer, asking.progress))
    }

    /// Gives up the sync with `peer`: what arrived stays, and `seen` has not moved (4e).
    pub fn abandon(&mut self, peer: Incarnation) {
        self.asks.remove(&peer);
    }

    /// `peer` began to answer: how its `seen` at the capture differs from ours when we asked, its
    /// clock, and how many entries are to come.
    pub fn on_begin(&mut self, peer: Incarnation, session: u64, begin: &Begin, now: Millis) {
        let ahead = self.is_ahead(begin.clock);
        if ahead {
            self.park(peer, begin.clock);
        } else {
            self.clock.observe(begin.clock);
        }
        if let Some(asking) = self.asks.get_mut(&peer).filter(|asking| asking.session == session) {
            asking.heard = now;
            asking.parked = ahead;
            asking.progress.expected = begin.lacking;
            let seen = asking.asked.with_changes(&begin.seen);
            self.on_report(peer, &seen, begin.fingerprint, now);
            let asking = self.asks.get_mut(&peer).expect("it was there above");
            asking.seen = Some(seen);
        }
    }

    /// A piece of `peer`'s walk. Returns what the peer did alone, if that was asked for.
    pub fn on_chunk(
        &mut self,
        peer: Incarnation,
        session: u64,
        chunk: &Chunk,
        now: Millis,
    ) -> Vec<Lone> {
        let Some(mut asking) = self.asks.remove(&peer) else { return Vec::new() };
        let mut lone = Vec::new();
        if let Some(seen) = asking.seen.as_ref().filter(|_| asking.session == session) {
            asking.heard = now;
            let mut seen = seen.clone();
            seen.join(&chunk.seen_since);
            if asking.aim.purpose() != Purpose::Look {
                self.learn_requests(&chunk.requests);
            }
            let before = self.siblings.len();
            let together = !chunk.batches.is_empty();
            // Of batches all is parked or nothing.
            let mut entries = chunk.keys.iter().flat_map(|key| &key.entries);
            let parked = together && entries.any(|entry| self.is_ahead(entry.stamp));
            let mut replaced: BTreeMap<usize, Vec<Dot>> = BTreeMap::new();
            for (number, dots) in chunk.batches.iter().flat_map(|batch| &batch.keys) {
                replaced.entry(*number as usize).or_default().extend(dots);
            }
            if together {
                self.store.begin();
            }
            for (number, key) in chunk.keys.iter().enumerate() {
                asking.progress.received += key.entries.len() as u64;
                if let Some(entry) = key.entries.iter().find(|entry| self.is_ahead(entry.stamp)) {
                    self.park(entry.dot.origin, entry.stamp);
                    asking.parked = true;
                    continue;
                }
                if parked {
                    continue;
                }
                match asking.aim {
                    Aim::Join | Aim::Fill { .. } => {
                        asking.report.brought += key.entries.len() as u64;
                        let replaced = replaced.get(&number).map_or(&[][..], Vec::as_slice);
                        asking.report.removed += self.absorb(key, replaced, &seen);
                    }
                    Aim::Look => {
                        asking.told.extend(self.look_at(key, &seen, &mut asking.preview));
                    }
                    Aim::Overrule => lone.extend(self.lone(key)),
                }
            }
            if together {
                self.store.commit();
            }
            if !parked {
                self.remember_batches(chunk);
            }
            let conflicts = self.siblings.len().saturating_sub(before);
            asking.report.conflicts += conflicts as u64;
        }
        self.asks.insert(peer, asking);
        lone
    }

    /// What one key holds at the answerer, whose `seen` at that moment was `seen`: what it has not
    /// listed of what it has seen is gone there, and goes here in the same step, and so does what
    /// batches `replaced`. Returns how much went.
    fn absorb(&mut self, found: &ChunkKey, replaced: &[Dot], seen: &VersionVector) -> u64 {
        let mut dead = Vec::new();
        let all_known = found.entries.is_empty();
        self.store.entries(&found.key, &mut |entry| {
            let listed = found.lists(entry.dot);
            let gone = seen.covers(entry.dot) && !listed || replaced.contains(&entry.dot);
            // As at the end of a sync, tombstones are left to stability if nothing newer comes.
            if gone && !(all_known && entry.value.is_none()) {
                dead.push((entry.dot, entry.expires.is_some()));
            }
        });
        let removed = dead.len() as u64;
        if all_known {
            // A key of a batch that the batch deleted, or of which nothing is lacked here.
            dead.iter().for_each(|(dot, expires)| self.bury_found(&found.key, *dot, *expires));
        } else {
            let dead: Vec<Dot> = dead.into_iter().map(|(dot, _)| dot).collect();
            for entry in &found.entries {
                self.merge(&found.key, &dead, Some(entry.as_ref()), false);
            }
        }
        for dot in replaced {
            if !self.origins.refuses(*dot) {
                self.origins.remember_removed(*dot);
            }
        }
        removed
    }

    /// The answer of `peer` is at its end; [`Table::finish_step`] applies it.
    pub fn on_done(
        &mut self,
        peer: Incarnation,
        session: u64,
        live: Vec<LiveSet>,
        removed_ahead: Vec<Dot>,
        now: Millis,
    ) {
        if let Some(asking) = self.asks.get_mut(&peer).filter(|asking| asking.session == session) {
            asking.heard = now;
            if asking.parked {
                // It stays open until it is asked for again: the clocks need the time.
                return;
            }
            // The first step finds no dead dots yet, so it looks for them.
            asking.finish = Some(Finish { live, removed_ahead, dead: Dots::new(), bucket: 0 });
        }
    }

    /// Whether the end of a sync with `peer` is being applied.
    pub fn is_finishing(&self, peer: Incarnation) -> bool {
        self.asks.get(&peer).is_some_and(|asking| asking.finish.is_some())
    }

    /// Does a bounded piece of the end of the sync with `peer`. `seen` moves last, in a step that
    /// finds nothing more to remove, so until then a broken sync has claimed nothing.
    pub fn finish_step(&mut self, peer: Incarnation) -> Finished {
        let Some(mut asking) = self.asks.remove(&peer) else {
            return Finished::Nothing;
        };
        let aim = asking.aim;
        let (Some(seen), Some(finish)) = (&asking.seen, &mut asking.finish) else {
            self.asks.insert(peer, asking);
            return Finished::Nothing;
        };
        let joins = aim == Aim::Join;
        if let Aim::Fill { .. } = aim {
            return Finished::Filled(asking.report);
        }
        let fresh = finish.bucket == 0 && finish.dead.is_empty();
        if fresh || joins && (finish.dead.is_empty() || finish.bucket == self.store.buckets()) {
            finish.dead = self.dead(seen, &finish.live, &finish.removed_ahead);
            finish.bucket = 0;
        }
        if !finish.dead.is_empty() && finish.bucket < self.store.buckets() {
            let found = self.find_dead(finish);
            let (mut lone, mut counted) = (Vec::new(), None);
            let dead: BTreeSet<Dot> = found.iter().map(|(_, dot, _)| *dot).collect();
            for (key, dot, expires) in found {
                match aim {
                    Aim::Join => {
                        asking.report.removed += 1;
                        self.bury_found(&key, dot, expires);
                    }
                    Aim::Overrule => lone.push(Lone { key, writes: Vec::new() }),
                    _ if asking.told.contains(&dot) || !self.dies(&key, &dead) => {}
                    // Siblings that all go are one key.
                    _ if counted.as_ref() == Some(&key) => {}
                    _ => {
                        asking.preview.delete(&key);
                        counted = Some(key);
                    }
                }
            }
            self.asks.insert(peer, asking);
            return if aim == Aim::Overrule { Finished::Lone(lone) } else { Finished::Walked };
        }
        match aim {
            Aim::Look => Finished::Looked(asking.preview),
            Aim::Overrule => {
                self.lone.clear();
                self.overruling.remove(&peer);
                Finished::Overruled
            }
            _ => {
                let (seen, finish) = (asking.seen.unwrap_or_default(), asking.finish);
                self.claim(&seen, finish.map_or(Vec::new(), |finish| finish.removed_ahead));
                Finished::Complete(asking.report)
            }
        }
    }

    /// The end of a sync: what the answerer had seen, this table has seen.
    fn claim(&mut self, seen: &VersionVector, removed_ahead: Vec<Dot>) {
        for dot in removed_ahead {
            self.origins.remember_removed(dot);
        }
        // Only this process says how far its own writes go.
        for (origin, seq) in seen.iter().filter(|(origin, _)| *origin != self.me) {
            self.origins.advance(origin, seq);
        }
        let linked: Vec<Incarnation> = self.contacts.keys().copied().collect();
        for peer in linked {
            self.join_arrivals(peer);
        }
    }

    /// The live dots that the answer says are dead: covered by S and not live at the capture, or
    /// removed ahead there. Computed from the table as it is at this moment (4d).
    ///
    /// Tombstones are left to stability: until `seen` has moved to S, something older than they are
    /// may still arrive, and would be shown.
    fn dead(&self, seen: &VersionVector, live: &[LiveSet], removed_ahead: &[Dot]) -> Dots {
        let mut dead = Dots::new();
        for theirs in live {
            let Some(mine) = self.origins.live(theirs.origin) else {
                continue;
            };
            let mut gone: DotSet = mine - &theirs.live;
            gone.remove_range(seen.reach(theirs.origin).saturating_add(1)..);
            if !gone.is_empty() {
                dead.insert(theirs.origin, gone);
            }
        }
        for dot in removed_ahead {
            if self.origins.live(dot.origin).is_some_and(|live| live.contains(dot.seq)) {
                dead.entry(dot.origin).or_default().insert(dot.seq);
            }
        }
        for (origin, gone) in &mut dead {
            let range = Dot { origin: *origin, seq: 0 }..=Dot { origin: *origin, seq: u64::MAX };
            self.tombstones.range(range).for_each(|(dot, _)| {
                gone.remove(dot.seq);
            });
        }
        dead.retain(|_, gone| !gone.is_empty());
        dead
    }

    /// What is dead in the next bucket: key, dot, whether it expires.
    fn find_dead(&self, finish: &mut Finish) -> Vec<(Box<[u8]>, Dot, bool)> {
        let mut found: Vec<(Box<[u8]>, Dot, bool)> = Vec::new();
        self.store.visit(finish.bucket, &mut |key, entry| {
            let dot = entry.dot;
            if finish.dead.get(&dot.origin).is_some_and(|dead| dead.contains(dot.seq)) {
                found.push((key.into(), dot, entry.expires.is_some()));
            }
        });
        finish.bucket += 1;
        for (_, dot, _) in &found {
            let dead = finish.dead.get_mut(&dot.origin).expect("the dot was found in it");
            dead.remove(dot.seq);
            if dead.is_empty() {
                finish.dead.remove(&dot.origin);
            }
        }
        found
    }

    fn bury_found(&mut self, key: &[u8], dot: Dot, expires: bool) {
        if expires {
            // It expired there, and what is older must not be shown in its place.
            self.expire(key, dot);
        } else {
            self.merge(key, &[dot], None, false);
        }
    }

    /// Whether nothing of `key` would stay here if `dead` went: the key was deleted there.
    fn dies(&self, key: &[u8], dead: &BTreeSet<Dot>) -> bool {
        let mut dies = true;
        self.store.entries(key, &mut |entry| {
            dies &= entry.value.is_none() || dead.contains(&entry.dot);
        });
        dies
    }
}
