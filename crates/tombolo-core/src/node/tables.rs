//! Declared tables: how they appear on every node, and when they may be written.

use super::hold::Held;
use super::serial::Leadership;
use super::{Effect, Node, Notice};
use crate::clock::VersionVector;
use crate::declaration::{Declaration, DeclarationError, Epochs, OwnerDown};
use crate::error::{DeclarationMismatch, DeclareError};
use crate::fragment;
use crate::id::{Incarnation, TableId};
use crate::message::Message;
use crate::store::Store;
use crate::table::{Aim, Table};
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What the node machine needs of its surroundings: the tables, each behind whatever lock they
/// have there.
pub trait Tables {
    /// Where the tables keep their records.
    type Store: Store;

    /// Makes an empty table, or a fragment of one. Of several fragments the first is made last.
    fn create(&mut self, new: NewTable<'_>);

    /// Runs a short step on a table that was created.
    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<Self::Store>) -> R) -> R;
}

/// A table that is to be made, or a fragment of one.
#[derive(Clone, Copy, Debug)]
pub struct NewTable<'a> {
    /// What it is called between nodes.
    pub id: TableId,
    /// The name of the table, whichever fragment it is.
    pub name: &'a str,
    /// Which fragment it is; an ordinary table has but fragment 0.
    pub fragment: u16,
    /// How the table is declared.
    pub declaration: &'a Declaration,
    /// How it was declared before.
    pub epochs: &'a Epochs,
}

/// A table, or a fragment of one, as the node knows it. The fragments of a table are always
/// declared equally here, are altered in one step, and open in one.
#[derive(Debug)]
pub(super) struct TableState {
    /// The name of the table, whichever fragment it is.
    pub(super) name: String,
    /// Which fragment it is.
    pub(super) fragment: u16,
    /// The ids of all fragments of the table, its own included.
    pub(super) fragments: Arc<[TableId]>,
    pub(super) declaration: Declaration,
    pub(super) epochs: Epochs,
    pub(super) created: Millis,
    /// The linked peers that declare it as we do, with whether a sync with them was completed.
    pub(super) peers: BTreeMap<Incarnation, bool>,
    /// The linked peers that declare it otherwise.
    pub(super) mismatches: BTreeMap<Incarnation, Declaration>,
    /// The linked peers whose table is kept apart from ours.
    pub(super) held: BTreeMap<Incarnation, Held>,
    pub(super) writable: bool,
    /// The peers that each send a part of an empty table's first filling, and whether they all did.
    pub(super) parts: BTreeSet<Incarnation>,
    pub(super) filled: bool,
    /// Whether a sync was ever completed.
    pub(super) synced: bool,
    /// The peers that were told our whole `seen`, in the beginning of an answer or because they are
    /// held, with the fingerprint that they were told last.
    pub(super) told: BTreeMap<Incarnation, u64>,
    /// What each peer was told last about other members: their `seen` and their fingerprint.
    reported: BTreeMap<(Incarnation, Incarnation), (VersionVector, u64)>,
    /// Since when it differs from a peer's that has seen the same.
    pub(super) differs: BTreeMap<Incarnation, Millis>,
    /// The next bucket to sweep.
    pub(super) sweep: u32,
    /// Who leads it.
    pub(super) serial: Leadership,
}

impl TableState {
    fn new(
        name: String,
        (fragment, fragments): (u16, Arc<[TableId]>),
        declaration: Declaration,
        epochs: Epochs,
        now: Millis,
    ) -> TableState {
        TableState {
            name,
            fragment,
            fragments,
            declaration,
            epochs,
            created: now,
            peers: BTreeMap::new(),
            mismatches: BTreeMap::new(),
            held: BTreeMap::new(),
            writable: false,
            parts: BTreeSet::new(),
            filled: false,
            synced: false,
            told: BTreeMap::new(),
            reported: BTreeMap::new(),
            differs: BTreeMap::new(),
            sweep: 0,
            serial: Leadership::default(),
        }
    }

    /// The table as it is declared here, to tell a peer.
    pub(super) fn declare(&self) -> Message {
        Message::Declare {
            name: fragment::fragment_name(&self.name, self.fragment),
            declaration: self.declaration.clone(),
            epochs: self.epochs.clone(),
        }
    }

    /// Whether it is being filled from the peers it has, and does not speak for itself yet.
    pub(super) fn is_filling(&self) -> bool {
        !self.synced && !self.writable && !self.peers.is_empty()
    }

    pub(super) fn unlinked(&mut self, peer: Incarnation) {
        self.parts.remove(&peer);
        self.held.remove(&peer);
        self.peers.remove(&peer);
        self.mismatches.remove(&peer);
        self.told.remove(&peer);
        self.reported.retain(|(to, _), _| *to != peer);
        self.differs.remove(&peer);
        self.serial.unlinked(peer);
    }

