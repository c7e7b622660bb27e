//! The change feed: what becomes of each key, numbered, for those who watch the table.
//!
//! Whoever applies the changes of a key in their order to what the key showed before them ends with
//! what it shows now. A change may be told twice, and the delete of what was not there; none is
//! left out. Only a value that expires is not seen any more before its delete is told, which comes
//! with the sweep.

use super::Table;
use crate::clock::Dot;
use crate::entry::{Entry, EntryRef};
use crate::id::Incarnation;
use crate::store::Store;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a change takes in memory besides its key and its value.
const OVERHEAD: usize = 128;

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChangeKind {
    /// It shows a value, and showed none.
    Insert,
    /// It shows a value in the place of another.
    Update,
    /// It shows nothing any more.
    Delete,
    /// It shows nothing any more, because the owner of its value is down (rule 10).
    Hidden,
    /// It shows a value because the owner of that is up, or another because an owner is down.
    Shown,
    /// It came to hold more concurrent values than before, and they differ (rule 8).
    Conflict,
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// Its place in the feed: each has one more than the one before.
    pub number: u64,
    /// The key.
    pub key: Arc<[u8]>,
    /// What became of it.
    pub kind: ChangeKind,
    /// What the key shows; of a [`Delete`](ChangeKind::Delete) and what is
    /// [`Hidden`](ChangeKind::Hidden) what it showed or held until then. Of several values the
    /// newest.
    pub value: Arc<[u8]>,
    /// When that expires.
    pub expires: Option<Millis>,
    /// Whether the key holds several values that differ: the table's policy says what it shows, and
    /// is to be asked when the change is looked at, outside of every lock.
    pub contested: bool,
}

/// The changes after that number are not kept any more, or it was never given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooOld;

/// The newest changes, and what is still to be told of owners.
#[derive(Debug)]
pub(super) struct Feed {
    changes: VecDeque<Arc<KeyChange>>,
    bytes: usize,
    limit: usize,
    /// The number of the last change.
    head: u64,
    /// Up to where the news were taken.
    taken: u64,
    /// The owners that came or went since the records of all such were walked.
    turned: BTreeSet<Incarnation>,
    /// The next bucket of that walk, and how many are left.
    bucket: u32,
    left: u32,
}

impl Feed {
    fn push(&mut self, mut change: KeyChange) {
        self.head += 1;
        change.number = self.head;
        self.bytes += size(&change);
        self.changes.push_back(Arc::new(change));
        while self.bytes > self.limit && self.changes.len() > 1 {
            let oldest = self.changes.pop_front();
            self.bytes -= oldest.map_or(0, |change| size(&change));
        }
    }

    fn since(&self, number: u64, most: usize) -> Result<Vec<Arc<KeyChange>>, TooOld> {
        let missed = self.head - self.changes.len() as u64;
        let known = number.checked_sub(missed).filter(|_| number <= self.head);
        let skip = known.ok_or(TooOld)? as usize;
        Ok(self.changes.iter().skip(skip).take(most).cloned().collect())
    }
}

fn size(change: &KeyChange) -> usize {
    change.key.len() + change.value.len() + OVERHEAD
}

impl<S: Store> Table<S> {
    /// Has changes kept from now on, if they are not already, as many as [`Limits::feed_bytes`]
    /// allows. Returns the number of the last one so far.
    ///
    /// [`Limits::feed_bytes`]: super::Limits::feed_bytes
    pub fn watch(&mut self) -> u64 {
        let limit = self.limits.feed_bytes;
        let feed = self.feed.get_or_insert_with(|| {
            Box::new(Feed {
                changes: VecDeque::new(),
                bytes: 0,
                limit,
                head: 0,
                taken: 0,
                turned: BTreeSet::new(),
                bucket: 0,
                left: 0,
            })
        });
        feed.head
    }

    /// The changes after the one of that number, the oldest first, at most so many.
    ///
    /// # Errors
    ///
    /// If they are not kept any more. Then the watcher has to begin with what the table shows after
    /// another [`Table::watch`].
    pub fn changes_since(&self, number: u64, most: usize) -> Result<Vec<Arc<KeyChange>>, TooOld> {
        self.feed.as_ref().ok_or(TooOld)?.since(number, most)
    }

