//! Another node's copy of a table, read over the link part by part.

use crate::clock::now;
use crate::composite;
use crate::mesh::link::Link;
use crate::raw::{RawTable, Value};
use crate::shell::Shell;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tombolo_core::{Kind, TableId};
use tombolo_wire::{DumpAsk, DumpPage, DumpPart, DumpRecord};

/// How many bytes of records a part has, unless one record alone has more. A part costs the
/// answerer a walk over a 256th of the table, so small parts of a large table would be dear.
const PART: usize = 256 * 1024;

/// When the queue to a peer is looked at again that has no room for a part.
const NO_ROOM: Duration = Duration::from_millis(5);

/// Why another node's copy of a table cannot be read. Reading changes nothing, so it can be asked
/// for again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DumpError {
    /// No node of that name is linked to this one: it is down, cut off, or there is none. Wait
    /// until it is linked, or ask another.
    #[error("no node called {node:?} is linked; linked are {linked:?}")]
    NotLinked {
        /// What was asked for.
        node: String,
        /// The linked nodes.
        linked: Vec<String>,
    },
    /// The node is linked, and does not have the table: it was declared a moment ago. Ask again.
    #[error("node {node:?} does not have the table {table:?} yet; ask again shortly")]
    UnknownTable {
        /// The node.
        node: String,
        /// The table.
        table: String,
    },
    /// The link broke before everything was read. What was read is thrown away.
    #[error("the link to {node:?} broke before everything was read; ask again once it is linked")]
    Lost {
        /// The node.
        node: String,
    },
    /// The next part was not here in time; always so if there was no time. What was read is thrown
    /// away.
    #[error("node {node:?} did not send the next part in time; ask again, with a longer timeout")]
    Timeout {
        /// The node.
        node: String,
    },
    /// A record is of another type than the table was opened with.
    #[error(transparent)]
    Decode(#[from] crate::typed::DecodeError),
}

/// What is asked and answered on one link: in each direction one question at a time.
#[derive(Default)]
pub(crate) struct Dumps {
    /// Whose turn it is to ask.
    turn: tokio::sync::Mutex<()>,
    calls: AtomicU64,
    /// Our question that waits for its answer.
    asked: Mutex<Option<(u64, oneshot::Sender<DumpPart>)>>,
    /// The peer's question that waits for ours. A newer one takes its place, so a peer cannot make
    /// us keep more than one.
    wanted: Mutex<Option<DumpAsk>>,
    came: Notify,
}

impl Dumps {
    /// The peer asks.
    pub(crate) fn on_ask(&self, ask: DumpAsk) {
        *self.wanted.lock() = Some(ask);
        self.came.notify_one();
    }

    /// The peer answers. What nobody waits for any more is dropped.
    pub(crate) fn on_part(&self, part: DumpPart) {
        let mut asked = self.asked.lock();
        if asked.as_ref().is_some_and(|(call, _)| *call == part.call)
            && let Some((_, answer)) = asked.take()
        {
            // Who asked may have given up.
            let _ = answer.send(part);
        }
    }
}

impl Shell {
    /// Answers what the peer asks, for as long as the link is up. The core and the table's lock are
    /// not needed for it, and nothing is kept between two parts.
    pub(crate) async fn answer_dumps(&self, link: &Arc<Link>) {
        loop {
            link.dumps.came.notified().await;
            // Ops may wait for as long as others write, and the part goes before them.
            while !link.data.has_room_for_messages() {
                tokio::time::sleep(NO_ROOM).await;
            }
            let wanted = link.dumps.wanted.lock().take();
            if let Some(ask) = wanted {
                let part = self.part(ask);
                link.data.push_message(|out| tombolo_wire::encode_dump_part(out, &part));
                self.mesh.flush_data(link);
            }
        }
    }

