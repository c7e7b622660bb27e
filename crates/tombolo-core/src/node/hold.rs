//! Islands that are kept apart.
//!
//! A table may be declared so that two islands which both wrote it do not join by themselves: an
//! operator wants to look first (`merge=hold`), nobody is to touch either (`ignore`), or one is to
//! take over the other's content (`yield_island`). Then a peer is *held*: neither its ops nor its
//! syncs are taken in.
//!
//! Whether two replicas belong to two islands cannot be seen from the link between them, which may
//! have been down for a moment while a third node connected both. It can be seen from the writes:
//! if what each had when they met reaches the other without this link, they are in one island.

use super::tables::TableState;
use super::{Effect, HeldView, Node, Notice, Tables};
use crate::clock::VersionVector;
use crate::declaration::Policy;
use crate::id::{Incarnation, TableId};
use crate::message::Message;
use crate::table::{Aim, Lone, Preview};
use crate::time::Millis;
use alloc::string::String;
use alloc::vec::Vec;

/// Up to how many differing keys are looked at again and again.
const REPEATED: u64 = 10_000;

/// What a node knows of a peer that it holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) since: Millis,
    /// What this node had seen when they met.
    mine: VersionVector,
    /// What the peer had seen when they met, once it said so.
    theirs: Option<VersionVector>,
    pub(super) stage: Stage,
    /// What a join would do here, once it was looked at, and when that was.
    pub(super) preview: Option<(Preview, Millis)>,
    /// What the peer's island is, once it said so: how many nodes, and the lowest name.
    island: Option<(u32, String)>,
}

/// How far a hold has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It may yet turn out that both are in one island.
    Meeting,
    /// They are two islands.
    Apart,
    /// This island's word counts, and is being spoken.
    Overruling,
}

impl Held {
    /// Whether it is certain that the two are apart.
    pub(super) fn is_apart(&self) -> bool {
        self.stage != Stage::Meeting
    }

    /// Whether a look at what a join would do is due. Both sides go on writing, so it is repeated,
    /// unless so much differs that it would cost more than it tells.
    fn wants_look(&self, now: Millis, sync_interval: u64) -> bool {
        self.preview.as_ref().is_none_or(|(preview, looked)| {
            preview.keys() <= REPEATED && now.since(*looked) >= 10 * sync_interval
        })
    }

    pub(super) fn view(&self, peer: Incarnation) -> HeldView {
        let preview = self.preview.clone();
        HeldView { peer, since: self.since, apart: self.is_apart(), preview }
    }
}

/// Why nothing was approved or chosen. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HoldError {
    /// There is no such table.
    #[error("there is no table {0:?}")]
    Unknown(String),
    /// It is not kept apart from any node.
    #[error("table {0:?} is not kept apart from any linked node")]
    NothingHeld(String),
}

impl<T: Tables> Node<T> {
    /// A linked peer has the table as well: joins it, or holds it for now.
    pub(super) fn meet(&mut self, now: Millis, from: Incarnation, id: TableId) {
        let Some(state) = self.tables.get_mut(&id) else { return };
        if state.declaration.holds() || self.rehearsing {
            self.hold(now, from, id);
        } else {
            self.join(now, from, id);
        }
    }

    fn hold(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let Some(state) = self.tables.get_mut(&id) else { return };
        let held = Held {
            since: now,
            mine: self.surroundings.with(id, |table| table.seen()),
            theirs: None,
            stage: Stage::Meeting,
            preview: None,
            island: None,
        };
        state.held.insert(peer, held);
        self.tell_standing(peer, id);
    }

    /// Tells a held peer all that this node has seen; not while that is a part of an island.
    fn tell_standing(&mut self, to: Incarnation, id: TableId) {
        let about = self.settings.id.incarnation();
        let Some(state) = self.tables.get_mut(&id).filter(|state| !state.is_filling()) else {
            return;
        };
        let (seen, fingerprint) =
            self.surroundings.with(id, |table| (table.seen(), table.fingerprint()));
        state.told.insert(to, fingerprint);
        let message = Message::Report { table: id, about, seen, fingerprint };
        self.effects.push(Effect::Send { to, message });
    }

    /// From now on the two tables are one.
    fn join(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let Some(state) = self.tables.get_mut(&id) else { return };
        state.peers.insert(peer, false);
        self.effects.push(Effect::Attach { table: id, to: peer });
        if self.tables[&id].writable || self.tables[&id].synced {
            self.ask(now, peer, id);
        }
    }

