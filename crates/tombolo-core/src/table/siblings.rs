//! Keys that hold more than one value: what may be resolved, and what waits for somebody (rule 8).

use super::{Outcome, Table, Written};
use crate::clock::Dot;
use crate::entry::{Entry, EntryRef, Mark};
use crate::store::Store;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

/// The keys that hold more than one value.
#[derive(Default, Debug)]
pub(super) struct Siblings {
    keys: BTreeMap<Box<[u8]>, Alarm>,
    /// Up to where the last look for ripe ones came.
    cursor: Option<Box<[u8]>>,
    alarms: usize,
}

/// Whether somebody has to decide, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Alarm {
    raised: Option<(Millis, Box<str>)>,
}

impl Siblings {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> Vec<Box<[u8]>> {
        self.keys.keys().cloned().collect()
    }

    /// `key` holds so many values now. True if an alarm of it is over.
    pub(super) fn count(&mut self, key: &[u8], values: usize) -> bool {
        let alarm = if values > 1 {
            // Another sibling makes it another conflict.
            self.keys.insert(key.into(), Alarm::default())
        } else {
            self.keys.remove(key)
        };
        let over = alarm.is_some_and(|alarm| alarm.raised.is_some());
        self.alarms -= usize::from(over);
        over
    }
}

/// A key whose siblings every member has: it may be resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ripe {
    /// The key.
    pub key: Box<[u8]>,
    /// Its visible values, the newest last.
    pub siblings: Vec<Entry>,
}

impl Ripe {
    /// Whether all say the same: no conflict, and any of them can take the place of all.
    pub fn agree(&self) -> bool {
        self.siblings.windows(2).all(|pair| pair[0].value == pair[1].value)
    }
}

/// A key that waits for somebody to decide.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undecided {
    /// The key.
    pub key: Box<[u8]>,
    /// Since when.
    pub since: Millis,
    /// Why the policy did not decide.
    pub cause: Box<str>,
}

/// What takes the place of siblings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conclusion<'a> {
    /// This value.
    Value {
        /// The value.
        value: &'a [u8],
        /// When it expires.
        expires: Option<Millis>,
    },
    /// Nothing.
    Delete,
}

impl<S: Store> Table<S> {
    /// Whether any key holds more than one value.
    pub fn has_siblings(&self) -> bool {
        self.siblings.len() > 0
    }

    /// How many keys hold more than one value.
    pub fn sibling_keys(&self) -> usize {
        self.siblings.len()
    }

    /// How many keys wait for somebody to decide.
    pub fn alarms(&self) -> usize {
        self.siblings.alarms
    }

    /// The keys that wait for somebody to decide, from `from` on, at most so many.
    pub fn undecided(&self, from: &[u8], most: usize) -> Vec<Undecided> {
        let range = (Bound::Included(from), Bound::Unbounded);
        let found = self.siblings.keys.range::<[u8], _>(range).filter_map(|(key, alarm)| {
            let (since, cause) = alarm.raised.clone()?;
            Some(Undecided { key: key.clone(), since, cause })
        });
        found.take(most).collect()
    }

    /// The next keys whose siblings are all stable and not yet outcomes, and that raise no alarm;
    /// looks at so many keys at most. What is not stable may still turn out to be overwritten.
    pub fn ripe(&mut self, now: Millis, most: usize) -> Vec<Ripe> {
        if self.paused {
            return Vec::new();
        }
        let from = self.siblings.cursor.take().map_or(Bound::Unbounded, Bound::Excluded);
        let range = (from.as_ref().map(|key| &**key), Bound::Unbounded);
        let next = self.siblings.keys.range::<[u8], _>(range).take(most);
        let keys: Vec<Box<[u8]>> = next.map(|(key, _)| key.clone()).collect();
        if keys.len() == most {
            self.siblings.cursor = keys.last().cloned();
        }
        let mut stable = BTreeMap::new();
        let mut found = Vec::new();
        for key in keys {
            if self.siblings.keys[&key].raised.is_some() {
                continue;
            }
            let siblings = self.visible(&key, now);
            let all_stable = siblings.iter().all(|entry| {
                let origin = entry.dot.origin;
                entry.dot.seq <= *stable.entry(origin).or_insert_with(|| self.stable(origin))
            });
            let settled = siblings.iter().all(|entry| entry.mark.outcome);
            if siblings.len() > 1 && all_stable && !settled {
                found.push(Ripe { key, siblings });
            }
        }
        found
    }

