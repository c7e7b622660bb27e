//! When to sync, and the steps of the syncs under way.

use super::tables::TableState;
use super::{Effect, Node, Notice, Settings, Tables};
use crate::declaration::OwnerDown;
use crate::id::{Incarnation, TableId};
use crate::message::{Ask, Message, Purpose, SyncBody};
use crate::store::Store;
use crate::table::{Aim, Answered, Finished, SyncReport, Table};
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
        let finished = self.surroundings.with(table, |machine| machine.finish_step(peer));
        if !matches!(finished, Finished::Walked | Finished::Lone(_)) {
            self.finishing.remove(&(peer, table));
        }
        match finished {
            Finished::Walked | Finished::Nothing => {}
            Finished::Complete(report) => self.on_synced(peer, table, report),
            Finished::Filled(report) => {
                self.effects.push(Effect::Notice(Notice::Filled { table, peer, report }));
                if let Some(state) = self.tables.get_mut(&table) {
                    state.parts.remove(&peer);
                }
                self.ask_first(now, table);
            }
            Finished::Looked(preview) => self.on_looked(now, peer, table, preview),
            Finished::Lone(lone) => self.overrule(table, lone),
            Finished::Overruled => self.release(now, peer, table),
        }
        self.open_tables(now);
        self.drive_serial(now);
        Some(core::mem::take(&mut self.effects))
    }

    /// Opens a sync of `table` with `peer`, unless one is under way. Not before a first filling has
    /// begun, nor while peers each send a part of it: one of them is asked for all the rest once
    /// the parts are here, and would send the others' parts again if it were asked before.
    pub(super) fn ask(&mut self, now: Millis, peer: Incarnation, table: TableId) {
        let may = |state: &TableState| {
            let begun = state.synced || state.filled || state.writable;
            begun && state.parts.is_empty() && state.peers.contains_key(&peer)
        };
        if self.tables.get(&table).is_some_and(may) {
            self.ask_for(now, peer, table, Aim::Join);
        }
    }

    pub(super) fn ask_for(&mut self, now: Millis, peer: Incarnation, table: TableId, aim: Aim) {
        let ask = self.surroundings.with(table, |machine| {
            let may = machine.asking(peer).is_none() && !machine.is_paused();
            may.then(|| machine.ask(peer, aim, Vec::new(), now))
        });
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
        if let SyncBody::Ask(ask) = &body
            && ask.purpose != Purpose::Look
        {
            self.on_join(now, from, table);
            if self.keeps_apart(from, table) {
                return;
            }
        }
        // A peer that declares the table otherwise gets nothing of it.
        let agrees =
            |state: &TableState| state.peers.contains_key(&from) || state.held.contains_key(&from);
        if !self.tables.get(&table).is_some_and(agrees) {
            return;
        }
        match body {
            SyncBody::Ask(ask) => self.on_ask(from, table, session, ask),
            SyncBody::AskMore { parts } => {
                let ask = self
                    .surroundings
                    .with(table, |t| t.aim(from, session).map(|aim| t.ask(from, aim, parts, now)));
                if let Some((session, body)) = ask {
                    let message = Message::Sync { table, session, body };
                    self.effects.push(Effect::Send { to: from, message });
                }
            }
            SyncBody::Begin(begin) => {
                let joins = self.surroundings.with(table, |t| {
                    t.on_begin(from, session, &begin, now);
                    t.aim(from, session) == Some(Aim::Join)
                });
                if joins {
                    let notice = Notice::Syncing { table, peer: from };
                    self.effects.push(Effect::Notice(notice));
                }
            }
            SyncBody::Chunk(chunk) => {
                let lone =
                    self.surroundings.with(table, |t| t.on_chunk(from, session, &chunk, now));
                self.overrule(table, lone);
            }
            SyncBody::Done { live, removed_ahead } => {
                self.surroundings.with(table, |t| {
                    t.on_done(from, session, live, removed_ahead, now);
                });
                self.finishing.insert((from, table));
            }
        }
    }

    fn on_ask(&mut self, from: Incarnation, table: TableId, session: u64, ask: Ask) {
        let body = self.surroundings.with(table, |machine| machine.answer(from, session, ask));
        if let (SyncBody::Begin(begin), Some(state)) = (&body, self.tables.get_mut(&table)) {
            self.answering.insert((from, table));
            state.told.insert(from, begin.fingerprint);
        }
        let message = Message::Sync { table, session, body };
        self.effects.push(Effect::Send { to: from, message });
    }

    fn on_synced(&mut self, peer: Incarnation, table: TableId, report: SyncReport) {
        let Some(state) = self.tables.get_mut(&table) else {
            return;
        };
        let first = !core::mem::replace(&mut state.synced, true);
        if let Some(synced) = state.peers.get_mut(&peer) {
            *synced = true;
        }
        if first {
            self.on_filled(table);
        }
        self.on_grant_synced(peer, table);
        self.effects.push(Effect::Notice(Notice::Synced { table, peer, report }));
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
            let mut first = true;
            self.surroundings.with(*id, |table| {
                let too_far = table.origins().removed_ahead_len() > removed_ahead;
                let filling =
                    !state.synced && state.peers.keys().any(|p| table.asking(*p).is_some());
                for (peer, synced) in &state.peers {
                    let silent = table.asking(*peer).map(|heard| now.since(heard));
                    let stuck = silent.is_some_and(|ms| ms >= ask_timeout);
                    if stuck && !table.is_finishing(*peer) {
                        table.abandon(*peer);
                    }
                    if table.asking(*peer).is_none() {
                        state.parts.remove(peer);
                    }
                    if !table.differs(*peer) {
                        state.differs.remove(peer);
                    }
                    let behind = table.behind(*peer, now);
                    // What is left of origins that died unheard, no peer can make up for.
                    let behind = behind >= sync_interval || too_far && behind > 0;
                    // A table that is filled for the first time asks one after the other.
                    let waits = !state.synced && (filling || !state.filled || !first);
                    if silent.is_none() && (behind || !synced) && !waits || stuck {
                        wanted.push((*peer, *id));
                        first = false;
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
                // One that stands still sweeps nothing, so it is bound to differ.
                let differs =
                    |table: &mut Table<T::Store>| table.differs(*peer) && !table.is_paused();
                if !self.surroundings.with(*id, differs) {
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
        let me = self.settings.id.incarnation();
        for (id, state) in &mut self.tables {
            let (news, fingerprint) =
                self.surroundings.with(*id, |table| (table.take_news(), table.fingerprint()));
            if state.is_filling() {
                // Who is held hears all at once when this table speaks for an island.
                state.told.retain(|to, _| !state.held.contains_key(to));
            }
            for to in state.told.keys().copied().collect::<Vec<_>>() {
                if let Some(message) = state.own_report(*id, to, me, &news, fingerprint) {
                    self.effects.push(Effect::Send { to, message });
                }
            }
        }
        self.pass_on_reports();
    }

    fn pass_on_reports(&mut self) {
        // Also what was passed on to here: in a chain of nodes the ends hear of each other.
        let awaited = self.members.awaited();
        let mut apart: BTreeMap<Incarnation, Vec<Incarnation>> = BTreeMap::new();
        for known in self.members.others().filter(|known| known.linked) {
            let to = known.member.id.incarnation();
            let unheard = awaited
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
                        if let Some(message) = state.report(*id, *to, *about, &seen, fingerprint) {
                            self.effects.push(Effect::Send { to: *to, message });
                        }
                    }
                });
            }
        }
    }

    /// Drops stable tombstones, sweeps expired values and has siblings judged, a bounded number at
    /// a time.
    pub(super) fn tend_tables(&mut self, now: Millis, wall: Millis) {
        let leads = *self.leader() == self.settings.id;
        for (id, state) in &mut self.tables {
            let (buckets, len, siblings) = self.surroundings.with(*id, |table| {
                table.drop_stable(now);
                (table.store().buckets(), table.len(), table.has_siblings())
            });
            if siblings {
                let keeps = state.declaration.owner_down == OwnerDown::Keep;
                let leads = leads && keeps && state.writable;
                self.effects.push(Effect::Judge { table: *id, leads });
            }
            let affordable = SWEEP_RECORDS / (len / buckets as usize + 1);
            let round = (buckets as usize).div_ceil(16).min(affordable.max(1));
            // Those who watch should not hear late of whom they do not see any more.
            let most = affordable.clamp(1, buckets as usize);
            for _ in (0..most).take_while(|_| self.surroundings.with(*id, |t| t.is_turning())) {
                self.surroundings.with(*id, |table| table.tell_turned());
            }
            for _ in 0..round {
                self.surroundings.with(*id, |table| table.sweep(state.sweep, wall));
                state.sweep = (state.sweep + 1) % buckets;
            }
        }
    }
}
