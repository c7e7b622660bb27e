//! Carrying out the serial operations that this node is asked for, and answering them (rule 12).

use crate::acknowledged::{Ack, AckTimeout, Receipt};
use crate::serial::serially_acknowledged;
use crate::shared::{Served, SharedTable};
use crate::shell::Shell;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tombolo_core::{
    Done, Event, Incarnation, Message, Reply, Request, RequestId, SerialBody, TableId,
};

/// A request that was carried out, and is answered once its write is acknowledged.
struct Carried {
    asker: Incarnation,
    id: RequestId,
    attempt: u32,
    receipt: Receipt,
    told: Option<Arc<[u8]>>,
    lost: bool,
    until: Instant,
}

/// The requests at one table whose writes everybody is to acknowledge, in the order of their ends.
/// While there are any one task waits for them all: one acknowledgement is for many.
#[derive(Default)]
pub(crate) struct Unanswered(Mutex<VecDeque<Carried>>);

impl Unanswered {
    /// One more, and how many there are now; if it is the only one, somebody must begin to wait. It
    /// comes back if its time is over before that of others.
    fn push(&self, carried: Carried) -> Result<usize, Carried> {
        let mut all = self.0.lock();
        if all.back().is_some_and(|last| last.until > carried.until) {
            return Err(carried);
        }
        all.push_back(carried);
        Ok(all.len())
    }

    fn first(&self) -> Option<(Receipt, Instant)> {
        self.0.lock().front().map(|first| (first.receipt, first.until))
    }

    /// Takes the first, and those behind it whose writes are acknowledged up to `acked`; and
    /// whether these were all, so that the next is waited for by somebody else.
    fn take(&self, acked: u64) -> (Vec<Carried>, bool) {
        let mut all = self.0.lock();
        let others = all.iter().skip(1).take_while(|carried| carried.receipt.seq <= acked).count();
        let count = all.len().min(1 + others);
        (all.drain(..count).collect(), all.is_empty())
    }
}

impl Shell {
    /// Somebody asks this node to carry out a request. The node's lock may be held.
    pub(crate) fn serve(self: &Arc<Self>, id: TableId, asker: Incarnation, request: Request) {
        let Some(table) = self.table(id) else { return };
        let shell = Arc::clone(self);
        if table.asks_the_program() {
            // Its resolver may take long, and must not keep the node waiting.
            self.runtime.spawn_blocking(move || shell.serve_now(&table, asker, request));
        } else {
            self.serve_now(&table, asker, request);
        }
    }

    fn serve_now(self: &Arc<Self>, table: &Arc<SharedTable>, asker: Incarnation, request: Request) {
        let Request { id, attempt, copies, patience, .. } = request;
        let (receipt, told, lost) = match table.serve(&request) {
            Served::Reply(reply) => return self.reply(table.id, asker, (id, attempt), reply),
            Served::Stale => return,
            Served::Done { dot, told, lost } => {
                let fragment = table.fragment;
                (Receipt { origin: dot.origin, fragment, seq: dot.seq }, told, lost)
            }
        };
        // Whoever waits for it already has the better answer.
        if !self.requests.begin_to_serve(id) {
            return;
        }
        self.mesh.schedule_flush();
        let until = Instant::now() + Duration::from_millis(patience.into());
        let carried = Carried { asker, id, attempt, receipt, told, lost, until };
        let (shell, table) = (Arc::clone(self), Arc::clone(table));
        let wants_all = copies.is_none() && receipt.origin == table.me;
        let apart = if wants_all && table.declaration().quorum.is_none() {
            match table.unanswered.push(carried) {
                Ok(crowd) => {
                    self.mesh.crowd.note(crowd);
                    if crowd == 1 {
                        self.runtime.spawn(async move { shell.answer_all(&table).await });
                    }
                    return;
                }
                Err(carried) => carried,
            }
        } else {
            carried
        };
        let ack = copies.map_or(Ack::All, |copies| match copies {
            0 | 1 => Ack::Local,
            copies => Ack::Count(copies as usize),
        });
        self.runtime.spawn(async move { shell.answer_one(&table, apart, ack).await });
    }

