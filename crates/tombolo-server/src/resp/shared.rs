//! What all connections of one server have in common.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::AtomicU64,
    time::Instant,
};

use tombolo::{Node, RawTable};

use super::{Settings, registry::Registry};

/// The table that is database 0.
pub(crate) const DEFAULT_TABLE: &str = "default";
/// SELECT takes numbers below this.
pub(crate) const DATABASES: i64 = 16;
/// The version of Redis whose behaviour this server follows, for clients that ask.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) default_table: RawTable,
    pub(crate) settings: Settings,
    pub(crate) port: u16,
    pub(crate) registry: Registry,
    pub(crate) started: Instant,
    /// Differs between two runs of the server, as Redis's own does.
    pub(crate) run_id: String,
    pub(crate) connections_received: AtomicU64,
    pub(crate) connections_rejected: AtomicU64,
    pub(crate) commands_processed: AtomicU64,
}

impl Shared {
    pub(crate) fn new(node: Node, default_table: RawTable, settings: Settings, port: u16) -> Self {
        Shared {
            node,
            default_table,
            settings,
            port,
            registry: Registry::default(),
            started: Instant::now(),
            run_id: run_id(),
            connections_received: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            commands_processed: AtomicU64::new(0),
        }
    }

    /// The name of the table behind a database number.
    pub(crate) fn table_name(database: u8) -> String {
        if database == 0 { DEFAULT_TABLE.to_owned() } else { format!("db{database}") }
    }

    /// The number under which a table can be selected, if it has one.
    pub(crate) fn database_of(table: &str) -> Option<u8> {
        (0..DATABASES as u8).find(|database| Shared::table_name(*database) == table)
    }
}

/// Forty hexadecimal digits from the seeds of the standard library's hash maps.
fn run_id() -> String {
    let state = RandomState::new();
    let [a, b, c] = [1, 2, 3].map(|salt: u64| state.hash_one(salt));
    format!("{a:016x}{b:016x}{:08x}", c >> 32)
}
