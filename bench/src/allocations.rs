//! An allocator that counts. Counts do not drift with the machine, as times do.
//!
//! An allocator cannot be written without unsafe code: its methods are unsafe by their contract.
//! These hand every call through to the system's allocator, unchanged, and add one to a number.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads count for themselves; a program of the benchmarks has fewer.
const THREADS: usize = 64;

/// One number a thread, each in a line of the cache of its own, so that counting is a load and a
/// store. Threads beyond that share the last.
static COUNTS: [Count; THREADS + 1] = [const { Count(AtomicU64::new(0)) }; THREADS + 1];

#[repr(align(64))]
struct Count(AtomicU64);

static THREADS_SO_FAR: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The system's allocator, counting. It counts where it is the `#[global_allocator]`.
pub struct Counting;

/// How many allocations this process has made so far, with those that were only resized.
pub fn count() -> u64 {
    COUNTS.iter().map(|count| count.0.load(Ordering::Relaxed)).sum()
}

fn note() {
    let mine = MINE.get().unwrap_or_else(|| {
        let mine = THREADS_SO_FAR.fetch_add(1, Ordering::Relaxed).min(THREADS);
        MINE.set(Some(mine));
        mine
    });
    let count = &COUNTS[mine].0;
    if mine < THREADS {
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    } else {
        count.fetch_add(1, Ordering::Relaxed);
    }
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
