//! What a node shows of itself.

use crate::clock::steady;
use crate::conflict::{LedgerStatus, ledger_status};
use crate::downs::NodeDown;
use crate::finding::BackendStatus;
use crate::fragments::grouped;
use crate::freshness::{self, Freshness};
use crate::mesh::link::Link;
use crate::node::Inner;
use crate::roll::{self, DiscoveredStatus, PauseStatus, PeerTables, Roll};
use crate::snapshot::SnapshotStatus;
use crate::tasks::{FaultStatus, LongTask};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use tombolo_core::{
    Declaration, HeldView, Incarnation, Known, MemberState, Store, Table, TableView,
};

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
    /// Whether every table is kept apart from islands that come back, to see first what a join
    /// would do.
    pub rehearsing: bool,
    /// The node that writes the outcomes of conflicts in this node's island.
    pub leader: String,
    /// The nodes whose writes are not taken in because their clocks are too far ahead.
    pub clocks: Vec<ClockStatus>,
    /// The other members that are linked and have every table that this node has.
    pub available: Vec<String>,
    /// The other members that are not linked, and have not said goodbye.
    pub unavailable: Vec<String>,
    /// The available members with which every table is synced.
    pub joined: Vec<String>,
    /// The linked nodes whose tables differ from this one's, and how.
    pub peer_tables: Vec<PeerTables>,
    /// How old what this node has can be.
    pub freshness: Freshness,
    /// The last times that a member went down, oldest first.
    pub downs: Vec<NodeDown>,
    /// Calls of the program's hooks, resolvers and discovery back-ends that take more than a
    /// second.
    pub long_tasks: Vec<LongTask>,
    /// Those of them that panicked, each named once.
    pub faults: Vec<FaultStatus>,
    /// The snapshots, if the node keeps any.
    pub snapshots: Option<SnapshotStatus>,
}

/// A node whose clock is too far ahead of this one's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClockStatus {
    /// The node.
    pub node: String,
    /// The table that it wrote.
    pub table: String,
    /// By how many milliseconds its last write was ahead.
    pub ahead: u64,
    /// When that was met last.
    pub at: u64,
    /// How many writes were met that are too far ahead, those that came again counted again.
    pub count: u64,
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
    /// Every member is linked with every other; some table is kept apart from another island's,
    /// because both wrote it and its declaration leaves the join to somebody.
    Apart,
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
    /// How many writes of each process it has taken in without a hole, those to all its fragments
    /// together.
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
    /// How often it was altered.
    pub epoch: u8,
    /// How many records are hidden because their owner is down.
    pub hidden: u64,
    /// How many keys hold several values, written concurrently.
    pub siblings: usize,
    /// What the conflict ledger holds.
    pub ledger: LedgerStatus,
    /// How far it has come, while it is being filled or joined.
    pub progress: Option<ProgressStatus>,
    /// What the last sync with each node brought that changed anything.
    pub syncs: Vec<SyncStatus>,
    /// The linked nodes that it is kept apart from.
    pub held: Vec<HeldStatus>,
    /// The linked nodes that have it too.
    pub other_nodes: Vec<String>,
    /// The linked nodes that declare it otherwise.
    pub conflicts_with: Vec<String>,
    /// If somebody keeps it still on this node: since when, for how many guards.
    pub paused: Option<PauseStatus>,
}

/// How far a table has come while it is being filled or joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgressStatus {
    /// How many records were announced by all peers that are sending.
    pub expected: u64,
    /// How many of them came.
    pub received: u64,
    /// Since when.
    pub since: u64,
    /// After how many milliseconds it will be done if it goes on like this; unknown at first.
    pub remaining: Option<u64>,
    /// The peers that are sending.
    pub from: Vec<String>,
}

/// What the last sync with a node did to a table here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncStatus {
    /// The node.
    pub peer: String,
    /// When it was complete.
    pub at: u64,
    /// How many records the node brought.
    pub brought: u64,
    /// How many records here were gone there, and went.
    pub removed: u64,
    /// How many keys are in conflict because of it.
    pub conflicts: u64,
}

