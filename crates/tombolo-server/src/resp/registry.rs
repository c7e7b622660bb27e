//! Who is connected: for CLIENT LIST and the limit on connections.

use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
};

use tokio::net::TcpStream;
use tombolo::unix_millis;

use super::{command::name_of, reply::Protocol, shared::Shared};

/// All connections. Its lock is taken when one comes or goes, and by CLIENT LIST.
#[derive(Default)]
pub(crate) struct Registry {
    latest_id: AtomicU64,
    cards: Mutex<BTreeMap<u64, Arc<Card>>>,
}

impl Registry {
    pub(crate) fn next_id(&self) -> u64 {
        self.latest_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn add(&self, card: Card) -> Arc<Card> {
        let card = Arc::new(card);
        lock(&self.cards).insert(card.id, Arc::clone(&card));
        card
    }

    pub(crate) fn remove(&self, id: u64) {
        lock(&self.cards).remove(&id);
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.cards).len()
    }

    /// The connections of the moment in the order in which they came.
    pub(crate) fn cards(&self) -> Vec<Arc<Card>> {
        lock(&self.cards).values().cloned().collect()
    }
}

/// What others may know about one connection.
pub(crate) struct Card {
    pub(crate) id: u64,
    address: SocketAddr,
    local_address: SocketAddr,
    descriptor: i32,
    created: u64,
    /// When its latest batch began, and which command was the latest: published once a batch.
    seen: AtomicU64,
    command: AtomicU16,
    details: Mutex<Details>,
}

/// What a client says about itself, and what it has chosen.
#[derive(Clone, Default)]
pub(crate) struct Details {
    pub(crate) name: String,
    pub(crate) library_name: String,
    pub(crate) library_version: String,
    pub(crate) protocol: Protocol,
    pub(crate) table: String,
}

impl Card {
    pub(crate) fn new(id: u64, stream: &TcpStream) -> io::Result<Card> {
        let now = unix_millis();
        Ok(Card {
            id,
            address: stream.peer_addr()?,
            local_address: stream.local_addr()?,
            descriptor: stream.as_raw_fd(),
            created: now,
            seen: AtomicU64::new(now),
            command: AtomicU16::new(u16::MAX),
            details: Mutex::default(),
        })
    }

    /// Notes that the connection is active, and with which command.
    pub(crate) fn touch(&self, command: u16) {
        self.seen.store(unix_millis(), Ordering::Relaxed);
        self.command.store(command, Ordering::Relaxed);
    }

    pub(crate) fn details(&self) -> MutexGuard<'_, Details> {
        lock(&self.details)
    }

    /// One line of CLIENT LIST. Figures about Redis's own memory management are left out.
    pub(crate) fn line(&self) -> String {
        let Card { id, address, local_address, descriptor, .. } = self;
        let details = self.details().clone();
        let now = unix_millis();
        let seconds_since = |then: u64| now.saturating_sub(then) / 1000;
        let mut line = format!("id={id} addr={address} laddr={local_address} fd={descriptor}");
        let database = Shared::database_of(&details.table).map_or(-1, i32::from);
        let _ = write!(
            line,
            " name={} age={} idle={} flags=N db={database} sub=0 psub=0 ssub=0 multi=-1 events=r \
             cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={} table={}",
            details.name,
            seconds_since(self.created),
            seconds_since(self.seen.load(Ordering::Relaxed)),
            name_of(self.command.load(Ordering::Relaxed)),
            details.protocol.number(),
            details.library_name,
            details.library_version,
            details.table,
        );
        line
    }
}

/// Nothing under these locks can be left half-done, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
