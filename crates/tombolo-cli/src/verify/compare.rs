use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tombolo_server::http::view::{DigestPartView, DigestView, SumView};

use super::nodes::Peer;
use crate::client::{ApiError, decode, escaped};
use crate::status;

/// How long the first key is looked for: each part that differs is another walk on every node.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
/// How long a node may take to say what its table is kept apart from.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// All nodes have the same.
    Equal {
        /// The sum over it.
        fingerprint: String,
    },
    /// The nodes have not taken in the same writes, so nothing can be said.
    NotComparable {
        /// Why, in words.
        why: Vec<String>,
    },
    /// The nodes have taken in the same writes, and have not the same.
    Different {
        /// The first key in the order of bytes that differs.
        first: Option<FirstKey>,
    },
}

/// The first key that differs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FirstKey {
    /// As text.
    pub(crate) key: String,
    /// Exactly.
    pub(crate) key_base64: String,
    /// By node, a sum over what it has there; none if it has nothing.
    pub(crate) nodes: BTreeMap<String, Option<String>>,
    /// Whether every part was looked at; if not, there may be one before it.
    pub(crate) certain: bool,
}

/// The digests of a table on all nodes, taken one after the other.
pub(super) struct Round<'a> {
    nodes: &'a [Peer],
    table: &'a str,
    digests: Vec<Result<DigestView, ApiError>>,
}

impl<'a> Round<'a> {
    pub(super) fn take(nodes: &'a [Peer], table: &'a str) -> Round<'a> {
        let path = format!("digest?table={}", escaped(table));
        let digests = nodes.iter().map(|node| node.api.get(&path)).collect();
        Round { nodes, table, digests }
    }

    /// What the digests say. That they were not taken at one moment does no harm: each is true of
    /// the writes that it names, and only those of the same writes are compared.
    pub(super) fn finding(&self) -> Finding {
        let mut why = Vec::new();
        let mut digests = Vec::new();
        for (node, digest) in self.nodes.iter().zip(&self.digests) {
            match digest {
                Ok(digest) => digests.push((node.name.as_str(), digest)),
                Err(error) => why.push(format!("{}: {error}", node.name)),
            }
        }
        if why.is_empty() { judge(&digests) } else { Finding::NotComparable { why } }
    }

    /// The last word, with the first key that differs, or with all that is known about why
    /// nothing can be said.
    pub(super) fn explained(&self) -> Finding {
        match self.finding() {
            Finding::Different { .. } => self.first_key(),
            Finding::NotComparable { mut why } => {
                why.extend(self.kept_apart());
                Finding::NotComparable { why }
            }
            equal @ Finding::Equal { .. } => equal,
        }
    }

    fn first_key(&self) -> Finding {
        let digests: Vec<&DigestView> = self.digests.iter().flatten().collect();
        let deadline = Instant::now() + LOOK_WITHIN;
        let mut first: Option<(Vec<u8>, FirstKey)> = None;
        let mut certain = true;
        for part in differing_parts(&digests) {
            if Instant::now() >= deadline {
                certain = false;
                break;
            }
            let path = format!("digest?table={}&part={part}", escaped(self.table));
            let mut lists = Vec::new();
            for node in self.nodes {
                match node.api.get::<DigestPartView>(&path) {
                    Ok(view) => lists.push((node.name.clone(), view.keys)),
                    Err(error) => {
                        let why = vec![format!("{}: {error}", node.name)];
                        return Finding::NotComparable { why };
                    }
                }
            }
            let found = first_difference(lists);
            first = [first, found].into_iter().flatten().min_by(|one, other| one.0.cmp(&other.0));
        }
        if Round::take(self.nodes, self.table).sums() != self.sums() {
            let why = vec!["it was written while the first difference was looked for".to_owned()];
            return Finding::NotComparable { why };
        }
        Finding::Different { first: first.map(|(_, key)| FirstKey { certain, ..key }) }
    }

    fn sums(&self) -> Vec<Option<&DigestView>> {
        self.digests.iter().map(|digest| digest.as_ref().ok()).collect()
    }

    /// The nodes on which the table waits for somebody.
    fn kept_apart(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in self.nodes {
            let Ok((_, view)) = status::ask(node.api.address(), PATIENCE) else { continue };
            let held = view.tables.into_iter().filter(|table| table.name == self.table);
            let held: Vec<String> =
                held.flat_map(|table| table.held).map(|held| held.peer).collect();
            if !held.is_empty() {
                let peers = held.join(", ");
                lines.push(format!(
                    "{} keeps it apart from {peers}: see `tombolo join --dry-run --http {}`",
                    node.name,
                    node.api.address()
                ));
            }
        }
        lines
    }
}