/// A node that a table is kept apart from, because both were written without the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldStatus {
    /// The node.
    pub peer: String,
    /// Since when.
    pub since: u64,
    /// Whether it is certain that the two are two islands; before that it may yet turn out that
    /// they are one.
    pub apart: bool,
    /// What a join would do here, once it was looked at.
    pub preview: Option<PreviewStatus>,
}

/// What a join would do to a table here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PreviewStatus {
    /// When it was looked at. It is repeated every ten seconds unless very much differs.
    pub looked: u64,
    /// Keys that would come.
    pub adds: u64,
    /// Keys that would get a newer value.
    pub updates: u64,
    /// Keys that would go.
    pub deletes: u64,
    /// Keys that both sides wrote: the policy decides.
    pub conflicts: u64,
    /// The first keys that would come, go, and be in conflict.
    pub keys: [Vec<Vec<u8>>; 3],
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
    /// Every address that was found, and what is there.
    pub nodes: Vec<DiscoveredStatus>,
    /// Every back-end.
    pub backends: Vec<BackendStatus>,
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
    let (known, link_views, table_views, leader, rehearsing) = {
        let node = shell.node.lock();
        let members = node.members();
        let all: Vec<Known> =
            std::iter::once(members.me()).chain(members.others()).cloned().collect();
        let leader = node.leader_name().to_owned();
        (all, node.link_views(), node.table_views(), leader, node.is_rehearsing())
    };
    let by_incarnation =
        known.iter().map(|known| (known.member.id.incarnation(), known.member.id.name.clone()));
    let names = Names(by_incarnation.collect());
    let members: Vec<MemberStatus> =
        known.iter().enumerate().map(|(at, known)| member(known, &names, at == 0)).collect();
    let mut lags: BTreeMap<Incarnation, u64> = BTreeMap::new();
    let mut table =
        |view: &TableView| Some((view.fragment, table(inner, view, &names, &mut lags)?));
    let tables = grouped(table_views.iter().filter_map(&mut table).collect());
    let since = link_views.iter().map(|view| (view.peer.incarnation(), view.since.0));
    let since: BTreeMap<Incarnation, u64> = since.collect();
    let links = shell.mesh.links();
    let links = links.iter().map(|link| {
        let since = since.get(&link.incarnation).copied();
        let lag_ops = lags.get(&link.incarnation).copied();
        link_status(link, since.unwrap_or_else(|| steady().0), lag_ops.unwrap_or(0))
    });
    let (verdict, verdict_line) = verdict(&members, &tables);
    let discovery = roll::discovery(inner, &members);
    let Roll { available, unavailable, joined, peer_tables } = roll::of(inner, &members, &tables);
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
        discovery,
        refusals: shell.refusals.lock().iter().map(|(refusal, _)| refusal.clone()).collect(),
        cuts: shell.cuts.lock().iter().cloned().collect(),
        rehearsing,
        leader,
        clocks: clocks(inner, &names),
        available,
        unavailable,
        joined,
        peer_tables,
        freshness: freshness::of(inner, shell.registry.all().iter()),
        downs: shell.downs.history(),
        long_tasks: shell.tasks.long(),
        faults: shell.tasks.faults(),
        snapshots: inner.snapshots.as_ref().map(|keeper| keeper.status()),
    }
}

/// For how many milliseconds a clock that was found too far ahead is told of.
const CLOCK_MEMORY: u64 = 60_000;

fn clocks(inner: &Inner, names: &Names) -> Vec<ClockStatus> {
    let mut clocks: BTreeMap<(String, String), ClockStatus> = BTreeMap::new();
    for shared in inner.shell.registry.all() {
        shared.with(|table| {
            for (origin, parked) in table.parked(CLOCK_MEMORY) {
                let (node, table) = (names.name(origin), shared.name.clone());
                let status = clocks.entry((table.clone(), node.clone()));
                let status =
                    status.or_insert(ClockStatus { node, table, ahead: 0, at: 0, count: 0 });
                status.ahead = status.ahead.max(parked.ahead);
                status.at = status.at.max(parked.at.0);
                status.count += parked.count;
            }
        });
    }
    clocks.into_values().collect()
}

