//! The asking side of a sync (rules 4a, and what the asker does with 4b to 4d).

use super::Table;
use crate::clock::{Dot, DotSet, Dots, VersionVector};
use crate::id::Incarnation;
use crate::message::{Chunk, ChunkKey, LiveSet, SyncBody};
use crate::store::Store;
use crate::time::{Millis, Stamp};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A question under way.
pub(super) struct Asking {
    session: u64,
    /// When something of the answer came last.
    heard: Millis,
    /// S, once the answer has begun.
    seen: Option<VersionVector>,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finished {
    /// Nothing is to be finished with that peer.
    Nothing,
    /// Some keys were walked.
    Walked,
    /// The sync is complete: `seen` includes what the peer's was at its capture.
    Complete,
}

impl<S: Store> Table<S> {
    /// Opens a sync with `peer`, in place of one that may be under way.
    pub fn ask(&mut self, peer: Incarnation, now: Millis) -> (u64, SyncBody) {
        self.next_session += 1;
        let session = self.next_session;
        self.asks.insert(peer, Asking { session, heard: now, seen: None, finish: None });
        let ask = SyncBody::Ask {
            seen: self.origins.seen_vector(),
            live_beyond: self.origins.live_beyond_seen(),
            sums: self.origins.sums(),
        };
        (session, ask)
    }

    /// Whether a sync with `peer` is open, and since when nothing of it was heard.
    pub fn asking(&self, peer: Incarnation) -> Option<Millis> {
        self.asks.get(&peer).map(|asking| asking.heard)
    }

    /// Gives up the sync with `peer`: what arrived stays, and `seen` has not moved (4e).
    pub fn abandon(&mut self, peer: Incarnation) {
        self.asks.remove(&peer);
    }

    /// `peer` began to answer: its `seen` and its clock at the capture.
    pub fn on_begin(
        &mut self,
        peer: Incarnation,
        session: u64,
        seen: VersionVector,
        clock: Stamp,
        now: Millis,
    ) {
        self.clock.observe(clock);
        if let Some(asking) = self.asks.get_mut(&peer).filter(|asking| asking.session == session) {
            asking.heard = now;
            asking.seen = Some(seen);
        }
    }

    /// A piece of `peer`'s walk.
    pub fn on_chunk(&mut self, peer: Incarnation, session: u64, chunk: &Chunk, now: Millis) {
        let Some(asking) = self.asks.get_mut(&peer).filter(|asking| asking.session == session)
        else {
            return;
        };
        asking.heard = now;
        let Some(mut seen) = asking.seen.clone() else {
            return;
        };
        seen.join(&chunk.seen_since);
        for key in &chunk.keys {
            self.absorb(key, &seen);
        }
    }

    /// What one key holds at the answerer, whose `seen` at that moment was `seen`: what it has not
    /// listed of what it has seen is gone there, and goes here in the same step.
    fn absorb(&mut self, found: &ChunkKey, seen: &VersionVector) {
        let mut dead = Vec::new();
        self.store.entries(&found.key, &mut |entry| {
            if seen.covers(entry.dot) && !found.live.contains(&entry.dot) {
                dead.push(entry.dot);
            }
        });
        for entry in &found.entries {
            self.merge(&found.key, &dead, Some(entry.as_ref()));
        }
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
        let (Some(seen), Some(finish)) = (&asking.seen, &mut asking.finish) else {
            self.asks.insert(peer, asking);
            return Finished::Nothing;
        };
        if finish.dead.is_empty() || finish.bucket == self.store.buckets() {
            finish.dead = self.dead(seen, &finish.live, &finish.removed_ahead);
            finish.bucket = 0;
        }
        if !finish.dead.is_empty() {
            self.bury_bucket(finish);
            self.asks.insert(peer, asking);
            return Finished::Walked;
        }
        for dot in &finish.removed_ahead {
            self.origins.remember_removed(*dot);
        }
        // Only this process says how far its own writes go.
        for (origin, seq) in seen.iter().filter(|(origin, _)| *origin != self.me) {
            self.origins.advance(origin, seq);
        }
        let linked: Vec<Incarnation> = self.contacts.keys().copied().collect();
        for peer in linked {
            self.join_arrivals(peer);
        }
        Finished::Complete
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

    /// Removes what is dead from the next bucket.
    fn bury_bucket(&mut self, finish: &mut Finish) {
        let mut found: Vec<(Box<[u8]>, Dot, bool)> = Vec::new();
        self.store.visit(finish.bucket, &mut |key, entry| {
            let dot = entry.dot;
            if finish.dead.get(&dot.origin).is_some_and(|dead| dead.contains(dot.seq)) {
                found.push((key.into(), dot, entry.expires.is_some()));
            }
        });
        finish.bucket += 1;
        for (key, dot, expires) in found {
            if expires {
                // It expired there, and what is older must not be shown in its place.
                self.entomb(&key, dot);
            } else {
                self.merge(&key, &[dot], None);
            }
            let dead = finish.dead.get_mut(&dot.origin).expect("the dot was found in it");
            dead.remove(dot.seq);
            if dead.is_empty() {
                finish.dead.remove(&dot.origin);
            }
        }
    }
}
