//! When to sync, and the steps of the syncs under way.

use super::{Effect, Node, Notice, Settings, Tables};
use crate::id::{Incarnation, TableId};
use crate::message::{Message, SyncBody};
use crate::store::Store;
use crate::table::{Answered, Finished};
use crate::time::Millis;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What one step of the answers to a peer brought.
#[derive(PartialEq, Debug)]
pub enum Answer {
    /// Nothing is to be answered.
    Idle,
    /// A piece of a table was walked; there is more to do, and nothing to send yet.
    Walked,
    /// To be sent to that peer.
    Send(Message),
}

/// How many records a table's sweep looks at in one go.
const SWEEP_RECORDS: usize = 100_000;

impl<T: Tables> Node<T> {
    /// Does a bounded piece of the answers to `to`, for a driver that has room to send there.
    pub fn answer_some(&mut self, to: Incarnation) -> Answer {
        let end = (to, TableId(u64::MAX));
        let Some((_, table)) = self.answering.range((to, TableId(0))..=end).next().copied() else {
            return Answer::Idle;
        };
        match self.surroundings.with(table, |machine| machine.answer_step(to)) {
            Answered::Nothing => {
                self.answering.remove(&(to, table));
                Answer::Walked
            }
            Answered::Walked => Answer::Walked,
            Answered::Send(session, body) => Answer::Send(Message::Sync { table, session, body }),
        }
    }

    /// Does a bounded piece of the syncs that are at their end. `None` when nothing is left.
    pub fn finish_some(&mut self, now: Millis) -> Option<Vec<Effect>> {
        let (peer, table) = self.finishing.iter().next().copied()?;
        match self.surroundings.with(table, |machine| machine.finish_step(peer)) {
            Finished::Walked => {}
            Finished::Nothing => {
                self.finishing.remove(&(peer, table));
            }
            Finished::Complete => {
                self.finishing.remove(&(peer, table));
                self.on_synced(peer, table);
                self.open_tables(now);
            }
        }
        Some(core::mem::take(&mut self.effects))
    }

    /// Opens a sync of `table` with `peer`, unless one is under way.
    pub(super) fn ask(&mut self, now: Millis, peer: Incarnation, table: TableId) {
        if !self.tables.get(&table).is_some_and(|state| state.peers.contains_key(&peer)) {
            return;
        }
        let ask = self
            .surroundings
            .with(table, |machine| machine.asking(peer).is_none().then(|| machine.ask(peer, now)));
        if let Some((session, body)) = ask {
            let message = Message::Sync { table, session, body };
            self.effects.push(Effect::Send { to: peer, message });
        }
    }

    pub(super) fn on_sync(
        &mut self,
        now: Millis,
        from: Incarnation,
        table: TableId,
        session: u64,
        body: SyncBody,
    ) {
        // A peer that declares the table otherwise gets nothing of it.
        if !self.tables.get(&table).is_some_and(|state| state.peers.contains_key(&from)) {
            return;
        }
        match body {
            SyncBody::Ask { seen, live_beyond, sums } => {
                let body = self
                    .surroundings
                    .with(table, |machine| machine.answer(from, session, seen, live_beyond, &sums));
                self.answering.insert((from, table));
                let message = Message::Sync { table, session, body };
                self.effects.push(Effect::Send { to: from, message });
            }
            SyncBody::Begin { seen, clock } => {
                self.surroundings.with(table, |t| t.on_begin(from, session, seen, clock, now));
            }
            SyncBody::Chunk(chunk) => {
                self.surroundings.with(table, |t| t.on_chunk(from, session, &chunk, now));
            }
            SyncBody::Done { live, removed_ahead } => {
                self.surroundings.with(table, |t| {
                    t.on_done(from, session, live, removed_ahead, now);
                });
                self.finishing.insert((from, table));
            }
        }
    }

    fn on_synced(&mut self, peer: Incarnation, table: TableId) {
        let Some(state) = self.tables.get_mut(&table) else {
            return;
        };
        state.synced = true;
        if let Some(synced) = state.peers.get_mut(&peer) {
            *synced = true;
        }
        self.effects.push(Effect::Notice(Notice::Synced { table, peer }));
        // What the sync brought may let the peer's ops be acknowledged that came in beyond a gap.
        if let Some(seq) = self.surroundings.with(table, |machine| machine.ack_for(peer)) {
            let message = Message::Ack { table, seq };
            self.effects.push(Effect::Send { to: peer, message });
        }
    }