/// What digests say, each with its node's name.
pub(super) fn judge(digests: &[(&str, &DigestView)]) -> Finding {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for (origin, seen) in digests.iter().flat_map(|(_, digest)| &digest.seen) {
        let most = all.entry(origin).or_default();
        *most = (*most).max(*seen);
    }
    let behind = digests.iter().filter_map(|(name, digest)| {
        let lacks = |(origin, most): (&&str, &u64)| {
            most.saturating_sub(digest.seen.get(*origin).copied().unwrap_or(0))
        };
        let lacks = all.iter().map(lacks).fold(0, u64::saturating_add);
        let writes = if lacks == 1 { "write" } else { "writes" };
        (lacks > 0).then(|| format!("{name} is behind by {lacks} {writes}"))
    });
    let behind: Vec<String> = behind.collect();
    if !behind.is_empty() {
        return Finding::NotComparable { why: behind };
    }
    let Some((_, first)) = digests.first() else {
        return Finding::NotComparable { why: vec!["no node was asked".to_owned()] };
    };
    // A fingerprint belongs to its `seen` even if the parts do not.
    if digests.iter().all(|(_, digest)| digest.fingerprint == first.fingerprint) {
        return Finding::Equal { fingerprint: first.fingerprint.clone() };
    }
    if digests.iter().any(|(_, digest)| !digest.at_rest) {
        return Finding::NotComparable { why: vec!["it is being written".to_owned()] };
    }
    Finding::Different { first: None }
}

/// The numbers of the parts that are not the same in all digests.
pub(super) fn differing_parts(digests: &[&DigestView]) -> Vec<usize> {
    let count = digests.iter().map(|digest| digest.parts.len()).max().unwrap_or(0);
    let differs = |part: &usize| {
        let sums = digests.iter().map(|digest| digest.parts.get(*part));
        sums.collect::<Vec<_>>().windows(2).any(|pair| pair[0] != pair[1])
    };
    (0..count).filter(differs).collect()
}

/// The first key, in the order of bytes, of which the nodes have not the same.
pub(super) fn first_difference(lists: Vec<(String, Vec<SumView>)>) -> Option<(Vec<u8>, FirstKey)> {
    let nodes: BTreeMap<String, Option<String>> =
        lists.iter().map(|(name, _)| (name.clone(), None)).collect();
    let mut keys: BTreeMap<Vec<u8>, FirstKey> = BTreeMap::new();
    for (name, list) in lists {
        for found in list {
            let bytes = decode(&found.key_base64).unwrap_or_default();
            let entry = keys.entry(bytes).or_insert_with(|| FirstKey {
                key: found.key,
                key_base64: found.key_base64,
                nodes: nodes.clone(),
                certain: true,
            });
            entry.nodes.insert(name.clone(), Some(found.sum));
        }
    }
    let differs = |(_, key): &(Vec<u8>, FirstKey)| {
        let sums: Vec<_> = key.nodes.values().collect();
        sums.windows(2).any(|pair| pair[0] != pair[1])
    };
    keys.into_iter().find(differs)
}
