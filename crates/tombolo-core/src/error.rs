//! Rejections of the core; each says what state it leaves.

use crate::declaration::Declaration;
use alloc::string::String;

/// A table is declared otherwise on another node, or was on this one. Nothing was changed: this
/// node keeps its table (if it has one), the other keeps its own, and no record passes between
/// them until one of the two declarations is given up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "table {table:?} is declared {theirs} on {peer} and {ours} here; \
     declare it the same way on both, or give it another name"
)]
pub struct DeclarationMismatch {
    /// The table's name.
    pub table: String,
    /// The node that declares it otherwise.
    pub peer: String,
    /// The declaration on this node.
    pub ours: Declaration,
    /// The declaration on the other node.
    pub theirs: Declaration,
}
