//! Who waits for which acknowledgement of one table.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

/// Wakers in the order of the writes they wait for. No allocation a write; many are released by
/// one acknowledgement.
#[derive(Default)]
pub(crate) struct Waiters {
    line: Mutex<Line>,
    /// How many the last release woke.
    woken: AtomicUsize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// The last write that was waited for when [`Waiters::nudge`] was called last.
    mark: u64,
}

struct Waiting {
    seq: u64,
    waker: Waker,
    /// Whether it has a timer of its own by now, so that nobody needs to nudge it.
    timed: bool,
}

impl Waiters {
    /// Wakes `waker` once everything up to `seq` is acknowledged as far as [`Waiters::release`] is
    /// told. A waker that is not wanted any more may stay: it is woken in vain, once.
    /// Returns how many wait now.
    pub(crate) fn register(&self, seq: u64, waker: &Waker, timed: bool) -> usize {
        let waiting = &mut self.line.lock().waiting;
        // Several threads write, so a later write may come here first; a late one that stood at
        // the end would hold back those behind it.
        let mut at = waiting.len();
        while at > 0 && waiting[at - 1].seq > seq {
            at -= 1;
        }
        waiting.insert(at, Waiting { seq, waker: waker.clone(), timed });
        waiting.len()
    }

    /// Wakes whoever waits for a write up to `seq`.
    pub(crate) fn release(&self, seq: u64) {
        let mut woken = 0;
        // Woken without the lock: a waker may run its task at once.
        loop {
            let mut due: [Option<Waker>; 64] = [const { None }; 64];
            let waiting = &mut self.line.lock().waiting;
            let mut count = 0;
            while count < due.len() && waiting.front().is_some_and(|first| first.seq <= seq) {
                due[count] = waiting.pop_front().map(|first| first.waker);
                count += 1;
            }
            if waiting.is_empty() && waiting.capacity() > 4_096 {
                *waiting = VecDeque::new();
            }
            woken += count;
            if count < due.len() {
                self.woken.store(woken, Relaxed);
            }
            due.iter_mut().filter_map(Option::take).for_each(Waker::wake);
            if count < due.len() {
                return;
            }
        }
    }

    /// Whether the last release woke so many that they will share the next flush.
    pub(crate) fn is_crowd(&self) -> bool {
        self.woken.load(Relaxed) > 2
    }

    /// Wakes everybody, to look again.
    pub(crate) fn release_all(&self) {
        // Taken at once: who looks again may come back before the last is woken.
        let all = std::mem::take(&mut self.line.lock().waiting);
        all.into_iter().for_each(|waiting| waiting.waker.wake());
    }

    /// Wakes those that have waited since before the last nudge and have no timer: they set one.
    /// Nearly all are released before that, and cost none.
    pub(crate) fn nudge(&self) {
        let mut due = Vec::new();
        {
            let Line { waiting, mark } = &mut *self.line.lock();
            let last = waiting.back().map_or(0, |last| last.seq);
            let reached = std::mem::replace(mark, last);
            waiting.retain_mut(|one| {
                let waits = one.timed || one.seq > reached;
                if !waits {
                    due.push(one.waker.clone());
                }
                waits
            });
        }
        due.into_iter().for_each(Waker::wake);
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
            waiters.register(seq, &waker, false);
        }
        waiters.release(2);
        assert_eq!(count.0.load(SeqCst), 0);
        waiters.release(159);
        assert_eq!(count.0.load(SeqCst), 157);
        assert!(waiters.is_crowd());
        waiters.release_all();
        assert_eq!(count.0.load(SeqCst), 158);
    }

    #[test]
    fn who_waits_from_one_nudge_to_the_next_is_woken_by_it_if_it_has_no_timer() {
        let waiters = Waiters::default();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        waiters.register(1, &waker, false);
        waiters.register(2, &waker, true);
        waiters.nudge();
        waiters.register(3, &waker, false);
        assert_eq!(count.0.load(SeqCst), 0);
        waiters.nudge();
        assert_eq!(count.0.load(SeqCst), 1, "the first has waited long");
        waiters.release(3);
        assert_eq!(count.0.load(SeqCst), 3, "the others are still there");
    }
}
