//! Accepting links.

use super::handshake::{self, HandshakeError, Peer};
use super::link::Link;
use crate::shell::Shell;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tombolo_core::{Incarnation, Member};
use tombolo_wire::hello::{Hello, Lane, Refusal};

/// How many strangers may be in their handshake at once.
const HANDSHAKES: usize = 128;

/// How long the first lane of a link waits for the second.
const SECOND_LANE: Duration = Duration::from_secs(5);

/// Data lanes whose control lane is still to come, by peer and number of the link.
type Halves = Mutex<BTreeMap<(Incarnation, u64), (TcpStream, Peer)>>;

/// Accepts links until the node ends.
pub(crate) async fn run(shell: Arc<Shell>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    let halves = Arc::new(Halves::default());
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: others will be closed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shell, halves) = (Arc::clone(&shell), Arc::clone(&halves));
        let runtime = shell.runtime.clone();
        runtime.spawn(async move {
            if let Err(error) = lane(&shell, &halves, stream).await {
                // A node that dialled itself, a cut that a drill made, and somebody who only
                // looked whether the port is open are no news.
                match error.refusal() {
                    None | Some(Refusal::OneSelf | Refusal::Cut) => {
                        tracing::debug!(%address, %error, "no link");
                    }
                    Some(_) => shell.refused(&address.to_string(), &error.to_string()),
                }
            }
            drop(permit);
        });
    }
}

/// One lane's handshake; the second of a link makes the link.
async fn lane(
    shell: &Arc<Shell>,
    halves: &Arc<Halves>,
    mut stream: TcpStream,
) -> Result<(), HandshakeError> {
    super::tune(&stream);
    let admit = |hello: &Hello| admit(shell, hello);
    let peer = handshake::accept(&mut stream, &shell.local, rand::random(), admit).await?;
    let key = (peer.id.incarnation(), peer.link);
    if peer.lane == Lane::Data {
        halves.lock().insert(key, (stream, peer));
        let (halves, runtime) = (Arc::clone(halves), shell.runtime.clone());
        runtime.spawn(async move {
            tokio::time::sleep(SECOND_LANE).await;
            halves.lock().remove(&key);
        });
        return Ok(());
    }
    let Some((data, first)) = halves.lock().remove(&key) else { return Ok(()) };
    let (link, incoming) = Link::new(first.id, key.0, data, stream);
    shell.link_up(link, incoming, &first.address, first.members);
    Ok(())
}

/// Whether a process may link, and what it is told of the members.
fn admit(shell: &Arc<Shell>, hello: &Hello) -> Result<Vec<Member>, Refusal> {
    let id = &hello.id;
    let taken = |started, address: &str, heard_millis_ago| Refusal::NameTaken {
        name: id.name.clone(),
        started,
        address: address.to_owned(),
        heard_millis_ago,
    };
    if id.name == shell.me.name && *id != shell.me {
        return Err(taken(shell.me.started, &shell.local.address, 0));
    }
    if shell.cuts.lock().contains(&id.name) {
        return Err(Refusal::Cut);
    }
    let node = shell.node.lock();
    if let Some(known) = node.members().named(&id.name) {
        if known.member.id.supersedes(id) {
            return Err(Refusal::Superseded { name: id.name.clone(), by: known.member.id.started });
        }
        // Only a link that is up is evidence: a process that was killed is still counted as up
        // by the membership protocol when its successor comes.
        if let Some(link) = shell.mesh.named(&id.name).filter(|link| link.peer != *id) {
            let silent = link.silent_millis();
            return Err(taken(link.peer.started, &known.member.address, silent));
        }
    }
    Ok(node.members().to_tell())
}
