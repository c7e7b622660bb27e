//! The reading end.

use crate::map::Ref;
use crate::record::Record;
use crate::store::{Records, SHARDS};
use crate::view::View;
use std::fmt;
use std::mem::replace;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use tombolo_core::{EntryRef, Incarnation, Millis};

/// How many keys of a range are looked up side by side.
const BATCH: usize = 8;

/// A record to keep. It is shared with the table and with clones, not copied, unless a [`View`]
/// made it of siblings.
#[derive(Clone)]
pub struct Kept(pub(crate) Record);

impl Kept {
    /// One that no table has.
    pub fn new(entry: EntryRef<'_>) -> Kept {
        Kept(Record::new(&[], entry))
    }

    /// What was written.
    pub fn entry(&self) -> EntryRef<'_> {
        self.0.entry()
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.entry() == other.entry()
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry().fmt(f)
    }
}

/// The reading end of a table's memory. Reads take no lock and wait for nobody.
///
/// Of each key a reader is shown at most one entry: what the table's [`View`] makes of those with
/// a value that did not expire by `now`, whether it was swept or not, and whose owner is not
/// hidden. Clones share the view and the owners with each other and are cheap.
#[derive(Clone)]
pub struct Reader {
    records: Arc<Records>,
}

/// Where a table looks for a key.
#[derive(Clone, Copy, Debug)]
pub struct Spot(u64);

impl Reader {
    pub(crate) fn new(records: Arc<Records>) -> Reader {
        Reader { records }
    }

    /// From now on `view` decides what is shown of siblings. Until the first call that is
    /// [`Newest`](crate::Newest). Readers that are at work are not waited for.
    pub fn set_view(&self, view: Arc<dyn View>) {
        self.records.lens.set_view(view);
    }

    /// From now on only entries written by the incarnations of `owners`, a sorted list, are shown;
    /// with none, those of all are. A call that is at work goes by the list that it found.
    pub fn show_owners(&self, owners: Option<Arc<[Incarnation]>>) {
        debug_assert!(owners.as_ref().is_none_or(|owners| owners.is_sorted()));
        self.records.lens.show_owners(owners);
    }

