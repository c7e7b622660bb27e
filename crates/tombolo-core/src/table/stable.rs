//! Reports, stability, and what becomes of tombstones and expired values (rules 6, 7 and 9).

use super::Table;
use crate::clock::{Dot, VersionVector};
use crate::id::Incarnation;
use crate::store::Store;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What is known of how far the others have seen.
#[derive(Default, Debug)]
pub(super) struct Stability {
    /// The other members: a dot is stable when a counted report of each covers it.
    members: BTreeSet<Incarnation>,
    reports: BTreeMap<Incarnation, Reports>,
}

/// The reports about one other member: what it has seen, in the order in which it said so.
#[derive(Default, Debug)]
struct Reports {
    /// What counts: our own `seen` covers it.
    counted: VersionVector,
    /// The oldest changes that do not count yet. Waiting only for the newest would starve in a busy
    /// table, where our `seen` is always a little behind.
    waiting: VersionVector,
    /// Since when they wait.
    waiting_since: Millis,
    /// The changes after those.
    later: VersionVector,
    /// The fingerprint that came with the last.
    fingerprint: u64,
}

impl Reports {
    /// How far it said that it has seen `origin`.
    fn reach(&self, origin: Incarnation) -> u64 {
        let newer = self.later.reach(origin).max(self.waiting.reach(origin));
        self.counted.reach(origin).max(newer)
    }

    /// All that it said.
    fn latest(&self) -> VersionVector {
        let mut latest = self.counted.clone();
        latest.join(&self.waiting);
        latest.join(&self.later);
        latest
    }

    /// Counts what `covers` covers.
    fn count(&mut self, covers: impl Fn(&VersionVector) -> bool, now: Millis) {
        while !self.waiting.is_empty() && covers(&self.waiting) {
            self.counted.join(&self.waiting);
            self.waiting = core::mem::take(&mut self.later);
            self.waiting_since = now;
        }
    }
}

impl Stability {
    pub(super) fn is_member(&self, origin: Incarnation) -> bool {
        self.members.contains(&origin)
    }
}

impl<S: Store> Table<S> {
    /// Who the other members are. Only stability depends on it.
    pub fn set_members(&mut self, others: BTreeSet<Incarnation>) {
        self.stability.reports.retain(|member, _| others.contains(member));
        self.stability.members = others;
    }

    /// `about` has seen `changes` and whatever was reported before.
    ///
    /// True if it has seen something of an origin that has no link to us: nothing but a sync with
    /// whoever reported it will bring that here.
    pub fn on_report(
        &mut self,
        about: Incarnation,
        changes: &VersionVector,
        fingerprint: u64,
        now: Millis,
    ) -> bool {
        if about == self.me {
            return false;
        }
        let held = changes.reach(self.me).min(self.last_written());
        if let Some(contact) = self.contacts.get_mut(&about) {
            contact.on_held(held);
        }
        let reports = self.stability.reports.entry(about).or_default();
        let news = changes.iter().filter(|(origin, seq)| *seq > reports.reach(*origin));
        let news: VersionVector = news.collect();
        reports.fingerprint = fingerprint;
        if reports.waiting.is_empty() {
            (reports.waiting, reports.waiting_since) = (news, now);
        } else {
            reports.later.join(&news);
        }
        self.count_reports(now);
        let contacts = &self.contacts;
        let behind = |origin, seq| seq > self.origins.seen(origin) && origin != self.me;
        changes.iter().any(|(origin, seq)| behind(origin, seq) && !contacts.contains_key(&origin))
    }

    /// What `peer` reported last: its `seen` and its fingerprint.
    pub fn reported(&self, peer: Incarnation) -> Option<(VersionVector, u64)> {
        self.stability.reports.get(&peer).map(|reports| (reports.latest(), reports.fingerprint))
    }

    /// How far `peer` said that it has seen `origin`.
    pub(super) fn reported_reach(&self, peer: Incarnation, origin: Incarnation) -> u64 {
        self.stability.reports.get(&peer).map_or(0, |reports| reports.reach(origin))
    }

    /// For how many milliseconds `peer` has been known to have seen something that we have not. In
    /// a healthy table that is the time an op takes.
    pub fn behind(&self, peer: Incarnation, now: Millis) -> u64 {
        let reports = self.stability.reports.get(&peer);
        let waits = reports.filter(|reports| !reports.waiting.is_empty());
        waits.map_or(0, |reports| now.since(reports.waiting_since))
    }