    /// Whether there were changes since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        let Some(feed) = &mut self.feed else { return false };
        core::mem::replace(&mut feed.taken, feed.head) != feed.head
    }

    /// What watchers are to be told when `gone` is taken from `key` and `new` put in its place.
    pub(super) fn foresee(
        &self,
        key: &[u8],
        gone: &[Dot],
        new: Option<EntryRef<'_>>,
    ) -> Option<KeyChange> {
        self.feed.as_ref()?;
        let before = self.held(key);
        let mut after: Vec<Entry> = before.clone();
        after.retain(|entry| !gone.contains(&entry.dot));
        let new = new.filter(|entry| entry.value.is_some()).map(|entry| entry.to_entry());
        if new.is_none() && after.len() == before.len() {
            return None;
        }
        after.extend(new);
        after.sort_by_key(|entry| entry.as_ref().rank());
        let (was, is) = (self.seen_among(&before), self.seen_among(&after));
        let contested = differ(&is);
        let kind = match (was.last(), is.last()) {
            (Some(_), Some(_)) if is.len() > was.len() && contested => ChangeKind::Conflict,
            (Some(_), Some(_)) => ChangeKind::Update,
            (None, Some(_)) => ChangeKind::Insert,
            (_, None) => ChangeKind::Delete,
        };
        // Without any value before there is nothing that could have been told.
        let of = is.last().or(was.last()).copied().or(before.last())?;
        change(key, kind, of, contested)
    }

    /// Tells the watchers what was foreseen.
    pub(super) fn tell(&mut self, change: Option<KeyChange>) {
        if let (Some(feed), Some(change)) = (&mut self.feed, change) {
            feed.push(change);
        }
    }

    /// The policy of the table was altered: keys with several values may show another of them.
    pub(super) fn tell_contested(&mut self) {
        if self.feed.is_none() {
            return;
        }
        for key in self.siblings.keys() {
            let change = self.standing(&key, ChangeKind::Update, ChangeKind::Delete);
            self.tell(change);
        }
    }

    /// Who hides is another now: their records are to be walked.
    pub(super) fn turn(&mut self, turned: BTreeSet<Incarnation>) {
        let buckets = self.store.buckets();
        if let Some(feed) = self.feed.as_mut().filter(|_| !turned.is_empty()) {
            feed.turned.extend(turned);
            feed.left = buckets;
        }
    }

    /// Whether watchers are still to be told of records whose owners came or went.
    pub fn is_turning(&self) -> bool {
        self.feed.as_ref().is_some_and(|feed| feed.left > 0)
    }

    /// Tells the watchers of those in the next bucket.
    pub fn tell_turned(&mut self) {
        let Some(feed) = self.feed.as_mut().filter(|feed| feed.left > 0) else { return };
        let bucket = feed.bucket;
        let mut keys: BTreeSet<Box<[u8]>> = BTreeSet::new();
        self.store.visit(bucket, &mut |key, entry| {
            if entry.value.is_some() && feed.turned.contains(&entry.dot.origin) {
                keys.insert(key.into());
            }
        });
        feed.bucket = (bucket + 1) % self.store.buckets();
        feed.left -= 1;
        if feed.left == 0 {
            feed.turned.clear();
        }
        for key in keys {
            let change = self.standing(&key, ChangeKind::Shown, ChangeKind::Hidden);
            self.tell(change);
        }
    }

    /// What `key` shows now as a change: of one kind if it shows something, or else of the other.
    fn standing(&self, key: &[u8], shows: ChangeKind, shows_none: ChangeKind) -> Option<KeyChange> {
        let held = self.held(key);
        let seen = self.seen_among(&held);
        match seen.last() {
            Some(newest) => change(key, shows, newest, differ(&seen)),
            None => change(key, shows_none, held.last()?, false),
        }
    }

    /// The values of `key`, seen or not, the newest last.
    fn held(&self, key: &[u8]) -> Vec<Entry> {
        let mut held = Vec::new();
        self.store.entries(key, &mut |entry| {
            if entry.value.is_some() {
                held.push(entry.to_entry());
            }
        });
        held.sort_by_key(|entry| entry.as_ref().rank());
        held
    }

    fn seen_among<'e>(&self, held: &'e [Entry]) -> Vec<&'e Entry> {
        let seen = |entry: &&Entry| {
            entry.as_ref().is_visible(self.wall) && !self.owners.hide(entry.dot.origin)
        };
        held.iter().filter(seen).collect()
    }
}

fn differ(values: &[&Entry]) -> bool {
    values.windows(2).any(|pair| pair[0].value != pair[1].value)
}

fn change(key: &[u8], kind: ChangeKind, of: &Entry, contested: bool) -> Option<KeyChange> {
    let value = of.value.clone()?;
    Some(KeyChange { number: 0, key: key.into(), kind, value, expires: of.expires, contested })
}
