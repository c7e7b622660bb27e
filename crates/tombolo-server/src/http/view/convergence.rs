//! Whether tables are equal, and where they are not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo::{Convergence, Digest, Standing};

use super::bytes::text;
use crate::http::base64;

/// `/api/v1/converged`: whether every member has the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConvergedView {
    /// Each table.
    pub tables: BTreeMap<String, TableConvergedView>,
}

/// Whether every member has the same table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableConvergedView {
    /// Whether every other member was heard to have exactly what this node has.
    pub converged: bool,
    /// How the others stand to this node.
    pub members: Vec<StandingView>,
}

impl TableConvergedView {
    pub(crate) fn new(found: &Convergence) -> Self {
        let members = found.members.iter().map(StandingView::new).collect();
        Self { converged: found.converged, members }
    }
}

/// How a member stands to the node that was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StandingView {
    /// The member.
    pub node: String,
    /// Whether it reported of the table.
    pub known: bool,
    /// How many writes it lacks that this node has.
    pub lacks: u64,
    /// How many writes it has that this node lacks.
    pub ahead: u64,
    /// Whether it has seen the same and has another fingerprint all the same.
    pub differs: bool,
}

impl StandingView {
    fn new(standing: &Standing) -> Self {
        Self {
            node: standing.node.clone(),
            known: standing.known,
            lacks: standing.lacks,
            ahead: standing.ahead,
            differs: standing.differs,
        }
    }
}

/// `/api/v1/digest?table=T`: what a table is, to be compared with other nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DigestView {
    /// How many writes of each process were taken in; the process as 16 hexadecimal digits.
    pub seen: BTreeMap<String, u64>,
    /// The sum over all live records, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The same for each of the 256 parts of the keys.
    pub parts: Vec<String>,
    /// Whether nothing was written while the parts were summed up.
    pub at_rest: bool,
}

impl DigestView {
    pub(crate) fn new(digest: &Digest) -> Self {
        let seen = digest.seen.iter();
        Self {
            seen: seen.map(|(origin, up_to)| (format!("{origin:016x}"), *up_to)).collect(),
            fingerprint: format!("{:016x}", digest.fingerprint),
            parts: digest.parts.iter().map(|sum| format!("{sum:016x}")).collect(),
            at_rest: digest.at_rest,
        }
    }
}

/// `/api/v1/digest?table=T&part=N`: the keys of one part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DigestPartView {
    /// The keys, in their order.
    pub keys: Vec<SumView>,
}

impl DigestPartView {
    pub(crate) fn new(keys: &[(Vec<u8>, u64)]) -> Self {
        Self { keys: keys.iter().map(|(key, sum)| SumView::new(key, *sum)).collect() }
    }
}

/// One key and a sum over what it holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SumView {
    /// The key as text; what is no UTF-8 is replaced.
    pub key: String,
    /// The key exactly.
    pub key_base64: String,
    /// The sum, 16 hexadecimal digits.
    pub sum: String,
}

impl SumView {
    fn new(key: &[u8], sum: u64) -> Self {
        let key_base64 = base64::encode(key);
        Self { key: text(key), key_base64, sum: format!("{sum:016x}") }
    }
}
