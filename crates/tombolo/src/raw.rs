//! Tables of bytes.

use crate::acknowledged::{self, Ack, AckTimeout, Acked, Receipt};
use crate::clock::now;
use crate::fragments::{LastWrites, weighted};
use crate::node::Inner;
use crate::shared::SharedTable;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tombolo_core::{Change as CoreChange, Declaration, EntryRef, Kind, Millis};
use tombolo_store::Kept;
use tombolo_wire::MAX_RECORD;

/// How many bits of a scan's cursor say where in a fragment it is; those above say in which.
const POSITION_BITS: u32 = 53;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

/// What a key holds, borrowed for as long as the closure runs that it was shown to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawRecord<'a> {
    /// The value.
    pub value: &'a [u8],
    /// When it expires, in milliseconds since the epoch; see [`unix_millis`](crate::unix_millis).
    pub expires: Option<u64>,
}

/// A value to keep: its bytes, which are shared with the table and with clones. It derefs to them.
#[derive(Clone)]
pub struct Value {
    bytes: Bytes,
    expires: Option<u64>,
}

#[derive(Clone)]
enum Bytes {
    /// As the table holds them.
    Kept(Kept),
    /// Of another node's table.
    Own(Arc<[u8]>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        (&**self, self.expires) == (&**other, other.expires)
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("bytes", &&**self).field("expires", &self.expires).finish()
    }
}

impl Value {
    pub(crate) fn new(bytes: Arc<[u8]>, expires: Option<u64>) -> Value {
        Value { bytes: Bytes::Own(bytes), expires }
    }

    /// When it expires, in milliseconds since the epoch.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Kept(kept) => kept.entry().value.unwrap_or_default(),
            Bytes::Own(bytes) => bytes,
        }
    }
}

/// What [`RawTable::decide`] is to do to a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    Keep,
    /// Write a value.
    Put {
        /// The value.
        value: Vec<u8>,
        /// When it expires, in milliseconds since the Unix epoch.
        expires: Option<u64>,
    },
    /// Delete the key. Nothing happens if it holds nothing.
    Delete,
}

/// Why a write was not made. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// The table is being filled from the peers for the first time. Wait for
    /// [`RawTable::writable`], or try again.
    #[error("the table is being filled from its peers; try again shortly")]
    NotReady,
    /// Key and value together are larger than a record may be. Split the value.
    #[error("key and value are {size} bytes together, and at most {limit} are allowed")]
    TooLarge {
        /// How large they are.
        size: usize,
        /// How large they may be.
        limit: usize,
    },
    /// Another kind of table is needed: objects are added to and deleted from bags, and values are
    /// put into the others.
    #[error(
        "the table is kind={0}: objects are added to and deleted from kind=bag, \
         values are put into kind=set and kind=ordered_set"
    )]
    Kind(Kind),
    /// Somebody keeps the table still with [`RawTable::pause`]. Wait for [`RawTable::unpaused`].
    #[error("the table is paused; wait until it moves again")]
    Paused,
    /// The node has left the cluster or had to stop. Start it again.
    #[error("the node has stopped")]
    Stopped,
}

/// A table whose keys and values are bytes.
///
/// Reads are local and take no lock. Writes are applied here at once, sent to every linked node,
/// and waited for with [`RawTable::acknowledged`].
#[derive(Clone)]
pub struct RawTable {
    /// The first part, and of most tables the only one: it has the name and the declaration, and
    /// may be written when all may.
    pub(crate) shared: Arc<SharedTable>,
    /// All parts, if there are several.
    pub(crate) fragments: Option<Arc<[Arc<SharedTable>]>>,
    /// Keeps the node running.
    pub(crate) inner: Arc<Inner>,
}

impl RawTable {
    /// The table's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How it is declared now. It may be altered while the cluster runs.
    pub fn declaration(&self) -> Declaration {
        Declaration::clone(&self.shared.declaration())
    }

    /// Whether it may be written: not while it is filled for the first time.
    pub fn is_writable(&self) -> bool {
        self.shared.is_writable()
    }

    /// Waits until it may be written.
    pub async fn writable(&self) -> Result<(), WriteError> {
        loop {
            let opened = self.shared.became_writable.notified();
            if self.is_writable() {
                return Ok(());
            }
            tokio::select! {
                () = opened => {}
                () = self.inner.shell.running.cancelled() => return Err(WriteError::Stopped),
            }
        }
    }

    /// Whether it was synced with every node that is linked now.
    pub fn is_complete(&self) -> bool {
        let views = self.inner.shell.node.lock().table_views();
        let mut fragments = views.iter().filter(|view| view.name == self.name());
        fragments.all(|view| view.writable && view.missing.is_empty())
    }