    /// Whether `peer` has seen exactly what we have, and has another fingerprint all the same.
    pub fn differs(&self, peer: Incarnation) -> bool {
        self.stability.reports.get(&peer).is_some_and(|reports| {
            reports.fingerprint != self.origins.fingerprint()
                && reports.waiting.is_empty()
                && self.origins.all_seen(|origin, seq| reports.counted.reach(origin) == seq)
        })
    }

    /// Counts the reports that our own `seen` covers by now (rule 6).
    fn count_reports(&mut self, now: Millis) {
        for reports in self.stability.reports.values_mut() {
            reports.count(|waiting| self.origins.covers_all(waiting), now);
        }
    }

    /// How far the dots of `origin` are stable: known to be seen by every member.
    pub fn stable(&self, origin: Incarnation) -> u64 {
        let counted = self.stability.members.iter().map(|member| {
            self.stability.reports.get(member).map_or(0, |known| known.counted.reach(origin))
        });
        counted.fold(self.origins.seen(origin), u64::min)
    }

    /// Drops the tombstones that are stable: nothing older than they can arrive any more from a
    /// member. Returns how many. Batches that are stable are forgotten as well.
    pub fn drop_stable(&mut self, now: Millis) -> usize {
        if self.paused {
            return 0;
        }
        self.count_reports(now);
        self.serial.tick(now);
        self.forget_stable_batches();
        if self.origins.unsettled() > 2 * (self.stability.members.len() + 16) {
            let mut present = self.stability.members.clone();
            present.insert(self.me);
            present.extend(self.contacts.keys());
            self.origins.settle(&present);
        }
        let mut stable: Vec<(Box<[u8]>, Dot)> = Vec::new();
        let mut next = self.tombstones.keys().next().copied();
        while let Some(Dot { origin, .. }) = next {
            let reach = Dot { origin, seq: self.stable(origin) };
            let old = self.tombstones.range(Dot { origin, seq: 0 }..=reach);
            stable.extend(old.map(|(dot, key)| (key.clone(), *dot)));
            let end = Dot { origin, seq: u64::MAX };
            next = self.tombstones.range(end..).map(|(dot, _)| *dot).find(|dot| *dot != end);
        }
        for (key, dot) in &stable {
            self.merge(key, &[*dot], None, false);
        }
        stable.len()
    }

    /// Ends the values of one bucket that expired more than `max_drift` ago, and removes those of
    /// superseded owners. `bucket` may be any number. Returns how many.
    ///
    /// Readers hid them from the moment they expired; the wait keeps a node with a fast clock from
    /// deciding for all (rule 9).
    pub fn sweep(&mut self, bucket: u32, now: Millis) -> usize {
        self.wall = now;
        if self.paused {
            return 0;
        }
        let bucket = bucket % self.store.buckets();
        let banished = if self.owners.banish_any() { self.banish(bucket) } else { 0 };
        if self.expiring == 0 {
            return banished;
        }
        let mut expired: Vec<(Box<[u8]>, Dot)> = Vec::new();
        let max_drift = self.limits.max_drift;
        self.store.visit(bucket, &mut |key, entry| {
            let over = entry.expires.is_some_and(|at| now >= at.plus(max_drift));
            if over && entry.value.is_some() {
                expired.push((key.into(), entry.dot));
            }
        });
        for (key, dot) in &expired {
            self.expire(key, *dot);
        }
        expired.len() + banished
    }

    /// The value `dot` of `key` expired: by rule 7 it becomes a tombstone, the same event with the
    /// same dot and stamp, so that nothing older shows in its place; elsewhere it goes.
    pub(super) fn expire(&mut self, key: &[u8], dot: Dot) {
        let (mut event, mut values) = (None, 0);
        self.store.entries(key, &mut |entry| {
            values += usize::from(entry.value.is_some());
            if entry.dot == dot && entry.value.is_some() {
                event = Some(entry.to_entry());
            }
        });
        let Some(mut event) = event else { return };
        if !self.removes_older(event.mark.epoch) {
            self.merge(key, &[dot], None, false);
            return;
        }
        event.value = None;
        let change = self.foresee(key, &[dot], None);
        self.store.replace(key, &[dot], Some(event.as_ref()));
        self.tell(change);
        self.origins.devalue(dot);
        self.tombstones.insert(dot, key.into());
        self.recount(key, values, values - 1);
    }
}
