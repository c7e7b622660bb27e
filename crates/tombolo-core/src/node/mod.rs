//! The node: members, links, declared tables, and which sync to start and when.
//!
//! Everything here is slow path. Ops and acknowledgements go straight between a link and its table.

mod alter;
mod dial;
mod event;
mod hold;
mod pause;
mod restore;
mod serial;
mod sync;
mod tables;
mod view;

pub use event::{Effect, Event, Notice};
pub use hold::HoldError;
pub use sync::Answer;
pub use tables::{NewTable, Tables};
pub use view::{HeldView, LinkView, TableView};

use crate::id::{Incarnation, NodeId, TableId};
use crate::members::{DownCause, Member, MemberState, Members};
use crate::message::Message;
use crate::table::Table;
use crate::time::Millis;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use dial::Dials;
use serial::Pending;
use tables::TableState;

/// Who this node is, and its intervals in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This process.
    pub id: NodeId,
    /// Where others can dial it.
    pub address: String,
    /// How often `seen` is reported to the peers, if it changed.
    pub report_interval: u64,
    /// How long a peer may be known to have what this node lacks, before it is asked although no
    /// gap was met. Tables that differ although they have seen the same are compared after five
    /// times that.
    pub sync_interval: u64,
    /// After how much silence an open sync is asked for again.
    pub ask_timeout: u64,
    /// How long a member may be unlinked before stability stops waiting for it.
    pub forget_after: u64,
    /// The first and the longest pause between two attempts to dial an address.
    pub redial: (u64, u64),
    /// How long a node that starts waits for those it knows before it begins alone, and how long a
    /// new table waits for the declaration of each linked peer.
    pub patience: u64,
    /// How many dots a table may have removed ahead before it asks for the missing ones.
    pub removed_ahead: usize,
}

impl Settings {
    /// The defaults for a node that `id` names and `address` reaches.
    pub fn new(id: NodeId, address: String) -> Settings {
        Settings {
            id,
            address,
            report_interval: 100,
            sync_interval: 1_000,
            ask_timeout: 5_000,
            forget_after: 3_600_000,
            redial: (100, 3_000),
            patience: 1_500,
            removed_ahead: 10_000,
        }
    }
}

/// A link that is up.
#[derive(Debug)]
struct Link {
    peer: NodeId,
    since: Millis,
    /// What the peer was told of members last, to tell it only news, and at which version of them.
    told: Vec<Member>,
    told_version: u64,
}

/// One node of the cluster.
pub struct Node<T> {
    settings: Settings,
    surroundings: T,
    members: Members,
    links: BTreeMap<Incarnation, Link>,
    tables: BTreeMap<TableId, TableState>,
    /// Answers and ends of syncs under way, with those that are to be worked on next in front.
    answering: BTreeSet<(Incarnation, TableId)>,
    finishing: BTreeSet<(Incarnation, TableId)>,
    dials: Dials,
    /// Whether those that are known at the start were tried, or waited for long enough.
    started: bool,
    /// Whether peers refuse this process for its name. A twin must not take writes that would end
    /// with it.
    name_taken: bool,
    born: Millis,
    /// Since when there is no link, if there was one.
    apart_since: Option<Millis>,
    last_report: Millis,
    /// Whether every table is kept apart from islands that come back, to see first what a join
    /// would do.
    rehearsing: bool,
    /// What was made of each member last, to tell what changes.
    states: BTreeMap<NodeId, MemberState>,
    /// The requests of this node that have no answer yet, by their numbers.
    pending: BTreeMap<u64, Pending>,
    last_request: u64,
    last_grant: u64,
    effects: Vec<Effect>,
}

impl<T: Tables> Node<T> {
    /// A node that knows nobody yet.
    pub fn new(settings: Settings, surroundings: T, now: Millis) -> Node<T> {
        let members = Members::new(settings.id.clone(), settings.address.clone(), now);
        Node {
            dials: Dials::new(settings.id.clone(), settings.address.clone(), settings.redial),
            members,
            settings,
            surroundings,
            links: BTreeMap::new(),
            tables: BTreeMap::new(),
            answering: BTreeSet::new(),
            finishing: BTreeSet::new(),
            started: false,
            name_taken: false,
            born: now,
            apart_since: None,
            last_report: now,
            rehearsing: false,
            states: BTreeMap::new(),
            pending: BTreeMap::new(),
            last_request: 0,
            last_grant: 0,
            effects: Vec::new(),
        }
    }