    /// Ends the hold of a peer.
    pub(super) fn release(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let Some(held) = self.tables.get_mut(&id).and_then(|state| state.held.remove(&peer)) else {
            return;
        };
        self.surroundings.with(id, |table| table.abandon(peer));
        if held.is_apart() && self.is_first(id) {
            self.effects.push(Effect::Notice(Notice::Rejoined { table: id, peer }));
        }
        if held.stage == Stage::Overruling {
            let state = self.tables.get_mut(&id).expect("it was there above");
            state.peers.insert(peer, false);
            self.ask(now, peer, id);
        } else {
            self.join(now, peer, id);
        }
    }

    /// Ends the hold of a peer in every fragment of a table.
    fn release_all(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        for id in self.fragments(id).iter() {
            self.release(now, peer, *id);
        }
    }

    /// Whether it is a table's first fragment, which speaks for all where one word is enough.
    fn is_first(&self, id: TableId) -> bool {
        self.tables.get(&id).is_some_and(|state| state.fragment == 0)
    }

    /// Whether any fragment of the table is being filled.
    fn is_filling(&self, state: &TableState) -> bool {
        state.fragments.iter().any(|id| self.tables.get(id).is_some_and(TableState::is_filling))
    }

    /// A held peer joins us: it has decided, or has found that both are in one island. While this
    /// node is filled from one island, none but a peer that has nothing either may: it would
    /// connect two.
    pub(super) fn on_join(&mut self, now: Millis, from: Incarnation, id: TableId) {
        let Some(state) = self.tables.get(&id) else { return };
        let nothing = || {
            self.surroundings
                .with(id, |table| table.reported(from).is_some_and(|(seen, _)| seen.is_empty()))
        };
        let held = state.held.get(&from).is_some_and(|held| held.stage != Stage::Overruling);
        if held && self.rehearsing && !state.declaration.holds() {
            // The peer does not rehearse, and has to wait all the same.
            self.say_apart(from, id, true);
        } else if held && (!self.is_filling(state) || nothing()) {
            self.release(now, from, id);
        }
    }

    /// Tells a peer that it is held, and what our island is.
    fn say_apart(&mut self, to: Incarnation, id: TableId, rehearsal: bool) {
        let (members, lowest) = self.island(id);
        let message = Message::Apart { table: id, members, lowest, rehearsal };
        self.effects.push(Effect::Send { to, message });
    }

    /// The first sync of a table is over: from now on it speaks for the island that filled it.
    pub(super) fn on_filled(&mut self, id: TableId) {
        let seen = self.surroundings.with(id, |table| table.seen());
        let Some(state) = self.tables.get_mut(&id) else { return };
        state.held.values_mut().for_each(|held| held.mine.clone_from(&seen));
        for peer in state.held.keys().copied().collect::<Vec<_>>() {
            self.tell_standing(peer, id);
        }
    }

    /// Whether a peer is kept apart, so that it gets nothing of the table.
    pub(super) fn keeps_apart(&self, peer: Incarnation, id: TableId) -> bool {
        let held = self.tables.get(&id).and_then(|state| state.held.get(&peer));
        held.is_some_and(|held| held.stage != Stage::Overruling)
    }

    /// A peer said how far it has seen.
    pub(super) fn on_standing(&mut self, now: Millis, from: Incarnation, id: TableId) {
        let Some(held) = self.tables.get_mut(&id).and_then(|state| state.held.get_mut(&from))
        else {
            return;
        };
        let theirs = self
            .surroundings
            .with(id, |table| table.reported(from).map(|(seen, _)| seen).unwrap_or_default());
        if held.theirs.is_none() {
            held.theirs = Some(theirs);
            // What was told first may have come before the peer knew that we have the table.
            self.tell_standing(from, id);
        }
        self.compare(now, from, id);
    }

    /// Ends a hold if one of the two has all that the other had when they met, in every fragment. A
    /// table that is not filled yet joins one peer at a time: it must not be what connects two
    /// islands.
    fn compare(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let fragments = self.fragments(id);
        // Who had nothing may be filled by another island meanwhile: it decides.
        let (mut had_something, mut covered, mut included) = (false, true, true);
        for id in fragments.iter() {
            let Some(state) = self.tables.get(id) else { return };
            if state.is_filling() {
                return;
            }
            // What was joined has been decided, and the others are about to be.
            if state.peers.contains_key(&peer) {
                continue;
            }
            let Some(held) = state.held.get(&peer) else { return };
            let Some(theirs) = held.theirs.as_ref().filter(|_| held.stage != Stage::Overruling)
            else {
                return;
            };
            had_something |= !theirs.is_empty();
            self.surroundings.with(*id, |table| {
                covered &= table.origins().covers_all(theirs);
                included &= table.reported(peer).is_some_and(|(seen, _)| seen.includes(&held.mine));
            });
        }
        if had_something && covered || included {
            self.release_all(now, peer, id);
        }
    }

