//! What users say about conflicts.

use alloc::vec::Vec;

/// One of several values of a key, written concurrently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sibling<'a> {
    /// The value.
    pub value: &'a [u8],
    /// When it was written, in milliseconds since the Unix epoch, by the hybrid logical clock of
    /// the table: a write that saw another has a later one.
    pub written: u64,
    /// When it expires, in milliseconds since the Unix epoch.
    pub expires: Option<u64>,
    /// Whether it is itself the outcome of a conflict.
    pub outcome: bool,
}

/// What a resolver makes of a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// This value takes the place of all. It keeps an expiry only if every sibling has one, and
    /// then the latest.
    Value(Vec<u8>),
    /// The key holds nothing any more.
    Delete,
    /// All stay, the newest is read, and an alarm is raised until somebody writes the key.
    KeepBoth,
}

/// Decides what becomes of concurrent writes of a key, for tables declared `resolve(NAME)`.
///
/// Any function of a key and its siblings is one. [`Resolver::resolve`] is asked on every node, by
/// readers and before the leader writes the outcome, with the same siblings in the same order (the
/// newest last), so it must be a pure function of what it is given: then every node shows the same.
/// One that panics, or answers the same question differently, loses nothing: all siblings stay, the
/// newest is read, and an alarm says what is wrong. It should be quick, because reads of a key in
/// conflict wait for it.
///
/// `begin` and `finish` are called around each sync with a peer, for those who need state for one
/// merge; they may block, and they too may not harm the node.
pub trait Resolver: Send + Sync + 'static {
    /// A sync of the table with a peer begins.
    fn begin(&self, table: &str, peer: &str) {
        let _ = (table, peer);
    }

    /// What becomes of `siblings`, of which there are at least two that differ.
    fn resolve(&self, key: &[u8], siblings: &[Sibling<'_>]) -> Resolution;

    /// The sync with the peer is complete.
    fn finish(&self, table: &str, peer: &str) {
        let _ = (table, peer);
    }
}

impl<F> Resolver for F
where
    F: Fn(&[u8], &[Sibling<'_>]) -> Resolution + Send + Sync + 'static,
{
    fn resolve(&self, key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
        self(key, siblings)
    }
}