    /// The keys in order; none if the table is not an ordered one.
    pub fn ordered(&self) -> Option<Ordered<'_>> {
        self.records.index.is_some().then_some(Ordered { records: &self.records })
    }

    /// Shows what is to be seen of `key` to `look`, if there is something. The entry's memory is
    /// kept for as long as `look` runs, so it should be short and must not wait. The clock is read
    /// only if it matters.
    #[inline]
    pub fn read<R>(
        &self,
        key: &[u8],
        now: impl Fn() -> Millis,
        look: impl FnOnce(Option<EntryRef<'_>>) -> R,
    ) -> R {
        let pin = self.records.map.pin();
        self.records.lens.look(now).show(key, pin.get(key).as_deref(), look)
    }

    /// What is to be seen of `key`, to keep.
    pub fn get(&self, key: &[u8], now: impl Fn() -> Millis) -> Option<Kept> {
        let pin = self.records.map.pin();
        self.records.lens.look(now).take(key, &*pin.get(key)?)
    }

    /// The entries of `key` that the view chooses among, the newest last: more than one if writes
    /// were concurrent and no later one replaced them.
    pub fn siblings(&self, key: &[u8], now: Millis) -> Vec<Kept> {
        let pin = self.records.map.pin();
        let look = self.records.lens.look(|| now);
        pin.get(key).map_or_else(Vec::new, |record| look.siblings(&record))
    }

    /// Brings near what these keys hold, so that reads are fast and writes under the table's lock
    /// are short. For some dozens of keys that costs little more than for one.
    pub fn touch<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        self.records.map.pin().touch(keys);
    }

    /// Begins to fetch where `key` is, for a writer who has something else to do before it writes,
    /// and then [`Reader::arrive`].
    pub fn approach(&self, key: &[u8]) -> Spot {
        let hash = self.records.map.hash(key);
        self.records.map.pin().approach(hash);
        Spot(hash)
    }

    /// Begins to fetch what the key holds that was approached.
    pub fn arrive(&self, Spot(hash): Spot) {
        self.records.map.pin().arrive(hash);
    }

    /// Shows every visible key, in no order. What is there throughout is shown exactly once; what
    /// comes or goes meanwhile may be shown or not.
    pub fn for_each(&self, now: Millis, mut see: impl FnMut(&[u8], EntryRef<'_>)) {
        let look = self.records.lens.look(|| now);
        for shard in 0..SHARDS {
            let pin = self.records.map.pin();
            for record in pin.items(shard) {
                look.show(record.key(), Some(&record), |entry| {
                    if let Some(entry) = entry {
                        see(record.key(), entry);
                    }
                });
            }
        }
    }

    /// Goes on with a scan from `cursor` (0 starts one): shows at least `at_least` visible keys
    /// if there are that many, and returns where to go on, 0 at the end.
    ///
    /// What is there from the start of a scan to its end is shown exactly once. A call costs one
    /// walk over a 256th of the table, whatever `at_least` is, so a scan in steps of a few keys may
    /// not catch up with a table that grows fast.
    pub fn scan(
        &self,
        cursor: u64,
        at_least: usize,
        now: Millis,
        mut see: impl FnMut(&[u8], EntryRef<'_>),
    ) -> u64 {
        let mut left = at_least;
        self.scan_while(cursor, now, |key, entry| {
            see(key, entry);
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// As [`scan`](Reader::scan), until `see` breaks off. Keys that share a place in the scan,
    /// which is as good as never, are shown together all the same.
    pub fn scan_while(
        &self,
        cursor: u64,
        now: Millis,
        mut see: impl FnMut(&[u8], EntryRef<'_>) -> ControlFlow<()>,
    ) -> u64 {
        let look = self.records.lens.look(|| now);
        let mut enough = false;
        let mut from = cursor;
        for index in Records::shard_of(cursor).min(SHARDS)..SHARDS {
            let pin = self.records.map.pin();
            let mut found: Vec<_> = pin
                .items(index)
                .map(|record| (self.records.position(record.key()), record))
                .filter(|(position, _)| *position >= from)
                .collect();
            found.sort_unstable_by(|(a, one), (b, other)| (a, one.key()).cmp(&(b, other.key())));
            let mut last = None;
            for (position, record) in found {
                // Keys that share a position are shown together, because the cursor is one.
                if enough && last != Some(position) {
                    return position;
                }
                last = Some(position);
                look.show(record.key(), Some(&record), |entry| {
                    if let Some(entry) = entry {
                        enough |= see(record.key(), entry).is_break();
                    }
                });
            }
            from = Records::start_of(index + 1);
            if enough && index + 1 < SHARDS {
                return from;
            }
        }
        0
    }

    /// Some visible key, chosen by `dice`: any number, best a random one.
    pub fn any_key(&self, dice: u64, now: Millis) -> Option<Box<[u8]>> {
        let look = self.records.lens.look(|| now);
        let first = Records::shard_of(dice >> 11);
        for step in 0..SHARDS {
            let pin = self.records.map.pin();
            let items = pin.items((first + step) % SHARDS);
            let mut found: Vec<Ref<'_, Record>> = items.filter(|it| look.sees_any(it)).collect();
            if found.is_empty() {
                continue;
            }
            // The view is asked only for what the dice say, and on from there if it hides that.
            let chosen = (dice % found.len() as u64) as usize;
            found.rotate_left(chosen);
            let shows = |it: &&Ref<'_, Record>| look.show(it.key(), Some(it), |it| it.is_some());
            if let Some(record) = found.iter().find(shows) {
                return Some(record.key().into());
            }
        }
        None
    }
}

/// The keys of an ordered table in the order of their bytes.
#[derive(Clone, Copy)]
pub struct Ordered<'a> {
    records: &'a Records,
}

impl Ordered<'_> {
    /// Shows the visible keys from `from` to `to`, ascending, until `see` breaks off. Bounds that
    /// contradict each other show nothing.
    ///
    /// What is there throughout is shown exactly once; what comes or goes meanwhile may be shown
    /// or not. The first key is found in steps that grow with the logarithm of the table's size;
    /// keys that are held but not visible, such as remembered deletes, cost a lookup each.
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        now: Millis,
        mut see: impl FnMut(&[u8], EntryRef<'_>) -> ControlFlow<()>,
    ) {
        if let Some(index) = &self.records.index {
            let mut batch = Batch::default();
            index.ascend(from, to, |keys| {
                self.show(keys.prefix(), keys.suffixes(), &mut batch, now, &mut see)
            });
        }
    }

    /// As [`range`](Ordered::range), from `to` back to `from`. It costs the same.
    pub fn range_back(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        now: Millis,
        mut see: impl FnMut(&[u8], EntryRef<'_>) -> ControlFlow<()>,
    ) {
        if let Some(index) = &self.records.index {
            let mut batch = Batch::default();
            index.descend(from, to, |keys| {
                self.show(keys.prefix(), keys.suffixes().rev(), &mut batch, now, &mut see)
            });
        }
    }

    /// Shows what is to be seen of a few keys, of which all begin with `prefix`.
    fn show<'k>(
        &self,
        prefix: &[u8],
        mut suffixes: impl Iterator<Item = &'k [u8]>,
        batch: &mut Batch,
        now: Millis,
        see: &mut impl FnMut(&[u8], EntryRef<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let look = self.records.lens.look(|| now);
        let pin = self.records.map.pin();
        while batch.fill(prefix, &mut suffixes) {
            pin.touch(batch.keys());
            for key in batch.keys() {
                look.show(key, pin.get(key).as_deref(), |entry| match entry {
                    Some(entry) => see(key, entry),
                    None => ControlFlow::Continue(()),
                })?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Keys that are put together of their parts, some at a time: the fetches of what they hold are
/// then under way side by side. A walk that looked up each right after it was put together took
/// more than twice as long.
struct Batch {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
    /// How many come next.
    count: usize,
}

impl Default for Batch {
    /// The first key comes alone, because often no more is wanted.
    fn default() -> Batch {
        Batch { bytes: Vec::new(), ends: Vec::new(), count: 1 }
    }
}

impl Batch {
    /// Takes the next keys; false if there are no more.
    fn fill<'k>(&mut self, prefix: &[u8], suffixes: &mut impl Iterator<Item = &'k [u8]>) -> bool {
        self.bytes.clear();
        self.ends.clear();
        for suffix in suffixes.take(replace(&mut self.count, BATCH)) {
            self.bytes.extend_from_slice(prefix);
            self.bytes.extend_from_slice(suffix);
            self.ends.push(self.bytes.len());
        }
        !self.ends.is_empty()
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |begin, end| Some(&self.bytes[replace(begin, *end)..*end]))
    }
}