    fn part(&self, ask: DumpAsk) -> DumpPart {
        let DumpAsk { table, call, cursor } = ask;
        let page = self.table(table).map(|table| {
            let (mut bytes, mut records) = (0, Vec::new());
            let next = table.records.scan_while(cursor, now(), |key, entry| {
                let value = entry.value.unwrap_or_default();
                bytes += key.len() + value.len() + size_of::<DumpRecord>();
                let (key, value) = (Box::from(key), Box::from(value));
                records.push(DumpRecord { key, value, expires: entry.expires });
                if bytes < PART { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            DumpPage { next, records }
        });
        DumpPart { table, call, page }
    }
}

impl Link {
    /// The part of the peer's copy of a table that begins at `cursor`; none if it has no such
    /// table. Never one that is here only after the time was over: the timer has a granularity, and
    /// a task may be late to look, so the clock is asked.
    async fn dump_part(
        &self,
        shell: &Shell,
        table: TableId,
        cursor: u64,
        timeout: Duration,
    ) -> Result<Option<DumpPage>, DumpError> {
        let node = || self.peer.name.clone();
        let begun = Instant::now();
        let asking = async {
            let _turn = self.dumps.turn.lock().await;
            let call = self.dumps.calls.fetch_add(1, Relaxed);
            let (answer, answered) = oneshot::channel();
            *self.dumps.asked.lock() = Some((call, answer));
            let ask = DumpAsk { table, call, cursor };
            self.data.push_message(|out| tombolo_wire::encode_dump_ask(out, &ask));
            shell.mesh.flush_data(self);
            answered.await
        };
        tokio::select! {
            answered = tokio::time::timeout(timeout, asking) => match answered {
                Ok(Ok(part)) if begun.elapsed() < timeout => Ok(part.page),
                Ok(Err(_)) => Err(DumpError::Lost { node: node() }),
                Ok(Ok(_)) | Err(_) => Err(DumpError::Timeout { node: node() }),
            },
            () = self.closed.cancelled() => Err(DumpError::Lost { node: node() }),
        }
    }
}

impl RawTable {
    /// Every record of the table as the linked node called `node` has it, as a reader there sees
    /// them: keys and values, of a bag keys and objects. This node's own copy if it is its own
    /// name.
    ///
    /// A record that is there from the start to the end is in it exactly once. It is read in parts
    /// of 256 KiB, each waited for for at most `timeout`, and costs that node a walk over a 256th
    /// of the table each. A part that comes later counts for none, so a timeout of zero is always
    /// too short for another node's copy. All of it is kept here until it is returned.
    ///
    /// # Errors
    ///
    /// [`DumpError`] says for each case what to do.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use tombolo::{Ack, Declaration, Node};
    /// let any = "127.0.0.1:0".parse()?;
    /// let a = Node::builder().name("a").listen(any).start().await?;
    /// let b = Node::builder().name("b").listen(any).join([a.status().address]).start().await?;
    /// let pages = b.create_table("pages", Declaration::default()).await?;
    /// let receipt = pages.put(b"/", b"<h1>", None)?;
    /// pages.acknowledged(receipt, Ack::All, Duration::from_secs(5)).await?;
    /// let of_a = pages.remote_dump("a", Duration::from_secs(5)).await?;
    /// assert_eq!((&of_a[0].0[..], &*of_a[0].1), (&b"/"[..], &b"<h1>"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remote_dump(
        &self,
        node: &str,
        timeout: Duration,
    ) -> Result<Vec<(Vec<u8>, Value)>, DumpError> {
        let shell = &self.inner.shell;
        let mut records = Vec::new();
        if node == shell.me.name {
            self.for_each(|key, record| {
                let value = Value::new(record.value.into(), record.expires);
                records.push((key.to_vec(), value));
            });
        } else {
            let linked = shell.mesh.named(node);
            let link = linked.ok_or_else(|| DumpError::NotLinked {
                node: node.to_owned(),
                linked: shell.mesh.links().iter().map(|link| link.peer.name.clone()).collect(),
            })?;
            for part in self.parts() {
                self.dump_from(&link, part.id, timeout, &mut records).await?;
            }
        }
        Ok(match self.kind() {
            Kind::Bag => records.into_iter().filter_map(|kept| self.object_of(kept)).collect(),
            Kind::Set | Kind::OrderedSet => records,
        })
    }

    async fn dump_from(
        &self,
        link: &Link,
        table: TableId,
        timeout: Duration,
        records: &mut Vec<(Vec<u8>, Value)>,
    ) -> Result<(), DumpError> {
        let mut cursor = 0;
        loop {
            let page = link.dump_part(&self.inner.shell, table, cursor, timeout).await?;
            let page = page.ok_or_else(|| DumpError::UnknownTable {
                node: link.peer.name.clone(),
                table: self.name().to_owned(),
            })?;
            records.extend(page.records.into_iter().map(|DumpRecord { key, value, expires }| {
                let expires = expires.map(|at| at.0);
                (key.into_vec(), Value::new(value.into(), expires))
            }));
            // A cursor that goes back would lead round and round.
            if page.next <= cursor {
                return Ok(());
            }
            cursor = page.next;
        }
    }

    /// The key and the object of a bag's record.
    fn object_of(&self, (composite, value): (Vec<u8>, Value)) -> Option<(Vec<u8>, Value)> {
        let (key, identity) = composite::decode(&composite)?;
        let object = match self.has_second_key() {
            true => value,
            false => Value::new(identity.into(), value.expires()),
        };
        Some((key.into_owned(), object))
    }
}
