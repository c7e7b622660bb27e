//! Declared tables: how they appear on every node, and when they may be written.

use super::{Effect, Node, Notice, Tables};
use crate::clock::VersionVector;
use crate::declaration::Declaration;
use crate::error::DeclarationMismatch;
use crate::id::{Incarnation, TableId};
use crate::message::Message;
use crate::time::Millis;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

/// A table as the node knows it.
#[derive(Debug)]
pub(super) struct TableState {
    pub(super) name: String,
    pub(super) declaration: Declaration,
    pub(super) created: Millis,
    /// The linked peers that declare it as we do, with whether a sync with them was completed.
    pub(super) peers: BTreeMap<Incarnation, bool>,
    /// The linked peers that declare it otherwise.
    pub(super) mismatches: BTreeMap<Incarnation, Declaration>,
    pub(super) writable: bool,
    /// Whether a sync was ever completed.
    pub(super) synced: bool,
    /// What each peer was told last about each member: its `seen` and its fingerprint.
    reported: BTreeMap<(Incarnation, Incarnation), (VersionVector, u64)>,
    /// Since when it differs from a peer's that has seen the same.
    pub(super) differs: BTreeMap<Incarnation, Millis>,
    /// The next bucket to sweep.
    pub(super) sweep: u32,
}

impl TableState {
    fn new(name: String, declaration: Declaration, now: Millis) -> TableState {
        TableState {
            name,
            declaration,
            created: now,
            peers: BTreeMap::new(),
            mismatches: BTreeMap::new(),
            writable: false,
            synced: false,
            reported: BTreeMap::new(),
            differs: BTreeMap::new(),
            sweep: 0,
        }
    }

    pub(super) fn unlinked(&mut self, peer: Incarnation) {
        self.peers.remove(&peer);
        self.mismatches.remove(&peer);
        self.reported.retain(|(to, _), _| *to != peer);
        self.differs.remove(&peer);
    }

    /// The report for `to` that `about` has seen so much, as far as `to` was not told; none if it
    /// was told all.
    pub(super) fn report(
        &mut self,
        table: TableId,
        to: Incarnation,
        about: Incarnation,
        seen: &VersionVector,
        fingerprint: u64,
    ) -> Option<Message> {
        let (told, told_fingerprint) = self.reported.entry((to, about)).or_default();
        let news = seen.beyond(told);
        // A table also changes when values expire, or come without all before them.
        if news.is_empty() && *told_fingerprint == fingerprint {
            return None;
        }
        told.join(&news);
        *told_fingerprint = fingerprint;
        Some(Message::Report { table, about, seen: news, fingerprint })
    }

    /// The linked peers that the table still has to be synced with.
    pub(super) fn missing<'a>(
        &'a self,
        linked: impl Iterator<Item = Incarnation> + 'a,
    ) -> impl Iterator<Item = Incarnation> + 'a {
        linked.filter(|peer| {
            !self.mismatches.contains_key(peer) && self.peers.get(peer) != Some(&true)
        })
    }
}

impl<T: Tables> Node<T> {
    /// Declares a table on this node and so in the cluster. A table that is there and declared
    /// equally is left as it is.
    pub fn create(
        &mut self,
        now: Millis,
        name: &str,
        declaration: Declaration,
    ) -> Result<(TableId, alloc::vec::Vec<Effect>), DeclarationMismatch> {
        let id = TableId::of(name);
        if let Some(known) = self.tables.get(&id) {
            let mismatch = |peer: &str, theirs| DeclarationMismatch {
                table: known.name.clone(),
                peer: peer.into(),
                ours: declaration,
                theirs,
            };
            if known.name != name || known.declaration != declaration {
                return Err(mismatch(&self.settings.id.name, known.declaration));
            }
            return Ok((id, core::mem::take(&mut self.effects)));
        }
        self.add_table(now, id, name.into(), declaration);
        self.open_tables(now);
        Ok((id, core::mem::take(&mut self.effects)))
    }

    /// Makes a table and declares it to every peer.
    fn add_table(&mut self, now: Millis, id: TableId, name: String, declaration: Declaration) {
        self.surroundings.create(id, &name, declaration);
        let awaited = self.members.awaited();
        self.surroundings.with(id, |table| table.set_members(awaited));
        for to in self.links.keys() {
            let message = Message::Declare { name: name.clone(), declaration };
            self.effects.push(Effect::Send { to: *to, message });
        }
        self.tables.insert(id, TableState::new(name, declaration, now));
    }

    pub(super) fn on_declare(
        &mut self,
        now: Millis,
        from: Incarnation,
        name: String,
        declaration: Declaration,
    ) {
        let id = TableId::of(&name);
        let peer = self.links.get(&from).map_or_else(String::new, |link| link.peer.name.clone());
        if !self.tables.contains_key(&id) {
            self.add_table(now, id, name.clone(), declaration);
            let adopted = Notice::Adopted { table: name.clone(), peer: peer.clone() };
            self.effects.push(Effect::Notice(adopted));
        }
        let state = self.tables.get_mut(&id).expect("it was added above");
        if state.declaration != declaration || state.name != name {
            state.mismatches.insert(from, declaration);
            let mismatch = DeclarationMismatch {
                table: state.name.clone(),
                peer,
                ours: state.declaration,
                theirs: declaration,
            };
            self.effects.push(Effect::Notice(Notice::Mismatch(mismatch)));
            return;
        }
        if state.peers.contains_key(&from) {
            return;
        }
        state.peers.insert(from, false);
        self.effects.push(Effect::Attach { table: id, to: from });
        self.ask(now, from, id);
    }

    pub(super) fn on_attach(&mut self, now: Millis, from: Incarnation, id: TableId, seq: u64) {
        use crate::table::Arrival;
        let gap = self
            .tables
            .contains_key(&id)
            .then(|| self.surroundings.with(id, |table| table.on_attach(from, seq)));
        if gap == Some(Arrival::Gap) {
            self.ask(now, from, id);
        }
    }

    /// Lets tables be written that may be (rule 1): a fresh process that found peers writes after
    /// its first sync, and after each of them had the time to say that it carries the table.
    pub(super) fn open_tables(&mut self, now: Millis) {
        if !self.started {
            return;
        }
        for (id, state) in self.tables.iter_mut().filter(|(_, state)| !state.writable) {
            let silent = self.links.iter().any(|(peer, link)| {
                let known = state.peers.contains_key(peer) || state.mismatches.contains_key(peer);
                let since = link.since.max(state.created);
                !known && now.since(since) < self.settings.patience
            });
            // Nobody to be filled from: no peer was ever met, all that are linked declare it
            // otherwise, or the link broke before the first sync was over and nobody came back.
            let nobody = state.peers.is_empty()
                && (!self.links.is_empty()
                    || self
                        .apart_since
                        .is_none_or(|since| now.since(since) >= self.settings.patience));
            if !silent && (state.synced || nobody) {
                state.writable = true;
                self.effects.push(Effect::Writable { table: *id });
            }
        }
    }

    /// The names of the linked peers.
    pub(super) fn linked(&self) -> BTreeSet<Incarnation> {
        self.links.keys().copied().collect()
    }
}
