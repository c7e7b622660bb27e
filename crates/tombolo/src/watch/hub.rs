//! Handing the changes of a table to those who watch it.
//!
//! A writer adds to the table's feed and rings; that is all it pays, however many watch. One task a
//! table then looks up who means each change, and puts it in their boxes. Whose box is full gets
//! nothing more, and goes through the feed by itself until it has caught up.

use super::span::{Index, Span};
use crate::shared::SharedTable;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio_util::sync::CancellationToken;
use tombolo_core::KeyChange;

/// How many changes a box holds, and how many bytes of keys and values.
const BOX_CHANGES: usize = 1_024;
const BOX_BYTES: usize = 1 << 20;

/// How many changes are taken from the feed under one hold of the table's lock.
pub(super) const BATCH: usize = 256;

/// Who watches a table.
///
/// Locks: the hub before a box; the table's is taken with neither held.
#[derive(Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    index: Index<Arc<Inbox>>,
    /// The last change that was handed out.
    dispatched: u64,
    running: bool,
}

/// What waits for one watcher.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    changes: VecDeque<Arc<KeyChange>>,
    bytes: usize,
    /// The watcher has all up to this change from elsewhere.
    after: u64,
    /// The watcher goes through the feed by itself.
    behind: bool,
    waker: Option<Waker>,
}

/// What a watcher finds in its box.
pub(super) enum Found {
    Changes(VecDeque<Arc<KeyChange>>),
    /// Nothing, and it has to look in the feed.
    Behind,
    /// Nothing, and it will be woken.
    Nothing,
}

impl Hub {
    /// A box for what lies in `span`, for a watcher that begins as one that is behind.
    pub(super) fn register(
        &self,
        table: &Arc<SharedTable>,
        span: &Span,
        running: &CancellationToken,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Inbox> {
        let head = table.watch();
        let inbox = Arc::new(Inbox::default());
        inbox.fall_behind();
        let mut state = self.state.lock();
        state.index.insert(span.clone(), Arc::clone(&inbox));
        if !state.running {
            (state.running, state.dispatched) = (true, head);
            runtime.spawn(dispatch(Arc::clone(table), running.clone()));
        }
        inbox
    }

    pub(super) fn remove(&self, span: &Span, inbox: &Arc<Inbox>) {
        self.state.lock().index.remove(span, |other| Arc::ptr_eq(other, inbox));
    }

    /// A watcher that was behind has gone through the feed up to `read`: from there on its box is
    /// filled again, unless more has been handed out by now.
    pub(super) fn join(&self, inbox: &Inbox, read: u64) {
        let state = self.state.lock();
        if read >= state.dispatched {
            let mut waiting = inbox.state.lock();
            (waiting.behind, waiting.after) = (false, read);
        }
    }

    /// Up to where a watcher has everything that took all up to `read` out of its box: when nothing
    /// else came for it, that is what was handed out.
    pub(super) fn reach(&self, inbox: &Inbox, read: u64) -> u64 {
        let state = self.state.lock();
        let waiting = inbox.state.lock();
        let has_all = waiting.changes.is_empty() && !waiting.behind;
        if has_all { read.max(state.dispatched) } else { read }
    }

    /// Hands out some changes. False if there are no more.
    fn dispatch_some(&self, table: &SharedTable) -> bool {
        let from = self.state.lock().dispatched;
        let changes = table.changes_since(from, BATCH);
        let mut wakers: Vec<Waker> = Vec::new();
        let more = match changes {
            Ok(changes) => {
                let mut state = self.state.lock();
                for change in &changes {
                    state.index.find(&change.key, &mut |inbox| wakers.extend(inbox.offer(change)));
                }
                state.dispatched = changes.last().map_or(from, |change| change.number);
                !changes.is_empty()
            }
            Err(_) => {
                // The writers were faster. Everybody has to see what of the feed is left.
                let head = table.watch();
                let mut state = self.state.lock();
                wakers.extend(state.index.all().filter_map(|inbox| inbox.fall_behind()));
                state.dispatched = head;
                true
            }
        };
        wakers.into_iter().for_each(Waker::wake);
        more
    }
}

/// Hands out changes for as long as the node runs.
async fn dispatch(table: Arc<SharedTable>, running: CancellationToken) {
    loop {
        tokio::select! {
            () = table.changed() => {}
            () = running.cancelled() => return,
        }
        while table.hub.dispatch_some(&table) {
            tokio::task::yield_now().await;
        }
    }
}

impl Inbox {
    /// A change for the watcher, if it wants it and has room. The waker is to be woken when no lock
    /// is held.
    fn offer(&self, change: &Arc<KeyChange>) -> Option<Waker> {
        let mut waiting = self.state.lock();
        if waiting.behind || change.number <= waiting.after {
            return None;
        }
        let size = change.key.len() + change.value.len();
        let full = waiting.changes.len() >= BOX_CHANGES || waiting.bytes + size > BOX_BYTES;
        if full && !waiting.changes.is_empty() {
            waiting.behind = true;
        } else {
            waiting.changes.push_back(Arc::clone(change));
            waiting.bytes += size;
        }
        waiting.waker.take()
    }

    /// From now on the watcher has to go through the feed by itself.
    pub(super) fn fall_behind(&self) -> Option<Waker> {
        let mut waiting = self.state.lock();
        waiting.behind = true;
        waiting.waker.take()
    }

    /// As [`Inbox::fall_behind`], and what is in the box is of no use any more.
    pub(super) fn give_up(&self) {
        let mut waiting = self.state.lock();
        waiting.changes.clear();
        (waiting.bytes, waiting.behind) = (0, true);
    }

    pub(super) fn take(&self, context: &Context<'_>) -> Found {
        let mut waiting = self.state.lock();
        if !waiting.changes.is_empty() {
            waiting.bytes = 0;
            return Found::Changes(std::mem::take(&mut waiting.changes));
        }
        if waiting.behind {
            return Found::Behind;
        }
        waiting.waker = Some(context.waker().clone());
        Found::Nothing
    }
}
