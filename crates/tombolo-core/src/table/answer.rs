//! The answering side of a sync (rules 4b to 4d).

use super::Table;
use super::batch::{Batch, Batches};
use crate::clock::{Dot, DotSet, Dots, VersionVector, digest_part};
use crate::entry::EntryRef;
use crate::id::Incarnation;
use crate::message::{
    Ask, Begin, Chunk, ChunkBatch, ChunkKey, LiveSet, Purpose, Rest, SyncBody, part_of,
};
use crate::store::Store;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// An answer under way.
pub(super) struct Scan {
    session: u64,
    purpose: Purpose,
    asker: Lacks,
    /// The answerer's `seen` at the capture.
    seen: VersionVector,
    /// What `Done` will say, as it was at the capture.
    done: SyncBody,
    /// The next bucket to walk.
    bucket: u32,
    buckets: u32,
    /// After how many of the requests that this table has learned of it goes on to tell.
    requests: u64,
    /// Keys of walked buckets that hold something the asker lacks.
    todo: Vec<Box<[u8]>>,
    /// Keys that were sent with a batch, and need not be read again.
    grouped: BTreeSet<Box<[u8]>>,
    /// Whether the batches were gone through whose keys the walk may not have met.
    batches_walked: bool,
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

/// What `key` holds now, with the entries that the asker lacks.
fn read<S: Store>(store: &S, asker: &Lacks, key: &[u8]) -> ChunkKey {
    let mut found = ChunkKey { key: key.into(), others: Vec::new(), entries: Vec::new() };
    store.entries(key, &mut |entry| match asker.lacks(&entry) {
        true => found.entries.push(entry.to_entry()),
        false => found.others.push(entry.dot),
    });
    found
}

fn size(found: &ChunkKey) -> usize {
    let values = found.entries.iter().filter_map(|entry| entry.value.as_deref());
    found.key.len() + 64 + values.map(<[u8]>::len).sum::<usize>()
}

/// How many bytes the keys of batches that hang together may have to be sent as one piece. One
/// batch has at most half of that when it is written.
const GROUP: usize = 8 << 20;

impl Scan {
    /// Whether the asker lacks a batch that wrote `key`, and cares.
    fn lacks_batch_of(&self, batches: &Batches, key: &[u8]) -> bool {
        self.purpose != Purpose::Look
            && batches.of_key(key).any(|batch| !self.asker.seen.covers(batch.last()))
    }

    /// What all keys hold that hang together with the `first` by batches that the asker lacks. They
    /// are read in one step, whether they were sent before or not: since then a batch may have
    /// come that wrote them and keys which the walk comes to later.
    fn group<S: Store>(&mut self, store: &S, batches: &Batches, first: ChunkKey) -> Chunk {
        let mut chunk = Chunk::default();
        let mut bytes = size(&first);
        let mut numbers = BTreeMap::from([(first.key.clone(), 0u32)]);
        let mut lacked: BTreeMap<Dot, &Batch> = BTreeMap::new();
        chunk.keys.push(first);
        let mut next = 0;
        'group: while let Some(found) = chunk.keys.get(next) {
            next += 1;
            let of_key = batches.of_key(&found.key);
            let new: Vec<&Batch> = of_key
                .filter(|batch| !self.asker.seen.covers(batch.last()))
                .filter(|batch| lacked.insert(batch.first, batch).is_none())
                .collect();
            for (key, _) in new.into_iter().flat_map(|batch| &batch.keys) {
                if numbers.contains_key(&**key) {
                    continue;
                }
                let found = read(store, &self.asker, key);
                bytes += size(&found);
                if bytes > GROUP {
                    break 'group;
                }
                numbers.insert(found.key.clone(), chunk.keys.len() as u32);
                chunk.keys.push(found);
            }
        }
        chunk.batches.extend(lacked.into_values().filter_map(|batch| {
            let keys = batch.keys.iter();
            let keys = keys.map(|(key, gone)| Some((*numbers.get(&**key)?, gone.to_vec())));
            let keys = keys.collect::<Option<Vec<(u32, Vec<Dot>)>>>()?;
            Some(ChunkBatch { first: batch.first, count: batch.count, keys })
        }));
        self.grouped.extend(numbers.into_keys());
        chunk
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
    ///
    /// If origins that the asker left out are not as they are here, it is told to name more.
    pub fn answer(&mut self, peer: Incarnation, session: u64, ask: Ask) -> SyncBody {
        self.scans.remove(&peer);
        let Ask { mut seen, rest, live_beyond, mut sums, purpose } = ask;
        if let Some(rest) = rest {
            let mut parts = self.differing(peer, &seen, &rest);
            if !parts.is_empty() {
                parts.extend(&rest.whole);
                return SyncBody::AskMore { parts };
            }
            self.complete(peer, &rest, &mut seen, &mut sums);
        }
        let mine = self.origins.seen_vector();
        let differs = |origin: &Incarnation| {
            let theirs = sums.get(origin).copied().unwrap_or(0);
            seen.reach(*origin) != mine.reach(*origin) || theirs != self.origins.sum(*origin)
        };
        let live = |origin| LiveSet { origin, live: self.live_but_expired(origin) };
        let done = match purpose {
            // A part claims nothing at its end.
            Purpose::Fill { .. } => SyncBody::Done { live: Vec::new(), removed_ahead: Vec::new() },
            Purpose::Join | Purpose::Look => SyncBody::Done {
                live: self.origins.iter().filter(differs).map(live).collect(),
                removed_ahead: self.origins.removed_ahead(),
            },
        };
        let asker = Lacks { seen, live_beyond };
        let lacking = match purpose {
            // As good as known: the parts are of nearly equal size.
            Purpose::Fill { of, .. } => self.lacking(&asker).div_ceil(u64::from(of)),
            Purpose::Join | Purpose::Look => self.lacking(&asker),
        };
        let changes = mine.changes_from(&asker.seen);
        let buckets = self.store.buckets();
        let scan = Scan {
            session,
            purpose,
            asker,
            seen: mine,
            done,
            bucket: if lacking == 0 { buckets } else { 0 },
            buckets,
            requests: 0,
            todo: Vec::new(),
            grouped: BTreeSet::new(),
            batches_walked: purpose != Purpose::Join,
        };
        self.scans.insert(peer, scan);
        let (clock, fingerprint) = (self.clock.last(), self.origins.fingerprint());
        SyncBody::Begin(Begin { seen: changes, clock, fingerprint, lacking })
    }

