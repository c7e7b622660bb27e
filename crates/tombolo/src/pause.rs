//! Tables that stand still for as long as somebody holds a guard.

use crate::clock::steady;
use crate::raw::{RawTable, WriteError};
use crate::shell::Shell;
use crate::typed::Table;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tombolo_core::TableId;

/// Where the writers of a paused table wait, in the order in which they came.
pub(crate) struct Turnstile {
    /// The guards, and whoever waits or has just its turn: while this is nought, nobody looks
    /// further.
    busy: AtomicUsize,
    guards: Mutex<Guards>,
    /// The last guard is gone.
    opened: Notify,
    /// One writer at a time, first come first served.
    line: Semaphore,
}

#[derive(Default)]
struct Guards {
    count: usize,
    since: u64,
}

impl Default for Turnstile {
    fn default() -> Turnstile {
        Turnstile {
            busy: AtomicUsize::new(0),
            guards: Mutex::default(),
            opened: Notify::new(),
            line: Semaphore::new(1),
        }
    }
}

/// Counts among the busy for as long as it lives.
struct Busy<'t>(&'t Turnstile);

impl<'t> Busy<'t> {
    fn new(turnstile: &'t Turnstile) -> Busy<'t> {
        turnstile.busy.fetch_add(1, SeqCst);
        Busy(turnstile)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

impl Turnstile {
    /// How many guards there are, and since when there is one.
    pub(crate) fn guards(&self) -> Option<(usize, u64)> {
        let guards = self.guards.lock();
        (guards.count > 0).then_some((guards.count, guards.since))
    }

    fn is_free(&self) -> bool {
        self.busy.load(SeqCst) == 0
    }

    /// One more guard; the first one has the table stand still.
    fn close(&self, pause: impl FnOnce()) {
        let mut guards = self.guards.lock();
        self.busy.fetch_add(1, SeqCst);
        guards.count += 1;
        if guards.count == 1 {
            guards.since = steady().0;
            pause();
        }
    }

    /// One guard less; the last one lets the table move.
    fn open(&self, unpause: impl FnOnce()) {
        let mut guards = self.guards.lock();
        guards.count -= 1;
        if guards.count == 0 {
            unpause();
            self.opened.notify_waiters();
        }
        drop(guards);
        self.busy.fetch_sub(1, SeqCst);
    }

    /// Resolves once no guard is left.
    async fn no_guard(&self) {
        loop {
            let opened = self.opened.notified();
            if self.guards().is_none() {
                return;
            }
            opened.await;
        }
    }
}

/// Keeps a table still on this node for as long as it lives; see [`RawTable::pause`].
#[must_use = "the table moves again as soon as the guard is dropped"]
pub struct PauseGuard {
    table: RawTable,
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        let table = &self.table;
        table.turnstile().open(|| {
            for part in table.parts() {
                table.inner.shell.unpause(part.id);
            }
        });
    }
}

/// The turn of a writer that waited for a table to move again; see [`RawTable::unpaused`]. The next
/// in line goes when it is dropped.
#[must_use = "the next writer in line goes as soon as the turn is dropped"]
pub struct Turn<'t> {
    turnstile: &'t Turnstile,
    /// None if there was nobody to wait for.
    _place: Option<(SemaphorePermit<'t>, Busy<'t>)>,
}

impl RawTable {
    /// Has the table stand still on this node until the guard is dropped, or the task that owns it
    /// ends, panics or is aborted. Several guards may be held at once; the last one counts.
    ///
    /// Meanwhile local writes wait in the order in which they came, as [`RawTable::unpaused`] says,
    /// writes of other nodes are neither taken in nor acknowledged (so a writer elsewhere that asks
    /// for [`Ack::All`](crate::Ack::All) waits until its time is over), nothing is synced, and what
    /// expires is only hidden. Reads go on, and so do answers to other nodes' syncs. Afterwards the
    /// table asks every linked node for what came meanwhile: a long pause costs a sync, no memory.
    /// On the node that leads, serial operations of the whole island wait with it, and a leader
    /// that has written since cannot be followed by another before the paused node has its writes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{Declaration, Node, WriteError};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let table = node.create_table("stock", Declaration::default()).await?;
    /// let guard = table.pause();
    /// assert_eq!(table.put(b"nails", b"7", None), Err(WriteError::Paused));
    /// drop(guard);
    /// let turn = table.unpaused().await?;
    /// table.put(b"nails", b"7", None)?;
    /// # drop(turn);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause(&self) -> PauseGuard {
        self.turnstile().close(|| {
            for part in self.parts() {
                self.inner.shell.pause(part.id);
            }
        });
        PauseGuard { table: self.clone() }
    }

