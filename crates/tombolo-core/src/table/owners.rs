//! Whose records are seen, and whose are gone (rule 10).

use super::Table;
use crate::clock::Dot;
use crate::id::Incarnation;
use crate::store::Store;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The owners of a table's records.
#[derive(Default, Debug)]
pub(super) struct Owners {
    /// Those that are up, in a table that hides the records of the others.
    up: Option<BTreeSet<Incarnation>>,
    /// Those that a newer process of their name has replaced: nothing of theirs is let in.
    superseded: BTreeSet<Incarnation>,
    /// Those among them that still have something live here.
    banished: BTreeSet<Incarnation>,
}

impl Owners {
    /// Whether readers do not see what `origin` wrote.
    pub(super) fn hide(&self, origin: Incarnation) -> bool {
        self.up.as_ref().is_some_and(|up| !up.contains(&origin))
    }

    /// Whether nothing of `origin` is let in any more.
    pub(super) fn refuse(&self, origin: Incarnation) -> bool {
        !self.superseded.is_empty() && self.superseded.contains(&origin)
    }

    pub(super) fn banish_any(&self) -> bool {
        !self.banished.is_empty()
    }
}

impl<S: Store> Table<S> {
    /// In a table that hides: who is up. Its state is untouched, so records come back the moment
    /// that their owner does. `None` in a table that keeps the records of all.
    pub fn set_owners(&mut self, up: Option<BTreeSet<Incarnation>>) {
        if self.owners.up == up {
            return;
        }
        let hidden: BTreeSet<Incarnation> = self.hidden_owners().collect();
        self.store.show_owners(up.as_ref());
        if up.is_none() {
            // It hid once and was altered: what is written since belongs to no process.
            self.owners = Owners::default();
        }
        self.owners.up = up;
        let hide = self.hidden_owners().collect();
        self.turn(hidden.symmetric_difference(&hide).copied().collect());
    }

    fn hidden_owners(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.origins.iter().filter(|origin| self.owners.hide(*origin))
    }

    /// In a table that hides: a newer process took the place of `owner`, so its records go, here
    /// and wherever that is known, and none is let in any more. What they replaced stays replaced.
    pub fn supersede(&mut self, owner: Incarnation) {
        if self.owners.superseded.insert(owner)
            && self.origins.live(owner).is_some_and(|live| !live.is_empty())
        {
            self.owners.banished.insert(owner);
        }
    }

    /// How many live records are hidden because their owner is down.
    pub fn hidden(&self) -> u64 {
        self.hidden_owners()
            .filter_map(|origin| self.origins.live(origin))
            .map(|live| live.len())
            .sum()
    }

    /// Removes what superseded owners have in one bucket.
    pub(super) fn banish(&mut self, bucket: u32) -> usize {
        let mut found: Vec<(Box<[u8]>, Dot)> = Vec::new();
        let banished = &self.owners.banished;
        self.store.visit(bucket, &mut |key, entry| {
            if banished.contains(&entry.dot.origin) {
                found.push((key.into(), entry.dot));
            }
        });
        for (key, dot) in &found {
            self.merge(key, &[*dot], None, false);
        }
        let origins = &self.origins;
        self.owners
            .banished
            .retain(|owner| origins.live(*owner).is_some_and(|live| !live.is_empty()));
        found.len()
    }
}
