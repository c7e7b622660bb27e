//! The node machine in its surroundings: events go in here, effects are carried out here.

use crate::clock::{now, steady};
use crate::downs::Downs;
use crate::events::{Events, NodeEvent};
use crate::finding::Finding;
use crate::mesh::Mesh;
use crate::mesh::dial;
use crate::mesh::handshake::Local;
use crate::mesh::link::{Incoming, Link};
use crate::mesh::reader;
use crate::resolve::Functions;
use crate::serial::Requests;
use crate::shared::SharedTable;
use crate::status::Refusal;
use crate::swim::{Output, Swim, SwimError, Token};
use crate::tasks::Tasks;
use crate::throttle::Throttle;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tombolo_core::{
    Declaration, DeclareError, Effect, Event, Incarnation, Kind, Limits, Member, Message, Millis,
    NewTable, Node, NodeId, Table, TableId, Tables,
};
use tombolo_store::{ConcurrentStore, Order, Records};

/// How many milliseconds pass before a refusal that repeats is logged again.
const LOG_AGAIN: u64 = 30_000;

/// How many refusals are kept to show.
const KEPT_REFUSALS: usize = 32;

/// Why a node stopped without being asked to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StopReason {
    /// Another process of this name is in the cluster and alive.
    #[error("{0}")]
    NameTaken(String),
    /// A newer process of this name took this one's place.
    #[error("a newer process took this node's name ({by}); give this one another name")]
    Superseded {
        /// The newer process.
        by: String,
    },
    /// [`Node::leave`](crate::Node::leave) was called.
    #[error("the node left the cluster")]
    Left,
}

/// Every table of the node, each fragment for itself, for readers without a lock.
#[derive(Default)]
pub(crate) struct Registry {
    by_id: ArcSwap<BTreeMap<TableId, Arc<SharedTable>>>,
}

impl Registry {
    pub(crate) fn table(&self, id: TableId) -> Option<Arc<SharedTable>> {
        self.by_id.load().get(&id).map(Arc::clone)
    }

    pub(crate) fn all(&self) -> Vec<Arc<SharedTable>> {
        self.by_id.load().values().map(Arc::clone).collect()
    }
}

/// The tables as the node machine reaches them.
pub(crate) struct Surroundings {
    pub(crate) me: Incarnation,
    pub(crate) limits: Limits,
    pub(crate) registry: Arc<Registry>,
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) functions: Arc<Functions>,
}

impl Tables for Surroundings {
    type Store = ConcurrentStore;

    fn create(&mut self, new: NewTable<'_>) {
        let NewTable { id, name, fragment, declaration, epochs } = new;
        let order = match declaration.kind {
            Kind::Set => Order::Hashed,
            // The objects of one key of a bag lie side by side.
            Kind::OrderedSet | Kind::Bag => Order::Ordered,
        };
        let (store, records) = Records::open(order);
        let table = Table::new(self.me, store, self.limits, declaration, epochs.clone());
        let (mesh, functions) = (Arc::clone(&self.mesh), Arc::clone(&self.functions));
        let shared =
            SharedTable::new(id, (name, fragment), declaration, table, records, mesh, functions);
        // Only the node machine makes tables, and it is behind a lock.
        let mut tables = BTreeMap::clone(&self.registry.by_id.load());
        tables.insert(id, Arc::new(shared));
        self.registry.by_id.store(Arc::new(tables));
    }

    fn with<R>(&self, id: TableId, step: impl FnOnce(&mut Table<ConcurrentStore>) -> R) -> R {
        let tables = self.registry.by_id.load();
        let table = tables.get(&id).expect("the node machine speaks only of tables it made");
        table.with(step)
    }
}