    /// Shows what `key` holds to `look`. No lock, no copy: `look` should be short, and it must not
    /// wait, because memory is not given back meanwhile.
    pub fn read<R>(&self, key: &[u8], look: impl FnOnce(Option<RawRecord<'_>>) -> R) -> R {
        self.part(key).records.read(key, now, |entry| look(entry.and_then(|entry| record(&entry))))
    }

    /// What `key` holds, to keep: the bytes are shared with the table, not copied. No lock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{Declaration, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let pages = node.create_table("pages", Declaration::default()).await?;
    /// pages.put(b"/", b"<h1>", None)?;
    /// let page = pages.get(b"/").ok_or("it was put above")?;
    /// pages.delete(b"/")?;
    /// assert_eq!(*page, *b"<h1>");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        let kept = self.part(key).records.get(key, now)?;
        let EntryRef { value, expires, .. } = kept.entry();
        value?;
        let expires = expires.map(|at| at.0);
        Some(Value { bytes: Bytes::Kept(kept), expires })
    }

    /// Fetches what these keys hold from memory into the processor's caches. Whoever is about to
    /// read or write several keys, and calls this for all of them first, waits for memory once
    /// instead of once a key; some dozens at a time are best.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tombolo::{Declaration, Node};
    /// # let node = Node::builder().name("a").listen("127.0.0.1:0".parse()?).start().await?;
    /// let pages = node.create_table("pages", Declaration::default()).await?;
    /// let keys: [&[u8]; 3] = [b"/", b"/a", b"/b"];
    /// pages.prefetch(keys);
    /// keys.iter().for_each(|key| pages.read(key, |found| assert!(found.is_none())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        match self.parts() {
            [part] => part.records.touch(keys),
            _ => keys.into_iter().for_each(|key| self.part(key).records.touch([key])),
        }
    }

    /// Writes a value. It is read here at once; the receipt is for [`RawTable::acknowledged`].
    pub fn put(
        &self,
        key: &[u8],
        value: &[u8],
        expires: Option<u64>,
    ) -> Result<Receipt, WriteError> {
        self.check(key.len() + value.len())?;
        self.check_kind(Kind::Bag, false)?;
        let change = CoreChange::Put { value, expires: expires.map(Millis) };
        let part = self.part(key);
        let seq = part.write(key, change)?;
        part.mesh.schedule_flush();
        // Only deletes can come to nothing.
        Ok(self.receipt(part, seq.unwrap_or_default()))
    }

    /// Writes several values in their order, under few holds of the lock; none if one of them is
    /// too large.
    pub(crate) fn put_many(
        &self,
        records: &[(&[u8], &[u8])],
        expires: Option<u64>,
    ) -> Result<LastWrites, WriteError> {
        self.check(records.iter().map(|(key, value)| key.len() + value.len()).max().unwrap_or(0))?;
        self.check_kind(Kind::Bag, false)?;
        let expires = expires.map(Millis);
        let mut last = LastWrites::default();
        let mut write = |part: &Arc<SharedTable>, records: &[(&[u8], &[u8])]| {
            let seq = part.write_many(records, expires)?;
            seq.into_iter().for_each(|seq| last.note(self.receipt(part, seq)));
            Ok::<(), WriteError>(())
        };
        match self.parts() {
            [part] => write(part, records)?,
            parts => {
                for part in parts {
                    let its = |(key, _): &&(&[u8], &[u8])| Arc::ptr_eq(self.part(key), part);
                    let records: Vec<_> = records.iter().filter(its).copied().collect();
                    write(part, &records)?;
                }
            }
        }
        self.shared.mesh.schedule_flush();
        Ok(last)
    }

    /// Deletes a key; in a bag all its objects. `None` if it held nothing; then nothing was sent
    /// either.
    pub fn delete(&self, key: &[u8]) -> Result<Option<Receipt>, WriteError> {
        self.check(key.len())?;
        if self.kind() == Kind::Bag {
            return self.delete_objects(key);
        }
        let part = self.part(key);
        let seq = part.write(key, CoreChange::Delete)?;
        part.mesh.schedule_flush();
        Ok(seq.map(|seq| self.receipt(part, seq)))
    }

    /// Reads a key and changes it in one step: no other write of this node comes between. `choose`
    /// runs under the table's lock, so it must be short and must not use this table.
    ///
    /// It decides by what this node knows. Two nodes may decide at the same moment, each before it
    /// knows of the other's write; the later write wins then.
    pub fn decide<R>(
        &self,
        key: &[u8],
        choose: impl FnOnce(Option<RawRecord<'_>>) -> (Change, R),
    ) -> Result<(Option<Receipt>, R), WriteError> {
        self.check(key.len())?;
        self.check_kind(Kind::Bag, false)?;
        let mut chosen = Change::Keep;
        let mut too_large = None;
        let part = self.part(key);
        let (seq, result) = part.decide(key, |entry| {
            let (change, result) = choose(entry.and_then(|entry| record(&entry)));
            chosen = change;
            let change = match &chosen {
                Change::Keep => None,
                Change::Delete => Some(CoreChange::Delete),
                Change::Put { value, expires } => {
                    let size = key.len() + value.len();
                    too_large = (size > MAX_RECORD).then_some(size);
                    let expires = expires.map(Millis);
                    too_large.is_none().then_some(CoreChange::Put { value, expires })
                }
            };
            (change, result)
        })?;
        if let Some(size) = too_large {
            return Err(WriteError::TooLarge { size, limit: MAX_RECORD });
        }
        part.mesh.schedule_flush();
        Ok((seq.map(|seq| self.receipt(part, seq)), result))
    }

    /// Waits until as many nodes as `ack` says have a write and all earlier ones of this node to
    /// the same fragment of this table. A timeout of 200 ms or more may be over up to 100 ms late:
    /// the clock is only asked once the wait is seen to last.
    pub async fn acknowledged(
        &self,
        receipt: Receipt,
        ack: Ack,
        timeout: Duration,
    ) -> Result<Acked, AckTimeout> {
        acknowledged::acknowledged(self.part_of(receipt), receipt, ack, timeout).await
    }

    /// The peers that are known to have a write by now.
    pub fn acknowledged_by(&self, receipt: Receipt) -> Vec<String> {
        self.part_of(receipt).acked_by(receipt).to_vec()
    }

    /// How many keys hold a value. One that expired counts until it is swept, some seconds later.
    pub fn len(&self) -> usize {
        self.parts().iter().map(|part| part.with(|table| table.len())).sum()
    }

    /// Whether no key holds a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A sum over the live records: two nodes with the same `seen` and the same fingerprint have
    /// the same table.
    pub fn fingerprint(&self) -> u64 {
        let parts = self.parts().iter();
        let sums =
            parts.map(|part| weighted(part.fragment, part.with(|table| table.fingerprint())));
        sums.fold(0, u64::wrapping_add)
    }

    /// Shows every record, in no order. A record that is there throughout is shown exactly once.
    pub fn for_each(&self, mut see: impl FnMut(&[u8], RawRecord<'_>)) {
        for part in self.parts() {
            part.records.for_each(now(), |key, entry| {
                if let Some(record) = record(&entry) {
                    see(key, record);
                }
            });
        }
    }

    /// Goes on with a scan from `cursor` (0 starts one): shows at least `at_least` records if there
    /// are that many, and returns where to go on, 0 at the end. A record that is there from the
    /// start to the end is shown exactly once. A call walks at least a 256th of the table, or of
    /// one fragment of it.
    pub fn scan(
        &self,
        cursor: u64,
        at_least: usize,
        mut see: impl FnMut(&[u8], RawRecord<'_>),
    ) -> u64 {
        let mut shown = 0;
        let (first, mut position) = (cursor >> POSITION_BITS, cursor & POSITION_MASK);
        for (number, part) in (0..).zip(self.parts()).skip(first as usize) {
            let wanted = at_least.saturating_sub(shown);
            position = part.records.scan(position, wanted, now(), |key, entry| {
                if let Some(record) = record(&entry) {
                    shown += 1;
                    see(key, record);
                }
            });
            if position > 0 {
                return number << POSITION_BITS | position;
            }
            if shown >= at_least && number as usize + 1 < self.parts().len() {
                return (number + 1) << POSITION_BITS;
            }
        }
        0
    }

    /// Some key, chosen at random.
    pub fn random_key(&self) -> Option<Vec<u8>> {
        let dice: u64 = rand::random();
        let parts = self.parts();
        let first = (dice % parts.len() as u64) as usize;
        let mut from_first = parts[first..].iter().chain(&parts[..first]);
        from_first.find_map(|part| part.records.any_key(rand::random(), now())).map(Vec::from)
    }

    /// The shape of the table.
    pub fn kind(&self) -> Kind {
        self.shared.kind
    }

    /// Refuses what needs the table to be of a kind, or not to be.
    pub(crate) fn check_kind(&self, kind: Kind, wanted: bool) -> Result<(), WriteError> {
        let is = self.kind();
        if (is == kind) == wanted { Ok(()) } else { Err(WriteError::Kind(is)) }
    }

    pub(crate) fn check(&self, size: usize) -> Result<(), WriteError> {
        if !self.is_writable() {
            return Err(WriteError::NotReady);
        }
        if self.shared.mesh.has_ended() {
            return Err(WriteError::Stopped);
        }
        if size > MAX_RECORD {
            return Err(WriteError::TooLarge { size, limit: MAX_RECORD });
        }
        Ok(())
    }
}

pub(crate) fn record<'a>(entry: &EntryRef<'a>) -> Option<RawRecord<'a>> {
    let expires = entry.expires.map(|at| at.0);
    entry.value.map(|value| RawRecord { value, expires })
}
