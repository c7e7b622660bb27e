//! What goes into the node machine, and what comes out of it.

use crate::declaration::{Declaration, DeclarationError, Epochs};
use crate::error::DeclarationMismatch;
use crate::id::{Incarnation, NodeId, TableId};
use crate::members::{DownCause, Member};
use crate::message::{Message, SerialBody};
use crate::serial::{Reply, Request, RequestId};
use crate::table::{Lone, SyncReport};
use crate::time::Millis;
use alloc::string::String;
use alloc::vec::Vec;

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Event {
    /// A link is up; its handshake brought the peer's members.
    Linked {
        /// The peer.
        peer: NodeId,
        /// The members it knows, itself included.
        members: Vec<Member>,
    },
    /// A link is gone.
    Unlinked {
        /// The peer.
        peer: NodeId,
    },
    /// A message came in on a link that is up.
    Received {
        /// The peer.
        from: Incarnation,
        /// What it said.
        message: Message,
    },
    /// A table met ops beyond a gap.
    Gap {
        /// Whose ops.
        from: Incarnation,
        /// The table.
        table: TableId,
    },
    /// The membership protocol heard of a process, or has given it up.
    Heard {
        /// The process.
        id: NodeId,
        /// Where it can be dialled.
        address: String,
        /// Whether it is up.
        up: bool,
    },
    /// Discovery found these addresses; they take the place of those it found before.
    Discovered {
        /// The addresses.
        addresses: Vec<String>,
    },
    /// An attempt to dial has ended, with or without a link.
    Dialled {
        /// The address that was dialled.
        address: String,
        /// Who answered, if anybody did.
        peer: Option<NodeId>,
    },
    /// What was dropped from the full queue to a peer flows again.
    Resumed {
        /// The peer.
        peer: Incarnation,
    },
    /// A request of this node that it was to serve itself was answered.
    Answered {
        /// The request.
        id: RequestId,
        /// Which of its questions is answered.
        attempt: u32,
        /// The answer.
        reply: Reply,
    },
    /// A peer takes this process for a twin of one that is alive, or no longer does.
    NameTaken {
        /// Whether it does.
        taken: bool,
    },
    /// Time passed; to be told some ten times a second.
    Tick {
        /// The wall clock, which decides what has expired. It may be set, forwards or backwards;
        /// the time that every event is handled at must not jump, or whatever waits would wait
        /// for as long.
        wall: Millis,
    },
}

impl Event {
    /// Whether it is the answer to a request, which concerns nothing but that request.
    pub(super) fn is_answer(&self) -> bool {
        let body = match self {
            Event::Answered { .. } => return true,
            Event::Received { message: Message::Serial { body, .. }, .. } => body,
            _ => return false,
        };
        matches!(body, SerialBody::Reply { .. })
    }
}

/// What must happen outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Send `message` on the link to `to`, on its lane.
    Send {
        /// The peer.
        to: Incarnation,
        /// What to say.
        message: Message,
    },
    /// Under the table's lock: [`Table::attach`](crate::Table::attach) `to`, send it the
    /// [`Message::Attach`] with that number, and from then on every op of the table.
    Attach {
        /// The table.
        table: TableId,
        /// The peer.
        to: Incarnation,
    },
    /// Try to link with whoever listens at `address`, and tell with [`Event::Dialled`].
    Dial {
        /// `HOST:PORT`.
        address: String,
    },
    /// The table may be written from now on.
    Writable {
        /// The table.
        table: TableId,
    },
    /// The table is declared so from here on: [`Table::adopt`](crate::Table::adopt) it. What was
    /// sent before told the peers, so they know the epoch of whatever is written from here on.
    Adopt {
        /// The table.
        table: TableId,
        /// What it is now.
        declaration: Declaration,
        /// What it was before.
        epochs: Epochs,
    },
    /// Some keys of the table hold siblings: the ripe ones ([`Table::ripe`](crate::Table::ripe))
    /// are to be judged by
    /// the policy. Whoever leads writes the outcome ([`Table::conclude`](crate::Table::conclude));
    /// where the policy does
    /// not decide, every node raises the alarm ([`Table::alarm`](crate::Table::alarm)).
    Judge {
        /// The table.
        table: TableId,
        /// Whether this node writes outcomes.
        leads: bool,
    },
    /// This island's word counts for these keys: [`Table::overrule`](crate::Table::overrule) what
    /// another did alone.
    Overrule {
        /// The table.
        table: TableId,
        /// What it did.
        lone: Vec<Lone>,
    },
    /// Have the table [`Table::serve`](crate::Table::serve) a request, wait for as many nodes as it
    /// asks for, and tell
    /// the asker: a peer by [`SerialBody::Reply`](crate::SerialBody::Reply), this node by
    /// [`Event::Answered`].
    Serve {
        /// The table.
        table: TableId,
        /// Who asks; it may be this node.
        to: Incarnation,
        /// What it asks for.
        request: Request,
    },
    /// A request of this node has its answer.
    Answered {
        /// The request.
        id: RequestId,
        /// The answer; never [`Reply::Again`].
        reply: Reply,
    },
    /// Something an operator should know.
    Notice(Notice),
}

/// What an operator should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A table appeared because a peer has it.
    Adopted {
        /// The table.
        table: String,
        /// Who declared it.
        peer: String,
    },
    /// A peer declares a table as no table can be; nothing of it passes between the two.
    Refused {
        /// The table.
        table: String,
        /// The peer.
        peer: String,
        /// Why not.
        error: DeclarationError,
    },
    /// A peer declares a table otherwise; nothing of it passes between the two.
    Mismatch(DeclarationMismatch),
    /// A newer process has this node's name: this one must stop.
    Superseded {
        /// The newer process.
        by: NodeId,
    },
    /// A table has had another fingerprint than a peer's for long although both have seen the same,
    /// and is being compared with it. It may happen after a process died that not everybody had
    /// met.
    Differs {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
    },
    /// A peer began to answer a sync.
    Syncing {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
    },
    /// A peer sent its part of an empty table's first filling.
    Filled {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
        /// What it brought.
        report: SyncReport,
    },
    /// A sync with a peer is complete.
    Synced {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
        /// What it brought, and what it took away.
        report: SyncReport,
    },
    /// A member is heard.
    Up {
        /// Which process.
        node: NodeId,
    },
    /// A member is not heard any more, or said goodbye.
    Down {
        /// Which process.
        node: NodeId,
        /// Why.
        cause: DownCause,
    },
    /// A table was altered, here or elsewhere.
    Altered {
        /// The table.
        table: TableId,
        /// What it is now.
        declaration: Declaration,
    },
    /// Both this node's island and the peer's wrote the table without the other, and it is kept
    /// apart until somebody decides, or the policy does.
    Apart {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
    },
    /// A table that was kept apart from the peer's joins it.
    Rejoined {
        /// The table.
        table: TableId,
        /// The peer.
        peer: Incarnation,
    },
}
