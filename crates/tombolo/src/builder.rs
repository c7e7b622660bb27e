//! Describing and starting a node.

use crate::acknowledged::Ack;
use crate::clock::{now, steady, unix_micros};
use crate::driver::{self, Timers};
use crate::events::{Hook, NodeEvent, run_hook};
use crate::finding;
use crate::mesh::Mesh;
use crate::mesh::accept;
use crate::mesh::handshake::Local;
use crate::node::{Inner, Node};
use crate::resolve::{Functions, Resolver, Version, of_types};
use crate::shell::{Parts, Registry, Shell, StopReason, Surroundings};
use crate::snapshot::{Found, Keeper};
use crate::swim::{self, Swim};
use crate::throttle::Throttle;
use crate::typed::decode_ordered_key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tombolo_core::{Limits, NodeId, Settings};
use tombolo_discovery::{AddressError, Discovery, Static};
use tombolo_wire::hello::{MAX_NAME, Secret};

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address to listen on is taken or not of this machine.
    #[error("cannot listen on {address} for other nodes: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// An address to join is not `HOST:PORT`.
    #[error("cannot join: {0}")]
    Join(AddressError),
    /// The advertised address is not `HOST:PORT`.
    #[error("cannot advertise: {0}")]
    Advertise(AddressError),
    /// The node's or the cluster's name cannot be one.
    #[error("{0:?} cannot be a name: it takes 1 to {MAX_NAME} bytes without control characters")]
    Name(String),
    /// The peers refused it for good: another process of its name is alive, or newer.
    #[error("{0}")]
    Stopped(StopReason),
    /// There is no runtime to run on, or no thread could be had.
    #[error("cannot start the node's thread: {0}")]
    Thread(io::Error),
    /// The folder for snapshots cannot be used: mend it, or name another.
    #[error("cannot keep snapshots in {}: {error}", dir.display())]
    Snapshots {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Every address stands for all of the machine's, so others would not know which to dial.
    #[error("{0} stands for every address of this machine: say with `advertise` which to dial")]
    Unspecified(SocketAddr),
}

/// Describes a node. Every setting has a default; [`NodeBuilder::start`] starts it.
pub struct NodeBuilder {
    name: Option<String>,
    cluster: String,
    listen: SocketAddr,
    advertise: Option<String>,
    join: Vec<String>,
    discovery: Vec<Box<dyn Discovery>>,
    secret: Secret,
    ack: Ack,
    ack_timeout: Duration,
    max_drift: Duration,
    sync_rate: Option<u64>,
    ledger_bytes: usize,
    functions: Arc<Functions>,
    hooks: Vec<Hook>,
    snapshots: Option<(PathBuf, Duration)>,
    on_current_runtime: bool,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        NodeBuilder {
            name: None,
            cluster: "tombolo".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7381)),
            advertise: None,
            join: Vec::new(),
            discovery: Vec::new(),
            secret: Secret::none(),
            ack: Ack::All,
            ack_timeout: Duration::from_secs(5),
            max_drift: Duration::from_secs(1),
            sync_rate: None,
            ledger_bytes: Limits::default().ledger_bytes,
            functions: Arc::default(),
            hooks: Vec::new(),
            snapshots: None,
            on_current_runtime: false,
        }
    }
}