/// One node: the machine, its links, and what drives them.
pub(crate) struct Shell {
    pub(crate) local: Local,
    pub(crate) me: NodeId,
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) node: Mutex<Node<Surroundings>>,
    pub(crate) swim: Mutex<Swim>,
    pub(crate) events: Events,
    /// The serial operations of this node that others carry out.
    pub(crate) requests: Requests,
    /// Who went down, and why.
    pub(crate) downs: Downs,
    /// The tables of linked peers that cannot be made here, by peer.
    pub(crate) refused_tables: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Where other nodes are looked for.
    pub(crate) finding: Finding,
    /// What of the users' is being called.
    pub(crate) tasks: Arc<Tasks>,
    /// How fast syncs may be sent, if that is bounded.
    pub(crate) throttle: Option<Throttle>,
    swim_timers: UnboundedSender<(Instant, Token)>,
    pub(crate) runtime: tokio::runtime::Handle,
    /// Wakes the pump: a sync has something to do.
    pub(crate) pump: Notify,
    /// One at a time makes or ends a link.
    linking: Mutex<()>,
    /// The processes that this node is about to have dialled a link with.
    pub(crate) linking_with: Mutex<BTreeSet<Incarnation>>,
    /// Members that a drill keeps apart from this node.
    pub(crate) cuts: Mutex<BTreeSet<String>>,
    /// When a clock that is too far ahead was told of last, by node.
    clock_alarmed: Mutex<BTreeMap<String, Instant>>,
    /// The newest refusals, each with when it was logged.
    pub(crate) refusals: Mutex<VecDeque<(Refusal, u64)>>,
    /// When this node's name was refused by a peer first, and last.
    pub(crate) name_refused: Mutex<Option<(Instant, Instant)>>,
    pub(crate) running: CancellationToken,
    pub(crate) stopped: watch::Sender<Option<StopReason>>,
}

/// What a shell is made of, besides what it makes itself.
pub(crate) struct Parts {
    pub(crate) local: Local,
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) node: Node<Surroundings>,
    pub(crate) swim: Swim,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) tasks: Arc<Tasks>,
}

impl Shell {
    pub(crate) fn new(
        parts: Parts,
        runtime: tokio::runtime::Handle,
        swim_timers: UnboundedSender<(Instant, Token)>,
    ) -> Shell {
        Shell {
            me: parts.local.id.clone(),
            local: parts.local,
            mesh: parts.mesh,
            registry: parts.registry,
            node: Mutex::new(parts.node),
            swim: Mutex::new(parts.swim),
            requests: Requests::default(),
            events: parts.tasks.events.clone(),
            tasks: parts.tasks,
            finding: Finding::default(),
            downs: Downs::default(),
            refused_tables: Mutex::default(),
            throttle: parts.throttle,
            swim_timers,
            runtime,
            pump: Notify::new(),
            linking: Mutex::new(()),
            linking_with: Mutex::default(),
            cuts: Mutex::default(),
            clock_alarmed: Mutex::default(),
            refusals: Mutex::default(),
            name_refused: Mutex::new(None),
            running: CancellationToken::new(),
            stopped: watch::Sender::new(None),
        }
    }

    pub(crate) fn table(&self, id: TableId) -> Option<Arc<SharedTable>> {
        self.registry.table(id)
    }

    /// Hands an event to the machine and carries out what it says, in its order.
    pub(crate) fn handle(self: &Arc<Self>, event: Event) {
        let mut node = self.node.lock();
        let effects = node.handle(steady(), event);
        self.carry_out(effects);
    }

    /// Declares a table.
    pub(crate) fn create(
        self: &Arc<Self>,
        name: &str,
        declaration: Declaration,
    ) -> Result<Arc<SharedTable>, DeclareError> {
        let mut node = self.node.lock();
        let (id, effects) = node.create(steady(), name, declaration)?;
        self.carry_out(effects);
        Ok(self.table(id).expect("it was made above"))
    }

    /// Has the machine do what somebody asked for, and carries out what it says.
    pub(crate) fn steer<E>(
        self: &Arc<Self>,
        ask: impl FnOnce(&mut Node<Surroundings>, Millis) -> Result<Vec<Effect>, E>,
    ) -> Result<(), E> {
        let mut node = self.node.lock();
        let effects = ask(&mut node, steady())?;
        self.carry_out(effects);
        Ok(())
    }

    /// A peer's op was not taken in because its clock is too far ahead.
    pub(crate) fn clock_ahead(&self, node: &str, table: &SharedTable) {
        let ahead = table.with(|machine| {
            machine.parked(LOG_AGAIN).map(|(_, parked)| parked.ahead).max().unwrap_or_default()
        });
        let mut alarmed = self.clock_alarmed.lock();
        let long_ago =
            alarmed.get(node).is_none_or(|at| at.elapsed().as_millis() >= u128::from(LOG_AGAIN));
        if long_ago {
            alarmed.insert(node.to_owned(), Instant::now());
            tracing::error!(
                node,
                table = table.name,
                ahead,
                "the node's clock is too far ahead: its writes are not taken in until that is \
                 mended; compare the clocks"
            );
            self.events.tell(NodeEvent::ClockAhead { node: node.to_owned(), ahead });
        }
    }

