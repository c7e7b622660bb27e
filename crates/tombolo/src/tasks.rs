//! What of the users' runs on this node, for how long, and what went wrong with it.
//!
//! Hooks, resolvers and discovery back-ends may block, panic or take long. Every call of one is
//! made under a [`Running`], so that the node's status names those that take long, and a panic is
//! told once, however often it repeats.

use crate::clock::steady;
use crate::events::{Events, NodeEvent};
use crate::resolve::guarded;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// From how many milliseconds on a call is named in the status.
const LONG: u64 = 1_000;

/// How many different faults are kept to show.
const KEPT: usize = 64;

/// A call of a user's function that takes more than a second, and is not over yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LongTask {
    /// Which function: a hook, a resolver, a discovery back-end.
    pub what: String,
    /// The table that it is called for, if it is one's.
    pub table: Option<String>,
    /// For how many milliseconds it has been running.
    pub age: u64,
}

/// A user's function that panicked, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultStatus {
    /// Which function.
    pub what: String,
    /// The table that it was called for, if it is one's.
    pub table: Option<String>,
    /// What it said the last time.
    pub cause: String,
    /// When it happened first, in milliseconds since the Unix epoch.
    pub first: u64,
    /// When it happened last.
    pub last: u64,
    /// How often.
    pub count: u64,
}

/// The users' functions that are being called, and those that failed.
#[derive(Default)]
pub(crate) struct Tasks {
    /// Where faults are told.
    pub(crate) events: Events,
    running: Mutex<(u64, BTreeMap<u64, Task>)>,
    faults: Mutex<Vec<FaultStatus>>,
}

struct Task {
    what: String,
    table: Option<String>,
    since: u64,
}

impl Task {
    fn is(&self, what: &str, table: Option<&str>) -> bool {
        self.what == what && self.table.as_deref() == table
    }
}

/// One call, from its begin to its end.
struct Running<'t> {
    tasks: &'t Tasks,
    number: u64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.tasks.running.lock().1.remove(&self.number);
    }
}

impl Tasks {
    /// Calls a function of the user's: it is named while it takes long, and if it panics that is
    /// told once. What it panics with is the error.
    pub(crate) fn call<R>(
        &self,
        what: &str,
        table: Option<&str>,
        run: impl FnOnce() -> R,
    ) -> Result<R, String> {
        let running = self.begin(what, table);
        let called = guarded(run);
        drop(running);
        if let Err(panic) = &called {
            self.fault(what, table, &format!("it panicked: {panic}"));
        }
        called
    }

    fn begin(&self, what: &str, table: Option<&str>) -> Running<'_> {
        let task =
            Task { what: what.to_owned(), table: table.map(str::to_owned), since: steady().0 };
        let mut running = self.running.lock();
        running.0 += 1;
        let number = running.0;
        running.1.insert(number, task);
        Running { tasks: self, number }
    }

    /// How many calls of a function are under way, and for how many milliseconds the oldest.
    pub(crate) fn under_way(&self, what: &str, table: Option<&str>) -> (usize, u64) {
        let running = self.running.lock();
        let same = running.1.values().filter(|task| task.is(what, table));
        let now = steady().0;
        same.fold((0, 0), |(count, age), task| (count + 1, age.max(now.saturating_sub(task.since))))
    }

    /// Something is wrong with a user's function. It is told the first time, and counted from then
    /// on.
    pub(crate) fn fault(&self, what: &str, table: Option<&str>, cause: &str) {
        let now = steady().0;
        let mut faults = self.faults.lock();
        let same = |fault: &&mut FaultStatus| fault.what == what && fault.table.as_deref() == table;
        if let Some(known) = faults.iter_mut().find(same) {
            (known.last, known.count) = (now, known.count + 1);
            cause.clone_into(&mut known.cause);
            return;
        }
        if faults.len() == KEPT {
            faults.remove(0);
        }
        let (what, table, cause) = (what.to_owned(), table.map(str::to_owned), cause.to_owned());
        faults.push(FaultStatus {
            what: what.clone(),
            table: table.clone(),
            cause: cause.clone(),
            first: now,
            last: now,
            count: 1,
        });
        drop(faults);
        tracing::error!(what, table, cause, "a function of the program's failed; the node goes on");
        self.events.tell(NodeEvent::Fault { what, table, cause });
    }

    /// The calls that take long, the oldest first.
    pub(crate) fn long(&self) -> Vec<LongTask> {
        let now = steady().0;
        let running = self.running.lock();
        let age = |task: &Task| now.saturating_sub(task.since);
        let long = running.1.values().filter(|task| age(task) > LONG);
        let named = long.map(|task| LongTask {
            what: task.what.clone(),
            table: task.table.clone(),
            age: age(task),
        });
        named.collect()
    }

    /// What went wrong, oldest first.
    pub(crate) fn faults(&self) -> Vec<FaultStatus> {
        self.faults.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_and_counted_whatever_it_says() {
        let tasks = Tasks::default();
        let mut heard = tasks.events.listen(tokio_util::sync::CancellationToken::new());
        for number in 0..3 {
            let failed = tasks.call("hook 1", Some("t"), || panic!("number {number}"));
            assert_eq!(failed, Err::<(), _>(format!("number {number}")));
        }
        let faults = tasks.faults();
        assert_eq!((faults.len(), faults[0].count), (1, 3));
        assert_eq!(faults[0].cause, "it panicked: number 2");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let told = heard.next().await;
            assert!(matches!(told, Some(NodeEvent::Fault { table: Some(t), .. }) if t == "t"));
            tasks.events.tell(NodeEvent::Complete { table: "after".to_owned() });
            assert!(matches!(heard.next().await, Some(NodeEvent::Complete { .. })));
        });
    }

    #[test]
    fn a_call_is_under_way_until_it_ends_also_by_a_panic() {
        let tasks = Tasks::default();
        let seen = tasks.call("resolver \"r\"", None, || {
            let _ = tasks.call("resolver \"r\"", None, || panic!("over"));
            tasks.under_way("resolver \"r\"", None).0
        });
        assert_eq!(seen, Ok(1));
        assert_eq!(tasks.under_way("resolver \"r\"", None), (0, 0));
    }
}
