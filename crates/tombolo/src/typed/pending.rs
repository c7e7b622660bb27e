//! Writes as futures.

use super::error::{EncodeError, InsertError};
use super::packed::Packed;
use crate::acknowledged::{Ack, Acked, Receipt};
use crate::clock::{millis, millis_at, now};
use crate::fragments::LastWrites;
use crate::raw::{RawTable, WriteError};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout};
use tombolo_store::Spot;

/// What a write is told besides what to write.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) ack: Ack,
    pub(crate) timeout: Duration,
    /// Whether the timeout was given for this write: it is for the wait for its turn, too.
    in_time: bool,
    expiry: Expiry,
}

#[derive(Clone, Copy)]
enum Expiry {
    /// As the table is declared.
    Default,
    In(Duration),
    At(SystemTime),
}

impl Options {
    pub(crate) fn new(ack: Ack, timeout: Duration) -> Options {
        Options { ack, timeout, in_time: false, expiry: Expiry::Default }
    }

    /// When what is written now expires, in milliseconds since the epoch.
    fn expires(&self) -> Option<u64> {
        match self.expiry {
            Expiry::Default => None,
            Expiry::In(ttl) => Some(now().0.saturating_add(millis(ttl))),
            Expiry::At(at) => Some(millis_at(at)),
        }
    }
}

