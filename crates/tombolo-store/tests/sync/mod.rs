//! What the map shares between threads, as loom has it, and a hash that is the same in every run.

#![allow(unsafe_code, reason = "the map's own is tried with it")]

pub(crate) use foldhash::fast::FixedState as RandomState;
pub(crate) use loom::sync::Arc;
use loom::sync::Mutex;
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Drops what is retired as soon as nobody is pinned.
pub(crate) struct Collector(Mutex<State>);

#[derive(Default)]
struct State {
    pinned: usize,
    retired: Vec<Box<dyn FnOnce() + Send>>,
}

struct Sent<T>(*mut T);

// SAFETY: What is retired may be dropped on any thread, as with `seize`.
unsafe impl<T> Send for Sent<T> {}

impl<T> Sent<T> {
    fn get(self) -> *mut T {
        self.0
    }
}

impl Collector {
    pub(crate) fn new() -> Collector {
        Collector(Mutex::default())
    }

    pub(crate) fn batch_size(self, _: usize) -> Collector {
        self
    }

    pub(crate) fn enter(&self) -> LocalGuard<'_> {
        self.0.lock().expect("no test poisons it").pinned += 1;
        LocalGuard(self)
    }

    /// # Safety
    ///
    /// As with `seize`.
    pub(crate) unsafe fn retire<T: 'static>(
        &self,
        item: *mut T,
        reclaim: unsafe fn(*mut T, &Collector),
    ) {
        let item = Sent(item);
        let dropped = move || {
            // SAFETY: By the promise of the caller, and nobody is pinned.
            unsafe { reclaim(item.get(), &Collector::new()) };
        };
        self.0.lock().expect("no test poisons it").retired.push(Box::new(dropped));
        self.free();
    }

    fn free(&self) {
        let mut state = self.0.lock().expect("no test poisons it");
        if state.pinned == 0 {
            let retired = std::mem::take(&mut state.retired);
            drop(state);
            retired.into_iter().for_each(|retired| retired());
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.free();
    }
}

pub(crate) struct LocalGuard<'a>(&'a Collector);

/// What `seize` calls a guard.
pub(crate) trait Guard {
    fn protect<T>(&self, place: &AtomicPtr<T>, _: Ordering) -> *mut T {
        place.load(Ordering::Acquire)
    }
}

impl Guard for LocalGuard<'_> {}

impl Drop for LocalGuard<'_> {
    fn drop(&mut self) {
        self.0.0.lock().expect("no test poisons it").pinned -= 1;
        self.0.free();
    }
}
