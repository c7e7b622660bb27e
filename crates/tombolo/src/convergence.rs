//! Whether tables are equal, and where they are not.

use crate::raw::RawTable;
use std::collections::BTreeMap;
use tombolo_core::{Dot, Incarnation, Store, Table, VersionVector, fingerprint_of, part_of};

/// Over how many parts a digest is spread.
pub const DIGEST_PARTS: u32 = 256;

/// Whether every member has the same table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Convergence {
    /// Whether every other member was heard to have seen exactly what this node has, with the same
    /// fingerprint.
    pub converged: bool,
    /// What this node has, and what the members were last heard to have. Each said it of one moment
    /// of its own; reports come ten times a second, so a table that is being written is hardly ever
    /// converged, and its numbers are those of ops on their way.
    pub members: Vec<Standing>,
}

/// How a member stands to this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The member.
    pub node: String,
    /// Whether it reported of the table.
    pub known: bool,
    /// How many writes it lacks that this node has.
    pub lacks: u64,
    /// How many writes it has that this node lacks.
    pub ahead: u64,
    /// Whether it has seen the same and has another fingerprint all the same. For a moment that is
    /// so when one of the two has swept an expired record before the other.
    pub differs: bool,
}

/// What a table is at one moment, to be compared with other nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    /// How many writes of each process were taken in, by the number that names it.
    pub seen: Vec<(u64, u64)>,
    /// The sum over all live records.
    pub fingerprint: u64,
    /// The same for each part of the keys.
    pub parts: Vec<u64>,
    /// Whether nothing was written while the parts were summed up: only then they belong together.
    pub at_rest: bool,
}

impl RawTable {
    /// Whether every member has the same table, or who is behind by how much.
    pub fn converged(&self) -> Convergence {
        let others: Vec<(Incarnation, String)> = {
            let node = self.inner.shell.node.lock();
            let awaited = node.members().awaited();
            let others = node.members().others().map(|known| &known.member.id);
            let others = others.filter(|id| awaited.contains(&id.incarnation()));
            others.map(|id| (id.incarnation(), id.name.clone())).collect()
        };
        let members: Vec<Standing> = self.shared.with(|table| {
            let seen = table.seen();
            let stand = |(peer, node)| standing(table, &seen, peer, node);
            others.into_iter().map(stand).collect()
        });
        let equal = |member: &Standing| {
            member.known && member.lacks == 0 && member.ahead == 0 && !member.differs
        };
        Convergence { converged: members.iter().all(equal), members }
    }

    /// What the table is now, in 256 parts. It walks the whole table, a 256th under the lock at a
    /// time.
    pub fn digest(&self) -> Digest {
        let before = self.shared.with(|table| (table.seen(), table.fingerprint()));
        let mut parts = vec![0u64; DIGEST_PARTS as usize];
        self.walk(|key, dot| {
            let part = &mut parts[part_of(key, DIGEST_PARTS) as usize];
            *part = part.wrapping_add(fingerprint_of(dot));
        });
        let after = self.shared.with(|table| (table.seen(), table.fingerprint()));
        let at_rest = before == after;
        let (seen, fingerprint) = after;
        let seen = seen.iter().map(|(origin, seq)| (origin.0, seq)).collect();
        Digest { seen, fingerprint, parts, at_rest }
    }

    /// The keys of one part of a digest, each with a sum over what it holds, in their order.
    pub fn digest_part(&self, part: u32) -> Vec<(Vec<u8>, u64)> {
        let mut keys: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        self.walk(|key, dot| {
            if part_of(key, DIGEST_PARTS) == part {
                let sum = keys.entry(key.to_vec()).or_default();
                *sum = sum.wrapping_add(fingerprint_of(dot));
            }
        });
        keys.into_iter().collect()
    }

    /// Shows every live value, hidden or not.
    fn walk(&self, mut see: impl FnMut(&[u8], Dot)) {
        let buckets = self.shared.with(|table| table.store().buckets());
        for bucket in 0..buckets {
            self.shared.with(|table| {
                table.store().visit(bucket, &mut |key, entry| {
                    if entry.value.is_some() {
                        see(key, entry.dot);
                    }
                });
            });
        }
    }
}

fn standing<S: Store>(
    table: &Table<S>,
    seen: &VersionVector,
    peer: Incarnation,
    node: String,
) -> Standing {
    let Some((theirs, fingerprint)) = table.reported(peer) else {
        return Standing { node, known: false, lacks: 0, ahead: 0, differs: false };
    };
    let beyond = |one: &VersionVector, other: &VersionVector| {
        let missing = one.iter().map(|(origin, seq)| seq.saturating_sub(other.reach(origin)));
        missing.fold(0, u64::saturating_add)
    };
    let (lacks, ahead) = (beyond(seen, &theirs), beyond(&theirs, seen));
    let differs = lacks == 0 && ahead == 0 && fingerprint != table.fingerprint();
    Standing { node, known: true, lacks, ahead, differs }
}
