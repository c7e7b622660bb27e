//! What the node shows of itself.

use super::{Node, Tables};
use crate::declaration::Declaration;
use crate::id::{Incarnation, NodeId, TableId};
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
    /// Its id.
    pub id: TableId,
    /// Its name.
    pub name: String,
    /// How it is declared here.
    pub declaration: Declaration,
    /// Whether it may be written.
    pub writable: bool,
    /// The linked peers that it was not yet synced with; it is complete when there are none.
    pub missing: Vec<Incarnation>,
    /// The linked peers that declare it otherwise.
    pub mismatches: Vec<(Incarnation, Declaration)>,
}

impl<T: Tables> Node<T> {
    /// The links that are up.
    pub fn link_views(&self) -> Vec<LinkView> {
        let links = self.links.values();
        links.map(|link| LinkView { peer: link.peer.clone(), since: link.since }).collect()
    }

    /// The tables.
    pub fn table_views(&self) -> Vec<TableView> {
        let views = self.tables.iter().map(|(id, state)| TableView {
            id: *id,
            name: state.name.clone(),
            declaration: state.declaration,
            writable: state.writable,
            missing: state.missing(self.links.keys().copied()).collect(),
            mismatches: state.mismatches.iter().map(|(peer, theirs)| (*peer, *theirs)).collect(),
        });
        views.collect()
    }

    /// Whether those that are known at the start were tried, or waited for long enough.
    pub fn has_started(&self) -> bool {
        self.started
    }
}
