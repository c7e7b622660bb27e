//! An allocator that counts. Counts do not drift with the machine, as times do.
//!
//! An allocator cannot be written without unsafe code: its methods are unsafe by their contract.
//! These hand every call through to the system's allocator, unchanged, and add one to a number.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting. It counts where it is the `#[global_allocator]`.
pub struct Counting;

/// How many allocations this process has made so far, with those that were only resized.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn note() {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every method keeps the contract of `GlobalAlloc` because `System` does, and what it is
// asked and answers is passed on unchanged. Counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above; `block` came from `System`, as every block of this allocator.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_usable_and_counted() {
        let before = count();
        let layout = Layout::from_size_align(64, 8).unwrap();
        let larger = Layout::from_size_align(128, 8).unwrap();
        // SAFETY: the layouts are not empty, and each block is used within its size, resized and
        // freed with the layout that it has then.
        unsafe {
            let block = Counting.alloc(layout);
            block.write_bytes(7, 64);
            let block = Counting.realloc(block, layout, 128);
            assert_eq!(block.add(63).read(), 7);
            Counting.dealloc(block, larger);
            let zeroed = Counting.alloc_zeroed(layout);
            assert_eq!(zeroed.read(), 0);
            Counting.dealloc(zeroed, layout);
        }
        assert!(count() >= before + 3);
    }
}
