//! What the node shows of itself.

use super::{Node, Tables};
use crate::declaration::Declaration;
use crate::id::{Incarnation, NodeId, TableId};
use crate::table::Preview;
use crate::time::Millis;
use alloc::string::String;
use alloc::vec::Vec;

/// A link that is up.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// The peer.
    pub peer: NodeId,
    /// Since when.
    pub since: Millis,
}

/// A table as the node knows it; its contents are asked of the table itself.
#[derive(Clone, Debug)]
pub struct TableView {
    /// Its id, or that of the fragment.
    pub id: TableId,
    /// Its name, whichever fragment it is.
    pub name: String,
    /// Which of its fragments it is, from 0 on; an ordinary table has only that one.
    pub fragment: u16,
    /// How it is declared here.
    pub declaration: Declaration,
    /// Whether it may be written.
    pub writable: bool,
    /// The linked peers that it was not yet synced with; it is complete when there are none.
    pub missing: Vec<Incarnation>,
    /// The linked peers that declare it otherwise.
    pub mismatches: Vec<(Incarnation, Declaration)>,
    /// The linked peers that it is kept apart from.
    pub held: Vec<HeldView>,
    /// How often it was altered.
    pub epoch: u8,
    /// The linked peers that have it too.
    pub carried_by: Vec<Incarnation>,
    /// Whether it stands still.
    pub paused: bool,
}

/// A peer that a table is kept apart from.
#[derive(Clone, Debug)]
pub struct HeldView {
    /// The peer.
    pub peer: Incarnation,
    /// Since when.
    pub since: Millis,
    /// Whether it is certain that the two are two islands.
    pub apart: bool,
    /// What a join would do here, once it was looked at, and when that was.
    pub preview: Option<(Preview, Millis)>,
}

impl<T: Tables> Node<T> {
    /// The links that are up.
    pub fn link_views(&self) -> Vec<LinkView> {
        let links = self.links.values();
        links.map(|link| LinkView { peer: link.peer.clone(), since: link.since }).collect()
    }

    /// The tables, each fragment for itself.
    pub fn table_views(&self) -> Vec<TableView> {
        let views = self.tables.iter().map(|(id, state)| TableView {
            id: *id,
            name: state.name.clone(),
            fragment: state.fragment,
            declaration: state.declaration.clone(),
            writable: state.writable,
            missing: state.missing(self.links.keys().copied()).collect(),
            mismatches: state.mismatches.clone().into_iter().collect(),
            held: state.held.iter().map(|(peer, held)| held.view(*peer)).collect(),
            epoch: state.epochs.current(),
            carried_by: state.peers.keys().chain(state.held.keys()).copied().collect(),
            paused: self.is_paused(*id),
        });
        views.collect()
    }

    /// Whether a table is kept apart from a peer's.
    pub fn is_apart_from(&self, table: TableId, peer: Incarnation) -> bool {
        self.tables.get(&table).is_some_and(|state| state.held.contains_key(&peer))
    }

    /// The linked peers that a table is not synced with, for whatever reason; all of them if there
    /// is no such table.
    pub fn apart_from(&self, table: TableId) -> Vec<Incarnation> {
        let peers = self.tables.get(&table).map(|state| &state.peers);
        let synced = |peer: &&Incarnation| peers.and_then(|peers| peers.get(*peer)) == Some(&true);
        self.links.keys().filter(|peer| !synced(peer)).copied().collect()
    }

    /// The node that writes outcomes, as this one sees it.
    pub fn leader_name(&self) -> &str {
        &self.leader().name
    }

    /// Whether those that are known at the start were tried, or waited for long enough.
    pub fn has_started(&self) -> bool {
        self.started
    }
}
