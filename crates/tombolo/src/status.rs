//! What a node shows of itself.

use crate::clock::steady;
use crate::node::Inner;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use tombolo_core::{Declaration, Incarnation, Known, MemberState, TableView};

/// What a node knows of itself, the cluster and the tables, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The node's name.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The version of Tombolo.
    pub version: &'static str,
    /// When the process started, in milliseconds since the Unix epoch, like every moment here.
    pub started: u64,
    /// Where other nodes dial it.
    pub address: String,
    /// How the cluster is, as this node sees it.
    pub verdict: Verdict,
    /// The verdict in words: who cannot hear whom, what is not complete.
    pub verdict_line: String,
    /// The members, this node first.
    pub members: Vec<MemberStatus>,
    /// The links that are up.
    pub links: Vec<LinkStatus>,
    /// The tables, by name.
    pub tables: Vec<TableStatus>,
    /// What discovery says.
    pub discovery: DiscoveryStatus,
    /// The newest refusals, oldest first.
    pub refusals: Vec<Refusal>,
    /// The members that a drill keeps apart from this node.
    pub cuts: Vec<String>,
}

/// How a cluster is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No other member is known.
    Alone,
    /// Every member is linked with every other, and every table is complete.
    Whole,
    /// Every member is linked with every other; some table is still being synced.
    Converging,
    /// Some members cannot hear each other, or are down.
    Split,
}

/// A member.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Where it is dialled.
    pub address: String,
    /// When its process started.
    pub started: u64,
    /// What this node makes of it.
    pub state: MemberState,
    /// Since when.
    pub since: u64,
    /// Whom it says that it is linked with.
    pub linked_to: Vec<String>,
    /// Whether it is this node.
    pub is_self: bool,
}

/// A link that is up.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The other end.
    pub peer: String,
    /// Since when.
    pub since: u64,
    /// How many ops it has not acknowledged.
    pub lag_ops: u64,
    /// How many bytes wait to be sent.
    pub lag_bytes: u64,
    /// When anything came from it last.
    pub last_heard: u64,
    /// How long the last ping took.
    pub round_trip_micros: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// Ops that came in.
    pub ops_in: u64,
    /// Ops that went out.
    pub ops_out: u64,
    /// How often ops were dropped because too many waited, to be made up for by a sync.
    pub overflows: u64,
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// How it is declared.
    pub declaration: Declaration,
    /// How many keys hold a value.
    pub records: usize,
    /// How many deletes are remembered until every member has seen them.
    pub tombstones: usize,
    /// The sum over the live records.
    pub fingerprint: u64,
    /// How many writes of each process it has taken in without a hole.
    pub seen: Vec<(String, u64)>,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether it was synced with every linked node.
    pub complete: bool,
    /// The linked nodes that it was not synced with yet.
    pub missing: Vec<String>,
    /// How many writes of this node are not acknowledged by every linked node.
    pub unacknowledged: u64,
    /// How many writes this node made.
    pub writes: u64,
    /// If a linked node declares it otherwise: both declarations.
    pub conflict: Option<String>,
}

/// What discovery says.
#[derive(Clone, Debug)]
pub struct DiscoveryStatus {
    /// Whether every back-end answered, without a wrong line.
    pub works: bool,
    /// The addresses that were found.
    pub addresses: Vec<String>,
    /// What is wrong.
    pub error: Option<String>,
}

/// A process that was refused, or that refused this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// When.
    pub at: u64,
    /// The other side's address.
    pub peer: String,
    /// Why, and what to do.
    pub reason: String,
}

/// Names of incarnations.
struct Names(BTreeMap<Incarnation, String>);

impl Names {
    fn name(&self, incarnation: Incarnation) -> String {
        // Only the newest process of a name is a member; older ones left their number in `seen`.
        let known = self.0.get(&incarnation);
        known.cloned().unwrap_or_else(|| format!("gone-{:016x}", incarnation.0))
    }
}