    /// The visible values of a key, the newest last.
    pub fn visible(&self, key: &[u8], now: Millis) -> Vec<Entry> {
        let mut visible = Vec::new();
        self.store.entries(key, &mut |entry| {
            if entry.is_visible(now) && !self.owners.hide(entry.dot.origin) {
                visible.push(entry.to_entry());
            }
        });
        visible.sort_by_key(|entry| entry.as_ref().rank());
        visible
    }

    /// The policy leaves it to somebody: notes it, and raises the alarm of the key. False if the
    /// key does not hold these siblings any more.
    pub fn alarm(&mut self, ripe: &Ripe, now: Millis, cause: &str) -> bool {
        if self.visible(&ripe.key, now) != ripe.siblings {
            return false;
        }
        let Some(alarm) = self.siblings.keys.get_mut(&ripe.key) else { return false };
        if alarm.raised.is_none() {
            alarm.raised = Some((now, cause.into()));
            self.siblings.alarms += 1;
            self.note(&ripe.key, Outcome::Undecided, None, ripe.siblings.clone());
        }
        true
    }

    /// Writes an outcome in the place of siblings, if the key still holds just these. It goes to
    /// every contact like any write.
    pub fn conclude(
        &mut self,
        now: Millis,
        ripe: &Ripe,
        conclusion: Conclusion<'_>,
    ) -> Option<Written<'_>> {
        if self.paused || self.visible(&ripe.key, now) != ripe.siblings {
            return None;
        }
        let dots: Vec<Dot> = ripe.siblings.iter().map(|entry| entry.dot).collect();
        self.write_outcome(now, &ripe.key, dots, conclusion)
    }

    /// This island's word on `key`: what it holds here is written anew, so that it also takes the
    /// place of `lone`, which another island wrote alone, and of a delete made there alone. Returns
    /// what was written as well; none in it for a delete.
    pub fn overrule(
        &mut self,
        now: Millis,
        key: &[u8],
        lone: &[Dot],
    ) -> Option<(Written<'_>, Option<Entry>)> {
        // What the other side writes from now on meets this as any concurrent write does.
        let theirs =
            |dot: Dot| self.overruling.get(&dot.origin).is_some_and(|seen| dot.seq > *seen);
        let mut mine = self.visible(key, now);
        mine.retain(|entry| !theirs(entry.dot));
        let mut dots: Vec<Dot> = lone.to_vec();
        self.store.entries(key, &mut |entry| {
            if !theirs(entry.dot) {
                dots.push(entry.dot);
            }
        });
        if dots.is_empty() {
            return None;
        }
        let shown = mine.last().cloned();
        let conclusion = match shown.as_ref().and_then(|entry| entry.value.as_deref()) {
            Some(value) => {
                let expires = shown.as_ref().and_then(|entry| entry.expires);
                Conclusion::Value { value, expires }
            }
            None => Conclusion::Delete,
        };
        let mut lost: Vec<Entry> = Vec::new();
        for dot in lone {
            lost.extend(self.lone.remove(dot));
        }
        self.wall = now;
        if !lost.is_empty() {
            let kept = shown.as_ref().map(Entry::as_ref);
            self.note_discarded(key, kept, lost, true);
        }
        let written = self.write_outcome(now, key, dots, conclusion)?;
        Some((written, shown))
    }

    fn write_outcome(
        &mut self,
        now: Millis,
        key: &[u8],
        dots: Vec<Dot>,
        conclusion: Conclusion<'_>,
    ) -> Option<Written<'_>> {
        let (value, expires) = match conclusion {
            Conclusion::Value { value, expires } => (Some(value), expires),
            Conclusion::Delete => (None, None),
        };
        self.wall = now;
        let dot = Dot { origin: self.me, seq: self.origins.seen(self.me) + 1 };
        let stamp = self.clock.next(now);
        let mark = Mark { epoch: self.epochs.current(), outcome: true };
        let event = EntryRef { dot, stamp, mark, expires, value };
        self.merge(key, &dots, Some(event), true);
        self.origins.advance(self.me, dot.seq);
        self.gone = dots;
        Some(Written { dot, stamp, mark, expires, replaces: &self.gone })
    }
}
