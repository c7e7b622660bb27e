//! Which of the members are there, with which tables, and what discovery found.

use crate::finding::{BackendStatus, Reach};
use crate::node::Inner;
use crate::pause::Turnstile;
use crate::status::{DiscoveryStatus, MemberStatus, TableStatus};
use std::collections::BTreeSet;
use tombolo_core::MemberState;

/// That a table stands still.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PauseStatus {
    /// Since when, in milliseconds since the Unix epoch.
    pub since: u64,
    /// How many guards keep it still.
    pub guards: usize,
}

impl PauseStatus {
    pub(crate) fn of(turnstile: &Turnstile) -> Option<PauseStatus> {
        turnstile.guards().map(|(guards, since)| PauseStatus { since, guards })
    }
}

/// How the tables of a linked node differ from this one's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerTables {
    /// The node.
    pub node: String,
    /// The tables that this node has and that one has not declared, or not yet.
    pub missing: Vec<String>,
    /// The tables that that node has and this one cannot make: it runs another version of Tombolo.
    pub unknown: Vec<String>,
    /// The tables that the two declare differently.
    pub conflicts: Vec<String>,
}

/// An address that discovery found, and what is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiscoveredStatus {
    /// `HOST:PORT`.
    pub address: String,
    /// What is there.
    pub reach: Reach,
}

impl DiscoveredStatus {
    /// Whether somebody else than a node of Tombolo answers there, or nobody does.
    pub fn is_without_tombolo(&self) -> bool {
        matches!(self.reach, Reach::NotTombolo(_) | Reach::Nobody(_))
    }
}

/// Who is there, in the words of CETS; names in order, this node not among them.
#[derive(Default)]
pub(crate) struct Roll {
    pub(crate) available: Vec<String>,
    pub(crate) unavailable: Vec<String>,
    pub(crate) joined: Vec<String>,
    pub(crate) peer_tables: Vec<PeerTables>,
}

pub(crate) fn of(inner: &Inner, members: &[MemberStatus], tables: &[TableStatus]) -> Roll {
    let links = inner.shell.mesh.links();
    let linked: BTreeSet<&str> = links.iter().map(|link| link.peer.name.as_str()).collect();
    let refused = inner.shell.refused_tables.lock().clone();
    let mut roll = Roll::default();
    for member in members.iter().filter(|member| !member.is_self) {
        let name = &member.name;
        if !linked.contains(name.as_str()) {
            if member.state != MemberState::Left {
                roll.unavailable.push(name.clone());
            }
            continue;
        }
        let named = |of: &dyn Fn(&TableStatus) -> bool| -> Vec<String> {
            tables.iter().filter(|table| of(table)).map(|table| table.name.clone()).collect()
        };
        let conflicts = named(&|table| table.conflicts_with.contains(name));
        let lacking = |table: &TableStatus| {
            !table.other_nodes.contains(name) && !table.conflicts_with.contains(name)
        };
        let missing = named(&lacking);
        let unknown: Vec<String> = refused.get(name).into_iter().flatten().cloned().collect();
        if missing.is_empty() && conflicts.is_empty() {
            roll.available.push(name.clone());
            let synced = |table: &TableStatus| {
                !table.missing.contains(name) && table.held.iter().all(|held| held.peer != *name)
            };
            if tables.iter().all(synced) {
                roll.joined.push(name.clone());
            }
        }
        if !missing.is_empty() || !unknown.is_empty() || !conflicts.is_empty() {
            let node = name.clone();
            roll.peer_tables.push(PeerTables { node, missing, unknown, conflicts });
        }
    }
    roll
}

pub(crate) fn discovery(inner: &Inner, members: &[MemberStatus]) -> DiscoveryStatus {
    let shell = &inner.shell;
    let found = shell.finding.discovered();
    let backends: Vec<BackendStatus> = shell.finding.backends();
    let is_linked = |name: &str| name == shell.me.name || shell.mesh.named(name).is_some();
    let reach = |address: &String| {
        let there = members.iter().find(|member| member.address == *address);
        let reach = match (there, shell.finding.reach(address)) {
            (Some(member), _) if is_linked(&member.name) => Reach::Node(member.name.clone()),
            (Some(member), Reach::Unknown) => Reach::Node(member.name.clone()),
            (_, reach) => reach,
        };
        match reach {
            Reach::Node(name) if is_linked(&name) => Reach::Linked(name),
            reach => reach,
        }
    };
    let nodes = found
        .addresses
        .iter()
        .map(|address| DiscoveredStatus { address: address.clone(), reach: reach(address) });
    DiscoveryStatus {
        works: found.error.is_none(),
        nodes: nodes.collect(),
        addresses: found.addresses,
        error: found.error,
        backends,
    }
}
