//! The handshake: who dials whom, and whether the two belong together.
//!
//! It comes before all else on each connection, one connection a lane:
//!
//! 1. The dialer sends [`MAGIC`] and a [`Hello`].
//! 2. The acceptor checks it ([`check_hello`]) and sends [`MAGIC`] and a [`Welcome`] with its
//!    proof, or a refusal.
//! 3. The dialer checks that ([`check_welcome`], [`verify`]) and sends [`Handshake::Confirm`]
//!    with its own proof and its members, or a refusal.
//! 4. The acceptor checks the proof ([`verify`]) and sends [`Handshake::Accepted`] with its
//!    members, or a refusal.
//!
//! A proof is a keyed hash over everything that both have said, under the secret that neither
//! sends. Nobody is told of the members before he has proved that he knows the secret. Without a
//! secret the key is empty and the proofs are exchanged all the same, so that a node with a
//! secret and one without tell each other clearly.
//!
//! This module has the messages and the decisions; the driver has the connection, the clock and
//! the random numbers.

mod codec;
mod proof;
mod refusal;

pub use codec::{decode_handshake, encode_handshake, encode_opening, split_opening};
pub use proof::{Proof, Role, Secret, proof, verify};
pub use refusal::Refusal;

use tombolo_core::{Member, Millis, NodeId};

/// The first bytes that each side sends on a connection, so that a stranger is told apart by them.
pub const MAGIC: [u8; 4] = *b"TMBL";

/// The version of everything that nodes say to each other.
pub const PROTOCOL: u16 = 3;

/// The longest name, cluster name or address, in bytes. What strangers send ends up in logs.
pub const MAX_NAME: usize = 512;

/// Random bytes that are used for one connection only.
pub type Nonce = [u8; 32];

/// Which lane of a link a connection is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Ops, acknowledgements and syncs.
    Data,
    /// What must not wait behind them.
    Control,
}

/// What a dialer says first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Its [`PROTOCOL`].
    pub protocol: u16,
    /// Its cluster's name.
    pub cluster: String,
    /// Which process it is.
    pub id: NodeId,
    /// Where it can be dialled.
    pub address: String,
    /// Which lane this connection is to be.
    pub lane: Lane,
    /// The dialer's number for the link: its two lanes say the same.
    pub link: u64,
    /// Its nonce.
    pub nonce: Nonce,
    /// What its clock says.
    pub clock: Millis,
}

/// What an acceptor answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Its [`PROTOCOL`].
    pub protocol: u16,
    /// Its cluster's name.
    pub cluster: String,
    /// Which process it is.
    pub id: NodeId,
    /// Where it can be dialled.
    pub address: String,
    /// Its nonce.
    pub nonce: Nonce,
    /// What its clock says.
    pub clock: Millis,
    /// Its proof. To be compared by [`verify`] only, which takes the same time for every proof.
    pub proof: Proof,
}

/// Every message of the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// The dialer begins.
    Hello(Hello),
    /// The acceptor answers.
    Welcome(Welcome),
    /// The dialer proves itself.
    Confirm {
        /// Its proof.
        proof: Proof,
        /// The members that it knows.
        members: Vec<Member>,
    },
    /// The connection is a lane from here on.
    Accepted {
        /// The members that the acceptor knows.
        members: Vec<Member>,
    },
    /// The connection is closed after this.
    Refuse(Refusal),
}

/// What a node says of itself in every handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its cluster's name.
    pub cluster: String,
    /// Which process it is.
    pub id: NodeId,
    /// Where it can be dialled.
    pub address: String,
}

impl Identity {
    /// The hello of this node as a dialer.
    pub fn hello(&self, lane: Lane, link: u64, nonce: Nonce, clock: Millis) -> Hello {
        Hello {
            protocol: PROTOCOL,
            cluster: self.cluster.clone(),
            id: self.id.clone(),
            address: self.address.clone(),
            lane,
            link,
            nonce,
            clock,
        }
    }

    /// The answer of this node, as an acceptor, to a hello that it has checked.
    pub fn welcome(&self, secret: &Secret, hello: &Hello, nonce: Nonce, clock: Millis) -> Welcome {
        let mut welcome = Welcome {
            protocol: PROTOCOL,
            cluster: self.cluster.clone(),
            id: self.id.clone(),
            address: self.address.clone(),
            nonce,
            clock,
            proof: [0; 32],
        };
        welcome.proof = proof(secret, Role::Acceptor, hello, &welcome);
        welcome
    }
}

/// Whether the node `mine` may go on with the dialer that says `theirs`: the same protocol and
/// cluster, another node, a clock that differs by no more than `max_drift` milliseconds.
///
/// Whether the dialer's name is taken is for those to say who know the members.
pub fn check_hello(
    mine: &Identity,
    theirs: &Hello,
    now: Millis,
    max_drift: u64,
) -> Result<(), Refusal> {
    check_cluster(mine, theirs.protocol, &theirs.cluster)?;
    check_node(mine, &theirs.id, theirs.clock, now, max_drift)
}

/// [`check_hello`] for the dialer, of what the acceptor says. The proof is for [`verify`].
pub fn check_welcome(
    mine: &Identity,
    theirs: &Welcome,
    now: Millis,
    max_drift: u64,
) -> Result<(), Refusal> {
    check_cluster(mine, theirs.protocol, &theirs.cluster)?;
    check_node(mine, &theirs.id, theirs.clock, now, max_drift)
}

fn check_cluster(mine: &Identity, protocol: u16, cluster: &str) -> Result<(), Refusal> {
    if protocol != PROTOCOL {
        return Err(Refusal::Protocol { ours: PROTOCOL, theirs: protocol });
    }
    if cluster != mine.cluster {
        return Err(Refusal::Cluster { ours: mine.cluster.clone(), theirs: cluster.to_owned() });
    }
    Ok(())
}

fn check_node(
    mine: &Identity,
    id: &NodeId,
    clock: Millis,
    now: Millis,
    max_drift: u64,
) -> Result<(), Refusal> {
    if *id == mine.id {
        return Err(Refusal::OneSelf);
    }
    let drift = clock.0.abs_diff(now.0);
    if drift > max_drift {
        return Err(Refusal::ClockDrift { millis: drift, ahead: clock > now, max: max_drift });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