    /// Whether a writer has to wait: a guard keeps the table still, or others that waited have not
    /// had their turn yet. One load of an atomic.
    pub fn is_paused(&self) -> bool {
        !self.turnstile().is_free()
    }

    /// Waits until no guard keeps the table still, and until everybody has written who began to
    /// wait before. One load of an atomic if there is nobody. The turn is to be dropped after the
    /// write; whoever waits is let through one after the other.
    ///
    /// A guard that is taken while the turn is held has the write refused once more:
    /// [`WriteError::Paused`] is to be answered by waiting again.
    ///
    /// # Errors
    ///
    /// If the node stops first.
    pub async fn unpaused(&self) -> Result<Turn<'_>, WriteError> {
        let turnstile = self.turnstile();
        if turnstile.is_free() {
            return Ok(Turn { turnstile, _place: None });
        }
        self.stand_in_line(turnstile).await
    }

    async fn stand_in_line<'t>(&self, turnstile: &'t Turnstile) -> Result<Turn<'t>, WriteError> {
        let busy = Busy::new(turnstile);
        let permit = self.while_running(turnstile.line.acquire()).await?;
        // Nobody closes the line.
        let permit = permit.map_err(|_| WriteError::Stopped)?;
        self.while_running(turnstile.no_guard()).await?;
        Ok(Turn { turnstile, _place: Some((permit, busy)) })
    }

    /// Makes a write when it is its turn. A guard that is taken in between costs no place in the
    /// line.
    pub(crate) async fn in_turn<R>(
        &self,
        mut write: impl FnMut() -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        // Nearly always nobody has to wait, and then no future is made for it.
        if self.is_writable() && self.turnstile().is_free() {
            match write() {
                Err(WriteError::Paused) => {}
                done => return done,
            }
        }
        self.writable().await?;
        let turn = self.stand_in_line(self.turnstile()).await?;
        loop {
            match write() {
                Err(WriteError::Paused) => {
                    self.while_running(turn.turnstile.no_guard()).await?;
                }
                done => return done,
            }
        }
    }

    /// What a write whose time is over has waited for in vain.
    pub(crate) fn waited_for(&self) -> WriteError {
        if self.is_writable() { WriteError::Paused } else { WriteError::NotReady }
    }

    async fn while_running<R>(&self, wait: impl Future<Output = R>) -> Result<R, WriteError> {
        tokio::select! {
            biased;
            done = wait => Ok(done),
            () = self.inner.shell.running.cancelled() => Err(WriteError::Stopped),
        }
    }

    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.part(b"").turnstile
    }
}

impl<K, V> Table<K, V> {
    /// As [`RawTable::pause`]: writes of this table wait, in their order, until the last guard is
    /// gone, and are made then. One whose own timeout is over before that is given up, with
    /// [`WriteError::Paused`], and changes nothing.
    pub fn pause(&self) -> PauseGuard {
        self.raw().pause()
    }
}

impl Shell {
    fn pause(&self, table: TableId) {
        self.node.lock().pause(table);
    }

    fn unpause(self: &Arc<Self>, table: TableId) {
        let asked: Result<(), std::convert::Infallible> =
            self.steer(|node, now| Ok(node.unpause(now, table)));
        let Ok(()) = asked;
    }
}
