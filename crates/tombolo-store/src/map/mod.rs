//! A hash map with one writer, and readers that never wait.
//!
//! Why this is `unsafe`: readers follow pointers that the writer takes out of the map meanwhile.
//! The safe way is a map for many writers, and what that costs each write is most of a write: this
//! one overwrites in a third of the time, and reads faster besides, because an item is one fetch
//! from memory behind its slot instead of two.
//!
//! How it is safe:
//! - What is in the map belongs to it, as one pointer each (see [`Keyed`]).
//! - The one writer replaces a pointer or takes it out, and only then *retires* it: the collector
//!   (`seize`) drops it when nobody is left who was pinned at that moment. Readers follow pointers
//!   only while they are pinned, and what they find cannot outlive the [`Pin`].
//! - A shard that grows gets a new array with the same pointers, and the old array is retired. Who
//!   still reads in it was pinned before, so what it points to is not dropped either.
//! - The writer itself may follow every pointer without being pinned: it alone retires, and that
//!   needs it exclusively.
//!
//! The tests in `tests/interleavings.rs` run this very module under loom.

#![allow(unsafe_code, reason = "see above; everything unsafe stays behind `Pin` and `Writer`")]

mod array;

use crate::sync::{Arc, AtomicPtr, Collector, Guard, LocalGuard, Ordering, RandomState};
use array::{Array, At};
use std::cell::Cell;
use std::hash::BuildHasher;
use std::iter;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};

/// How many retired items a thread collects before it looks which may be dropped. The look costs a
/// system call that interrupts the other processors.
const RETIRED: usize = 256;

/// How many keys or items are touched together.
const TOUCHED: usize = 64;

/// Something with a key behind one pointer.
///
/// # Safety
///
/// `from_raw` must give back what `into_raw` was given, and must not touch it: also the copies that
/// it makes of one pointer, of which all but one are forgotten, must be usable side by side.
pub(crate) unsafe trait Keyed: Send + Sync + Sized {
    /// What the pointer points to.
    type Target: 'static;

    /// The key.
    fn key(&self) -> &[u8];

    /// Whether this is its key.
    fn has_key(&self, key: &[u8]) -> bool {
        self.key() == key
    }

    /// The pointer, which now owns it.
    fn into_raw(self) -> NonNull<Self::Target>;

    /// Takes it over from a pointer.
    ///
    /// # Safety
    ///
    /// The pointer came out of `into_raw` and was not taken over before.
    unsafe fn from_raw(raw: NonNull<Self::Target>) -> Self;
}

/// An item that belongs to a map, borrowed.
pub(crate) struct Ref<'a, T> {
    item: ManuallyDrop<T>,
    borrowed: PhantomData<&'a T>,
}

impl<T: Keyed> Ref<'_, T> {
    /// # Safety
    ///
    /// The map's pointer is valid for as long as the lifetime says.
    #[inline]
    unsafe fn new(raw: NonNull<T::Target>) -> Self {
        // SAFETY: It is a pointer that the map took over; what is made of it is never dropped.
        let item = ManuallyDrop::new(unsafe { T::from_raw(raw) });
        Ref { item, borrowed: PhantomData }
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.item
    }
}

/// The same items, but brought near some dozens at a time: their fetches from memory are then under
/// way side by side, where a walk that looks at one after the other waits for each.
fn near<'a, T: Keyed + 'a>(
    mut items: impl Iterator<Item = Ref<'a, T>>,
) -> impl Iterator<Item = Ref<'a, T>> {
    let mut near = Vec::with_capacity(TOUCHED);
    iter::from_fn(move || {
        if near.is_empty() {
            near.extend(items.by_ref().take(TOUCHED));
            std::hint::black_box(near.iter().fold(0, |all, item| all ^ item.key().len()));
        }
        near.pop()
    })
}

/// The slots of a shard, none before its first item.
type Shard<T> = AtomicPtr<Array<<T as Keyed>::Target>>;