fn link_status(link: &Link, since: u64, lag_ops: u64) -> LinkStatus {
    let ops = link.data.tally();
    LinkStatus {
        peer: link.peer.name.clone(),
        since,
        lag_ops,
        lag_bytes: link.data.waiting() + link.control.waiting(),
        last_heard: steady().0 - link.silent_millis(),
        round_trip_micros: link.counters.round_trip_micros.load(Relaxed),
        bytes_in: link.counters.bytes_in.load(Relaxed),
        bytes_out: link.data.written.load(Relaxed) + link.control.written.load(Relaxed),
        ops_in: link.counters.ops_in.load(Relaxed),
        ops_out: ops.queued,
        overflows: ops.overflows,
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
    let syncs = shared.syncs.lock().values().cloned().collect();
    let held = view.held.iter().map(|held| held_status(held, names)).collect();
    Some(shared.with(|table| {
        let written = table.last_written();
        for (peer, contact) in table.contacts() {
            *lags.entry(peer).or_default() += written - contact.acked().min(written);
        }
        TableStatus {
            name: view.name.clone(),
            declaration: view.declaration.clone(),
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
            epoch: view.epoch,
            hidden: table.hidden(),
            siblings: table.sibling_keys(),
            ledger: ledger_status(table),
            progress: progress(table, names),
            syncs,
            held,
            other_nodes: view.carried_by.iter().map(|peer| names.name(*peer)).collect(),
            conflicts_with: view.mismatches.iter().map(|(peer, _)| names.name(*peer)).collect(),
            paused: PauseStatus::of(&shared.turnstile),
        }
    }))
}

/// How far the syncs of a table have come, all together.
fn progress<S: Store>(table: &Table<S>, names: &Names) -> Option<ProgressStatus> {
    let open: Vec<_> = table.progress().filter(|(_, progress)| progress.expected > 0).collect();
    let since = open.iter().map(|(_, progress)| progress.since).min()?;
    let expected: u64 = open.iter().map(|(_, progress)| progress.expected).sum();
    let received: u64 =
        open.iter().map(|(_, progress)| progress.received.min(progress.expected)).sum();
    let took = steady().since(since);
    let remaining = (received > 0)
        .then(|| (took as u128 * u128::from(expected - received) / u128::from(received)) as u64);
    let from = open.iter().map(|(peer, _)| names.name(*peer)).collect();
    Some(ProgressStatus { expected, received, since: since.0, remaining, from })
}

fn held_status(held: &HeldView, names: &Names) -> HeldStatus {
    let texts = |keys: &[Box<[u8]>]| keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>();
    HeldStatus {
        peer: names.name(held.peer),
        since: held.since.0,
        apart: held.apart,
        preview: held.preview.as_ref().map(|(preview, looked)| PreviewStatus {
            looked: looked.0,
            adds: preview.adds,
            updates: preview.updates,
            deletes: preview.deletes,
            conflicts: preview.conflicts,
            keys: [texts(&preview.added), texts(&preview.deleted), texts(&preview.conflicting)],
        }),
    }
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
        if table.paused.is_some() {
            return format!("table {} is paused on this node", table.name);
        }
        format!("table {} is not yet synced with {}", table.name, table.missing.join(" and "))
    });
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        return (Verdict::Converging, format!("converging: {}", missing.join(", ")));
    }
    let apart = tables.iter().flat_map(|table| {
        let held = table.held.iter().filter(|held| held.apart);
        held.map(|held| format!("table {} is kept apart from {}'s", table.name, held.peer))
    });
    let apart: Vec<String> = apart.collect();
    if !apart.is_empty() {
        return (Verdict::Apart, format!("apart: {}", apart.join(", ")));
    }
    let (nodes, count) = (here.len(), tables.len());
    let tables = if count == 1 { "table" } else { "tables" };
    let line =
        format!("whole: {nodes} nodes, each linked with every other, {count} {tables} complete");
    (Verdict::Whole, line)
}