    /// Carries out effects. The node's lock is held, so that those of two events do not mix.
    pub(crate) fn carry_out(self: &Arc<Self>, effects: Vec<Effect>) {
        let mut sent = false;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    if let Some(link) = self.mesh.link(to) {
                        link.send(&message);
                        sent = true;
                    }
                }
                Effect::Attach { table, to } => {
                    if let (Some(table), Some(link)) = (self.table(table), self.mesh.link(to)) {
                        table.attach(&link);
                        sent = true;
                    }
                }
                Effect::Dial { address } => dial::spawn(self, address),
                Effect::Writable { table } => {
                    if let Some(table) = self.table(table) {
                        table.open();
                        if table.fragment == 0 {
                            tracing::info!(table = table.name, "the table may be written");
                        }
                    }
                }
                Effect::Adopt { table, declaration, epochs } => {
                    if let Some(table) = self.table(table) {
                        table.adopt(&declaration, epochs);
                    }
                }
                Effect::Judge { table, leads } => self.judge(table, leads),
                Effect::Overrule { table, lone } => {
                    if let Some(table) = self.table(table) {
                        table.overrule(&lone);
                        sent = true;
                    }
                }
                Effect::Serve { table, to, request } => self.serve(table, to, request),
                Effect::Answered { id, reply } => self.requests.answered(id, reply),
                Effect::Notice(notice) => self.notice(notice),
            }
        }
        if sent {
            self.mesh.schedule_flush();
        }
        self.pump.notify_one();
    }

    /// Tells the peers that this node is leaving.
    pub(crate) fn say_goodbye(self: &Arc<Self>) {
        let mut node = self.node.lock();
        let effects = node.leave();
        self.carry_out(effects);
    }

    /// Ends the node. The first reason stays.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            if first {
                match &reason {
                    StopReason::Left => tracing::info!("{reason}"),
                    _ => tracing::error!("stopping: {reason}"),
                }
                *stopped = Some(reason);
            }
            first
        });
        self.mesh.end();
        self.running.cancel();
        self.registry.all().iter().for_each(|table| table.release_all());
    }

    /// The members, to tell a peer in the handshake.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.node.lock().members().to_tell()
    }

    /// Both lanes to `peer` are there. Of two links between the same processes the one that the
    /// lower incarnation dialled stays, so that both ends choose the same; a link that the same
    /// side dialled again takes the place of the one it has given up.
    pub(crate) fn link_up(
        self: &Arc<Self>,
        link: Link,
        incoming: Incoming,
        address: &str,
        members: Vec<Member>,
    ) {
        let turn = self.linking.lock();
        if let Some(old) = self.mesh.link(link.incarnation) {
            if old.dialled_by < link.dialled_by {
                return;
            }
            self.end_link(&old, "a newer connection takes its place");
        }
        if self.running.is_cancelled() {
            return;
        }
        let link = Arc::new(link);
        tracing::info!(peer = link.peer.name, address, "linked");
        self.forget_name_refusal(Duration::ZERO);
        self.mesh.add(Arc::clone(&link));
        self.handle(Event::Linked { peer: link.peer.clone(), members });
        drop(turn);
        self.with_swim(|swim| swim.announce_to(&link.peer, address));
        self.spawn_link(link, incoming);
    }

    /// Forgets that the name was refused, if that is so long ago.
    pub(crate) fn forget_name_refusal(self: &Arc<Self>, ago: Duration) {
        let mut refused = self.name_refused.lock();
        if refused.is_some_and(|(_, last)| last.elapsed() >= ago) {
            *refused = None;
            drop(refused);
            self.handle(Event::NameTaken { taken: false });
        }
    }

    fn spawn_link(self: &Arc<Self>, link: Arc<Link>, incoming: Incoming) {
        let (shell, data) = (Arc::clone(self), Arc::clone(&link));
        self.runtime.spawn(async move {
            let _closes = data.closed.clone().drop_guard();
            let ended = tokio::select! {
                biased;
                () = data.closed.cancelled() => "the link was closed".to_owned(),
                () = shell.running.cancelled() => "the node ends".to_owned(),
                error = reader::run_data(&shell, &data, incoming.data) => error.to_string(),
            };
            shell.link_down(&data, &ended);
        });
        let (shell, asked) = (Arc::clone(self), Arc::clone(&link));
        self.runtime.spawn(async move {
            let answers = shell.answer_dumps(&asked);
            asked.closed.run_until_cancelled(answers).await;
        });
        let shell = Arc::clone(self);
        self.runtime.spawn(async move {
            let data = async {
                while link.data.unblocked().await {
                    shell.mesh.flush_data(&link);
                    if !link.data.is_crowded() {
                        shell.mesh.drained.notify_waiters();
                    }
                    if link.data.has_room() {
                        shell.mesh.room.notify_one();
                    }
                }
            };
            let control = async {
                while link.control.unblocked().await {
                    link.flush_control()
                }
            };
            let _closes = link.closed.clone().drop_guard();
            let ended = tokio::select! {
                biased;
                () = link.closed.cancelled() => "the link was closed".to_owned(),
                () = shell.running.cancelled() => "the node ends".to_owned(),
                error = reader::run_control(&shell, &link, incoming.control) => error.to_string(),
                () = data => "writing failed".to_owned(),
                () = control => "writing failed".to_owned(),
            };
            shell.link_down(&link, &ended);
        });
    }

    /// A link is broken, or is to be.
    pub(crate) fn link_down(self: &Arc<Self>, link: &Arc<Link>, why: &str) {
        let _turn = self.linking.lock();
        let known = self.mesh.link(link.incarnation);
        if known.is_some_and(|known| Arc::ptr_eq(&known, link)) {
            self.end_link(link, why);
        }
    }

    fn end_link(self: &Arc<Self>, link: &Arc<Link>, why: &str) {
        tracing::info!(peer = link.peer.name, why, "the link is down");
        self.downs.link_ended(&link.peer.name, why, link.counters.fresh.load(Relaxed));
        self.refused_tables.lock().remove(&link.peer.name);
        self.mesh.remove(link);
        link.closed.cancel();
        // Tables of a node that has ended hold their links for as long as somebody reads them.
        link.data.shut();
        link.control.shut();
        // A newer process of the name may be linked already.
        if self.mesh.named(&link.peer.name).is_none() {
            self.swim.lock().unlinked(&link.peer.name);
        }
        // A node that ends still tells those who wait who had their writes.
        if !self.mesh.has_ended() {
            self.handle(Event::Unlinked { peer: link.peer.clone() });
        }
    }

    /// Runs a step of the membership protocol and does what it asks for.
    pub(crate) fn with_swim(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Swim) -> Result<(), SwimError>,
    ) {
        let (result, outputs) = {
            let mut swim = self.swim.lock();
            let result = step(&mut swim);
            (result, swim.outputs().collect::<Vec<_>>())
        };
        match result {
            Ok(()) => {}
            Err(SwimError::Superseded(by)) => {
                self.stop(StopReason::Superseded { by: by.to_string() });
            }
            Err(error) => tracing::debug!(%error, "the membership protocol"),
        }
        for output in outputs {
            match output {
                Output::Send { to, data } => {
                    if let Some(link) = self.mesh.named(&to) {
                        link.send(&Message::Swim(data));
                    }
                }
                Output::Timer { after, token } => {
                    // The receiver lives as long as the node; afterwards no timer is wanted.
                    let _ = self.swim_timers.send((Instant::now() + after, token));
                }
                Output::Heard { id, address, up } => {
                    tracing::info!(member = id.name, up, "the membership protocol heard");
                    self.handle(Event::Heard { id, address, up });
                }
            }
        }
    }

    /// A packet of the membership protocol came in.
    pub(crate) fn on_swim(self: &Arc<Self>, packet: &[u8]) {
        self.with_swim(|swim| swim.received(packet));
    }

    /// Keeps the name of a peer's table that cannot be made here.
    pub(crate) fn refused_table(&self, peer: &str, table: String) {
        let mut refused = self.refused_tables.lock();
        let tables = refused.entry(peer.to_owned()).or_default();
        if tables.len() < KEPT_REFUSALS {
            tables.insert(table);
        }
    }

    /// Keeps a refusal to show, and logs it; one that repeats is logged now and then.
    pub(crate) fn refused(&self, peer: &str, reason: &str) {
        let mut refusals = self.refusals.lock();
        let at = now().0;
        // Ports, times and ages differ from one attempt to the next and say nothing new.
        let gist = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        let same = |(known, _): &(Refusal, u64)| {
            gist(&known.peer) == gist(peer) && gist(&known.reason) == gist(reason)
        };
        let known = refusals.iter().position(same).and_then(|index| refusals.remove(index));
        let logged = match known {
            Some((_, logged)) if at.saturating_sub(logged) < LOG_AGAIN => logged,
            _ => {
                tracing::warn!(peer, "{reason}");
                at
            }
        };
        let (peer, reason) = (peer.to_owned(), reason.to_owned());
        refusals.push_back((Refusal { at, peer, reason }, logged));
        while refusals.len() > KEPT_REFUSALS {
            refusals.pop_front();
        }
    }
}
