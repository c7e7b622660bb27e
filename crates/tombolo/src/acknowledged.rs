//! Waiting for the others to have a write.

use crate::shared::SharedTable;
use std::cmp::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tombolo_core::{Dot, Incarnation};

/// Which nodes must have a write before it resolves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ack {
    /// Every node that was linked when it was written. One that goes down meanwhile is no longer
    /// waited for.
    #[default]
    All,
    /// This one alone; the others get it as fast as they can. A writer that is faster than every
    /// peer is held up for some milliseconds now and then.
    Local,
    /// So many nodes, this one included. With fewer nodes linked it waits for more to come, until
    /// its time is over.
    Count(usize),
    /// Every member of the cluster, also those that are down or cut off now: until one of them is
    /// back, is replaced by a newer process of its name, or has been gone for an hour. Reports of
    /// the members come ten times a second.
    Stable,
}

/// One write of this node to one table: its dot. A later write of the same table compares greater,
/// and whoever has it has the earlier ones too. In a table of several fragments that is so within
/// each of them; receipts of two fragments, or of two processes, do not compare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Receipt {
    pub(crate) origin: Incarnation,
    pub(crate) fragment: u16,
    pub(crate) seq: u64,
}

impl PartialOrd for Receipt {
    fn partial_cmp(&self, other: &Receipt) -> Option<Ordering> {
        let comparable = (self.origin, self.fragment) == (other.origin, other.fragment);
        comparable.then(|| self.seq.cmp(&other.seq))
    }
}

impl Receipt {
    /// The process that wrote, as a number that names it in the cluster.
    pub fn origin(&self) -> u64 {
        self.origin.0
    }

    pub(crate) fn dot(&self) -> Dot {
        Dot { origin: self.origin, seq: self.seq }
    }

    /// Which fragment of the table was written, from 0 on; an ordinary table has only that one.
    pub fn fragment(&self) -> u16 {
        self.fragment
    }

    /// Which of its writes to the fragment it is, from 1 on.
    pub fn sequence(&self) -> u64 {
        self.seq
    }
}

/// Who acknowledged a write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Acked {
    /// The peers that have it.
    pub by: Arc<[String]>,
    /// The write, or the last of several, to wait for more of it; none if nothing was written,
    /// because there was nothing to delete. In a table of several fragments it stands for the
    /// writes to its own.
    pub receipt: Option<Receipt>,
}

/// Not everybody acknowledged in time, or before the node ended. The write stays applied here and,
/// while the node runs, goes on replicating.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "applied here, but acknowledged only by {by:?} {} and not by {missing:?}; {}",
    if *.ended { "before the node ended" } else { "in time" },
    if *.ended {
        "those who have it pass it on, and if nobody does it is gone with this node"
    } else {
        "it goes on replicating, so do not write it again for that"
    }
)]
pub struct AckTimeout {
    /// The peers that have it.
    pub by: Vec<String>,
    /// The linked peers that are not known to have it.
    pub missing: Vec<String>,
    /// Whether the node ended while it was waited for.
    pub ended: bool,
    /// The write, to wait for it longer; none if a retried serial operation had nothing to write.
    pub receipt: Option<Receipt>,
}

/// What a write that waits for nobody takes of its task's turn, in which tokio allows 128
/// things that are ready at once. A write is as much work as some of them.
const LOCAL_WORK: usize = 16;

pub(crate) async fn acknowledged(
    table: &SharedTable,
    receipt: Receipt,
    ack: Ack,
    timeout: Duration,
) -> Result<Acked, AckTimeout> {
    // A writer that never has to wait would keep all else of its thread from running, the node's
    // links perhaps among it, and the other writers: each has a turn of eight writes.
    let work = if ack == Ack::Local { LOCAL_WORK } else { 1 };
    for _ in 0..work {
        tokio::task::coop::consume_budget().await;
    }
    if ack == Ack::Local {
        table.mesh.pace().await;
        return Ok(Acked { receipt: Some(receipt), ..Acked::default() });
    }
    if Acknowledged::new(table, receipt, ack, timeout).await {
        return Ok(Acked { by: table.acked_by(receipt), receipt: Some(receipt) });
    }
    let (by, missing): (Vec<_>, Vec<_>) =
        table.copies(receipt).into_iter().partition(|(_, has)| *has);
    let names = |peers: Vec<(String, bool)>| peers.into_iter().map(|(name, _)| name).collect();
    let (by, missing, ended) = (names(by), names(missing), table.mesh.has_ended());
    Err(AckTimeout { by, missing, ended, receipt: Some(receipt) })
}

/// From how short a timeout on a timer is set at once.
const SHORT: Duration = Duration::from_millis(200);

/// Ready once enough nodes have the write, or, with false, once the time is over or the node has
/// ended and nobody will.
struct Acknowledged<'a> {
    table: &'a SharedTable,
    receipt: Receipt,
    ack: Ack,
    polled: bool,
    timeout: Duration,
    /// Most writes are acknowledged within microseconds, and a timer costs more than the write, and
    /// even a look at the clock some of it: it is set when the wait is noticed to last
    /// ([`nudge`](crate::waiters::Waiters::nudge)), so a long timeout ends up to 100 ms late.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Acknowledged<'_> {
    fn new(table: &SharedTable, receipt: Receipt, ack: Ack, timeout: Duration) -> Acknowledged<'_> {
        let timer = (timeout < SHORT).then(|| Box::pin(sleep(timeout)));
        Acknowledged { table, receipt, ack, polled: false, timeout, timer }
    }

    fn outcome(&self) -> Option<bool> {
        let satisfied = self.is_satisfied();
        (satisfied || self.table.mesh.has_ended()).then_some(satisfied)
    }

    fn is_ours(&self) -> bool {
        self.receipt.origin == self.table.me
    }

    fn is_satisfied(&self) -> bool {
        match self.ack {
            Ack::Local => true,
            Ack::All if self.is_ours() => self.table.acked() >= self.receipt.seq,
            Ack::All => self.table.copies(self.receipt).iter().all(|(_, has)| *has),
            Ack::Stable => self.table.is_stable(self.receipt),
            Ack::Count(count) => {
                let copies = self.table.copies(self.receipt);
                1 + copies.iter().filter(|(_, has)| *has).count() >= count
            }
        }
    }
}

impl Future for Acknowledged<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        let waiters = if self.ack == Ack::All && self.is_ours() {
            &self.table.for_all
        } else {
            &self.table.for_some
        };
        if !std::mem::replace(&mut self.polled, true) {
            if self.is_ours()
                && self.table.acked() + 1 >= self.receipt.seq
                && !self.table.for_all.is_crowd()
            {
                // Nothing else of this table is on its way, and nobody was released together with
                // this writer who would share the flush.
                self.table.mesh.flush();
            }
        } else if self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(self.timeout)));
        }
        if let Some(timer) = &mut self.timer
            && timer.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(false);
        }
        let crowd = waiters.register(self.receipt.seq, context.waker(), self.timer.is_some());
        self.table.mesh.crowd.note(crowd);
        // It may have come between the first look and the registration.
        self.outcome().map_or(Poll::Pending, Poll::Ready)
    }
}
