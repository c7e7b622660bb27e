//! What a table is declared to be; every node of a cluster must agree.

use core::fmt;

/// How a table is declared. Two nodes that declare one name differently refuse each other's table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Declaration {
    /// The shape of the table.
    pub kind: Kind,
    /// What happens to concurrent writes of one key.
    pub policy: Policy,
    /// What readers see of the records of a node that is down.
    pub owner_down: OwnerDown,
    /// After how many milliseconds a record expires that was written without an expiry of its
    /// own; never if none is given.
    pub ttl: Option<u64>,
}

/// The shape of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// One record a key, in no order.
    #[default]
    Set,
}

/// What happens to concurrent writes of one key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// The event with the highest (stamp, origin) stays, deletes included (rule 7).
    #[default]
    LastWriterWins,
}

/// What readers see of the records that a node wrote once that node is down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OwnerDown {
    /// They stay.
    #[default]
    Keep,
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind={} policy={} owner_down={}", self.kind, self.policy, self.owner_down)?;
        self.ttl.map_or(Ok(()), |ttl| write!(f, " ttl={ttl}ms"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Set => f.write_str("set"),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::LastWriterWins => f.write_str("last_writer_wins"),
        }
    }
}

impl fmt::Display for OwnerDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnerDown::Keep => f.write_str("keep"),
        }
    }
}
