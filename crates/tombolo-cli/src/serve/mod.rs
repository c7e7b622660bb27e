//! `tombolo serve`: one node with its two servers, until a signal.

mod limits;
mod listen;
mod log;
mod parent;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tombolo::Node;
use tombolo_server::{http, resp};
use tracing::{error, info, warn};

use crate::args::ServeArgs;
use crate::config::Config;
use crate::text::complain;
use listen::Listeners;
use signals::Signals;

/// How long a graceful leave may take before the node goes without. The last snapshots are written
/// within it; less than the half minute that supervisors give.
const LEAVE_WITHIN: Duration = Duration::from_secs(25);
/// How long tasks that block a thread, such as discovery, may hold up the end.
const TASKS_END_WITHIN: Duration = Duration::from_millis(200);

/// The exit status for a wrong flag, variable or file; clap uses the same for flags it knows not.
const WRONG_CONFIGURATION: u8 = 2;

/// Runs the subcommand.
pub fn run(args: &ServeArgs) -> ExitCode {
    let config = match Config::read(args) {
        Ok(config) => config,
        Err(error) => {
            complain(error.to_string());
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    let log = log::start(&config.log);
    limits::raise_open_files();
    let ended = run_node(&config, args.exit_with_parent);
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            if !tracing::enabled!(tracing::Level::ERROR) {
                // Whoever switched the log off still wants to know why there is no node.
                complain(format!("{error:#}"));
            }
            ExitCode::FAILURE
        }
    };
    log.flush();
    code
}

fn run_node(config: &Config, exit_with_parent: bool) -> anyhow::Result<()> {
    // One thread for the node, RESP and HTTP: a command then changes the table and queues the
    // operation for the peers without waking another thread, which was measured as the fastest
    // arrangement, and leaves the other cores to the neighbours.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen to signals")?;
        if exit_with_parent {
            signals.add(parent::death());
        }
        serve(config, signals).await
    });
    runtime.shutdown_timeout(TASKS_END_WITHIN);
    ended
}

async fn serve(config: &Config, mut signals: Signals) -> anyhow::Result<()> {
    let listeners = listen::open(config)?;
    warn_of_open_doors(config);
    let node = tokio::select! {
        node = start(config) => node?,
        // Starting waits for the addresses to join; a signal does not wait for that.
        () = signals.next() => return Ok(()),
    };
    info!(
        "{} of cluster {} serves RESP on {}, HTTP on {}, other nodes on {}",
        node.name(),
        config.cluster_name,
        listeners.resp.local_addr()?,
        listeners.http.local_addr()?,
        node.status().address,
    );
    let shutdown = CancellationToken::new();
    let mut servers = Servers::spawn(listeners, &node, config, &shutdown);
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        reason = node.stopped() => Err(anyhow::anyhow!("this node had to stop: {reason}")),
        error = servers.failed() => Err(error),
    };
    let leave = leave(&node, servers, &shutdown);
    tokio::select! {
        left = tokio::time::timeout(LEAVE_WITHIN, leave) => match left {
            Ok(()) => info!("{} left the cluster", node.name()),
            Err(_) => warn!("{} could not say goodbye in time", node.name()),
        },
        () = signals.next() => warn!("a second signal: {} goes at once", node.name()),
    }
    ended
}

async fn start(config: &Config) -> anyhow::Result<Node> {
    let mut builder = Node::builder()
        .cluster_name(&config.cluster_name)
        .listen(config.listen)
        .join(config.join.iter().cloned())
        .ack(config.ack)
        .ack_timeout(config.ack_timeout)
        .max_drift(config.max_drift)
        .on_current_runtime();
    if let Some(rate) = config.sync_rate {
        builder = builder.sync_rate(rate);
    }
    if let Some(bytes) = config.ledger_bytes {
        builder = builder.ledger_bytes(bytes);
    }
    if let Some(dir) = &config.snapshot_dir {
        builder = builder.snapshots(dir, config.snapshot_every);
    }
    if let Some(name) = &config.name {
        builder = builder.name(name);
    }
    if let Some(address) = &config.advertise {
        builder = builder.advertise(address);
    }
    if let Some(secret) = &config.secret {
        builder = builder.secret(secret);
    }
    if let Some(spec) = &config.discovery {
        builder = builder.discovery(tombolo_discovery::parse(spec).context("--discovery")?);
    }
    builder.start().await.map_err(|error| match error {
        tombolo::StartError::Listen { address, error } => {
            listen::cannot_listen("listen", address, &error)
        }
        other => anyhow::Error::new(other).context("the node cannot start"),
    })
}

/// Clients first, so that the peers get the last of their writes; then the cluster.
async fn leave(node: &Node, servers: Servers, shutdown: &CancellationToken) {
    shutdown.cancel();
    servers.ended().await;
    node.leave().await;
}

/// The two servers, each a task.
struct Servers {
    resp: JoinHandle<anyhow::Result<()>>,
    http: JoinHandle<anyhow::Result<()>>,
}

impl Servers {
    fn spawn(
        listeners: Listeners,
        node: &Node,
        config: &Config,
        shutdown: &CancellationToken,
    ) -> Self {
        let settings = resp::Settings {
            password: config.password.clone(),
            ack: config.ack,
            ack_timeout: config.ack_timeout,
            ..resp::Settings::default()
        };
        let resp = resp::run(listeners.resp, node.clone(), settings, shutdown.clone());
        let settings = http::Settings { drills: config.drills };
        let http = http::run(listeners.http, node.clone(), settings, shutdown.clone());
        Self {
            resp: tokio::spawn(async { resp.await.context("RESP ended") }),
            http: tokio::spawn(async { http.await.context("HTTP ended") }),
        }
    }

    /// Resolves when a server ended by itself, which none should.
    async fn failed(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            ended = &mut self.resp => ended,
            ended = &mut self.http => ended,
        };
        match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) => anyhow::anyhow!("a server ended without being asked to"),
            Err(error) => anyhow::Error::new(error).context("a server broke down"),
        }
    }

    /// Waits for the end of both, once they were told to end.
    async fn ended(self) {
        for server in [self.resp, self.http] {
            // One that ended already was reported then, and polling it again would panic.
            if !server.is_finished() {
                let _ = server.await;
            }
        }
    }
}

/// Says what lets strangers in; neither is wrong in a closed network.
fn warn_of_open_doors(config: &Config) {
    if !config.resp.ip().is_loopback() && config.password.is_none() {
        warn!("anyone who reaches {} can read and write: set --password", config.resp);
    }
    if !config.listen.ip().is_loopback() && config.secret.is_none() {
        warn!("anyone who reaches {} can join as a node: set --secret", config.listen);
    }
    if !config.http.ip().is_loopback() && config.drills {
        warn!("anyone who reaches {} can cut links: --drills is on", config.http);
    }
}
