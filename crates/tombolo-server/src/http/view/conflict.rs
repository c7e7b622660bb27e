//! Conflicts: what merges discarded or could not decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo::{Conflict, KeyEvent, LedgerStatus, Undecided};

use super::bytes::text;
use crate::http::base64;
use crate::operate::{self, Listing};

/// `/api/v1/conflicts`: the newest conflicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictsView {
    /// What merges discarded or could not decide, the newest first.
    pub conflicts: Vec<ConflictView>,
    /// The keys that wait for somebody to decide, the newest first.
    pub undecided: Vec<UndecidedView>,
    /// What the ledger of each table holds.
    pub ledgers: BTreeMap<String, LedgerView>,
    /// How many conflicts of the ledgers are not listed here.
    pub conflicts_left_out: usize,
    /// How many undecided keys are not listed here.
    pub undecided_left_out: usize,
}

impl ConflictsView {
    pub(crate) fn new(listing: &Listing) -> Self {
        let conflicts = listing.conflicts.iter();
        let undecided = listing.undecided.iter();
        let ledgers = listing.ledgers.iter();
        Self {
            conflicts: conflicts.map(|(one, text)| ConflictView::new(one, text)).collect(),
            undecided: undecided.map(|(one, text)| UndecidedView::new(one, text)).collect(),
            ledgers: ledgers.map(|(name, one)| (name.clone(), LedgerView::new(one))).collect(),
            conflicts_left_out: listing.conflicts_left_out,
            undecided_left_out: listing.undecided_left_out,
        }
    }
}

/// A merge that discarded something, or could not decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConflictView {
    /// Its name, the same on every node that noted it.
    pub id: String,
    /// When the node noted it.
    pub at: u64,
    /// The table.
    pub table: String,
    /// The key as text; what is no UTF-8 is replaced.
    pub key: String,
    /// The key exactly.
    pub key_base64: String,
    /// The key for people; that of a bag with its object.
    pub key_text: String,
    /// The policy then.
    pub policy: String,
    /// `discarded`, `collapsed`, `undecided` or `overruled`.
    pub outcome: String,
    /// What the key holds because of it.
    pub kept: Option<KeyEventView>,
    /// What it does not hold any more; all siblings, if it is undecided.
    pub lost: Vec<KeyEventView>,
    /// When somebody decided what was undecided.
    pub settled: Option<u64>,
}

impl ConflictView {
    fn new(conflict: &Conflict, key_text: &str) -> Self {
        Self {
            id: conflict.id.clone(),
            at: conflict.at,
            table: conflict.table.clone(),
            key: text(&conflict.key),
            key_base64: base64::encode(&conflict.key),
            key_text: key_text.to_owned(),
            policy: conflict.policy.clone(),
            outcome: operate::outcome(conflict.outcome).to_owned(),
            kept: conflict.kept.as_ref().map(KeyEventView::new),
            lost: conflict.lost.iter().map(KeyEventView::new).collect(),
            settled: conflict.settled,
        }
    }
}

/// One event of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyEventView {
    /// The write's name, `NODE:SEQUENCE`.
    pub dot: String,
    /// When it was written.
    pub written: u64,
    /// What was written, as text; none for a delete.
    pub value: Option<String>,
    /// What was written, exactly.
    pub value_base64: Option<String>,
    /// When it expires.
    pub expires: Option<u64>,
    /// Whether it is itself the outcome of a conflict.
    pub outcome: bool,
}

impl KeyEventView {
    fn new(event: &KeyEvent) -> Self {
        Self {
            dot: event.dot.clone(),
            written: event.written,
            value: event.value.as_deref().map(text),
            value_base64: event.value.as_deref().map(base64::encode),
            expires: event.expires,
            outcome: event.outcome,
        }
    }
}

/// A key that waits for somebody to decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UndecidedView {
    /// The table.
    pub table: String,
    /// The key as text; what is no UTF-8 is replaced.
    pub key: String,
    /// The key exactly.
    pub key_base64: String,
    /// The key for people; that of a bag with its object.
    pub key_text: String,
    /// Since when.
    pub since: u64,
    /// Why the policy does not decide.
    pub cause: String,
    /// What the key holds, the newest last.
    pub siblings: Vec<KeyEventView>,
}

impl UndecidedView {
    fn new(undecided: &Undecided, key_text: &str) -> Self {
        Self {
            table: undecided.table.clone(),
            key: text(&undecided.key),
            key_base64: base64::encode(&undecided.key),
            key_text: key_text.to_owned(),
            since: undecided.since,
            cause: undecided.cause.clone(),
            siblings: undecided.siblings.iter().map(KeyEventView::new).collect(),
        }
    }
}

/// What the ledger of a table holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerView {
    /// How many conflicts were ever noted.
    pub noted: u64,
    /// How many of them are kept.
    pub kept: usize,
    /// How many had to make room for newer ones.
    pub dropped: u64,
    /// How many bytes the kept ones take.
    pub bytes: usize,
    /// How many bytes they may take.
    pub limit: usize,
    /// How many keys wait for somebody to decide.
    pub undecided: usize,
}

impl LedgerView {
    pub(super) fn new(ledger: &LedgerStatus) -> Self {
        Self {
            noted: ledger.noted,
            kept: ledger.kept,
            dropped: ledger.dropped,
            bytes: ledger.bytes,
            limit: ledger.limit,
            undecided: ledger.undecided,
        }
    }
}
