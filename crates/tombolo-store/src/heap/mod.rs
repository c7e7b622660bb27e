//! The memory that tables lie in.
//!
//! A lookup goes anywhere among all records. With pages of 4 KiB a million records lie on forty
//! thousand, far more than a processor knows the places of, so it looks up where the page is before
//! it fetches what is there; in a virtual machine each step of that is a lookup again. So records
//! and the arrays that point to them lie together on huge pages of 2 MiB, where the system has
//! them, apart from the program's other memory.

#![allow(unsafe_code, reason = "memory of any length is had from an allocator alone")]

#[cfg(all(target_os = "linux", not(miri)))]
mod pages;
#[cfg(all(target_os = "linux", not(miri)))]
use pages::{alloc, dealloc};
#[cfg(not(all(target_os = "linux", not(miri))))]
use std::alloc::{alloc, dealloc};

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Deref;
use std::ptr::{NonNull, slice_from_raw_parts_mut};
use std::slice;

/// A block of memory, not initialised. Ends the process if there is none, as `Box` does.
pub(crate) fn take(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "a block has at least one byte");
    // SAFETY: The layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives a block back.
///
/// # Safety
///
/// It was taken with this layout, and nobody uses it any more.
pub(crate) unsafe fn give(block: NonNull<u8>, layout: Layout) {
    // SAFETY: By the promise of the caller.
    unsafe { dealloc(block.as_ptr(), layout) };
}

/// A boxed slice in this memory.
pub(crate) struct HeapSlice<T> {
    first: NonNull<T>,
    length: usize,
}

// SAFETY: It owns its items, and shares them as a boxed slice would.
unsafe impl<T: Send> Send for HeapSlice<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for HeapSlice<T> {}

impl<T> HeapSlice<T> {
    /// So many items, at least one. What an item that panics leaves behind is not given back.
    pub(crate) fn new(length: usize, make: impl Fn() -> T) -> HeapSlice<T> {
        let first = take(layout_of::<T>(length)).cast::<T>();
        for index in 0..length {
            // SAFETY: The block has room for so many items.
            unsafe { first.add(index).write(make()) };
        }
        HeapSlice { first, length }
    }
}

fn layout_of<T>(length: usize) -> Layout {
    Layout::array::<T>(length).expect("a slice fits into memory")
}

impl<T> Deref for HeapSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: So many items were written there, and live as long as this.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl<T> Drop for HeapSlice<T> {
    fn drop(&mut self) {
        // SAFETY: The items are dropped once, here, and so is their block, which was taken so.
        unsafe {
            slice_from_raw_parts_mut(self.first.as_ptr(), self.length).drop_in_place();
            give(self.first.cast(), layout_of::<T>(self.length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_slice_has_its_items_and_drops_each() {
        let item = Arc::new(7);
        let slice = HeapSlice::new(1_000, || Arc::clone(&item));
        assert!(slice.len() == 1_000 && slice.iter().all(|item| **item == 7));
        assert_eq!(Arc::strong_count(&item), 1_001);
        drop(slice);
        assert_eq!(Arc::strong_count(&item), 1);
    }

    #[test]
    fn a_slice_is_aligned_as_its_items_are() {
        #[repr(align(64))]
        struct Line(#[allow(dead_code, reason = "it fills the line")] u8);

        let slices: Vec<_> = (1..50).map(|length| HeapSlice::new(length, || Line(1))).collect();
        assert!(slices.iter().all(|slice| slice.as_ptr().addr().is_multiple_of(64)));
    }
}