    /// Asks again where an answer broke off, and asks whoever has had more than we have for too
    /// long, although no gap was met.
    pub(super) fn care_for_syncs(&mut self, now: Millis) {
        let mut wanted: Vec<(Incarnation, TableId)> = Vec::new();
        let Settings { removed_ahead, ask_timeout, sync_interval, .. } = self.settings;
        for (id, state) in &mut self.tables {
            self.surroundings.with(*id, |table| {
                let too_far = table.origins().removed_ahead_len() > removed_ahead;
                for (peer, synced) in &state.peers {
                    let silent = table.asking(*peer).map(|heard| now.since(heard));
                    let stuck = silent.is_some_and(|ms| ms >= ask_timeout);
                    if stuck && !table.is_finishing(*peer) {
                        table.abandon(*peer);
                    }
                    if !table.differs(*peer) {
                        state.differs.remove(peer);
                    }
                    let behind = table.behind(*peer, now) >= sync_interval;
                    if silent.is_none() && (too_far || behind || !synced) || stuck {
                        wanted.push((*peer, *id));
                    }
                }
            });
        }
        wanted.extend(self.differing(now));
        for (peer, table) in wanted {
            self.ask(now, peer, table);
        }
    }

    /// The tables that have differed from a peer's for long although both have seen the same. For a
    /// moment that is so whenever one node sweeps expired values before the other; for longer it
    /// takes dots of a process that died before everybody had met it. A sync ends both.
    fn differing(&mut self, now: Millis) -> Vec<(Incarnation, TableId)> {
        let mut found = Vec::new();
        for (id, state) in &mut self.tables {
            for peer in state.peers.keys() {
                if !self.surroundings.with(*id, |table| table.differs(*peer)) {
                    continue;
                }
                let since = state.differs.entry(*peer).or_insert(now);
                if now.since(*since) >= 5 * self.settings.sync_interval {
                    *since = now;
                    found.push((*peer, *id));
                }
            }
        }
        for (peer, table) in &found {
            let notice = Notice::Differs { table: *table, peer: *peer };
            self.effects.push(Effect::Notice(notice));
        }
        found
    }

    /// Tells every peer how far this node has seen, as far as it changed. A peer that a third one
    /// cannot reach is told of that one's reports too, so that deletes become stable in a partial
    /// split.
    pub(super) fn report(&mut self) {
        for (id, state) in &mut self.tables {
            let (seen, fingerprint) =
                self.surroundings.with(*id, |table| (table.seen(), table.fingerprint()));
            let peers: Vec<Incarnation> = state.peers.keys().copied().collect();
            let me = self.settings.id.incarnation();
            for to in peers {
                if let Some(message) = state.report(*id, to, me, &seen, fingerprint) {
                    self.effects.push(Effect::Send { to, message });
                }
            }
        }
        self.pass_on_reports();
    }

    fn pass_on_reports(&mut self) {
        let linked = self.linked();
        let mut apart: BTreeMap<Incarnation, Vec<Incarnation>> = BTreeMap::new();
        for known in self.members.others().filter(|known| known.linked) {
            let to = known.member.id.incarnation();
            let unheard = linked
                .iter()
                .filter(|about| **about != to && !known.member.linked_to.contains(about));
            apart.insert(to, unheard.copied().collect());
        }
        for (to, unheard) in apart.iter().filter(|(_, unheard)| !unheard.is_empty()) {
            let tables = self.tables.iter_mut().filter(|(_, state)| state.peers.contains_key(to));
            for (id, state) in tables {
                self.surroundings.with(*id, |table| {
                    for about in unheard {
                        let Some((seen, fingerprint)) = table.reported(*about) else { continue };
                        if let Some(message) = state.report(*id, *to, *about, seen, fingerprint) {
                            self.effects.push(Effect::Send { to: *to, message });
                        }
                    }
                });
            }
        }
    }

    /// Drops stable tombstones and sweeps expired values, a bounded number at a time.
    pub(super) fn tend_tables(&mut self, now: Millis, wall: Millis) {
        for (id, state) in &mut self.tables {
            self.surroundings.with(*id, |table| table.drop_stable(now));
            let (buckets, len) =
                self.surroundings.with(*id, |table| (table.store().buckets(), table.len()));
            let affordable = SWEEP_RECORDS / (len / buckets as usize + 1);
            let round = (buckets as usize).div_ceil(16).min(affordable.max(1));
            for _ in 0..round {
                self.surroundings.with(*id, |table| table.sweep(state.sweep, wall));
                state.sweep = (state.sweep + 1) % buckets;
            }
        }
    }
}
