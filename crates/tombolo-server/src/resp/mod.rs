//! The Redis protocol: any Redis client reads and writes Tombolo's tables.
//!
//! [`run`] accepts connections until it is told to stop. From the socket inwards: `connection`
//! reads what has arrived, `parser` finds the commands in it without copying them, `command`
//! executes each one on the selected table and writes its answer with `reply`, and once per batch
//! the connection waits until its writes are acknowledged and sends everything. Commands never
//! see the socket, and reading a table never waits.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tombolo::{Ack, CreateError, Declaration, Node};

use crate::declare::declare;

use self::{
    connection::Connection,
    registry::Card,
    shared::{DEFAULT_TABLE, Shared},
};

mod ahead;
mod command;
mod connection;
mod failure;
mod glob;
mod inbox;
mod inline;
mod marks;
mod number;
mod parser;
mod registry;
mod reply;
mod session;
mod shared;

/// How long connections may go on with what they are doing once the server stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait after the system refused a connection, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the server promises its clients, and what it grants them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What AUTH and HELLO AUTH must present; without it everybody may do everything.
    pub password: Option<String>,
    /// Further connections are refused.
    pub max_connections: usize,
    /// A request that announces a longer bulk string breaks the protocol.
    pub max_bulk: usize,
    /// A longer value is refused, and dropped while it arrives.
    pub max_value: usize,
    /// Who must hold a write before its reply is sent.
    pub ack: Ack,
    /// How long a write waits for that before its reply is NOACK.
    pub ack_timeout: Duration,
    /// A connection that says nothing for so long is closed; by default none is.
    pub idle_timeout: Option<Duration>,
    /// A connection that takes none of its replies for so long is closed.
    pub write_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            password: None,
            max_connections: 16_384,
            max_bulk: 512 << 20,
            max_value: 64 << 20,
            ack: Ack::All,
            ack_timeout: Duration::from_secs(5),
            idle_timeout: None,
            write_timeout: Duration::from_secs(60),
        }
    }
}

/// Serves the tables of `node` on `listener` until `shutdown`. Creates the table `default`, which
/// clients see as database 0, if the node does not have it yet; that is all that can fail.
pub async fn run(
    listener: TcpListener,
    node: Node,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<(), CreateError> {
    let declaration = Declaration::default();
    let table = declare(&node, DEFAULT_TABLE, declaration, Duration::ZERO).await?;
    let port = listener.local_addr().map_or(0, |address| address.port());
    let shared = Arc::new(Shared::new(node, table, settings, port));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, &shared, &shutdown, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a Redis connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

fn admit(
    stream: TcpStream,
    shared: &Arc<Shared>,
    shutdown: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    shared.connections_received.fetch_add(1, Ordering::Relaxed);
    let card = prepare(&stream).and_then(|()| Card::new(shared.registry.next_id(), &stream));
    let card = match card {
        Ok(card) => card,
        Err(error) => {
            tracing::debug!(%error, "a Redis connection was gone at once");
            return;
        }
    };
    if shared.registry.len() >= shared.settings.max_connections {
        shared.connections_rejected.fetch_add(1, Ordering::Relaxed);
        connections.spawn(refuse(stream));
        return;
    }
    let card = shared.registry.add(card);
    let shared = Arc::clone(shared);
    // A token of its own, so that connections do not contend for one list of waiters.
    let stop = shutdown.child_token();
    connections.spawn(async move {
        let id = card.id;
        let result = Connection::new(stream, Arc::clone(&shared), card).run(&stop).await;
        shared.registry.remove(id);
        if let Err(error) = result {
            tracing::debug!(%error, id, "a Redis connection broke");
        }
    });
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

async fn refuse(mut stream: TcpStream) {
    // The client is told if its socket takes the line; nothing depends on it.
    let _ = stream.write_all(b"-ERR max number of clients reached\r\n").await;
}
