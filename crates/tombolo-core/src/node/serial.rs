//! Who leads, and the requests of this node (rule 12).
//!
//! A table's leader is the lowest node among this one and its linked peers whose copy is open; each
//! node goes by its own links, so two may take themselves for leaders. What keeps a request from
//! being carried out twice are the *grants*: every node has one for each table and lends it to one
//! leader at a time, and a leader serves only while it holds that of every linked node, each
//! followed by a sync from that node. Grants are numbered, so that one which comes late is not
//! taken for a later one. Nothing is lent before somebody asks for a serial operation.

use super::tables::TableState;
use super::{Effect, Node, Tables};
use crate::id::{Incarnation, NodeId, TableId};
use crate::message::{Message, SerialBody};
use crate::serial::{Reply, Request, RequestId};
use crate::table::Aim;
use crate::time::Millis;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// After how many milliseconds a request is sent again to a leader that was not ready for it.
const AGAIN: u64 = 20;

/// The longest pause between two questions: it doubles from time to time.
const LONGEST_PAUSE: u64 = 640;

/// What a node knows of who leads one of its tables.
#[derive(Default, Debug)]
pub(super) struct Leadership {
    /// The linked peers that said that their copy is open.
    ready: BTreeSet<Incarnation>,
    /// The linked peers that were told so of ours.
    told: BTreeSet<Incarnation>,
    /// Whom our grant is lent to.
    lent: Option<Lent>,
    /// The grants that we hold, or have asked for.
    held: BTreeMap<Incarnation, Grant>,
    /// Whether anybody asked for a serial operation since the node started.
    wanted: bool,
    /// Whether the table was told that we lead.
    leads: bool,
    /// Our last write when we stopped to lead.
    written: u64,
    /// No grant is asked for again before, after one was refused.
    again: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lent {
    ToUs,
    To(Incarnation, u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grant {
    /// It was asked for.
    Asked(u64),
    /// It is ours, and a sync that began since is not complete yet.
    Lent {
        number: u64,
        /// Whether the sync has begun.
        asked: bool,
    },
    /// It is ours, and we have what the node had when it lent it.
    Synced(u64),
}

impl Grant {
    fn number(self) -> u64 {
        match self {
            Grant::Asked(number) | Grant::Lent { number, .. } | Grant::Synced(number) => number,
        }
    }
}

impl Leadership {
    fn is_in_use(&self) -> bool {
        self.wanted || self.lent.is_some() || !self.held.is_empty()
    }

    pub(super) fn unlinked(&mut self, peer: Incarnation) {
        self.ready.remove(&peer);
        self.told.remove(&peer);
        self.held.remove(&peer);
        if matches!(self.lent, Some(Lent::To(leader, _)) if leader == peer) {
            self.lent = None;
        }
    }
}

/// A request of this node that has no answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    table: TableId,
    request: Request,
    /// Who was asked, if anybody was and may still answer.
    asked: Option<Incarnation>,
    /// Who was asked last and has not said that it did nothing.
    doubt: Option<String>,
    /// Whether somebody who was asked before will not answer any more.
    unanswered: bool,
    /// How long it waited before it was asked last, for a leader that was not ready.
    pause: u64,
    /// Not to be asked again before.
    not_before: Millis,
}

impl<T: Tables> Node<T> {
    /// The number of the next request of this node, and the number below which it waits for none.
    pub fn next_request(&mut self) -> (RequestId, u64) {
        self.last_request += 1;
        let number = self.last_request;
        let floor = self.pending.keys().next().map_or(number, |first| *first);
        (RequestId { origin: self.settings.id.incarnation(), number }, floor)
    }

    /// Asks whoever leads `table` for a serial operation, and again when that changes, until
    /// [`Effect::Answered`] or [`Node::give_up`]. The request has the id and the floor that
    /// [`Node::next_request`] gave last.
    pub fn request(&mut self, now: Millis, table: TableId, request: Request) -> Vec<Effect> {
        let pending = Pending {
            table,
            request,
            asked: None,
            doubt: None,
            unanswered: false,
            pause: 0,
            not_before: now,
        };
        let number = pending.request.id.number;
        self.pending.insert(number, pending);
        self.ask_leader(now, number, table);
        core::mem::take(&mut self.effects)
    }

    /// How many numbers lie between the oldest request that has no answer and the next.
    pub fn open_requests(&self) -> u64 {
        self.pending.keys().next().map_or(0, |first| self.last_request + 1 - first)
    }

    /// Nobody waits for the request any more. It may have been carried out, or may yet be.
    pub fn give_up(&mut self, id: RequestId) {
        self.pending.remove(&id.number);
    }

    /// The name of who was asked last for a request that has no answer yet, and may have carried it
    /// out.
    pub fn asked(&self, id: RequestId) -> Option<&str> {
        self.pending.get(&id.number)?.doubt.as_deref()
    }

    /// The node that leads a table's island, as this one sees it.
    pub fn table_leader(&self, table: TableId) -> Option<&NodeId> {
        let state = self.tables.get(&table)?;
        let ready = state.serial.ready.iter().filter(|peer| state.peers.contains_key(*peer));
        let peers = ready.filter_map(|peer| self.links.get(peer)).map(|link| &link.peer);
        let peers = peers.filter(|peer| self.stays(peer));
        peers.chain(state.writable.then_some(&self.settings.id)).min()
    }

    pub(super) fn on_serial(
        &mut self,
        now: Millis,
        from: Incarnation,
        table: TableId,
        body: SerialBody,
    ) {
        let leader = self.table_leader(table).map(NodeId::incarnation);
        let Some(state) = self.tables.get_mut(&table) else { return };
        let serial = &mut state.serial;
        let mut send = |body| {
            let message = Message::Serial { table, body };
            self.effects.push(Effect::Send { to: from, message });
        };
        match body {
            SerialBody::Ready => {
                serial.ready.insert(from);
            }
            SerialBody::Want { grant } => {
                if serial.lent.is_none() && leader == Some(from) {
                    serial.lent = Some(Lent::To(from, grant));
                    send(SerialBody::Lend { grant });
                } else {
                    send(SerialBody::Refuse { grant });
                }
            }
            SerialBody::Lend { grant } => {
                if serial.held.get(&from) == Some(&Grant::Asked(grant)) {
                    serial.held.insert(from, Grant::Lent { number: grant, asked: false });
                } else {
                    send(SerialBody::Return { grant });
                }
            }
            SerialBody::Refuse { grant } => {
                if serial.held.get(&from) == Some(&Grant::Asked(grant)) {
                    serial.held.remove(&from);
                    serial.again = now.plus(AGAIN);
                }
            }
            SerialBody::Return { grant } => {
                if serial.lent == Some(Lent::To(from, grant)) {
                    serial.lent = None;
                }
            }
            SerialBody::Request(request) => {
                serial.wanted = true;
                self.effects.push(Effect::Serve { table, to: from, request });
            }
            SerialBody::Reply { id, attempt, reply } => self.on_reply(now, id, attempt, reply),
        }
    }

    /// A request of this node was answered, here or elsewhere.
    pub(super) fn on_reply(&mut self, now: Millis, id: RequestId, attempt: u32, reply: Reply) {
        let Some(pending) = self.pending.get_mut(&id.number) else { return };
        if attempt != pending.request.attempt && !reply.is_done() {
            return;
        }
        if reply == Reply::Again {
            pending.pause = (2 * pending.pause).clamp(AGAIN, LONGEST_PAUSE);
            (pending.asked, pending.not_before) = (None, now.plus(pending.pause));
            pending.doubt = pending.doubt.take().filter(|_| pending.unanswered);
            return;
        }
        self.pending.remove(&id.number);
        self.effects.push(Effect::Answered { id, reply });
    }

    /// A sync of `table` with `peer` is complete.
    pub(super) fn on_grant_synced(&mut self, peer: Incarnation, table: TableId) {
        let Some(state) = self.tables.get_mut(&table) else { return };
        if let Some(grant) = state.serial.held.get_mut(&peer)
            && let Grant::Lent { number, asked: true } = *grant
        {
            *grant = Grant::Synced(number);
        }
    }

    /// Does what who leads, and who is linked, asks for now: tells who may lead, lends, collects
    /// and gives back grants, and sends requests.
    pub(super) fn drive_serial(&mut self, now: Millis) {
        self.tell_ready();
        let serial = self.tables.iter().filter(|(_, state)| state.serial.is_in_use());
        for id in serial.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drive_grants(now, id);
        }
        self.send_requests(now);
    }

    fn tell_ready(&mut self) {
        for (table, state) in self.tables.iter_mut().filter(|(_, state)| state.writable) {
            let serial = &mut state.serial;
            if serial.told.len() == state.peers.len() {
                continue;
            }
            serial.told.retain(|peer| state.peers.contains_key(peer));
            for peer in state.peers.keys() {
                if serial.told.insert(*peer) {
                    let message = Message::Serial { table: *table, body: SerialBody::Ready };
                    self.effects.push(Effect::Send { to: *peer, message });
                }
            }
        }
    }

    fn drive_grants(&mut self, now: Millis, table: TableId) {
        let leads = self.table_leader(table).is_some_and(|leader| *leader == self.settings.id);
        let Some(state) = self.tables.get_mut(&table) else { return };
        let serial = &mut state.serial;
        if leads {
            serial.lent = serial.lent.or(Some(Lent::ToUs));
        } else if serial.lent == Some(Lent::ToUs) {
            serial.lent = None;
        }
        let synced = |peer| matches!(serial.held.get(peer), Some(Grant::Synced(_)));
        let serves = leads && serial.lent == Some(Lent::ToUs) && state.peers.keys().all(synced);
        if serves != serial.leads {
            serial.leads = serves;
            serial.written = self.surroundings.with(table, |table| {
                table.set_leads(serves);
                table.last_written()
            });
        }
        self.give_back(leads, table);
        if leads && !serves {
            self.collect(now, table);
        }
    }

    /// Gives back the grants that are not ours to hold, once their nodes have all that we wrote as
    /// their leader: messages overtake ops, and whoever a node lends its grant to next goes by what
    /// the node has.
    fn give_back(&mut self, leads: bool, table: TableId) {
        let Some(TableState { serial, peers, .. }) = self.tables.get_mut(&table) else { return };
        let written = serial.written;
        serial.held.retain(|peer, grant| {
            if leads && peers.contains_key(peer) {
                return true;
            }
            let behind = self.surroundings.with(table, |table| {
                table.contacts().any(|(to, contact)| to == *peer && contact.acked() < written)
            });
            if !behind {
                let body = SerialBody::Return { grant: grant.number() };
                let message = Message::Serial { table, body };
                self.effects.push(Effect::Send { to: *peer, message });
            }
            behind
        });
    }

    /// Asks for the grants that are missing, and for a sync after each that came.
    fn collect(&mut self, now: Millis, table: TableId) {
        let Some(TableState { serial, peers, .. }) = self.tables.get_mut(&table) else { return };
        let mut syncs = Vec::new();
        for peer in peers.keys() {
            match serial.held.get_mut(peer) {
                None if now >= serial.again => {
                    self.last_grant += 1;
                    let grant = self.last_grant;
                    serial.held.insert(*peer, Grant::Asked(grant));
                    let message = Message::Serial { table, body: SerialBody::Want { grant } };
                    self.effects.push(Effect::Send { to: *peer, message });
                }
                // A sync that is under way may have begun before the grant was lent.
                Some(Grant::Lent { asked, .. }) if !*asked => {
                    let open = self.surroundings.with(table, |table| table.asking(*peer).is_some());
                    if !open {
                        *asked = true;
                        syncs.push(*peer);
                    }
                }
                _ => {}
            }
        }
        for peer in syncs {
            self.ask_for(now, peer, table, Aim::Join);
        }
    }

    /// Sends the requests that wait for nobody to whoever leads their tables.
    fn send_requests(&mut self, now: Millis) {
        let due = self.pending.values().filter(|pending| pending.asked.is_none());
        let due = due.filter(|pending| now >= pending.not_before);
        let due: Vec<(u64, TableId)> =
            due.map(|pending| (pending.request.id.number, pending.table)).collect();
        for (number, table) in due {
            self.ask_leader(now, number, table);
        }
    }

    /// Sends a request to whoever leads the table, if anybody does.
    fn ask_leader(&mut self, now: Millis, number: u64, table: TableId) {
        let Some(leader) = self.table_leader(table).map(NodeId::incarnation) else { return };
        let here = leader == self.settings.id.incarnation();
        if here && !self.tables.get(&table).is_some_and(|state| state.serial.leads) {
            if let Some(state) = self.tables.get_mut(&table).filter(|s| !s.serial.wanted) {
                state.serial.wanted = true;
                self.drive_grants(now, table);
            }
            if !self.tables.get(&table).is_some_and(|state| state.serial.leads) {
                return;
            }
        }
        let name = match self.links.get(&leader) {
            Some(link) => &link.peer.name,
            None => &self.settings.id.name,
        };
        let Some(pending) = self.pending.get_mut(&number) else { return };
        pending.doubt = Some(name.clone());
        pending.asked = Some(leader);
        pending.request.attempt += 1;
        let request = pending.request.clone();
        self.effects.push(if here {
            Effect::Serve { table, to: leader, request }
        } else {
            let message = Message::Serial { table, body: SerialBody::Request(request) };
            Effect::Send { to: leader, message }
        });
    }

    /// The link to `peer` is gone, or something was dropped on it: what it was asked for, of one
    /// table if only that is concerned, is asked again, of whoever leads then. A request that was
    /// carried out is known by its id.
    pub(super) fn ask_again(&mut self, now: Millis, peer: Incarnation, table: Option<TableId>) {
        let concerned = |pending: &&mut Pending| {
            pending.asked == Some(peer) && table.is_none_or(|table| table == pending.table)
        };
        for pending in self.pending.values_mut().filter(concerned) {
            (pending.asked, pending.not_before, pending.unanswered) = (None, now, true);
        }
    }
}