    /// Looks again at every hold; those that last are two islands.
    pub(super) fn care_for_holds(&mut self, now: Millis) {
        let held = self
            .tables
            .iter()
            .flat_map(|(id, state)| state.held.keys().map(|peer| (*id, *peer)).collect::<Vec<_>>());
        for (id, peer) in held.collect::<Vec<_>>() {
            if self.tables.get(&id).is_some_and(|state| !state.told.contains_key(&peer)) {
                self.tell_standing(peer, id);
            }
            self.compare(now, peer, id);
            let settled = self.is_settled(now, peer, id);
            let Some(state) = self.tables.get_mut(&id) else { continue };
            let Some(held) = state.held.get_mut(&peer) else { continue };
            if held.stage == Stage::Meeting && settled {
                held.stage = Stage::Apart;
                if state.fragment == 0 {
                    self.effects.push(Effect::Notice(Notice::Apart { table: id, peer }));
                }
                self.say_apart(peer, id, false);
                self.ask_for(now, peer, id, Aim::Look);
            }
            self.look_again(now, peer, id);
            self.yield_or_not(now, peer, id);
        }
    }

    /// Whether a hold has lasted in every fragment of the table, so that nothing is left to be
    /// heard that would end it.
    fn is_settled(&self, now: Millis, peer: Incarnation, id: TableId) -> bool {
        self.fragments(id).iter().filter_map(|id| self.tables.get(id)).all(|state| {
            let lasts = |held: &Held| {
                held.theirs.is_some() && now.since(held.since) >= 3 * self.settings.sync_interval
            };
            let held = state.held.get(&peer);
            !state.is_filling() && held.map_or(state.peers.contains_key(&peer), lasts)
        })
    }

    /// Asks again for a look whose answer broke off.
    fn look_again(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let Some(held) = self.tables.get(&id).and_then(|state| state.held.get(&peer)) else {
            return;
        };
        let aim = match held.stage {
            Stage::Apart if held.wants_look(now, self.settings.sync_interval) => Aim::Look,
            Stage::Overruling => Aim::Overrule,
            _ => return,
        };
        let timeout = self.settings.ask_timeout;
        self.surroundings.with(id, |table| {
            let silent = table.asking(peer).map(|heard| now.since(heard));
            if silent.is_some_and(|ms| ms >= timeout) && !table.is_finishing(peer) {
                table.abandon(peer);
            }
        });
        self.ask_for(now, peer, id, aim);
    }

    /// How many nodes this node's island has, as far as the table goes, and the lowest name.
    fn island(&self, id: TableId) -> (u32, String) {
        let mine = &self.settings.id.name;
        let peers = self.tables.get(&id).map(|state| &state.peers);
        let linked = self
            .links
            .iter()
            .filter(|(peer, _)| peers.is_some_and(|peers| peers.contains_key(peer)));
        let names: Vec<&String> = linked.map(|(_, link)| &link.peer.name).collect();
        let lowest = names.iter().copied().min().map_or(mine, |name| name.min(mine));
        (names.len() as u32 + 1, lowest.clone())
    }

    /// The peer keeps its table apart from ours, and says what its island is.
    pub(super) fn on_apart(
        &mut self,
        now: Millis,
        from: Incarnation,
        id: TableId,
        island: (u32, String),
        rehearsal: bool,
    ) {
        let Some(state) = self.tables.get_mut(&id) else { return };
        if rehearsal && state.peers.remove(&from).is_some() {
            // Nobody here waits for it meanwhile.
            self.surroundings.with(id, |table| table.detach(from));
            self.hold(now, from, id);
        }
        let held = self.tables.get_mut(&id).and_then(|state| state.held.get_mut(&from));
        if let Some(held) = held {
            held.island = Some(island);
        }
    }

    /// What a join would do is known.
    pub(super) fn on_looked(
        &mut self,
        now: Millis,
        peer: Incarnation,
        id: TableId,
        preview: Preview,
    ) {
        let held = self.tables.get_mut(&id).and_then(|state| state.held.get_mut(&peer));
        if let Some(held) = held {
            held.preview = Some((preview, now));
        }
        self.yield_or_not(now, peer, id);
    }

