//! Names of nodes, incarnations and tables.

use alloc::string::String;
use core::fmt;

/// One process of a node: its stable name and the moment it started.
///
/// A restarted node has the same name and a later `started`, so it is another incarnation. The
/// older incarnations of a name are *superseded* by the newest one that is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    /// The name that the operator knows the node by; unique in the cluster.
    pub name: String,
    /// When the process started, in microseconds since the Unix epoch by its own clock.
    pub started: u64,
}

impl NodeId {
    /// The short name of this incarnation in dots and version vectors.
    pub fn incarnation(&self) -> Incarnation {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in self.name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Incarnation(mix(mix(hash) ^ self.started).max(1))
    }

    /// Whether this incarnation replaced `other`: the same name, started later.
    pub fn supersedes(&self, other: &NodeId) -> bool {
        self.name == other.name && self.started > other.started
    }
}

impl Incarnation {
    /// What no process is: the asker of a record that is kept for later.
    pub const NOBODY: Incarnation = Incarnation(0);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.started)
    }
}

/// A 64-bit hash of a [`NodeId`]: the origin of a dot.
///
/// Sixty-four bits name an origin everywhere, in memory and on the wire, so that no node has to
/// translate another's numbering. Two incarnations of one cluster that collide are as likely as
/// 2⁻⁶⁴ a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation(pub u64);

/// A 64-bit hash of a table's name, or of that of one of its fragments: what frames carry instead
/// of the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableId(pub u64);

impl TableId {
    /// The id of the table called `name`.
    pub fn of(name: &str) -> TableId {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        TableId(mix(hash))
    }
}

/// Spreads the bits of `x` over the whole word (the finaliser of SplitMix64).
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
