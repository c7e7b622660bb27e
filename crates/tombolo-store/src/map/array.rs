//! The places of a shard's items: groups of seven slots, each group one line of the cache.
//!
//! A group's first word has a tag of one byte for each slot, so that a search looks at a slot only
//! if it is most likely the right one. Nothing in here follows a pointer.

use crate::fetch::{LINE, fetch};
use crate::heap::HeapSlice;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};
use std::ptr::{NonNull, null_mut};

/// The slots of a group; the eighth byte of its tags is not used.
const LANES: usize = 7;

/// The tag of a slot that was never used since the last search that passed its group.
const EMPTY: u8 = 0;

/// The tag of a slot that is free and must be passed by searches. The unused byte has it too.
const FREED: u8 = 1;

/// The lowest bit of every byte, and the highest bit of those that stand for slots.
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x0080_8080_8080_8080;

#[repr(align(64))]
struct Group<P> {
    tags: AtomicU64,
    slots: [AtomicPtr<P>; LANES],
}

/// Where an item is: its group and its slot in it.
#[derive(Clone, Copy)]
pub(super) struct At {
    group: usize,
    lane: usize,
}

/// The slots of a shard, written by one thread at a time.
pub(super) struct Array<P> {
    groups: HeapSlice<Group<P>>,
}

impl<P> Array<P> {
    pub(super) fn new(groups: usize) -> Array<P> {
        let group = || Group {
            tags: AtomicU64::new(u64::from(FREED) << 56),
            slots: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
        };
        Array { groups: HeapSlice::new(groups.max(1), group) }
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// How many slots may be in use or freed. Some are always empty: there every search ends. With
    /// so many, nearly every item is in the group in which its search begins.
    pub(super) fn room(&self) -> usize {
        let slots = self.groups.len() * LANES;
        slots - slots.div_ceil(4)
    }

    /// Finds the item for which `is` holds among those put with the same `hash`. `load` is how the
    /// caller may look at a slot.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        load: impl Fn(&AtomicPtr<P>) -> *mut P,
        is: impl Fn(NonNull<P>) -> bool,
    ) -> Option<(At, NonNull<P>)> {
        let tag = tag_of(hash);
        let mut group = self.home(hash);
        loop {
            let Group { tags, slots } = &self.groups[group];
            let tags = tags.load(Ordering::Acquire);
            for lane in lanes(bytes_like(tags, tag)) {
                // A slot may have been freed, or filled with another, since its tag was read.
                let item = NonNull::new(load(&slots[lane]));
                if let Some(item) = item.filter(|item| is(*item)) {
                    return Some((At { group, lane }, item));
                }
            }
            if bytes_like(tags, EMPTY) != 0 {
                return None;
            }
            group = self.after(group);
        }
    }

    /// Fetches the slots among which the search for a hash begins.
    #[inline]
    pub(super) fn touch(&self, hash: u64) {
        fetch(&raw const self.groups[self.home(hash)]);
    }

    /// Fetches the beginning of the items in those slots that have most likely this hash.
    #[inline]
    pub(super) fn touch_items(&self, hash: u64) {
        let Group { tags, slots } = &self.groups[self.home(hash)];
        for lane in lanes(bytes_like(tags.load(Ordering::Relaxed), tag_of(hash))) {
            let item = slots[lane].load(Ordering::Relaxed).cast::<u8>();
            fetch(item);
            // Where it does not begin with a line of the cache, its key mostly ends in the next.
            fetch(item.wrapping_add(LINE - 1));
        }
    }

    /// Puts an item that is not there yet. Whether the slot was empty before.
    pub(super) fn put(&self, hash: u64, item: NonNull<P>) -> bool {
        let mut group = self.home(hash);
        loop {
            let Group { tags, slots } = &self.groups[group];
            let before = tags.load(Ordering::Relaxed);
            // A tag is free if it is 0 or 1.
            if let Some(lane) = lanes(bytes_like(before & !LOW, EMPTY)).next() {
                // Whoever sees the tag sees the item, and all that the writer did before.
                slots[lane].store(item.as_ptr(), Ordering::Release);
                tags.store(with(before, lane, tag_of(hash)), Ordering::Release);
                return byte(before, lane) == EMPTY;
            }
            group = self.after(group);
        }
    }

    /// Puts an item into the place of another with the same hash.
    pub(super) fn replace(&self, At { group, lane }: At, item: NonNull<P>) {
        self.groups[group].slots[lane].store(item.as_ptr(), Ordering::Release);
    }

    /// Takes an item away. Whether its slot is empty after that.
    pub(super) fn remove(&self, At { group, lane }: At) -> bool {
        let Group { tags, slots } = &self.groups[group];
        let before = tags.load(Ordering::Relaxed);
        // Where a group has an empty slot no search ever went on to the next.
        let tag = if bytes_like(before, EMPTY) != 0 { EMPTY } else { FREED };
        slots[lane].store(null_mut(), Ordering::Release);
        tags.store(with(before, lane, tag), Ordering::Release);
        tag == EMPTY
    }

    /// The items, in no order.
    pub(super) fn items<'a>(
        &'a self,
        load: impl Fn(&AtomicPtr<P>) -> *mut P + Copy + 'a,
    ) -> impl Iterator<Item = NonNull<P>> + 'a {
        let slots = self.groups.iter().flat_map(|group| &group.slots);
        slots.filter_map(move |slot| NonNull::new(load(slot)))
    }

    /// The group in which the search for a hash begins: the high bits choose it.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.groups.len() as u128) >> 64) as usize
    }

    #[inline]
    fn after(&self, group: usize) -> usize {
        if group + 1 < self.groups.len() { group + 1 } else { 0 }
    }
}

/// The tag of an item: bits of the hash that choose no group unless there are thousands of
/// millions.
#[inline]
fn tag_of(hash: u64) -> u8 {
    ((hash >> 24) as u8).max(FREED + 1)
}

/// The high bits of the bytes of `tags` that equal `tag`. The lowest one is right; of those above
/// it some may be bytes that differ in their last bit, which costs a look at a slot.
#[inline]
fn bytes_like(tags: u64, tag: u8) -> u64 {
    let differing = tags ^ (LOW * u64::from(tag));
    differing.wrapping_sub(LOW) & !differing & HIGH
}

/// The slots whose bits are set in what [`bytes_like`] gives.
#[inline]
fn lanes(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = (bits != 0).then(|| bits.trailing_zeros() as usize / 8);
        bits &= bits.wrapping_sub(1);
        lane
    })
}

#[inline]
fn byte(tags: u64, lane: usize) -> u8 {
    (tags >> (8 * lane)) as u8
}

#[inline]
fn with(tags: u64, lane: usize, tag: u8) -> u64 {
    tags & !(0xff << (8 * lane)) | u64::from(tag) << (8 * lane)
}
