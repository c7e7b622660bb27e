//! Who waits for which acknowledgement of one table.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::task::Waker;

/// Wakers in the order of the writes they wait for. No allocation a write; many are released by
/// one acknowledgement.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<VecDeque<(u64, Waker)>>,
}

impl Waiters {
    /// Wakes `waker` once everything up to `seq` is acknowledged as far as [`Waiters::release`] is
    /// told. A waker that is not wanted any more may stay: it is woken in vain, once.
    pub(crate) fn register(&self, seq: u64, waker: &Waker) {
        let mut waiting = self.waiting.lock();
        // Several threads write, so a later write may come here first; a late one that stood at
        // the end would hold back those behind it.
        let mut at = waiting.len();
        while at > 0 && waiting[at - 1].0 > seq {
            at -= 1;
        }
        waiting.insert(at, (seq, waker.clone()));
    }

    /// Wakes whoever waits for a write up to `seq`.
    pub(crate) fn release(&self, seq: u64) {
        // Woken without the lock: a waker may run its task at once.
        loop {
            let mut due: [Option<Waker>; 64] = [const { None }; 64];
            let mut waiting = self.waiting.lock();
            let mut count = 0;
            while count < due.len() && waiting.front().is_some_and(|(waits, _)| *waits <= seq) {
                due[count] = waiting.pop_front().map(|(_, waker)| waker);
                count += 1;
            }
            if waiting.is_empty() && waiting.capacity() > 4_096 {
                *waiting = VecDeque::new();
            }
            drop(waiting);
            due.iter_mut().filter_map(Option::take).for_each(Waker::wake);
            if count < 64 {
                return;
            }
        }
    }

    /// Wakes everybody, to look again.
    pub(crate) fn release_all(&self) {
        // Taken at once: who looks again may come back before the last is woken.
        let all = std::mem::take(&mut *self.waiting.lock());
        all.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn one_release_wakes_all_that_are_due_however_they_came() {
        let waiters = Waiters::default();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        for seq in [5, 3, 200, 4].into_iter().chain(6..160) {
            waiters.register(seq, &waker);
        }
        waiters.release(2);
        assert_eq!(count.0.load(SeqCst), 0);
        waiters.release(159);
        assert_eq!(count.0.load(SeqCst), 157);
        waiters.release_all();
        assert_eq!(count.0.load(SeqCst), 158);
    }
}
