//! Waiting for the others to have a write.

use crate::shared::SharedTable;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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
}

/// One write of this node to one table. A later write of the same table compares greater, and
/// whoever has it has the earlier ones too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receipt {
    pub(crate) seq: u64,
}

/// Who acknowledged a write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Acked {
    /// The peers that have it.
    pub by: Arc<[String]>,
}

/// Not everybody acknowledged in time, or before the node ended. The write stays applied here and,
/// while the node runs, goes on replicating.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "applied here, but acknowledged only by {by:?} in time and not by {missing:?}; \
     it goes on replicating, so do not write it again for that"
)]
pub struct AckTimeout {
    /// The peers that have it.
    pub by: Vec<String>,
    /// The linked peers that are not known to have it.
    pub missing: Vec<String>,
}

pub(crate) async fn acknowledged(
    table: &SharedTable,
    receipt: Receipt,
    ack: Ack,
    timeout: Duration,
) -> Result<Acked, AckTimeout> {
    if ack == Ack::Local {
        table.mesh.pace().await;
        return Ok(Acked::default());
    }
    let acknowledged = Acknowledged { table, seq: receipt.seq, ack, polled: false };
    // Most writes are there at once or within microseconds: a timer is set only if not.
    let in_time = tokio::time::timeout(timeout, acknowledged).await.unwrap_or(false);
    if in_time {
        return Ok(table.acked_by(receipt.seq));
    }
    let (by, missing): (Vec<_>, Vec<_>) =
        table.copies(receipt.seq).into_iter().partition(|(_, has)| *has);
    let names = |peers: Vec<(String, bool)>| peers.into_iter().map(|(name, _)| name).collect();
    Err(AckTimeout { by: names(by), missing: names(missing) })
}

/// Ready once enough nodes have the write, or, with false, once the node has ended and nobody will.
struct Acknowledged<'a> {
    table: &'a SharedTable,
    seq: u64,
    ack: Ack,
    polled: bool,
}

impl Acknowledged<'_> {
    fn outcome(&self) -> Option<bool> {
        let satisfied = self.is_satisfied();
        (satisfied || self.table.mesh.has_ended()).then_some(satisfied)
    }

    fn is_satisfied(&self) -> bool {
        match self.ack {
            Ack::Local => true,
            Ack::All => self.table.acked() >= self.seq,
            Ack::Count(count) => {
                let copies = self.table.copies(self.seq);
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
        if !std::mem::replace(&mut self.polled, true) && self.table.acked() + 1 >= self.seq {
            // Nothing else of this table is on its way, so nothing would share the flush.
            self.table.mesh.flush();
        }
        let waiters = if self.ack == Ack::All { &self.table.for_all } else { &self.table.for_some };
        waiters.register(self.seq, context.waker());
        // It may have come between the first look and the registration.
        self.outcome().map_or(Poll::Pending, Poll::Ready)
    }
}
