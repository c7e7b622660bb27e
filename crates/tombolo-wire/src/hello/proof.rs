//! Proving that one knows the secret without sending it.

use super::{Hello, Lane, Refusal, Welcome};
use crate::write;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// HMAC-SHA256 under the secret.
pub type Proof = [u8; 32];

/// What the nodes of a cluster share and strangers lack. It shows itself to nobody.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// No secret: every node that has none either is let in.
    pub fn none() -> Secret {
        Secret::default()
    }

    /// Whether there is a secret.
    pub fn is_some(&self) -> bool {
        !self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Secret {
        Secret(secret.as_bytes().to_vec())
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Secret {
        Secret(secret.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_some() { "Secret(withheld)" } else { "Secret(none)" })
    }
}

/// Who proves. It is part of the proof, so that nobody can hand a node's own proof back to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The node that dialled.
    Dialer,
    /// The node that accepted.
    Acceptor,
}

/// The proof of `role` on the connection on which these two were said. The acceptor's own proof
/// inside `welcome` is not part of it.
pub fn proof(secret: &Secret, role: Role, hello: &Hello, welcome: &Welcome) -> Proof {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("a key may have any length");
    mac.update(&transcript(role, hello, welcome));
    mac.finalize().into_bytes().into()
}

/// Checks what the other side claims to be its proof, in a time that does not tell how much of it
/// is right.
pub fn verify(
    secret: &Secret,
    role: Role,
    hello: &Hello,
    welcome: &Welcome,
    claimed: &Proof,
) -> Result<(), Refusal> {
    let right = proof(secret, role, hello, welcome);
    if bool::from(right.ct_eq(claimed)) { Ok(()) } else { Err(Refusal::Secret) }
}

/// What is proved: the role and every field of both, each with its length or of a fixed size, so
/// that no two handshakes have one transcript.
fn transcript(role: Role, hello: &Hello, welcome: &Welcome) -> Vec<u8> {
    let mut out = b"tombolo handshake 1".to_vec();
    out.push(match role {
        Role::Dialer => 1,
        Role::Acceptor => 2,
    });
    out.extend_from_slice(&hello.nonce);
    out.extend_from_slice(&welcome.nonce);

    write::u16(&mut out, hello.protocol);
    write::string(&mut out, &hello.cluster);
    write::string(&mut out, &hello.id.name);
    write::u64(&mut out, hello.id.started);
    write::string(&mut out, &hello.address);
    out.push(lane_number(hello.lane));
    write::u64(&mut out, hello.link);
    write::u64(&mut out, hello.clock.0);

    write::u16(&mut out, welcome.protocol);
    write::string(&mut out, &welcome.cluster);
    write::string(&mut out, &welcome.id.name);
    write::u64(&mut out, welcome.id.started);
    write::string(&mut out, &welcome.address);
    write::u64(&mut out, welcome.clock.0);
    out
}

/// A lane as it is sent and proved.
pub(super) fn lane_number(lane: Lane) -> u8 {
    match lane {
        Lane::Data => 1,
        Lane::Control => 2,
    }
}
