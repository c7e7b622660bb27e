//! The name of one write.

use crate::id::Incarnation;

/// One write or delete: the `seq`-th of its origin in its table, counted from 1 without a hole.
///
/// The order is only for ordered collections and for ties between equal stamps; it says nothing
/// about which write came first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dot {
    /// The incarnation that wrote.
    pub origin: Incarnation,
    /// Which of its writes.
    pub seq: u64,
}