    /// The only way in: takes an event, returns what must happen outside, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        let is_answer = event.is_answer();
        match event {
            Event::Linked { peer, members } => self.on_linked(now, peer, &members),
            Event::Unlinked { peer } => self.on_unlinked(now, &peer),
            Event::Received { from, message } => self.on_message(now, from, message),
            Event::Gap { from, table } => self.ask(now, from, table),
            Event::Heard { id, address, up } => self.on_heard(now, id, address, up),
            Event::Discovered { addresses } => self.dials.discovered(addresses, now),
            Event::Dialled { address, peer } => {
                let linked =
                    peer.as_ref().is_some_and(|id| self.links.contains_key(&id.incarnation()));
                self.dials.ended(&address, peer, linked, now);
            }
            Event::Resumed { peer } => self.ask_again(now, peer, None),
            Event::Answered { id, attempt, reply } => self.on_reply(now, id, attempt, reply),
            Event::NameTaken { taken } => self.name_taken = taken,
            Event::Tick { wall } => self.on_tick(now, wall),
        }
        // Answers come in hundreds, and nothing follows from them.
        if !is_answer {
            self.dial(now);
            self.fill_tables(now);
            self.open_tables(now);
            self.drive_serial(now);
        }
        core::mem::take(&mut self.effects)
    }

    /// What the node works on.
    pub fn tables(&self) -> &T {
        &self.surroundings
    }

    /// Who is in the cluster.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Says goodbye: the peers stop waiting for this node, and do not count it as down.
    pub fn leave(&mut self) -> Vec<Effect> {
        self.members.leave();
        self.tell_members();
        core::mem::take(&mut self.effects)
    }

    fn on_linked(&mut self, now: Millis, peer: NodeId, members: &[Member]) {
        let incarnation = peer.incarnation();
        self.learn(now, members);
        self.members.linked(&peer, now);
        self.members_changed();
        self.dials.linked(&peer);
        self.links
            .insert(incarnation, Link { peer, since: now, told: Vec::new(), told_version: 0 });
        for state in self.tables.values() {
            self.effects.push(Effect::Send { to: incarnation, message: state.declare() });
        }
    }

    fn on_unlinked(&mut self, now: Millis, peer: &NodeId) {
        let incarnation = peer.incarnation();
        if self.links.remove(&incarnation).is_none() {
            return;
        }
        self.apart_since = Some(now);
        self.members.unlinked(peer, now);
        self.states_changed();
        self.dials.unlinked(peer, now);
        self.ask_again(now, incarnation, None);
        self.answering.retain(|(to, _)| *to != incarnation);
        self.finishing.retain(|(from, _)| *from != incarnation);
        for (id, state) in &mut self.tables {
            state.unlinked(incarnation);
            self.surroundings.with(*id, |table| table.detach(incarnation));
        }
    }

    fn on_message(&mut self, now: Millis, from: Incarnation, message: Message) {
        if !self.links.contains_key(&from) {
            return;
        }
        match message {
            Message::Declare { name, declaration, epochs } => {
                self.on_declare(now, from, name, declaration, epochs);
            }
            Message::Attach { table, seq } => self.on_attach(now, from, table, seq),
            Message::Ack { table, seq } => self.with_table(table, |t| t.on_ack(from, seq)),
            Message::Sync { table, session, body } => {
                self.on_sync(now, from, table, session, body);
            }
            Message::Report { table, about, seen, fingerprint } => {
                if self.with_table(table, |t| t.on_report(about, &seen, fingerprint, now)) {
                    self.ask(now, from, table);
                }
                if about == from {
                    self.on_standing(now, from, table);
                }
            }
            Message::Apart { table, members, lowest, rehearsal } => {
                self.on_apart(now, from, table, (members, lowest), rehearsal);
            }
            Message::Serial { table, body } => self.on_serial(now, from, table, body),
            Message::Members(members) => self.learn(now, &members),
            // The membership protocol runs beside the core.
            Message::Swim(_) => {}
        }
    }

    fn on_heard(&mut self, now: Millis, id: NodeId, address: String, up: bool) {
        let member = Member {
            id: id.clone(),
            address,
            left: false,
            linked_to: Vec::new(),
            links_version: 0,
        };
        self.learn(now, &[member]);
        self.members.heard(&id, up, now);
        self.states_changed();
    }

    fn on_tick(&mut self, now: Millis, wall: Millis) {
        if self.members.forget(self.settings.forget_after, now) {
            self.members_changed();
        }
        self.tell_members();
        self.care_for_syncs(now);
        self.care_for_holds(now);
        if now.since(self.last_report) >= self.settings.report_interval {
            self.last_report = now;
            self.report();
            self.tend_tables(now, wall);
        }
    }

    fn learn(&mut self, now: Millis, members: &[Member]) {
        let mut changed = false;
        for member in members {
            match self.members.learn(member, now) {
                Ok(news) => changed |= news,
                Err(superseded) => {
                    let notice = Notice::Superseded { by: superseded.by };
                    self.effects.push(Effect::Notice(notice));
                }
            }
            self.dials.member(member, now);
        }
        if changed {
            self.members_changed();
        }
    }

    /// Stability waits for other members from now on.
    fn members_changed(&mut self) {
        let awaited = self.members.awaited();
        for id in self.tables.keys() {
            self.surroundings.with(*id, |table| table.set_members(awaited.clone()));
        }
        self.states_changed();
    }

    /// Some member may be up or down that was not before: tables that hide show others' records.
    fn states_changed(&mut self) {
        let all = self.members.others();
        let states: BTreeMap<NodeId, MemberState> =
            all.map(|known| (known.member.id.clone(), known.state)).collect();
        if states == self.states {
            return;
        }
        for (node, state) in &states {
            let before = self.states.get(node);
            if before == Some(state) {
                continue;
            }
            let node = node.clone();
            let notice = match state {
                MemberState::Up => Notice::Up { node },
                // Of a node that was never up here, there is nothing to say.
                _ if before != Some(&MemberState::Up) => continue,
                MemberState::Left => Notice::Down { node, cause: DownCause::Left },
                MemberState::Down => Notice::Down { node, cause: DownCause::Silent },
            };
            self.effects.push(Effect::Notice(notice));
        }
        for gone in self.states.iter().filter(|(node, _)| !states.contains_key(node)) {
            if *gone.1 == MemberState::Up {
                let notice = Notice::Down { node: gone.0.clone(), cause: DownCause::Superseded };
                self.effects.push(Effect::Notice(notice));
            }
        }
        self.states = states;
        for id in self.tables.keys().copied().collect::<Vec<_>>() {
            self.show_owners(id);
        }
    }

    /// The lowest node that is linked, this one included: whoever writes outcomes.
    fn leader(&self) -> &NodeId {
        let linked = self.links.values().map(|link| &link.peer).filter(|peer| self.stays(peer));
        linked.min().map_or(&self.settings.id, |lowest| lowest.min(&self.settings.id))
    }

    /// Whether a linked peer has not said goodbye.
    fn stays(&self, peer: &NodeId) -> bool {
        let known = self.members.named(&peer.name).filter(|known| known.member.id == *peer);
        known.is_none_or(|known| known.state != MemberState::Left)
    }

    /// Tells every peer the members that it was not told yet.
    fn tell_members(&mut self) {
        let version = self.members.version();
        if self.links.values().all(|link| link.told_version == version) {
            return;
        }
        let all = self.members.to_tell();
        for (to, link) in &mut self.links {
            link.told_version = version;
            let news: Vec<Member> =
                all.iter().filter(|member| !link.told.contains(member)).cloned().collect();
            if !news.is_empty() {
                link.told.clone_from(&all);
                let message = Message::Members(news);
                self.effects.push(Effect::Send { to: *to, message });
            }
        }
    }

    fn dial(&mut self, now: Millis) {
        for address in self.dials.due(now) {
            self.effects.push(Effect::Dial { address });
        }
        let waited = now.since(self.born) >= self.settings.patience;
        self.started |= !self.name_taken && (waited || self.dials.all_tried());
    }

    /// Runs a step on a table, if there is one of that id: a peer may speak of one that this node
    /// declares otherwise.
    fn with_table<R: Default>(
        &self,
        id: TableId,
        step: impl FnOnce(&mut Table<T::Store>) -> R,
    ) -> R {
        if self.tables.contains_key(&id) { self.surroundings.with(id, step) } else { R::default() }
    }
}