    /// The report for `to` of what moved in our own `seen` since the last; none if nothing did. It
    /// goes on from what `to` was told whole.
    pub(super) fn own_report(
        &mut self,
        table: TableId,
        to: Incarnation,
        about: Incarnation,
        news: &VersionVector,
        fingerprint: u64,
    ) -> Option<Message> {
        let told = self.told.get_mut(&to)?;
        // A table also changes when values expire, or come without all before them.
        if news.is_empty() && *told == fingerprint {
            return None;
        }
        *told = fingerprint;
        Some(Message::Report { table, about, seen: news.clone(), fingerprint })
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
            let apart = self.mismatches.contains_key(peer) || self.held.contains_key(peer);
            !apart && self.peers.get(peer) != Some(&true)
        })
    }
}

impl<T: Tables> Node<T> {
    /// Declares a table on this node and so in the cluster. A table that is there and declared
    /// equally, or was before it was altered, is left as it is.
    pub fn create(
        &mut self,
        now: Millis,
        name: &str,
        declaration: Declaration,
    ) -> Result<(TableId, Vec<Effect>), DeclareError> {
        declaration.check()?;
        let id = TableId::of(name);
        if let Some(known) = self.tables.get(&id) {
            let agrees = known.declaration == declaration || known.epochs.knew(&declaration);
            if known.name != name || !agrees {
                let theirs = known.declaration.clone();
                let mismatch = DeclarationMismatch {
                    table: known.name.clone(),
                    peer: self.settings.id.name.clone(),
                    ours: declaration,
                    theirs,
                };
                return Err(DeclareError::Mismatch(Box::new(mismatch)));
            }
            return Ok((id, core::mem::take(&mut self.effects)));
        }
        self.add_table(now, name, &declaration, &Epochs::default());
        self.open_tables(now);
        Ok((id, core::mem::take(&mut self.effects)))
    }

    /// Makes a table, all its fragments at once, and declares them to every peer.
    pub(super) fn add_table(
        &mut self,
        now: Millis,
        name: &str,
        declaration: &Declaration,
        epochs: &Epochs,
    ) {
        let ids = |fragment| TableId::of_fragment(name, fragment);
        let fragments: Arc<[TableId]> = (0..declaration.fragments).map(ids).collect();
        // Whoever finds the first finds all.
        for (fragment, id) in (0..declaration.fragments).zip(fragments.iter().copied()).rev() {
            self.surroundings.create(NewTable { id, name, fragment, declaration, epochs });
            let awaited = self.members.awaited();
            self.surroundings.with(id, |table| table.set_members(awaited));
            let place = (fragment, Arc::clone(&fragments));
            let (declaration, epochs) = (declaration.clone(), epochs.clone());
            let state = TableState::new(name.into(), place, declaration, epochs, now);
            for to in self.links.keys() {
                self.effects.push(Effect::Send { to: *to, message: state.declare() });
            }
            self.tables.insert(id, state);
            self.show_owners(id);
        }
    }

    /// All fragments of a table, this one included.
    pub(super) fn fragments(&self, id: TableId) -> Arc<[TableId]> {
        self.tables.get(&id).map_or_else(|| Arc::from([]), |state| Arc::clone(&state.fragments))
    }

    /// Tells a table whose records are to be seen.
    pub(super) fn show_owners(&self, id: TableId) {
        let Some(state) = self.tables.get(&id) else { return };
        let hides = state.declaration.owner_down == OwnerDown::Hide;
        let up = hides.then(|| self.members.up());
        let superseded = self.members.superseded();
        self.surroundings.with(id, |table| {
            table.set_owners(up);
            if hides {
                superseded.iter().for_each(|owner| table.supersede(*owner));
            }
        });
    }

    pub(super) fn on_declare(
        &mut self,
        now: Millis,
        from: Incarnation,
        name: String,
        declaration: Declaration,
        epochs: Epochs,
    ) {
        let (base, fragment) = fragment::split(&name);
        let peer = self.links.get(&from).map_or_else(String::new, |link| link.peer.name.clone());
        // A peer of another version may say what this one would not.
        let exists = fragment < declaration.fragments;
        let error = DeclarationError::NoFragment { fragment, of: declaration.fragments };
        if let Err(error) = declaration.check().and(if exists { Ok(()) } else { Err(error) }) {
            let refused = Notice::Refused { table: base.into(), peer, error };
            self.effects.push(Effect::Notice(refused));
            return;
        }
        let home = TableId::of(base);
        if !self.tables.contains_key(&home) {
            self.add_table(now, base, &declaration, &epochs);
            let adopted = Notice::Adopted { table: base.into(), peer: peer.clone() };
            self.effects.push(Effect::Notice(adopted));
        }
        let Some(known) = self.tables.get(&home) else { return };
        let kin = known.epochs.is_kin(&known.declaration, &epochs, &declaration);
        if !kin || known.name != base {
            self.on_mismatch(from, home, peer, declaration, fragment == 0);
            return;
        }
        if epochs.outlasts(&declaration, &known.epochs, &known.declaration) {
            self.adopt(home, &declaration, &epochs, Some(from));
        }
        let id = TableId::of(&name);
        let Some(state) = self.tables.get_mut(&id) else { return };
        state.mismatches.remove(&from);
        if !state.peers.contains_key(&from) && !state.held.contains_key(&from) {
            self.meet(now, from, id);
        }
    }