pub(crate) fn of(inner: &Inner) -> Status {
    let shell = &inner.shell;
    let (known, link_views, table_views) = {
        let node = shell.node.lock();
        let members = node.members();
        let all: Vec<Known> =
            std::iter::once(members.me()).chain(members.others()).cloned().collect();
        (all, node.link_views(), node.table_views())
    };
    let by_incarnation =
        known.iter().map(|known| (known.member.id.incarnation(), known.member.id.name.clone()));
    let names = Names(by_incarnation.collect());
    let members: Vec<MemberStatus> =
        known.iter().enumerate().map(|(at, known)| member(known, &names, at == 0)).collect();
    let mut lags: BTreeMap<Incarnation, u64> = BTreeMap::new();
    let mut tables: Vec<TableStatus> =
        table_views.iter().filter_map(|view| table(inner, view, &names, &mut lags)).collect();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    let since = link_views.iter().map(|view| (view.peer.incarnation(), view.since.0));
    let since: BTreeMap<Incarnation, u64> = since.collect();
    let links = shell.mesh.links();
    let links = links.iter().map(|link| LinkStatus {
        peer: link.peer.name.clone(),
        since: since.get(&link.incarnation).copied().unwrap_or_else(|| steady().0),
        lag_ops: lags.get(&link.incarnation).copied().unwrap_or(0),
        lag_bytes: link.data.waiting.load(Relaxed) + link.control.waiting.load(Relaxed),
        last_heard: steady().0 - link.silent_millis(),
        round_trip_micros: link.counters.round_trip_micros.load(Relaxed),
        bytes_in: link.counters.bytes_in.load(Relaxed),
        bytes_out: link.data.written.load(Relaxed) + link.control.written.load(Relaxed),
        ops_in: link.counters.ops_in.load(Relaxed),
        ops_out: link.counters.ops_out.load(Relaxed),
        overflows: link.counters.overflows.load(Relaxed),
    });
    let (verdict, verdict_line) = verdict(&members, &tables);
    let discovered = inner.discovered.lock().clone();
    Status {
        name: shell.me.name.clone(),
        cluster: shell.local.cluster.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started: shell.me.started / 1_000,
        address: shell.local.address.clone(),
        verdict,
        verdict_line,
        links: links.collect(),
        members,
        tables,
        discovery: DiscoveryStatus {
            works: discovered.error.is_none(),
            addresses: discovered.addresses,
            error: discovered.error,
        },
        refusals: shell.refusals.lock().iter().map(|(refusal, _)| refusal.clone()).collect(),
        cuts: shell.cuts.lock().iter().cloned().collect(),
    }
}

fn member(known: &Known, names: &Names, is_self: bool) -> MemberStatus {
    MemberStatus {
        name: known.member.id.name.clone(),
        address: known.member.address.clone(),
        started: known.member.id.started / 1_000,
        state: known.state,
        since: known.since.0,
        linked_to: known.member.linked_to.iter().map(|peer| names.name(*peer)).collect(),
        is_self,
    }
}

fn table(
    inner: &Inner,
    view: &TableView,
    names: &Names,
    lags: &mut BTreeMap<Incarnation, u64>,
) -> Option<TableStatus> {
    let shared = inner.shell.table(view.id)?;
    let conflict = view.mismatches.first().map(|(peer, theirs)| {
        format!("declared {} here and {theirs} on {}", view.declaration, names.name(*peer))
    });
    Some(shared.with(|table| {
        let written = table.last_written();
        for (peer, contact) in table.contacts() {
            *lags.entry(peer).or_default() += written - contact.acked().min(written);
        }
        TableStatus {
            name: view.name.clone(),
            declaration: view.declaration,
            records: table.len(),
            tombstones: table.tombstones(),
            fingerprint: table.fingerprint(),
            seen: table.seen().iter().map(|(origin, seq)| (names.name(origin), seq)).collect(),
            writable: view.writable,
            complete: view.writable && view.missing.is_empty(),
            missing: view.missing.iter().map(|peer| names.name(*peer)).collect(),
            unacknowledged: written - table.acked_by_all().min(written),
            writes: written,
            conflict,
        }
    }))
}

/// How the cluster is, in a word and in a line.
fn verdict(members: &[MemberStatus], tables: &[TableStatus]) -> (Verdict, String) {
    let here: Vec<&MemberStatus> =
        members.iter().filter(|member| member.state != MemberState::Left).collect();
    if here.len() == 1 {
        return (Verdict::Alone, format!("alone: {} knows no other node", here[0].name));
    }
    let hears = |one: &MemberStatus, other: &MemberStatus| one.linked_to.contains(&other.name);
    let mut apart = Vec::new();
    for (at, one) in here.iter().enumerate() {
        if one.state == MemberState::Down {
            let ago = steady().0.saturating_sub(one.since) / 1_000;
            apart.push(format!("{} is not heard by anybody for {ago} s", one.name));
            continue;
        }
        for other in here[at + 1..].iter().filter(|other| other.state == MemberState::Up) {
            if !hears(one, other) || !hears(other, one) {
                apart.push(format!("{} and {} cannot hear each other", one.name, other.name));
            }
        }
    }
    if !apart.is_empty() {
        return (Verdict::Split, format!("split: {}", apart.join(", ")));
    }
    let missing = tables.iter().filter(|table| !table.complete).map(|table| {
        format!("table {} is not yet synced with {}", table.name, table.missing.join(" and "))
    });
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        return (Verdict::Converging, format!("converging: {}", missing.join(", ")));
    }
    let line = format!(
        "whole: {} nodes, each linked with every other, {} tables complete",
        here.len(),
        tables.len()
    );
    (Verdict::Whole, line)
}
