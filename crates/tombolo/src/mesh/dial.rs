//! Dialling links.

use super::handshake::{self, HandshakeError, Peer};
use super::link::Link;
use crate::shell::Shell;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tombolo_core::{Event, Incarnation, NodeId};
use tombolo_wire::hello::{Lane, Refusal};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How soon a node whose name is taken tries again.
const NAME_PAUSE: Duration = Duration::from_millis(250);

/// Tries once to link with whoever listens at `address`, and tells the node machine.
pub(crate) fn spawn(shell: &Arc<Shell>, address: String) {
    let shell = Arc::clone(shell);
    let runtime = shell.runtime.clone();
    runtime.spawn(async move {
        let dialled = tokio::select! {
            dialled = dial_until_told(&shell, &address) => dialled,
            () = shell.running.cancelled() => return,
        };
        let peer = match dialled {
            Ok(peer) => Some(peer),
            Err(error) => explain(&shell, &address, &error),
        };
        shell.handle(Event::Dialled { address, peer });
    });
}

/// Dials, and goes on for as long as the other side takes this node for an older process of its
/// name, which may have died without a word: that is no answer yet.
async fn dial_until_told(shell: &Arc<Shell>, address: &str) -> Result<NodeId, HandshakeError> {
    loop {
        let dialled = dial(shell, address).await;
        shell.finding.dialled(address, &dialled);
        let Err(HandshakeError::RefusedByPeer { refusal, .. }) = &dialled else { return dialled };
        let Refusal::NameTaken { .. } = refusal else { return dialled };
        explain(shell, address, dialled.as_ref().expect_err("it is an error"));
        tokio::time::sleep(NAME_PAUSE).await;
    }
}

/// Logs why an attempt failed; who is behind the address, if that is known all the same.
fn explain(shell: &Arc<Shell>, address: &str, error: &HandshakeError) -> Option<NodeId> {
    match (error.refusal(), error) {
        (Some(Refusal::OneSelf), _) => return Some(shell.me.clone()),
        (Some(Refusal::Cut), _)
        | (_, HandshakeError::Timeout | HandshakeError::Io(_) | HandshakeError::Unreachable(_)) => {
            tracing::debug!(address, %error, "no link");
        }
        (refusal, HandshakeError::RefusedByPeer { .. }) => {
            shell.refused(address, &error.to_string());
            refusal.iter().for_each(|refusal| shell.on_refused(refusal));
        }
        _ => shell.refused(address, &error.to_string()),
    }
    None
}

async fn connect(address: &str) -> Result<TcpStream, HandshakeError> {
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    let late = |_| HandshakeError::Unreachable(format!("no answer in {} s", CONNECT.as_secs()));
    let failed = |error: io::Error| HandshakeError::Unreachable(error.to_string());
    let stream = connected.map_err(late)?.map_err(failed)?;
    super::tune(&stream);
    Ok(stream)
}

async fn dial(shell: &Arc<Shell>, address: &str) -> Result<NodeId, HandshakeError> {
    let number: u64 = rand::random();
    let (data, peer) = dial_lane(shell, address, Lane::Data, number).await?;
    if shell.mesh.link(peer.id.incarnation()).is_some() {
        // It is linked under another address: this one is now known to be the same node's.
        return Ok(peer.id);
    }
    if shell.cuts.lock().contains(&peer.id.name) {
        return Err(Refusal::Cut.into());
    }
    let Some(_turn) = Turn::take(shell, peer.id.incarnation()) else {
        // It is being linked under another address at this moment.
        return Ok(peer.id);
    };
    let (control, second) = dial_lane(shell, address, Lane::Control, number).await?;
    if second.id != peer.id {
        // Another process answered the second time; the next attempt will meet it alone.
        return Err(HandshakeError::Timeout);
    }
    let (link, incoming) = Link::new(peer.id.clone(), shell.me.incarnation(), data, control);
    shell.link_up(link, incoming, &peer.address, peer.members);
    Ok(peer.id)
}

/// The right to link with a process: one address of it at a time, or two links would replace each
/// other.
struct Turn<'a> {
    shell: &'a Shell,
    peer: Incarnation,
}

impl<'a> Turn<'a> {
    fn take(shell: &'a Shell, peer: Incarnation) -> Option<Turn<'a>> {
        let free = shell.linking_with.lock().insert(peer);
        free.then(|| Turn { shell, peer })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shell.linking_with.lock().remove(&self.peer);
    }
}

async fn dial_lane(
    shell: &Arc<Shell>,
    address: &str,
    lane: Lane,
    number: u64,
) -> Result<(TcpStream, Peer), HandshakeError> {
    let mut stream = connect(address).await?;
    let members = shell.members();
    let nonce = rand::random();
    let peer = handshake::dial(&mut stream, &shell.local, lane, number, members, nonce).await?;
    Ok((stream, peer))
}