    /// A peer declares a table otherwise: nothing of any fragment passes between the two.
    fn on_mismatch(
        &mut self,
        from: Incarnation,
        home: TableId,
        peer: String,
        theirs: Declaration,
        tell: bool,
    ) {
        for id in self.fragments(home).iter() {
            let Some(state) = self.tables.get_mut(id) else { continue };
            state.mismatches.insert(from, theirs.clone());
            if tell && *id == home {
                let (table, ours) = (state.name.clone(), state.declaration.clone());
                let mismatch =
                    DeclarationMismatch { table, peer: peer.clone(), ours, theirs: theirs.clone() };
                self.effects.push(Effect::Notice(Notice::Mismatch(mismatch)));
            }
        }
    }

    /// Fills empty tables: from one peer, or a part from each of several at once. Whatever is then
    /// left is asked of one after the other, so that hardly anything is sent twice.
    pub(super) fn fill_tables(&mut self, now: Millis) {
        if !self.started {
            return;
        }
        let empty = self.tables.iter().filter(|(id, state)| {
            let done = state.synced || state.filled || state.writable;
            !done && !self.is_paused(**id) && !state.peers.is_empty() && !self.is_silent(state, now)
        });
        for id in empty.map(|(id, _)| *id).collect::<Vec<_>>() {
            let state = self.tables.get_mut(&id).expect("it was there above");
            state.filled = true;
            let peers: Vec<Incarnation> = state.peers.keys().copied().collect();
            if peers.len() == 1 {
                self.ask_first(now, id);
                continue;
            }
            state.parts = peers.iter().copied().collect();
            let of = peers.len() as u32;
            for (index, peer) in (0..).zip(peers) {
                self.ask_for(now, peer, id, Aim::Fill { index, of });
            }
        }
    }

    /// Asks one peer for all that is left of a first filling, if nobody is asked already.
    pub(super) fn ask_first(&mut self, now: Millis, id: TableId) {
        let Some(state) = self.tables.get(&id).filter(|state| state.parts.is_empty()) else {
            return;
        };
        let asked =
            |peer: &Incarnation| self.surroundings.with(id, |table| table.asking(*peer).is_some());
        if !state.peers.keys().any(asked)
            && let Some(peer) = state.peers.keys().next().copied()
        {
            self.ask(now, peer, id);
        }
    }

    /// Whether some linked peer has not yet said how it has the table, and still may.
    fn is_silent(&self, state: &TableState, now: Millis) -> bool {
        self.links.iter().any(|(peer, link)| {
            let known = state.peers.contains_key(peer)
                || state.mismatches.contains_key(peer)
                || state
                    .held
                    .get(peer)
                    .is_some_and(|held| held.is_apart() || !state.peers.is_empty());
            let since = link.since.max(state.created);
            !known && now.since(since) < self.settings.patience
        })
    }

    pub(super) fn on_attach(&mut self, now: Millis, from: Incarnation, id: TableId, seq: u64) {
        use crate::table::Arrival;
        self.on_join(now, from, id);
        self.ask_again(now, from, Some(id));
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
        let closed = self.tables.values().filter(|state| state.fragment == 0 && !state.writable);
        let ready = closed.filter(|first| {
            let mut fragments = first.fragments.iter().filter_map(|id| self.tables.get(id));
            fragments.all(|state| self.may_open(state, now))
        });
        let ready: Vec<Arc<[TableId]>> = ready.map(|first| Arc::clone(&first.fragments)).collect();
        // Whoever finds the first writable finds all so.
        for id in ready.iter().flat_map(|fragments| fragments.iter().rev()) {
            if let Some(state) = self.tables.get_mut(id) {
                state.writable = true;
                self.effects.push(Effect::Writable { table: *id });
            }
        }
    }

    fn may_open(&self, state: &TableState, now: Millis) -> bool {
        let silent = self.is_silent(state, now);
        // Nobody to be filled from: no peer was ever met, all that are linked declare it otherwise,
        // or the link broke before the first sync was over and nobody came back.
        let nobody = state.peers.is_empty()
            && (!self.links.is_empty()
                || self.apart_since.is_none_or(|since| now.since(since) >= self.settings.patience));
        !silent && (state.synced || nobody)
    }
}