    /// Answers the requests of a table as their writes are acknowledged, until there are no more.
    async fn answer_all(self: &Arc<Self>, table: &SharedTable) {
        while let Some((receipt, until)) = table.unanswered.first() {
            let left = until.saturating_duration_since(Instant::now());
            let acked = serially_acknowledged(table, receipt, Ack::All, left).await;
            let reach = if acked.is_ok() { table.acked() } else { 0 };
            let (served, were_all) = table.unanswered.take(reach);
            let (by, missing) = match (acked, served.last()) {
                // Whoever has the last has the others as well.
                (Ok(_), Some(last)) => (table.acked_by(last.receipt), Vec::new()),
                (Ok(acked), None) => (acked.by, Vec::new()),
                (Err(AckTimeout { by, missing, .. }), _) => (by.into(), missing),
            };
            // Mostly one node asked for all of them.
            for some in served.chunk_by(|one, next| one.asker == next.asker) {
                let by = self.besides(some[0].asker, &by);
                for carried in some {
                    self.answer(table, carried, Arc::clone(&by), &missing);
                }
            }
            if were_all {
                return;
            }
        }
    }

    async fn answer_one(self: &Arc<Self>, table: &SharedTable, carried: Carried, ack: Ack) {
        let left = carried.until.saturating_duration_since(Instant::now());
        match serially_acknowledged(table, carried.receipt, ack, left).await {
            Ok(acked) => {
                self.answer(table, &carried, self.besides(carried.asker, &acked.by), &[]);
            }
            Err(AckTimeout { by, missing, .. }) => {
                self.answer(table, &carried, self.besides(carried.asker, &by), &missing);
            }
        }
    }

    /// Who has a write besides the node that asked for it, if this one and `by` have.
    fn besides(&self, asker: Incarnation, by: &[String]) -> Arc<[String]> {
        let link = self.mesh.link(asker);
        let others = by.iter().filter(|name| link.as_ref().is_none_or(|l| l.peer.name != **name));
        let is_ours = asker == self.me.incarnation();
        others.chain((!is_ours).then_some(&self.me.name)).cloned().collect()
    }

    fn answer(
        self: &Arc<Self>,
        table: &SharedTable,
        carried: &Carried,
        by: Arc<[String]>,
        missing: &[String],
    ) {
        let Carried { asker, id, attempt, receipt, ref told, lost, .. } = *carried;
        self.requests.end_to_serve(id);
        let (dot, told) = (Some(receipt.dot()), told.clone());
        let done = Done { dot, told, lost, by, missing: missing.to_vec() };
        self.reply(table.id, asker, (id, attempt), Reply::Done(done));
    }

    fn reply(
        self: &Arc<Self>,
        table: TableId,
        asker: Incarnation,
        (id, attempt): (RequestId, u32),
        reply: Reply,
    ) {
        if asker == self.me.incarnation() {
            // The node's lock may be held here.
            let shell = Arc::clone(self);
            let event = Event::Answered { id, attempt, reply };
            self.runtime.spawn(async move { shell.handle(event) });
        } else if let Some(link) = self.mesh.link(asker) {
            let body = SerialBody::Reply { id, attempt, reply };
            link.send(&Message::Serial { table, body });
            // One acknowledgement lets many requests be answered.
            self.mesh.schedule_flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(seq: u64, until: Instant) -> Carried {
        let origin = Incarnation(1);
        let id = RequestId { origin, number: seq };
        let receipt = Receipt { origin, fragment: 0, seq };
        Carried { asker: origin, id, attempt: 1, receipt, told: None, lost: false, until }
    }

    fn numbers(served: &[Carried]) -> Vec<u64> {
        served.iter().map(|carried| carried.receipt.seq).collect()
    }

    #[test]
    fn one_waits_for_all_whose_time_is_not_over_before_his() {
        let (all, now) = (Unanswered::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert!(matches!(all.push(carried(1, later)), Ok(1)), "somebody must wait");
        assert!(matches!(all.push(carried(2, later)), Ok(2)));
        assert!(all.push(carried(3, now)).is_err(), "its time is over before");
        assert!(matches!(all.push(carried(4, later)), Ok(3)));
        let (served, were_all) = all.take(2);
        assert_eq!((numbers(&served), were_all), (vec![1, 2], false));
        assert_eq!(all.first().map(|(receipt, _)| receipt.seq), Some(4));
        let (served, were_all) = all.take(0);
        assert_eq!((numbers(&served), were_all), (vec![4], true), "the first goes in any case");
        assert!(matches!(all.push(carried(5, now)), Ok(1)), "somebody else must wait");
    }
}
