//! The answering side of a sync (rules 4b to 4d).

use super::Table;
use crate::clock::{Dots, VersionVector};
use crate::entry::EntryRef;
use crate::id::Incarnation;
use crate::message::{Chunk, ChunkKey, LiveSet, SyncBody};
use crate::store::Store;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// An answer under way.
pub(super) struct Scan {
    session: u64,
    asker: Lacks,
    /// The answerer's `seen` at the capture.
    seen: VersionVector,
    /// What `Done` will say, as it was at the capture.
    done: SyncBody,
    /// The next bucket to walk.
    bucket: u32,
    buckets: u32,
    /// Keys of walked buckets that hold something the asker lacks.
    todo: Vec<Box<[u8]>>,
}

/// What the asker said it has.
struct Lacks {
    seen: VersionVector,
    live_beyond: Dots,
}

impl Lacks {
    fn lacks(&self, entry: &EntryRef<'_>) -> bool {
        let dot = entry.dot;
        !self.seen.covers(dot)
            && !self.live_beyond.get(&dot.origin).is_some_and(|live| live.contains(dot.seq))
    }
}

/// What one step of an answer brought.
#[derive(PartialEq, Debug)]
pub enum Answered {
    /// No answer to that peer is under way.
    Nothing,
    /// Some keys were walked; nothing to send yet.
    Walked,
    /// To be sent to the asker under this session number.
    Send(u64, SyncBody),
}

impl<S: Store> Table<S> {
    /// `peer` asks: captures what the answer speaks of, in one step, and returns its beginning.
    /// An older answer to the same peer is dropped.
    pub fn answer(
        &mut self,
        peer: Incarnation,
        session: u64,
        seen: VersionVector,
        live_beyond: Dots,
        sums: &BTreeMap<Incarnation, u64>,
    ) -> SyncBody {
        let mine = self.origins.seen_vector();
        let differs = |origin: &Incarnation| {
            let theirs = sums.get(origin).copied().unwrap_or(0);
            seen.reach(*origin) != mine.reach(*origin) || theirs != self.origins.sum(*origin)
        };
        let live = self.origins.iter().filter(differs).map(|origin| LiveSet {
            origin,
            live: self.origins.live(origin).cloned().unwrap_or_default(),
        });
        let done =
            SyncBody::Done { live: live.collect(), removed_ahead: self.origins.removed_ahead() };
        let nothing_to_send = seen.includes(&mine) && self.origins.live_beyond_seen().is_empty();
        let buckets = self.store.buckets();
        let scan = Scan {
            session,
            asker: Lacks { seen, live_beyond },
            seen: mine.clone(),
            done,
            bucket: if nothing_to_send { buckets } else { 0 },
            buckets,
            todo: Vec::new(),
        };
        self.scans.insert(peer, scan);
        SyncBody::Begin { seen: mine, clock: self.clock.last() }
    }

    /// Whether an answer to `peer` is under way.
    pub fn is_answering(&self, peer: Incarnation) -> bool {
        self.scans.contains_key(&peer)
    }

    /// Does a bounded piece of the answer to `peer`: walks one bucket, or fills one chunk.
    pub fn answer_step(&mut self, peer: Incarnation) -> Answered {
        let Some(scan) = self.scans.get_mut(&peer) else {
            return Answered::Nothing;
        };
        if !scan.todo.is_empty() {
            let session = scan.session;
            return match self.chunk(peer) {
                Some(chunk) => Answered::Send(session, SyncBody::Chunk(chunk)),
                None => Answered::Walked,
            };
        }
        if scan.bucket < scan.buckets {
            let Scan { asker, todo, bucket, .. } = scan;
            self.store.visit(*bucket, &mut |key, entry| {
                // Entries of one key come one after the other.
                if asker.lacks(&entry) && todo.last().is_none_or(|last| **last != *key) {
                    todo.push(key.into());
                }
            });
            scan.bucket += 1;
            return Answered::Walked;
        }
        let scan = self.scans.remove(&peer).expect("it was there above");
        Answered::Send(scan.session, scan.done)
    }

    /// What the next keys of the walk hold now: also what is newer than the capture, because a
    /// captured dot that died since is only made up for by what its key holds instead.
    fn chunk(&mut self, peer: Incarnation) -> Option<Chunk> {
        let scan = self.scans.get_mut(&peer)?;
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        while bytes < self.limits.chunk_bytes {
            let Some(key) = scan.todo.pop() else { break };
            let mut found = ChunkKey { key, live: Vec::new(), entries: Vec::new() };
            self.store.entries(&found.key, &mut |entry| {
                found.live.push(entry.dot);
                if scan.asker.lacks(&entry) {
                    found.entries.push(entry.to_entry());
                }
            });
            if !found.entries.is_empty() {
                let values = found.entries.iter().map(|entry| entry.value.as_deref());
                bytes += found.key.len() + 64;
                bytes += values.flatten().map(<[u8]>::len).sum::<usize>();
                chunk.keys.push(found);
            }
        }
        chunk.seen_since = self.origins.seen_vector().beyond(&scan.seen);
        (!chunk.keys.is_empty()).then_some(chunk)
    }
}
