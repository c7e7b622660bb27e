//! Serial operations (rule 12): carried out by the leader of the island, one after the other.

use crate::acknowledged::{self, Ack, AckTimeout, Acked, Receipt};
use crate::raw::{RawTable, WriteError};
use crate::shared::SharedTable;
use crate::shell::Shell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tombolo_core::{Done, Edit, Expect, Kind, Refused, Reply, Request, RequestId};
use tombolo_wire::MAX_RECORD;

/// How many requests of a node may be under way. What is remembered of each is bounded, and so is
/// what a sync has to tell of them.
const UNDER_WAY: usize = 256;

/// How far apart the numbers of the oldest request under way and the next may be.
const WINDOW: u64 = 1_024;

/// The longest that a request is waited for: nodes remember what they carried out for twice that.
const LONGEST: Duration = Duration::from_secs(300);

/// A serial operation: what the key must show, and what is done to it then.
#[derive(Clone, PartialEq, Debug)]
pub struct SerialOp {
    /// The key.
    pub key: Vec<u8>,
    /// What it must show.
    pub expect: Expect,
    /// What is done.
    pub edit: Edit,
    /// Whether to tell what was there before an [`Edit::Put`] or [`Edit::Delete`].
    pub tell_previous: bool,
}

/// What a serial operation came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Serially {
    /// It was carried out. What was there before, if that was asked for; the new number of an
    /// [`Edit::Add`] or [`Edit::AddFloat`]; the new length, in digits, of an [`Edit::Append`].
    Done(Option<Arc<[u8]>>),
    /// The key did not show what was expected, but this. Nothing was changed.
    Unmet(Option<Arc<[u8]>>),
}

/// What a serial operation came to on the node that leads, with the receipt of what it wrote.
type ServedHere = (Option<Receipt>, Serially);

/// Why a serial operation has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SerialError {
    /// It was not tried; nothing was changed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It cannot be done, whoever leads; nothing was changed. With [`Refused::Quorum`]: wait for
    /// more members.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// Nobody led the island in time, because members are coming or going, or this node cannot
    /// reach whom its neighbours take for the leader. Nothing was changed: try again.
    #[error("no node led the table in time, so nothing was changed; try again")]
    NoLeader,
    /// The leader was asked and has not answered in time, or ended. The operation may have been
    /// carried out, once, or may yet be: read the key before trying again.
    #[error(
        "{asked} was asked and has not answered: it may have been carried out, or may yet be; \
         read the key before trying again"
    )]
    Uncertain {
        /// Who was asked last.
        asked: String,
    },
    /// It was carried out, but what it was to tell was too large to be remembered when the leader
    /// ended.
    #[error("it was carried out, but what was there before was lost with the leader")]
    Lost,
    /// It was carried out and goes on replicating, but not everybody acknowledged in time.
    #[error(transparent)]
    Timeout(#[from] AckTimeout),
}

/// The requests of this node that wait for an answer.
pub(crate) struct Requests {
    waiting: parking_lot::Mutex<BTreeMap<RequestId, oneshot::Sender<Reply>>>,
    under_way: Semaphore,
    /// Those of others that this node has carried out and will answer.
    serving: parking_lot::Mutex<BTreeSet<RequestId>>,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            waiting: parking_lot::Mutex::default(),
            under_way: Semaphore::new(UNDER_WAY),
            serving: parking_lot::Mutex::default(),
        }
    }
}

impl Requests {
    /// A request of others was carried out; whether it is to be answered, because it was not yet.
    pub(crate) fn begin_to_serve(&self, id: RequestId) -> bool {
        self.serving.lock().insert(id)
    }

    /// It is answered.
    pub(crate) fn end_to_serve(&self, id: RequestId) {
        self.serving.lock().remove(&id);
    }

    /// A request has its answer.
    pub(crate) fn answered(&self, id: RequestId, reply: Reply) {
        if let Some(waiting) = self.waiting.lock().remove(&id) {
            // Whoever asked may have given up.
            let _ = waiting.send(reply);
        }
    }
}

/// Forgets a request, answered or not, when nobody waits for it any more.
struct UnderWay<'a> {
    shell: &'a Arc<Shell>,
    id: RequestId,
}

