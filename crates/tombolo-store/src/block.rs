//! Memory for records.
//!
//! Records come and go a whole collection at a time: what was overwritten is given back some
//! hundred blocks at once, and as many of the same size are taken again right after. That is more
//! than an allocator keeps at hand, and it merges and splits what it does not, which touches the
//! blocks' neighbours in memory. So each thread keeps some of what it gives back.
//!
//! What comes back was long not touched, so no cache has it, and a processor that writes to it soon
//! has no room for more that is to be written, and stands still. So a block is fetched some time
//! before its turn.

#![allow(unsafe_code, reason = "memory of any length is had from the allocator alone")]

use crate::fetch::{LINE, fetch};
use crate::heap;
use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;

/// Blocks differ in size by this much, and are 8 bytes longer: as the heap cuts them.
const STEP: usize = 16;

/// Blocks of so many sizes are kept: those that are shorter than half a kibibyte.
const SIZES: usize = 32;

/// How many bytes of each size a thread keeps, and so 2 MiB of all.
const KEPT: usize = 64 * 1024;

thread_local! {
    static BLOCKS: RefCell<Blocks> = const { RefCell::new(Blocks([const { Vec::new() }; SIZES])) };
}

/// A block is fetched when so many others are to be taken before it.
const AHEAD: usize = 4;

/// What a thread keeps, by size.
struct Blocks([Vec<NonNull<u8>>; SIZES]);

impl Drop for Blocks {
    fn drop(&mut self) {
        for (size, blocks) in self.0.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                // SAFETY: It was given back with a length of this size, so it has this layout.
                unsafe { heap::give(block, layout(bytes(size))) };
            }
        }
    }
}

/// The smallest size in which so many bytes have room.
fn size(length: usize) -> usize {
    length.saturating_sub(8).div_ceil(STEP)
}

/// The length of a block.
fn bytes(size: usize) -> usize {
    size * STEP + 8
}

fn layout(length: usize) -> Layout {
    Layout::from_size_align(length, align_of::<u64>()).expect("a record fits into memory")
}

/// A block of at least `length` bytes, aligned for a `u64`.
pub(crate) fn take(length: usize) -> NonNull<u8> {
    let size = size(length);
    // While a thread ends it has no more blocks.
    let kept = BLOCKS.try_with(|blocks| {
        let blocks = &mut blocks.borrow_mut().0;
        let blocks = blocks.get_mut(size)?;
        let block = blocks.pop();
        if let Some(later) = blocks.iter().rev().nth(AHEAD - 1) {
            (0..bytes(size)).step_by(LINE).for_each(|at| fetch(later.as_ptr().wrapping_add(at)));
        }
        block
    });
    if let Ok(Some(block)) = kept {
        return block;
    }
    heap::take(layout(bytes(size)))
}

/// Gives a block back.
///
/// # Safety
///
/// It was taken with this length, and nobody uses it any more.
pub(crate) unsafe fn give(block: NonNull<u8>, length: usize) {
    let size = size(length);
    let keep = |blocks: &RefCell<Blocks>| {
        let mut blocks = blocks.borrow_mut();
        let room = |kept: &&mut Vec<_>| kept.len() < KEPT / bytes(size);
        blocks.0.get_mut(size).filter(room).map(|kept| kept.push(block))
    };
    if let Ok(Some(())) = BLOCKS.try_with(keep) {
        return;
    }
    // SAFETY: By the promise of the caller it is one of those that `take` allocated so.
    unsafe { heap::give(block, layout(bytes(size))) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(length: usize) -> usize {
        BLOCKS.with(|blocks| blocks.borrow().0[size(length)].len())
    }

    #[test]
    fn a_block_has_room_and_the_next_of_its_size_is_the_same() {
        for length in [1, 8, 9, 24, 25, 152, 153, 500, 504, 505, 100_000] {
            assert!(bytes(size(length)) >= length, "{length}");
            let block = take(length);
            // SAFETY: It is that long, and given back once.
            unsafe {
                block.write_bytes(7, length);
                give(block, length);
            }
            if size(length) < SIZES {
                let again = take(length);
                assert_eq!(again, block, "{length}");
                // SAFETY: As above.
                unsafe { give(again, length) };
            }
        }
    }

    #[test]
    fn a_thread_keeps_so_much_and_no_more() {
        let length = 400;
        let blocks: Vec<_> = (0..KEPT / 100).map(|_| take(length)).collect();
        for block in blocks {
            // SAFETY: Each is given back once.
            unsafe { give(block, length) };
        }
        let kept = kept(length) * bytes(size(length));
        assert!(kept <= KEPT && kept > KEPT / 2, "{kept} bytes");
    }

    #[test]
    fn what_one_thread_took_another_may_give_back() {
        let length = 100;
        let block = std::thread::spawn(move || take(length).as_ptr().expose_provenance()).join();
        let block = std::ptr::with_exposed_provenance_mut::<u8>(block.expect("it does not panic"));
        // SAFETY: As above.
        unsafe { give(NonNull::new(block).expect("a block"), length) };
        assert_eq!(kept(length), 1);
    }
}