/// A map as readers have it.
pub(crate) struct Map<T: Keyed> {
    shards: Box<[Shard<T>]>,
    /// How many of the highest bits of a hash choose the shard.
    shard_bits: u32,
    collector: Collector,
    hasher: RandomState,
    owned: PhantomData<T>,
}

impl<T: Keyed> Map<T> {
    /// An empty map of two to the power of `shard_bits` shards: the end that writes and the one
    /// that reads.
    pub(crate) fn open(shard_bits: u32) -> (Writer<T>, Arc<Map<T>>) {
        let shards = 1 << shard_bits;
        let map = Arc::new(Map {
            shards: (0..shards).map(|_| AtomicPtr::new(null_mut())).collect(),
            shard_bits,
            collector: Collector::new().batch_size(RETIRED),
            hasher: RandomState::default(),
            owned: PhantomData,
        });
        let counts = (0..shards).map(|_| Count::default()).collect();
        (Writer { map: Arc::clone(&map), counts, last: Cell::new(None) }, map)
    }

    /// The hash of a key; its highest bits choose the shard.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The shard that a key with this hash is in.
    #[inline]
    pub(crate) fn shard_of(&self, hash: u64) -> usize {
        hash.checked_shr(u64::BITS - self.shard_bits).unwrap_or(0) as usize
    }

    /// Keeps what is found in the map until the pin is dropped. Nothing that anybody takes out of
    /// the map meanwhile is given back, so it should be short.
    #[inline]
    pub(crate) fn pin(&self) -> Pin<'_, T> {
        Pin { map: self, guard: self.collector.enter() }
    }

    /// The part of a hash that an array goes by: what chose the shard goes to the end.
    #[inline]
    fn within(&self, hash: u64) -> u64 {
        hash.rotate_left(self.shard_bits)
    }
}

impl<T: Keyed> Drop for Map<T> {
    fn drop(&mut self) {
        for shard in &self.shards {
            let Some(array) = NonNull::new(shard.load(Ordering::Relaxed)) else { continue };
            // SAFETY: Nobody else has the map any more, and the array came out of a box.
            let array = unsafe { Box::from_raw(array.as_ptr()) };
            for item in array.items(|slot| slot.load(Ordering::Relaxed)) {
                // SAFETY: Each item in the map belongs to it, and is taken over once.
                drop(unsafe { T::from_raw(item) });
            }
        }
    }
}

/// Keeps what is read.
pub(crate) struct Pin<'m, T: Keyed> {
    map: &'m Map<T>,
    guard: LocalGuard<'m>,
}

impl<T: Keyed> Pin<'_, T> {
    /// What is kept under a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<Ref<'_, T>> {
        let hash = self.map.hash(key);
        let array = self.array(self.map.shard_of(hash))?;
        let load = |slot: &AtomicPtr<T::Target>| self.guard.protect(slot, Ordering::Acquire);
        // SAFETY: The pointer was in the map while we were pinned, so it is kept while we are.
        let is = |item| unsafe { Ref::<T>::new(item) }.has_key(key);
        let (_, item) = array.find(self.map.within(hash), load, is)?;
        // SAFETY: As above; and the lifetime is that of the pin.
        Some(unsafe { Ref::new(item) })
    }

    /// Begins to fetch the slot of a key with this hash.
    #[inline]
    pub(crate) fn approach(&self, hash: u64) {
        if let Some(array) = self.array(self.map.shard_of(hash)) {
            array.touch(self.map.within(hash));
        }
    }

    /// Begins to fetch what is kept under a key with this hash. Waits for its slot.
    #[inline]
    pub(crate) fn arrive(&self, hash: u64) {
        if let Some(array) = self.array(self.map.shard_of(hash)) {
            array.touch_items(self.map.within(hash));
        }
    }

    /// Brings near what is kept under these keys. First their slots, then what is in them: so the
    /// fetches of many keys from memory are under way at the same time, where a search after the
    /// other would wait for each.
    pub(crate) fn touch<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        let mut keys = keys.into_iter();
        let mut hashes = [0; TOUCHED];
        loop {
            let mut count = 0;
            for key in keys.by_ref().take(TOUCHED) {
                let hash = self.map.hash(key);
                self.approach(hash);
                hashes[count] = hash;
                count += 1;
            }
            hashes[..count].iter().for_each(|hash| self.arrive(*hash));
            if count < TOUCHED {
                return;
            }
        }
    }

    /// All that is in a shard, in no order. What is in it throughout is met once.
    pub(crate) fn items(&self, shard: usize) -> impl Iterator<Item = Ref<'_, T>> {
        let load = |slot: &AtomicPtr<T::Target>| self.guard.protect(slot, Ordering::Acquire);
        let items = self.array(shard).into_iter().flat_map(move |array| array.items(load));
        // SAFETY: As in `get`.
        near(items.map(|item| unsafe { Ref::new(item) }))
    }

    #[inline]
    fn array(&self, shard: usize) -> Option<&Array<T::Target>> {
        let array = self.guard.protect(&self.map.shards[shard], Ordering::Acquire);
        // SAFETY: An array is retired only after it was replaced, so it is kept while we are
        // pinned.
        unsafe { array.as_ref() }
    }
}