    /// The parts of what the asker left out that are not the same here. The two themselves are
    /// always named, also if there is nothing to say of them.
    fn differing(&self, peer: Incarnation, seen: &VersionVector, rest: &Rest) -> Vec<u8> {
        let named = |origin| origin == peer || origin == self.me || seen.reach(origin) > 0;
        let mine = self.origins.digest(named);
        let parts = mine.iter().zip(&rest.sums).enumerate();
        let differing = parts.filter(|(part, (mine, theirs))| {
            mine != theirs && !rest.whole.contains(&(*part as u8))
        });
        differing.map(|(part, _)| part as u8).collect()
    }

    /// Adds to the asker's `seen` and sums what it left out because it is the same here.
    fn complete(
        &self,
        peer: Incarnation,
        rest: &Rest,
        seen: &mut VersionVector,
        sums: &mut BTreeMap<Incarnation, u64>,
    ) {
        let unnamed = |origin: &Incarnation| {
            let named = *origin == peer || *origin == self.me || seen.reach(*origin) > 0;
            !named && !rest.whole.contains(&(digest_part(*origin) as u8))
        };
        let unnamed: Vec<Incarnation> = self.origins.iter().filter(unnamed).collect();
        for origin in unnamed {
            seen.raise(origin, self.origins.seen(origin));
            sums.insert(origin, self.origins.sum(origin));
        }
    }

    /// The live dots of `origin` but for what expired here: an asker that still has it as a value
    /// must not keep it, for it may have been replaced besides, by what left nothing.
    fn live_but_expired(&self, origin: Incarnation) -> DotSet {
        let mut live = self.origins.live(origin).cloned().unwrap_or_default();
        let all = Dot { origin, seq: 0 }..=Dot { origin, seq: u64::MAX };
        for (dot, key) in self.tombstones.range(all) {
            self.store.entries(key, &mut |entry| {
                if entry.dot == *dot && entry.expires.is_some() {
                    live.remove(dot.seq);
                }
            });
        }
        live
    }

    /// How many entries the asker lacks.
    fn lacking(&self, asker: &Lacks) -> u64 {
        let count = |origin: Incarnation| {
            let live = self.origins.live(origin)?;
            let reach = asker.seen.reach(origin);
            if live.max()? <= reach {
                return None;
            }
            let new = live.len() - live.rank(reach);
            let known = asker.live_beyond.get(&origin);
            Some(new - known.map_or(0, |known| known.intersection_len(live).min(new)))
        };
        self.origins.iter().filter_map(count).sum()
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
        if scan.requests < self.serial.learned() {
            let (session, told) = (scan.session, scan.requests);
            let (requests, next) = self.remembered(told, self.limits.chunk_bytes);
            if let Some(scan) = self.scans.get_mut(&peer) {
                scan.requests = next;
            }
            let chunk = Chunk { requests, ..Chunk::default() };
            return match chunk.requests.is_empty() {
                true => Answered::Walked,
                false => Answered::Send(session, SyncBody::Chunk(chunk)),
            };
        }
        if !scan.todo.is_empty() {
            let session = scan.session;
            return match self.chunk(peer) {
                Some(chunk) => Answered::Send(session, SyncBody::Chunk(chunk)),
                None => Answered::Walked,
            };
        }
        if scan.bucket < scan.buckets {
            let Scan { asker, todo, bucket, purpose, .. } = scan;
            let wanted = |key: &[u8]| match *purpose {
                Purpose::Fill { index, of } => part_of(key, of) == index,
                Purpose::Join | Purpose::Look => true,
            };
            self.store.visit(*bucket, &mut |key, entry| {
                // Entries of one key come one after the other.
                let first = todo.last().is_none_or(|last| **last != *key);
                if first && asker.lacks(&entry) && wanted(key) {
                    todo.push(key.into());
                }
            });
            scan.bucket += 1;
            return Answered::Walked;
        }
        if !scan.batches_walked {
            scan.batches_walked = true;
            let Scan { asker, todo, grouped, .. } = scan;
            for batch in self.batches.iter().filter(|batch| !asker.seen.covers(batch.last())) {
                let unsent = batch.keys.iter().find(|(key, _)| !grouped.contains(&**key));
                todo.extend(unsent.map(|(key, _)| Box::from(&**key)));
            }
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
            if scan.grouped.contains(&key) {
                continue;
            }
            let found = read(&self.store, &scan.asker, &key);
            if scan.lacks_batch_of(&self.batches, &key) {
                if chunk.keys.is_empty() {
                    chunk = scan.group(&self.store, &self.batches, found);
                } else {
                    scan.todo.push(key);
                }
                break;
            }
            if !found.entries.is_empty() {
                bytes += size(&found);
                chunk.keys.push(found);
            }
        }
        if chunk.keys.is_empty() {
            return None;
        }
        chunk.seen_since = self.origins.seen_vector().beyond(&scan.seen);
        Some(chunk)
    }
}
