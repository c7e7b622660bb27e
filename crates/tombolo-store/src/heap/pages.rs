//! Blocks out of huge pages.
//!
//! A well-known allocator (`dlmalloc`) cuts them; what it cuts comes from here. It puts pages that
//! lie side by side together, and gives back those at its end, or all when none is in use: as the
//! system's allocator does, at 8 bytes a block.
//!
//! The system clears a page when it is touched first, which for a huge one may take milliseconds
//! where the machine is a virtual one, in the middle of somebody's write. So a thread of our own
//! touches the next page before anybody needs it.

use dlmalloc::{Allocator, Dlmalloc};
use parking_lot::Mutex;
use std::alloc::Layout;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread::{self, Thread};

/// A huge page. Where they are larger, on some machines of other kinds, this asks for none.
const HUGE: usize = 2 * 1024 * 1024;

/// One for all tables. Threads keep blocks of their own (`block.rs`), so few come here.
static HEAP: Mutex<Dlmalloc<Pages>> = Mutex::new(
    const {
        let mut heap = Dlmalloc::new_with_allocator(Pages);
        assert!(heap.set_granularity(HUGE));
        heap
    },
);

/// As the function of the same name in `std`.
pub(super) unsafe fn alloc(layout: Layout) -> *mut u8 {
    // SAFETY: As for the function of the same name.
    unsafe { HEAP.lock().malloc(layout.size(), layout.align()) }
}

/// As the function of the same name in `std`.
pub(super) unsafe fn dealloc(block: *mut u8, layout: Layout) {
    // SAFETY: As for the function of the same name.
    unsafe { HEAP.lock().free(block, layout.size(), layout.align()) }
}

/// Pages of the system.
struct Pages;

// SAFETY: What `alloc` gives is memory that nobody else has, of the length that it says, all zero.
// It is a mapping, so any part that is whole pages can be given back.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let ready = if size == HUGE { take_ready() } else { null_mut() };
        // Who needs more than one at once, or the next before it is ready, touches them himself.
        let begin = if ready.is_null() { map(size) } else { ready };
        (begin, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, start: *mut u8, size: usize, kept: usize) -> bool {
        unmap(start.wrapping_add(kept), size - kept)
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        unmap(start, size)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

/// A huge page that was touched, for whoever needs the next.
static READY: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// The page that is ready, if there is one. Another is made ready.
fn take_ready() -> *mut u8 {
    static PREPARER: OnceLock<Option<Thread>> = OnceLock::new();
    let page = READY.swap(null_mut(), Ordering::Acquire);
    let preparer = PREPARER.get_or_init(|| {
        let preparer = thread::Builder::new().name("tombolo-pages".to_owned());
        // Without it all works, with longer waits.
        preparer.spawn(prepare).ok().map(|handle| handle.thread().clone())
    });
    preparer.iter().for_each(Thread::unpark);
    page
}

fn prepare() {
    loop {
        if READY.load(Ordering::Relaxed).is_null() {
            let page = map(HUGE);
            if !page.is_null() {
                // SAFETY: It is ours, and holds nothing yet. A system that does not know the advice
                // has it touched later.
                unsafe { libc::madvise(page.cast(), HUGE, libc::MADV_POPULATE_WRITE) };
                READY.store(page, Ordering::Release);
            }
        }
        thread::park();
    }
}

/// New pages, beginning where a huge one can, or null if there are none.
fn map(size: usize) -> *mut u8 {
    // One more, so that there is such a place.
    let mapped = size + HUGE;
    // SAFETY: A new mapping touches no other.
    let start = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(null_mut(), mapped, access, kind, -1, 0)
    };
    if start == libc::MAP_FAILED {
        return null_mut();
    }
    let start = start.cast::<u8>();
    let before = start.align_offset(HUGE);
    let begin = start.wrapping_add(before);
    unmap(start, before);
    unmap(begin.wrapping_add(size), HUGE - before);
    // SAFETY: It is advice about pages that are ours. A system that has none says no, and all works
    // with small ones.
    unsafe { libc::madvise(begin.cast(), size, libc::MADV_HUGEPAGE) };
    begin
}

/// Gives pages back to the system. Whether it took them.
fn unmap(start: *mut u8, size: usize) -> bool {
    // SAFETY: Only called with pages of a mapping from above that hold nothing.
    size == 0 || unsafe { libc::munmap(start.cast(), size) == 0 }
}

#[cfg(test)]
mod tests {
    use super::{HUGE, READY};
    use crate::heap::{give, take};
    use std::alloc::Layout;
    use std::fs;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    const BLOCK: Layout = match Layout::from_size_align(1_000, 8) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };
    const MIB: usize = 1024 * 1024;

    fn resident() -> usize {
        let pages = fs::read_to_string("/proc/self/statm").expect("Linux has it");
        let resident = pages.split(' ').nth(1).expect("the second number");
        resident.parse::<usize>().expect("a number") * 4096
    }

    /// What the system says of the mapping that has this address.
    fn flags(address: usize) -> String {
        let maps = fs::read_to_string("/proc/self/smaps").expect("Linux has it");
        let mut within = false;
        for line in maps.lines() {
            let span = line.split(' ').next().and_then(|span| span.split_once('-'));
            let number = |text| usize::from_str_radix(text, 16).ok();
            if let Some((Some(start), Some(end))) = span.map(|(a, b)| (number(a), number(b))) {
                within = (start..end).contains(&address);
            }
            if within && line.starts_with("VmFlags:") {
                return line.to_owned();
            }
        }
        panic!("no mapping has {address:x}");
    }

    #[test]
    fn blocks_lie_on_pages_that_may_be_huge() {
        let block = take(BLOCK);
        let flags = flags(block.as_ptr().addr());
        assert!(flags.contains(" hg"), "{flags}");
        // SAFETY: It was taken so, and is given back once.
        unsafe { give(block, BLOCK) };
    }

    #[test]
    fn the_next_page_is_touched_before_it_is_needed() {
        let mut blocks = Vec::new();
        for _ in 0..3 {
            // More than a page, so that one is taken.
            blocks.extend((0..HUGE / BLOCK.size() + 1).map(|_| take(BLOCK)));
            let patience = Instant::now() + Duration::from_secs(20);
            while READY.load(Ordering::Relaxed).is_null() {
                assert!(Instant::now() < patience, "no page is made ready");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for block in blocks {
            // SAFETY: Each was taken so, and is given back once.
            unsafe { give(block, BLOCK) };
        }
    }

    #[test]
    fn pages_that_hold_nothing_go_back_to_the_system() {
        let before = resident();
        let blocks: Vec<_> = (0..64 * MIB / BLOCK.size()).map(|_| take(BLOCK)).collect();
        for block in &blocks {
            // SAFETY: The block has so many bytes.
            unsafe { block.write_bytes(7, BLOCK.size()) };
        }
        let full = resident();
        assert!(full > before + 60 * MIB, "{before} {full}");
        for block in blocks {
            // SAFETY: Each was taken so, and is given back once.
            unsafe { give(block, BLOCK) };
        }
        let after = resident();
        assert!(after < before + 8 * MIB, "{before} {full} {after}");
    }
}
