//! What requests may say, as a JSON object or as a query.

use serde::Deserialize;

/// A table, for what can be asked of one or of all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TableQuery {
    pub(in crate::http) table: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RestoreQuery {
    pub(in crate::http) table: Option<String>,
    #[serde(default)]
    pub(in crate::http) dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ConflictsQuery {
    pub(in crate::http) table: Option<String>,
    pub(in crate::http) limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DigestQuery {
    pub(in crate::http) table: String,
    pub(in crate::http) part: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ResolveQuery {
    pub(in crate::http) table: String,
    pub(in crate::http) key: Option<String>,
    pub(in crate::http) key_base64: Option<String>,
    pub(in crate::http) take: Option<String>,
    pub(in crate::http) value: Option<String>,
    pub(in crate::http) value_base64: Option<String>,
    pub(in crate::http) delete: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UndoQuery {
    pub(in crate::http) id: String,
    pub(in crate::http) table: Option<String>,
}

/// A table to be created or altered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeclareQuery {
    pub(in crate::http) name: String,
    pub(in crate::http) kind: Option<String>,
    pub(in crate::http) policy: Option<String>,
    pub(in crate::http) owner_down: Option<String>,
    pub(in crate::http) merge: Option<String>,
    pub(in crate::http) ttl_ms: Option<u64>,
    pub(in crate::http) fragments: Option<u16>,
    pub(in crate::http) quorum: Option<u16>,
}

/// A table that something is done to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NameQuery {
    pub(in crate::http) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RehearseQuery {
    pub(in crate::http) on: bool,
}
