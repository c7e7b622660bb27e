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

/// The reports about one other member.
#[derive(Default, Debug)]
struct Reports {
    /// The newest that counts: our own `seen` covers it.
    counted: VersionVector,
    /// The oldest that does not count yet. Waiting only for the newest would starve in a busy
    /// table, where our `seen` is always a little behind.
    waiting: Option<VersionVector>,
    /// Since when `waiting` waits.
    waiting_since: Millis,
    /// All that was reported, joined.
    latest: VersionVector,
    /// The fingerprint that came with the latest.
    fingerprint: u64,
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
        reports.latest.join(changes);
        reports.fingerprint = fingerprint;
        if reports.waiting.is_none() && !reports.counted.includes(&reports.latest) {
            reports.waiting = Some(reports.latest.clone());
            reports.waiting_since = now;
        }
        self.count_reports(now);
        let contacts = &self.contacts;
        let behind = |origin, seq| seq > self.origins.seen(origin) && origin != self.me;
        changes.iter().any(|(origin, seq)| behind(origin, seq) && !contacts.contains_key(&origin))
    }

    /// What `peer` reported last: its `seen` and its fingerprint.
    pub fn reported(&self, peer: Incarnation) -> Option<(&VersionVector, u64)> {
        self.stability.reports.get(&peer).map(|reports| (&reports.latest, reports.fingerprint))
    }

    /// For how many milliseconds `peer` has been known to have seen something that we have not. In
    /// a healthy table that is the time an op takes.
    pub fn behind(&self, peer: Incarnation, now: Millis) -> u64 {
        let reports = self.stability.reports.get(&peer);
        let waits = reports.filter(|reports| reports.waiting.is_some());
        waits.map_or(0, |reports| now.since(reports.waiting_since))
    }

    /// Whether `peer` has seen exactly what we have, and has another fingerprint all the same.
    pub fn differs(&self, peer: Incarnation) -> bool {
        self.stability.reports.get(&peer).is_some_and(|reports| {
            reports.fingerprint != self.origins.fingerprint()
                && self.origins.covers_all(&reports.latest)
                && reports.latest.includes(&self.origins.seen_vector())
        })
    }

    /// Counts the reports that our own `seen` covers by now (rule 6).
    fn count_reports(&mut self, now: Millis) {
        for reports in self.stability.reports.values_mut() {
            while let Some(waiting) = reports.waiting.take() {
                if !self.origins.covers_all(&waiting) {
                    reports.waiting = Some(waiting);
                    break;
                }
                reports.counted.join(&waiting);
                if !reports.counted.includes(&reports.latest) {
                    reports.waiting = Some(reports.latest.clone());
                    reports.waiting_since = now;
                }
            }
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
    /// member. Returns how many.
    pub fn drop_stable(&mut self, now: Millis) -> usize {
        self.count_reports(now);
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
            self.merge(key, &[*dot], None);
        }
        stable.len()
    }

    /// Turns the values of one bucket that expired more than `max_drift` ago into tombstones.
    /// `bucket` may be any number. Returns how many.
    ///
    /// Readers hid them from the moment they expired; the wait keeps a node with a fast clock from
    /// deciding for all (rule 9).
    pub fn sweep(&mut self, bucket: u32, now: Millis) -> usize {
        if self.expiring == 0 {
            return 0;
        }
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        let max_drift = self.limits.max_drift;
        self.store.visit(bucket % self.store.buckets(), &mut |key, entry| {
            let over = entry.expires.is_some_and(|at| now >= at.plus(max_drift));
            if over && entry.value.is_some() {
                expired.push(key.into());
            }
        });
        for key in &expired {
            self.expire(key, now);
        }
        expired.len()
    }

    /// The value of `key` becomes a tombstone if it expired.
    fn expire(&mut self, key: &[u8], now: Millis) {
        let mut expired = None;
        self.store.entries(key, &mut |entry| {
            if entry.value.is_some() && !entry.is_visible(now) {
                expired = Some(entry.dot);
            }
        });
        if let Some(dot) = expired {
            self.entomb(key, dot);
        }
    }

    /// The value `dot` of `key` becomes a tombstone: the same event with the same dot and stamp.
    pub(super) fn entomb(&mut self, key: &[u8], dot: Dot) {
        let mut event = None;
        self.store.entries(key, &mut |entry| {
            if entry.dot == dot && entry.value.is_some() {
                event = Some(entry.to_entry());
            }
        });
        let Some(mut event) = event else { return };
        event.value = None;
        self.store.replace(key, &[event.dot], Some(event.as_ref()));
        self.origins.devalue(event.dot);
        self.tombstones.insert(event.dot, key.into());
        self.values -= 1;
    }
}
