//! Fetching memory before it is needed.
//!
//! Why this is `unsafe`: the hint is an instruction, which safe Rust has no word for. What it wins
//! is what `docs/performance.md` says of memory that is fetched early.

#![allow(unsafe_code, reason = "see above; it reads and writes nothing")]

/// How many bytes are fetched at once.
pub(crate) const LINE: usize = 64;

/// Has the line of the cache with this address fetched, and waits for nothing. Any address will do:
/// one that is not there is not looked at.
#[inline]
pub(crate) fn fetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: It is a hint, which reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: As above.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{at}]",
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}