    /// The policy `yield_island`: islands without a conflict join; of two with one, that with more
    /// nodes, or else with the higher leader, has its word.
    fn yield_or_not(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let Some(state) = self.tables.get(&id) else { return };
        if state.declaration.policy != Policy::YieldIsland {
            return;
        }
        let Some(held) = state.held.get(&peer) else { return };
        let Some(theirs) = held.island.clone() else { return };
        let long = now.since(held.since) >= 10 * self.settings.sync_interval;
        // All fragments follow one word, so all must have been looked at.
        let fragments = self.fragments(id);
        let mut conflicts = 0;
        for state in fragments.iter().filter_map(|id| self.tables.get(id)) {
            if state.peers.contains_key(&peer) {
                continue;
            }
            let held = state.held.get(&peer).filter(|held| held.stage == Stage::Apart);
            let Some((preview, _)) = held.and_then(|held| held.preview.as_ref()) else { return };
            conflicts += preview.conflicts;
        }
        if conflicts == 0 {
            self.release_all(now, peer, id);
            return;
        }
        let mine = self.island(id);
        // One node speaks for its island, and another if that one does not reach the peer.
        let leads = mine.1 == self.settings.id.name;
        if mine > theirs && (leads || long) {
            fragments.iter().for_each(|id| self.speak(now, peer, *id));
        }
    }

    /// This island's word counts: the peer hears all that is written here from now on, and what it
    /// did alone is looked for and overruled, before anything of it is taken in.
    fn speak(&mut self, now: Millis, peer: Incarnation, id: TableId) {
        let held = self.tables.get_mut(&id).and_then(|state| state.held.get_mut(&peer));
        // Said once; attaching again would take for acknowledged what never was.
        let Some(held) = held.filter(|held| held.stage != Stage::Overruling) else { return };
        held.stage = Stage::Overruling;
        self.surroundings.with(id, |table| table.abandon(peer));
        self.effects.push(Effect::Attach { table: id, to: peer });
        self.ask_for(now, peer, id, Aim::Overrule);
    }

    pub(super) fn overrule(&mut self, table: TableId, lone: Vec<Lone>) {
        if !lone.is_empty() {
            self.effects.push(Effect::Overrule { table, lone });
        }
    }

    /// An operator approves: the table joins every peer that it is kept apart from.
    pub fn approve(&mut self, now: Millis, name: &str) -> Result<Vec<Effect>, HoldError> {
        for (id, peer) in self.held_of(name)? {
            self.release(now, peer, id);
        }
        Ok(self.led_anew(now))
    }

    /// An operator chooses this node's side: its island's content takes the place of that of every
    /// peer that the table is kept apart from.
    pub fn choose(&mut self, now: Millis, name: &str) -> Result<Vec<Effect>, HoldError> {
        let held = self.held_of(name)?;
        if !self.tables.get(&TableId::of(name)).is_some_and(|state| state.writable) {
            // What it holds is nobody's side yet.
            return Err(HoldError::NothingHeld(name.into()));
        }
        for (id, peer) in held {
            self.speak(now, peer, id);
        }
        Ok(core::mem::take(&mut self.effects))
    }

    fn held_of(&self, name: &str) -> Result<Vec<(TableId, Incarnation)>, HoldError> {
        let state = self.tables.get(&TableId::of(name)).filter(|state| state.name == name);
        let state = state.ok_or_else(|| HoldError::Unknown(name.into()))?;
        let fragments = state.fragments.iter().filter_map(|id| Some((id, self.tables.get(id)?)));
        let held = fragments.flat_map(|(id, state)| state.held.keys().map(|peer| (*id, *peer)));
        let held: Vec<_> = held.collect();
        if held.is_empty() { Err(HoldError::NothingHeld(name.into())) } else { Ok(held) }
    }

    /// Whether every table is kept apart from islands that come back.
    pub fn is_rehearsing(&self) -> bool {
        self.rehearsing
    }

    /// From now on every table is kept apart from an island that comes back, whatever it is
    /// declared, to see first what a join would do. Ending it joins those that are declared so.
    pub fn rehearse(&mut self, now: Millis, on: bool) -> Vec<Effect> {
        self.rehearsing = on;
        if !on {
            let auto = self.tables.iter().filter(|(_, state)| !state.declaration.holds());
            let held = auto.flat_map(|(id, state)| state.held.keys().map(|peer| (*id, *peer)));
            for (id, peer) in held.collect::<Vec<_>>() {
                self.release(now, peer, id);
            }
        }
        self.led_anew(now)
    }

    /// What came of a join. Who led one of two islands does not lead both, not for a moment, before
    /// it has the grants of the other.
    fn led_anew(&mut self, now: Millis) -> Vec<Effect> {
        self.drive_serial(now);
        core::mem::take(&mut self.effects)
    }
}
