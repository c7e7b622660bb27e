//! Who a member is to the membership protocol.

use serde::{Deserialize, Serialize};
use tombolo_core::NodeId;

/// One process, and how often it had to come back from being declared down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The node's name. It is the address of the protocol, so that a name has one member.
    pub(crate) name: String,
    /// When the process started; see [`NodeId`].
    pub(crate) started: u64,
    /// Where it can be dialled.
    pub(crate) address: String,
    /// Grows when the process, alive, learns that it was declared down: the protocol takes down
    /// for final, so it can only return as somebody else.
    pub(crate) bump: u32,
}

impl Identity {
    /// The process as it is when it starts.
    pub(crate) fn new(id: &NodeId, address: &str) -> Identity {
        let (name, started) = (id.name.clone(), id.started);
        Identity { name, started, address: address.to_string(), bump: 0 }
    }

    /// The process, whatever it went through.
    pub(crate) fn id(&self) -> NodeId {
        NodeId { name: self.name.clone(), started: self.started }
    }
}

impl foca::Identity for Identity {
    type Addr = String;

    fn renew(&self) -> Option<Identity> {
        let bump = self.bump.checked_add(1)?;
        Some(Identity { bump, ..self.clone() })
    }

    fn addr(&self) -> String {
        self.name.clone()
    }

    fn win_addr_conflict(&self, adversary: &Identity) -> bool {
        (self.started, self.bump) > (adversary.started, adversary.bump)
    }
}