/// What the writer knows of a shard's slots.
#[derive(Clone, Copy, Default)]
struct Count {
    /// How many hold an item.
    items: usize,
    /// How many are not empty: those, and freed ones.
    used: usize,
}

/// Where the writer found an item: the hash of its key, the place, and the item itself.
struct Found<T: Keyed> {
    hash: u64,
    at: At,
    item: NonNull<T::Target>,
}

impl<T: Keyed> Clone for Found<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Keyed> Copy for Found<T> {}

// SAFETY: It stands for an item of the map, and those may be sent.
unsafe impl<T: Keyed> Send for Found<T> {}

/// The writing end of a map. There is one.
pub(crate) struct Writer<T: Keyed> {
    map: Arc<Map<T>>,
    counts: Box<[Count]>,
    /// What was looked at last, which is most likely what is changed next. Whatever changes the map
    /// forgets it first, so it is in the map as long as it stands here.
    last: Cell<Option<Found<T>>>,
}

impl<T: Keyed> Writer<T> {
    /// What is kept under a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Ref<'_, T>> {
        let found = self.find(self.map.hash(key), key);
        self.last.set(found);
        // SAFETY: Only the writer takes something out of the map, and only exclusively.
        found.map(|found| unsafe { Ref::new(found.item) })
    }

    /// The place of a key, to look at and to change.
    pub(crate) fn place<'w>(&'w mut self, key: &'w [u8]) -> Place<'w, T> {
        // SAFETY: It is still in the map, see there.
        let is = |last: &Found<T>| unsafe { Ref::<T>::new(last.item) }.has_key(key);
        if let Some(last) = self.last.take().filter(is) {
            return Place { hash: last.hash, found: Some(last), writer: self };
        }
        let hash = self.map.hash(key);
        Place { found: self.find(hash, key), writer: self, hash }
    }

    /// All that is in a shard, in no order.
    pub(crate) fn items(&self, shard: usize) -> impl Iterator<Item = Ref<'_, T>> {
        let items = self.array(shard).into_iter().flat_map(|array| array.items(load));
        // SAFETY: As in `get`.
        near(items.map(|item| unsafe { Ref::new(item) }))
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Found<T>> {
        let array = self.array(self.map.shard_of(hash))?;
        // SAFETY: As in `get`.
        let is = |item| unsafe { Ref::<T>::new(item) }.has_key(key);
        let (at, item) = array.find(self.map.within(hash), load, is)?;
        Some(Found { hash, at, item })
    }

    #[inline]
    fn array(&self, shard: usize) -> Option<&Array<T::Target>> {
        let array = self.map.shards[shard].load(Ordering::Relaxed);
        // SAFETY: Only the writer replaces an array, and only exclusively.
        unsafe { array.as_ref() }
    }

    /// The array of a shard, with room for one more item.
    fn roomy(&mut self, shard: usize) -> &Array<T::Target> {
        let Count { items, used } = self.counts[shard];
        let (groups, room) = self.array(shard).map_or((0, 0), |now| (now.groups(), now.room()));
        if used >= room {
            // If much of it is freed slots, a clean array of the same length will do. Shards grow
            // by factors of their own, so that they do not grow all at once.
            let more = groups.div_ceil(4) + groups * (shard % 8) / 16;
            let crowded = items * 4 >= room * 3;
            self.move_to(shard, if crowded { (groups + more).max(1) } else { groups });
        }
        self.array(shard).expect("a shard that was moved to an array has one")
    }

    /// Moves a shard to an array of so many groups.
    fn move_to(&mut self, shard: usize, groups: usize) {
        let new = Array::new(groups);
        let items = self.items(shard).map(|item| {
            // The copy is forgotten; the pointer stays the map's.
            let hash = self.map.within(self.map.hash(item.key()));
            new.put(hash, ManuallyDrop::into_inner(item.item).into_raw());
        });
        let items = items.count();
        let old = self.map.shards[shard].swap(Box::into_raw(Box::new(new)), Ordering::AcqRel);
        self.counts[shard] = Count { items, used: items };
        if !old.is_null() {
            // SAFETY: It came out of a box, and no reader that comes now can find it.
            unsafe {
                self.map.collector.retire(old, |array, _: &Collector| drop(Box::from_raw(array)));
            }
        }
    }

    fn retire(&mut self, item: NonNull<T::Target>) {
        // SAFETY: The item was just taken out of the map, so no reader that comes now can find it,
        // and it belongs to nobody but the map. A `Keyed` may be dropped on any thread.
        unsafe {
            self.map.collector.retire(item.as_ptr(), |item, _: &Collector| {
                NonNull::new(item).into_iter().for_each(|item| drop(T::from_raw(item)));
            });
        }
    }
}