pin_project_lite::pin_project! {
    /// A write before and after it was begun, in one allocation.
    #[project = Stage]
    enum Making<P, F> {
        Planned { plan: Option<P> },
        Running { #[pin] running: F },
    }
}

trait Make<T>: Send {
    /// Begins with these options, unless it has begun, and goes on.
    fn make(
        self: Pin<&mut Self>,
        options: Options,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, InsertError>>;
}

impl<T, P, F> Make<T> for Making<P, F>
where
    P: FnOnce(Options) -> F + Send,
    F: Future<Output = Result<T, InsertError>> + Send,
{
    fn make(
        mut self: Pin<&mut Self>,
        options: Options,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, InsertError>> {
        if let Stage::Planned { plan } = self.as_mut().project()
            && let Some(plan) = plan.take()
        {
            self.set(Making::Running { running: plan(options) });
        }
        match self.project() {
            Stage::Running { running } => running.poll(context),
            Stage::Planned { .. } => Poll::Pending,
        }
    }
}

/// A write that is made when it is awaited, and resolves when it is acknowledged.
///
/// It owns all it needs, so it can be awaited in place, sent to another task, or joined with
/// others: what other systems call a request and waiting for its response.
///
/// - Nothing happens before it is polled.
/// - A table that is being filled is waited for, and so is one that is paused, where writers go in
///   the order in which they came. Dropped until then, or out of time, it changes nothing.
/// - Then all of it is applied here in one go and sent to the others. Dropped after that it stays
///   made and goes on replicating; only nobody waits for it.
///
/// It waits as the table does ([`Table::with_ack`](crate::Table::with_ack)) if it is not told
/// otherwise.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// # use tombolo::{Ack, Node};
/// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
/// let scores = node.table::<String, u32>("scores").await?;
///
/// // In place, saying how it waits.
/// scores.insert("ada", &1).ack(Ack::Local).await?;
///
/// // As requests whose responses are waited for later.
/// let mut requests = tokio::task::JoinSet::new();
/// for player in ["ada", "grace", "edsger"] {
///     requests.spawn(scores.insert(player, &10).timeout(Duration::from_secs(1)));
/// }
/// while let Some(response) = requests.join_next().await {
///     response??;
/// }
/// assert_eq!(scores.len(), 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is written before it is awaited"]
pub struct Write<T = Acked> {
    options: Options,
    making: Pin<Box<dyn Make<T>>>,
}

impl<T> Write<T> {
    pub(crate) fn new<F>(
        options: Options,
        plan: impl FnOnce(Options) -> F + Send + 'static,
    ) -> Write<T>
    where
        F: Future<Output = Result<T, InsertError>> + Send + 'static,
    {
        Write { options, making: Box::pin(Making::Planned { plan: Some(plan) }) }
    }

    /// Waits for these nodes. Once it was polled it is too late to say so.
    pub fn ack(self, ack: Ack) -> Write<T> {
        self.with(|options| options.ack = ack)
    }

    /// Waits for at most so long, for a paused table and for the nodes together. When the time is
    /// over the error says whether the write was made, and then who has it: it stays made. The
    /// nodes may be waited for up to 100 ms longer, if the timeout is 200 ms or more. Once the
    /// write was polled it is too late to say so.
    pub fn timeout(self, timeout: Duration) -> Write<T> {
        self.with(|options| (options.timeout, options.in_time) = (timeout, true))
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Write<T> {
        change(&mut self.options);
        self
    }
}

impl<T> Future for Write<T> {
    type Output = Result<T, InsertError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let options = self.options;
        self.making.as_mut().make(options, context)
    }
}

/// A [`Write`] of values, which may be told when they expire.
///
/// A record is gone from its expiry on, by each node's own clock; nothing is sent for that.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::{Duration, SystemTime};
/// # use tombolo::Node;
/// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
/// let codes = node.table::<String, u32>("codes").await?;
/// codes.insert("ada", &4711).ttl(Duration::from_secs(60)).await?;
/// assert!(codes.remaining("ada") <= Some(Duration::from_secs(60)));
///
/// codes.insert("grace", &1).until(SystemTime::UNIX_EPOCH).await?;
/// assert_eq!(codes.get("grace")?, None);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is written before it is awaited"]
pub struct Insert<T = Acked>(Write<T>);

impl<T> Insert<T> {
    pub(crate) fn new(write: Write<T>) -> Insert<T> {
        Insert(write)
    }

    /// As a write that is not told anything of expiry any more.
    pub(super) fn into_write(self) -> Write<T> {
        self.0
    }

    /// What is written expires so long after it is written, whatever the table's own ttl is.
    pub fn ttl(self, ttl: Duration) -> Insert<T> {
        Insert(self.0.with(|options| options.expiry = Expiry::In(ttl)))
    }

    /// What is written expires then, whatever the table's own ttl is.
    pub fn until(self, at: SystemTime) -> Insert<T> {
        Insert(self.0.with(|options| options.expiry = Expiry::At(at)))
    }

    /// As [`Write::ack`].
    pub fn ack(self, ack: Ack) -> Insert<T> {
        Insert(self.0.ack(ack))
    }

    /// As [`Write::timeout`].
    pub fn timeout(self, timeout: Duration) -> Insert<T> {
        Insert(self.0.timeout(timeout))
    }
}

impl<T> Future for Insert<T> {
    type Output = Result<T, InsertError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

/// What is written.
pub(super) trait Writes {
    /// The write begins: its memory had time to be fetched.
    fn arrive(&self, _raw: &RawTable) {}
}

/// What is written to one key. The key is fetched from memory while the rest is encoded and the
/// write is prepared, of which that would be a fourth.
pub(super) struct One<R> {
    pub(super) key: Vec<u8>,
    pub(super) rest: R,
    spot: Spot,
}

impl<R> One<R> {
    pub(super) fn new(
        raw: &RawTable,
        key: Result<Vec<u8>, EncodeError>,
        rest: impl FnOnce() -> Result<R, EncodeError>,
    ) -> Result<One<R>, EncodeError> {
        let key = key?;
        let spot = raw.part(&key).records.approach(&key);
        Ok(One { rest: rest()?, key, spot })
    }
}

impl One<()> {
    pub(super) fn of_key(
        raw: &RawTable,
        key: Result<Vec<u8>, EncodeError>,
    ) -> Result<One<()>, EncodeError> {
        One::new(raw, key, || Ok(()))
    }
}

impl<R> Writes for One<R> {
    fn arrive(&self, raw: &RawTable) {
        raw.part(&self.key).records.arrive(self.spot);
    }
}

impl Writes for Packed {}

/// A write of what was `encoded`, made by `apply` in one go when it is the writer's turn: it is
/// given when values expire, and returns what it wrote last. `done` makes the result of it.
pub(super) fn write<E, R, T>(
    raw: &RawTable,
    options: Options,
    encoded: Result<E, EncodeError>,
    apply: impl Fn(&RawTable, &E, Option<u64>) -> Applied<R> + Send + Sync + 'static,
    done: impl FnOnce(Acked, R) -> T + Send + 'static,
) -> Write<T>
where
    E: Writes + Send + Sync + 'static,
    R: Send + 'static,
{
    let raw = raw.clone();
    Write::new(options, move |options| async move {
        let encoded = encoded?;
        encoded.arrive(&raw);
        let apply = || apply(&raw, &encoded, options.expires());
        let mut left = options.timeout;
        let (writes, result) = if options.in_time {
            let begun = Instant::now();
            let made = timeout(left, raw.in_turn(apply)).await;
            left = left.saturating_sub(begun.elapsed());
            made.map_err(|_| raw.waited_for())??
        } else {
            raw.in_turn(apply).await?
        };
        let acked = raw.all_acknowledged(&writes, options.ack, left).await?;
        Ok(done(acked, result))
    })
}

/// A write of many things in one go: if one of them is too large, none is written. `size` is that
/// of a key with its value, and `apply` writes them.
pub(super) fn write_all(
    raw: &RawTable,
    options: Options,
    encoded: Result<Packed, EncodeError>,
    size: fn(&RawTable, &[u8], &[u8]) -> usize,
    apply: fn(&RawTable, &[u8], &[u8], Option<u64>) -> Wrote,
) -> Write {
    let apply = move |raw: &RawTable, all: &Packed, expires| {
        let sizes = all.iter().map(|(key, value)| size(raw, key, value));
        raw.check(sizes.max().unwrap_or_default())?;
        let mut last = LastWrites::default();
        for (key, value) in all.iter() {
            apply(raw, key, value, expires)?.into_iter().for_each(|receipt| last.note(receipt));
        }
        Ok((last, ()))
    };
    write(raw, options, encoded, apply, |acked, ()| acked)
}

/// The receipt of a write; none if there was nothing to write.
type Wrote = Result<Option<Receipt>, WriteError>;

/// The last of what was written, and what else came of it.
pub(super) type Applied<R> = Result<(LastWrites, R), WriteError>;
