//! Rejections of the core; each says what state it leaves.

use crate::declaration::{Declaration, DeclarationError, Kind};
use alloc::boxed::Box;
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

/// Why a table was not declared. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeclareError {
    /// It cannot be kept.
    #[error(transparent)]
    Invalid(#[from] DeclarationError),
    /// It is declared otherwise already.
    #[error(transparent)]
    Mismatch(Box<DeclarationMismatch>),
}

/// Why a table was not altered. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlterError {
    /// There is no such table.
    #[error("there is no table {0:?}; create it")]
    Unknown(String),
    /// The new declaration cannot be kept.
    #[error(transparent)]
    Invalid(#[from] DeclarationError),
    /// What the records are cannot be altered.
    #[error(
        "table {table:?} is kind={ours}, which cannot be altered; \
         create another table with kind={wanted} and move the records"
    )]
    Kind {
        /// The table.
        table: String,
        /// What it is.
        ours: Kind,
        /// What it was to be.
        wanted: Kind,
    },
    /// The objects of a bag are told apart by what the policy named when they were written.
    #[error(
        "the second key of the bag {0:?} cannot be altered, because its objects are kept by it; \
         create another table and move the records"
    )]
    Per(String),
    /// Every key would have to move to another fragment.
    #[error(
        "table {table:?} has fragments={ours}, which cannot be altered; \
         create another table with fragments={wanted} and move the records"
    )]
    Fragments {
        /// The table.
        table: String,
        /// How many it has.
        ours: u16,
        /// How many it was to have.
        wanted: u16,
    },
    /// A field of the policy is none. The node machine does not know fields: whoever altered did.
    #[error("{0}")]
    Field(String),
    /// Every alteration is remembered, and there is room for 255.
    #[error("table {0:?} was altered 255 times, which is the most; create another")]
    TooOften(String),
}
