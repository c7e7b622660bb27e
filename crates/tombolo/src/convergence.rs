//! Whether tables are equal, and where they are not.

use crate::fragments::weighted;
use crate::raw::RawTable;
use std::collections::BTreeMap;
use tombolo_core::{Incarnation, Store, Table, VersionVector, fingerprint_of, part_of};

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
    /// How many writes of each process were taken in, by the number that names it. Each fragment of
    /// a table beyond the first has numbers of its own.
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
        let start = |(_, node): &(Incarnation, String)| {
            let node = node.clone();
            Standing { node, known: true, lacks: 0, ahead: 0, differs: false }
        };
        let mut members: Vec<Standing> = others.iter().map(start).collect();
        for part in self.parts() {
            part.with(|table| {
                let seen = table.seen();
                for ((peer, _), standing) in others.iter().zip(&mut members) {
                    stand(table, &seen, *peer, standing);
                }
            });
        }
        let equal = |member: &Standing| {
            member.known && member.lacks == 0 && member.ahead == 0 && !member.differs
        };
        Convergence { converged: members.iter().all(equal), members }
    }

    /// What the table is now, in 256 parts. It walks the whole table, a 256th under the lock at a
    /// time.
    pub fn digest(&self) -> Digest {
        let before = self.state();
        let mut parts = vec![0u64; DIGEST_PARTS as usize];
        self.walk(|key, print| {
            let part = &mut parts[part_of(key, DIGEST_PARTS) as usize];
            *part = part.wrapping_add(print);
        });
        let after = self.state();
        let at_rest = before == after;
        let (seen, fingerprint) = after;
        Digest { seen, fingerprint, parts, at_rest }
    }

    /// The keys of one part of a digest, each with a sum over what it holds, in their order.
    pub fn digest_part(&self, part: u32) -> Vec<(Vec<u8>, u64)> {
        let mut keys: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        self.walk(|key, print| {
            if part_of(key, DIGEST_PARTS) == part {
                let sum = keys.entry(key.to_vec()).or_default();
                *sum = sum.wrapping_add(print);
            }
        });
        keys.into_iter().collect()
    }

    /// What was taken in of each process, and the fingerprint. Processes are counted in every
    /// fragment for itself, so that each has a number of its own there.
    fn state(&self) -> (Vec<(u64, u64)>, u64) {
        let (mut seen, mut fingerprint) = (Vec::new(), 0u64);
        for part in self.parts() {
            let place = part.id.0 ^ self.shared.id.0;
            part.with(|table| {
                let counted = table.seen();
                seen.extend(counted.iter().map(|(origin, seq)| (origin.0 ^ place, seq)));
                let sum = weighted(part.fragment, table.fingerprint());
                fingerprint = fingerprint.wrapping_add(sum);
            });
        }
        (seen, fingerprint)
    }

    /// Shows the fingerprint of every live value, hidden or not.
    fn walk(&self, mut see: impl FnMut(&[u8], u64)) {
        for part in self.parts() {
            let buckets = part.with(|table| table.store().buckets());
            for bucket in 0..buckets {
                part.with(|table| {
                    table.store().visit(bucket, &mut |key, entry| {
                        if entry.value.is_some() {
                            see(key, weighted(part.fragment, fingerprint_of(entry.dot)));
                        }
                    });
                });
            }
        }
    }
}

/// Adds how a member stands in one part of a table to how it stands in those before.
fn stand<S: Store>(
    table: &Table<S>,
    seen: &VersionVector,
    peer: Incarnation,
    standing: &mut Standing,
) {
    let Some((theirs, fingerprint)) = table.reported(peer) else {
        standing.known = false;
        return;
    };
    let beyond = |one: &VersionVector, other: &VersionVector| {
        let missing = one.iter().map(|(origin, seq)| seq.saturating_sub(other.reach(origin)));
        missing.fold(0, u64::saturating_add)
    };
    let (lacks, ahead) = (beyond(seen, &theirs), beyond(&theirs, seen));
    standing.differs |= lacks == 0 && ahead == 0 && fingerprint != table.fingerprint();
    standing.lacks = standing.lacks.saturating_add(lacks);
    standing.ahead = standing.ahead.saturating_add(ahead);
}