impl UnderWay<'_> {
    /// Ends it with the answer, if one came, even at the last moment; and says who was asked.
    fn end(self, reply: Option<Reply>, answer: &mut oneshot::Receiver<Reply>) -> (Reply, String) {
        // Under this lock no answer comes in between.
        let mut node = self.shell.node.lock();
        let asked = node.asked(self.id).map(str::to_owned);
        node.give_up(self.id);
        let reply = reply.or_else(|| answer.try_recv().ok());
        let reply = reply.unwrap_or(match asked {
            None => Reply::Again,
            Some(_) => Reply::Uncertain,
        });
        drop(node);
        (reply, asked.unwrap_or_else(|| "a leader that is gone".to_owned()))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shell.requests.waiting.lock().remove(&self.id);
        self.shell.node.lock().give_up(self.id);
    }
}

impl RawTable {
    /// Carries out a serial operation, wherever the leader is, and waits until as many nodes as
    /// `ack` says have it. On the leader that costs what a write costs; elsewhere a round trip to
    /// the leader, too. `timeout` is for both together.
    ///
    /// In one island an operation is carried out once, however often leaders change, and no other
    /// serial operation comes between its look and its write. In a split each island has a leader:
    /// both may carry one out, and the join merges them like any concurrent writes. Plain writes
    /// do not ask the leader.
    ///
    /// Dropping the future leaves the operation undone, done or under way, never half-done.
    ///
    /// # Errors
    ///
    /// [`SerialError`] says for each case whether it was carried out.
    pub async fn serial(
        &self,
        op: SerialOp,
        ack: Ack,
        timeout: Duration,
    ) -> Result<(Acked, Serially), SerialError> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        if let Some((receipt, outcome)) = self.serially_here(&op)? {
            let Some(receipt) = receipt else { return Ok((Acked::default(), outcome)) };
            let left = deadline.saturating_duration_since(Instant::now());
            let part = self.part_of(receipt);
            return Ok((serially_acknowledged(part, receipt, ack, left).await?, outcome));
        }
        let shell = &self.inner.shell;
        let permit = tokio::time::timeout_at(deadline, shell.requests.under_way.acquire()).await;
        let Ok(Ok(permit)) = permit else { return Err(SerialError::NoLeader) };
        if tokio::time::timeout_at(deadline, shell.requests_are_few()).await.is_err() {
            return Err(SerialError::NoLeader);
        }
        let fragment = self.part(&op.key).fragment;
        let (under_way, mut answer) = self.send_request(op, ack, deadline);
        let reply = tokio::select! {
            biased;
            came = tokio::time::timeout_at(deadline, &mut answer) => came.ok().and_then(Result::ok),
            () = shell.running.cancelled() => None,
        };
        let (reply, asked) = under_way.end(reply, &mut answer);
        drop(permit);
        if let Reply::Uncertain = reply {
            return Err(SerialError::Uncertain { asked });
        }
        self.outcome(reply, fragment, ack, deadline).await
    }

    /// Carries out a serial operation if this node leads, without waiting: `None` if it does not,
    /// or if the table requires a quorum, which must be waited for ([`RawTable::serial`]). The
    /// receipt is for [`RawTable::acknowledged`].
    ///
    /// # Errors
    ///
    /// [`SerialError::Write`] and [`SerialError::Refused`]; nothing is changed then.
    pub fn serial_here(&self, op: &SerialOp) -> Result<Option<ServedHere>, SerialError> {
        let waits = self.shared.declaration().quorum.is_some();
        if waits { Ok(None) } else { self.serially_here(op) }
    }

    fn serially_here(&self, op: &SerialOp) -> Result<Option<ServedHere>, SerialError> {
        let edit = match &op.edit {
            Edit::Put { value, .. } | Edit::Append(value) => value.len(),
            _ => 0,
        };
        let expected = match &op.expect {
            Expect::Value(value) => value.len(),
            _ => 0,
        };
        self.check(op.key.len() + edit + expected)?;
        self.check_kind(Kind::Bag, false)?;
        let part = self.part(&op.key);
        let Some((seq, reply)) = part.serve_here(op) else { return Ok(None) };
        part.mesh.schedule_flush();
        let receipt = seq.map(|seq| self.receipt(part, seq));
        match reply {
            Reply::Unmet(holds) => Ok(Some((None, Serially::Unmet(holds)))),
            Reply::Refused(refused) => Err(SerialError::Refused(refused)),
            Reply::Done(done) => Ok(Some((receipt, Serially::Done(done.told)))),
            Reply::Again | Reply::Uncertain => Ok(None),
        }
    }

    fn send_request(
        &self,
        op: SerialOp,
        ack: Ack,
        deadline: Instant,
    ) -> (UnderWay<'_>, oneshot::Receiver<Reply>) {
        let shell = &self.inner.shell;
        let (sender, answer) = oneshot::channel();
        let copies = match ack {
            Ack::All | Ack::Stable => None,
            Ack::Local => Some(1),
            Ack::Count(count) => Some(count.min(u32::MAX as usize) as u32),
        };
        // The answer must have time to come back.
        let patience = deadline.saturating_duration_since(Instant::now()).mul_f64(0.8);
        let patience = patience.as_millis() as u32;
        let table = self.part(&op.key).id;
        let SerialOp { key, expect, edit, tell_previous } = op;
        let mut node = shell.node.lock();
        let (id, floor) = node.next_request();
        let key = key.into();
        let attempt = 0;
        let request =
            Request { id, floor, attempt, key, expect, edit, tell_previous, copies, patience };
        let crowd = {
            let mut waiting = shell.requests.waiting.lock();
            waiting.insert(id, sender);
            waiting.len()
        };
        let effects = node.request(crate::clock::steady(), table, request);
        shell.carry_out(effects);
        drop(node);
        shell.mesh.crowd.note(crowd);
        if crowd == 1 {
            // Nobody else asks, so nobody would share the flush.
            shell.mesh.flush();
        } else {
            shell.mesh.schedule_flush();
        }
        (UnderWay { shell, id }, answer)
    }

    async fn outcome(
        &self,
        reply: Reply,
        fragment: u16,
        ack: Ack,
        deadline: Instant,
    ) -> Result<(Acked, Serially), SerialError> {
        let done = match reply {
            Reply::Unmet(holds) => return Ok((Acked::default(), Serially::Unmet(holds))),
            Reply::Refused(refused) => return Err(refused.into()),
            Reply::Again | Reply::Uncertain => return Err(SerialError::NoLeader),
            Reply::Done(done) => done,
        };
        let Done { dot, told, lost, by, missing } = done;
        if lost {
            return Err(SerialError::Lost);
        }
        let receipt = dot.map(|dot| Receipt { origin: dot.origin, fragment, seq: dot.seq });
        if !missing.is_empty() {
            let by = by.to_vec();
            return Err(AckTimeout { by, missing, ended: false, receipt }.into());
        }
        let Some(receipt) = receipt else { return Ok((Acked::default(), Serially::Done(told))) };
        if ack == Ack::Stable {
            let left = deadline.saturating_duration_since(Instant::now());
            return Ok((self.acknowledged(receipt, ack, left).await?, Serially::Done(told)));
        }
        Ok((Acked { by, receipt: Some(receipt) }, Serially::Done(told)))
    }
}

