//! The lock of a table's machine, which rings when what it guards has news for the watchers.

use parking_lot::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};
use tokio::sync::Notify;

/// A lock that rings its bell whenever it is given back with news. So no way of writing a table,
/// however many there are, can forget those who watch it.
pub(crate) struct BellLock<T> {
    inner: Mutex<T>,
    has_news: fn(&mut T) -> bool,
    bell: Notify,
}

impl<T> BellLock<T> {
    pub(crate) fn new(inner: T, has_news: fn(&mut T) -> bool) -> BellLock<T> {
        BellLock { inner: Mutex::new(inner), has_news, bell: Notify::new() }
    }

    pub(crate) fn lock(&self) -> BellGuard<'_, T> {
        let ring = Ring { bell: &self.bell, due: false };
        BellGuard { guard: self.inner.lock(), ring, has_news: self.has_news }
    }

    /// Waits for the bell. It is remembered if nobody waits.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// The lock, held. The fields are dropped in this order: the bell rings when the lock is free.
pub(crate) struct BellGuard<'a, T> {
    guard: MutexGuard<'a, T>,
    ring: Ring<'a>,
    has_news: fn(&mut T) -> bool,
}

struct Ring<'a> {
    bell: &'a Notify,
    due: bool,
}

impl<T> Drop for BellGuard<'_, T> {
    fn drop(&mut self) {
        self.ring.due = (self.has_news)(&mut self.guard);
    }
}

impl Drop for Ring<'_> {
    fn drop(&mut self) {
        if self.due {
            self.bell.notify_one();
        }
    }
}

impl<T> Deref for BellGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for BellGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}