impl NodeBuilder {
    /// The node's name, unique in the cluster and kept over restarts. Default: the machine's name
    /// and the port it listens on.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The cluster's name; nodes of another refuse to link. Default: `tombolo`.
    #[must_use]
    pub fn cluster_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.cluster);
        self
    }

    /// Where to listen for other nodes; port 0 takes any that is free. Default: 127.0.0.1:7381.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The `HOST:PORT` that others dial, if it is not the one listened on.
    #[must_use]
    pub fn advertise(mut self, address: &str) -> Self {
        self.advertise = Some(address.to_owned());
        self
    }

    /// Nodes to link with, `HOST:PORT`. They may come up in any order, and later.
    #[must_use]
    pub fn join<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.join.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// A back-end that finds nodes to link with, besides those of [`NodeBuilder::join`].
    #[must_use]
    pub fn discovery(mut self, backend: impl Discovery) -> Self {
        self.discovery.push(Box::new(backend));
        self
    }

    /// A secret that every node of the cluster must know. It is never sent. Default: none.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Secret::from(secret);
        self
    }

    /// Who must have a typed table's write before it resolves. Default: [`Ack::All`].
    #[must_use]
    pub fn ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// For how long a typed table's write waits for that. Default: 5 s.
    #[must_use]
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = timeout;
        self
    }

    /// How far the clocks of two linked nodes may differ. An expired record is removed that much
    /// later (it is hidden at once). Default: 1 s.
    #[must_use]
    pub fn max_drift(mut self, drift: Duration) -> Self {
        self.max_drift = drift;
        self
    }

    /// How many bytes a second this node sends to fill or join other nodes' tables, all together.
    /// Writes are not slowed by it. Default: as many as the links take.
    #[must_use]
    pub fn sync_rate(mut self, bytes_per_second: u64) -> Self {
        self.sync_rate = Some(bytes_per_second);
        self
    }

    /// How many bytes of conflicts each table's ledger keeps. Default: 1 MiB.
    #[must_use]
    pub fn ledger_bytes(mut self, bytes: usize) -> Self {
        self.ledger_bytes = bytes;
        self
    }

    /// Registers the resolver of the tables that are declared `resolve(NAME)`. Register the same
    /// on every node: one that has none shows the newest value and raises an alarm.
    #[must_use]
    pub fn resolver(self, name: &str, resolver: impl Resolver) -> Self {
        let resolver: Arc<dyn Resolver> = Arc::new(resolver);
        self.functions.add_resolver(name, Arc::clone(&resolver), resolver);
        self
    }

    /// As [`NodeBuilder::resolver`], for typed tables: `resolve` is given the key and the values,
    /// the newest last, and returns what takes their place: a value, or nothing to delete the key.
    /// Bytes that are not of these types are left as they are, with an alarm.
    #[must_use]
    pub fn resolver_of<K, V>(
        self,
        name: &str,
        resolve: impl Fn(&K, Vec<V>) -> Option<V> + Send + Sync + 'static,
    ) -> Self
    where
        K: DeserializeOwned,
        V: Serialize + DeserializeOwned,
    {
        let resolve = Arc::new(resolve);
        let sets = of_types(Arc::clone(&resolve), |key| postcard::from_bytes(key).ok());
        let ordered = of_types(resolve, |key| decode_ordered_key(key).ok());
        self.functions.add_resolver(name, sets, ordered);
        self
    }

    /// Registers what says which version a value is, for the tables that are declared
    /// `last_version(NAME)`. `V` is what the table's values are written from.
    #[must_use]
    pub fn version_of<V: DeserializeOwned>(
        self,
        name: &str,
        version: impl Fn(&V) -> Version + Send + Sync + 'static,
    ) -> Self {
        let of_bytes = move |value: &[u8]| postcard::from_bytes(value).ok().map(|v| version(&v));
        self.functions.add_versioner(name, Arc::new(of_bytes));
        self
    }

    /// Calls `hook` with the name of every node that is not heard any more, or said goodbye. It
    /// runs on a thread where it may block, after the node's records were hidden in tables
    /// declared so, and one call at a time. If it panics, that is told once, and it is called again
    /// the next time; while it takes more than a second [`Status::long_tasks`](crate::Status) names
    /// it. Nothing but its own next calls waits for it.
    #[must_use]
    pub fn on_node_down(self, hook: impl Fn(&str) + Send + 'static) -> Self {
        self.hook("on_node_down", move |event| {
            if let NodeEvent::NodeDown { node, .. } = event {
                hook(node);
            }
        })
    }

    /// Calls `hook` with every event of the node, as [`NodeBuilder::on_node_down`] does.
    #[must_use]
    pub fn on_event(self, hook: impl Fn(&NodeEvent) + Send + 'static) -> Self {
        self.hook("on_event", hook)
    }

    fn hook(mut self, kind: &str, call: impl Fn(&NodeEvent) + Send + 'static) -> Self {
        let name = format!("{kind} hook {}", self.hooks.len() + 1);
        self.hooks.push(Hook { name, call: Box::new(call) });
        self
    }

    /// Keeps a snapshot of every table in the folder `dir`, one file each, which is made if it is
    /// not there and belongs to this node alone. A table that changed is written every so often,
    /// and once more by [`Node::leave`]; neither stops a writer, and what the disk refuses is shown
    /// in [`Status::snapshots`](crate::Status) while the node goes on. Default: none.
    ///
    /// The node's next process begins with what the snapshots hold: it asks its peers for the
    /// difference only, and a cluster that was stopped as a whole has lost what was written after
    /// each node's last snapshot and nothing else. What was deleted meanwhile does not come back.
    /// It also dials the members that the snapshots name, so that it finds them without discovery.
    ///
    /// A snapshot that is damaged, of another version or of another cluster is renamed, with an
    /// error in the log, and that table starts empty. So is one whose clock is more than 30 s ahead
    /// of the machine's; for less the start waits.
    ///
    /// A file takes about as much as the records, compressed; the memory for writing is bounded by
    /// the largest record.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tombolo::Node;
    /// # let dir = tempfile::tempdir()?;
    /// let describe = || {
    ///     let node = Node::builder().name("a").listen("127.0.0.1:0".parse().unwrap());
    ///     node.snapshots(dir.path(), Duration::from_secs(60))
    /// };
    /// let node = describe().start().await?;
    /// node.table::<String, u32>("online").await?.insert(&"ada".to_owned(), &3).await?;
    /// node.leave().await; // writes the last snapshot
    ///
    /// let node = describe().start().await?;
    /// let online = node.table::<String, u32>("online").await?;
    /// assert_eq!(online.get(&"ada".to_owned())?, Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshots(mut self, dir: impl Into<PathBuf>, every: Duration) -> Self {
        self.snapshots = Some((dir.into(), every));
        self
    }

    /// Runs the node on the runtime that [`NodeBuilder::start`] is called in, instead of on a
    /// thread of its own. Best for single-threaded programs: a write then needs no other thread.
    #[must_use]
    pub fn on_current_runtime(mut self) -> Self {
        self.on_current_runtime = true;
        self
    }

    /// Starts the node. It resolves when the nodes that are known at the start were tried, or
    /// after 1.5 s; a node that finds none runs alone and links when it finds some. If they say
    /// that the node's name is taken it goes on asking for 8 s, in case the other one is just gone.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<Node, StartError> {
        let (runtime, thread) = if self.on_current_runtime {
            (tokio::runtime::Handle::current(), None)
        } else {
            let (handle, stop) = own_thread().map_err(StartError::Thread)?;
            (handle, Some(stop))
        };
        let node = self.launch(&runtime, thread).await?;
        let started = async {
            while !node.inner.shell.node.lock().has_started() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = started => {}
            reason = node.stopped() => return Err(StartError::Stopped(reason)),
        }
        Ok(node)
    }

    async fn launch(
        self,
        runtime: &tokio::runtime::Handle,
        thread: Option<oneshot::Sender<()>>,
    ) -> Result<Node, StartError> {
        let (listener, address) = self.bind(runtime)?;
        let mut backends = self.discovery;
        if !self.join.is_empty() || backends.is_empty() {
            backends.insert(0, Box::new(Static::new(&self.join).map_err(StartError::Join)?));
        }
        let name = self.name.unwrap_or_else(|| {
            format!("{}-{}", host_name(), address.rsplit(':').next().unwrap_or_default())
        });
        check_name(&name)?;
        check_name(&self.cluster)?;
        let max_drift = self.max_drift.as_millis() as u64;
        let (snapshots, found) = match self.snapshots {
            Some(kept) => open_snapshots(runtime, kept, &self.cluster, max_drift).await?,
            None => (None, None),
        };
        // A clock that was set back must not make this process the older one of its name.
        let before = found.as_ref().and_then(|found: &Found| found.newest_start(&name));
        let started = before.map_or(0, |before| before + 1).max(unix_micros());
        let id = NodeId { name, started };
        let mesh = Arc::new(Mesh::default());
        let registry = Arc::new(Registry::default());
        let tasks = Arc::clone(&self.functions.tasks);
        let limits = Limits { max_drift, ledger_bytes: self.ledger_bytes, ..Limits::default() };
        let surroundings = Surroundings {
            me: id.incarnation(),
            limits,
            registry: Arc::clone(&registry),
            mesh: Arc::clone(&mesh),
            functions: self.functions,
        };
        let settings = Settings::new(id.clone(), address.clone());
        let node = tombolo_core::Node::new(settings, surroundings, steady());
        let swim = Swim::new(&id, &address, swim::Settings::default(), rand::random());
        let (cluster, secret) = (self.cluster, self.secret);
        let local = Local { id, cluster, address, secret, max_drift, clock: now };
        let throttle = self.sync_rate.map(Throttle::new);
        let parts = Parts { local, mesh, registry, node, swim, throttle, tasks };
        let (timers, due) = tokio::sync::mpsc::unbounded_channel();
        let shell = Arc::new(Shell::new(parts, runtime.clone(), timers));
        if let (Some(keeper), Some(found)) = (&snapshots, found) {
            let (loader, shell) = (Arc::clone(keeper), Arc::clone(&shell));
            let load = runtime.spawn_blocking(move || loader.load(&shell, found));
            load.await.map_err(|error| StartError::Thread(io::Error::other(error)))?;
        }
        if let Some(keeper) = &snapshots {
            spawn(&shell, Arc::clone(keeper).run(Arc::clone(&shell)));
        }
        for hook in self.hooks {
            let events = shell.events.listen(shell.running.clone());
            shell.runtime.spawn(run_hook(events, hook, Arc::clone(&shell.tasks)));
        }
        spawn_tasks(&shell, listener, due);
        finding::spawn(&shell, backends);
        let (ack, ack_timeout) = (self.ack, self.ack_timeout);
        Ok(Node { inner: Arc::new(Inner { shell, ack, ack_timeout, snapshots, thread }) })
    }

    /// The listener, and the address that others dial.
    fn bind(&self, runtime: &tokio::runtime::Handle) -> Result<(TcpListener, String), StartError> {
        let failed = |error| StartError::Listen { address: self.listen, error };
        let listener = std::net::TcpListener::bind(self.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let address = match &self.advertise {
            Some(address) => {
                tombolo_discovery::check_address(address).map_err(StartError::Advertise)?;
                address.clone()
            }
            None if bound.ip().is_unspecified() => return Err(StartError::Unspecified(bound)),
            None => bound.to_string(),
        };
        let _entered = runtime.enter();
        Ok((TcpListener::from_std(listener).map_err(failed)?, address))
    }
}