impl Shell {
    /// Waits until so few numbers lie between the oldest request under way and the next that what
    /// everybody remembers of them stays bounded: one that is not answered holds up the others.
    async fn requests_are_few(&self) {
        while self.node.lock().open_requests() >= WINDOW {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits for a serial write as long as `ack` says, and until a quorum has it if the table requires
/// one: the leader may be cut off and not know it yet.
pub(crate) async fn serially_acknowledged(
    table: &SharedTable,
    receipt: Receipt,
    ack: Ack,
    timeout: Duration,
) -> Result<Acked, AckTimeout> {
    let deadline = Instant::now() + timeout;
    let acked = acknowledged::acknowledged(table, receipt, ack, timeout).await?;
    let Some(quorum) = table.declaration().quorum else { return Ok(acked) };
    let left = deadline.saturating_duration_since(Instant::now());
    acknowledged::acknowledged(table, receipt, Ack::Count(quorum.into()), left).await
}

/// How large a value may be under a key of that length.
pub(crate) fn most(key: &[u8]) -> usize {
    MAX_RECORD.saturating_sub(key.len())
}

impl SharedTable {
    /// Whether this node may carry out serial operations of the table now.
    pub(crate) fn leads(&self) -> bool {
        self.peek(|table| table.leads())
    }
}