/// How the writer looks at a slot that nobody else writes.
#[inline]
fn load<P>(slot: &AtomicPtr<P>) -> *mut P {
    slot.load(Ordering::Relaxed)
}

/// The place of a key in a map, held by the writer.
pub(crate) struct Place<'w, T: Keyed> {
    writer: &'w mut Writer<T>,
    hash: u64,
    found: Option<Found<T>>,
}

impl<T: Keyed> Place<'_, T> {
    /// What is there.
    pub(crate) fn get(&self) -> Option<Ref<'_, T>> {
        // SAFETY: It was in the map when the place was made, and nobody else may write meanwhile.
        self.found.map(|found| unsafe { Ref::new(found.item) })
    }

    /// Puts an item there, whose key is the one that the place was asked for.
    pub(crate) fn put(self, item: T) {
        let (shard, item) = (self.writer.map.shard_of(self.hash), item.into_raw());
        if let Some(Found { at, item: old, .. }) = self.found {
            self.writer.array(shard).into_iter().for_each(|array| array.replace(at, item));
            self.writer.retire(old);
            return;
        }
        let hash = self.writer.map.within(self.hash);
        let was_empty = self.writer.roomy(shard).put(hash, item);
        let count = &mut self.writer.counts[shard];
        count.items += 1;
        count.used += usize::from(was_empty);
    }

    /// Takes away what is there.
    pub(crate) fn remove(self) {
        let Some(Found { at, item: old, .. }) = self.found else { return };
        let shard = self.writer.map.shard_of(self.hash);
        let Some(array) = self.writer.array(shard) else { return };
        let (groups, room) = (array.groups(), array.room());
        let is_empty = array.remove(at);
        self.writer.retire(old);
        let count = &mut self.writer.counts[shard];
        count.items -= 1;
        count.used -= usize::from(is_empty);
        if groups > 1 && count.items < room / 8 {
            self.writer.move_to(shard, groups / 4);
        }
    }
}