fn spawn_tasks(shell: &Arc<Shell>, listener: TcpListener, due: Timers) {
    let mesh = Arc::clone(&shell.mesh);
    spawn(shell, accept::run(Arc::clone(shell), listener));
    spawn(shell, async move { mesh.run_flusher().await });
    spawn(shell, driver::run_swim_timers(Arc::clone(shell), due));
    spawn(shell, driver::run_ticker(Arc::clone(shell)));
    spawn(shell, driver::run_pump(Arc::clone(shell)));
    let closing = Arc::clone(shell);
    shell.runtime.spawn(async move {
        closing.running.cancelled().await;
        closing.mesh.links().iter().for_each(|link| link.closed.cancel());
    });
}

/// Runs a task until it ends, or the node does.
fn spawn(shell: &Arc<Shell>, task: impl Future<Output = ()> + Send + 'static) {
    let running = shell.running.clone();
    shell.runtime.spawn(async move {
        tokio::select! {
            () = task => {}
            () = running.cancelled() => {}
        }
    });
}

/// Takes the folder, and reads what the process before left there.
async fn open_snapshots(
    runtime: &tokio::runtime::Handle,
    (dir, every): (PathBuf, Duration),
    cluster: &str,
    max_drift: u64,
) -> Result<(Option<Arc<Keeper>>, Option<Found>), StartError> {
    let (folder, cluster) = (dir.clone(), cluster.to_owned());
    let opened = runtime.spawn_blocking(move || {
        let keeper = Keeper::open(folder, every)?;
        let found = keeper.check(&cluster, max_drift)?;
        Ok((Some(Arc::new(keeper)), Some(found)))
    });
    let opened = opened.await.map_err(|error| StartError::Thread(io::Error::other(error)))?;
    opened.map_err(|error| StartError::Snapshots { dir, error })
}

/// A thread with a runtime of its own, that lives until it is told to end.
fn own_thread() -> io::Result<(tokio::runtime::Handle, oneshot::Sender<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    std::thread::Builder::new().name("tombolo-tide".to_owned()).spawn(move || {
        // A dropped sender says the same as a word.
        let _ = runtime.block_on(stopped);
        runtime.shutdown_timeout(Duration::from_millis(100));
    })?;
    Ok((handle, stop))
}

fn check_name(name: &str) -> Result<(), StartError> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(StartError::Name(name.to_owned()));
    }
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}
