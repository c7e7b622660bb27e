//! What a node is to do, put together from flags, environment, file and defaults.

mod key;
mod sources;
#[cfg(test)]
mod tests;
mod value;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tombolo::Ack;
use tracing::Level;
use tracing_subscriber::filter::Targets;

pub use key::{Key, Origin};
pub use sources::Sources;

use crate::args::ServeArgs;

/// The default port for Redis clients; those for HTTP and for nodes follow it.
pub const RESP_PORT: u16 = 7379;
/// The default port for HTTP.
pub const HTTP_PORT: u16 = 7380;
/// The default port for other nodes.
pub const CLUSTER_PORT: u16 = 7381;

/// A configuration whose values were checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's name; without one the library makes it from host name and cluster port.
    pub name: Option<String>,
    /// The cluster's name.
    pub cluster_name: String,
    /// Where other nodes connect.
    pub listen: SocketAddr,
    /// What other nodes are told, when it is not `listen`.
    pub advertise: Option<String>,
    /// Where Redis clients connect.
    pub resp: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Static seeds.
    pub join: Vec<String>,
    /// What [`tombolo_discovery::parse`] takes.
    pub discovery: Option<String>,
    /// The cluster's secret.
    pub secret: Option<String>,
    /// The password of Redis clients.
    pub password: Option<String>,
    /// Who acknowledges a write before it is answered.
    pub ack: Ack,
    /// How long a write waits for that.
    pub ack_timeout: Duration,
    /// How far clocks may differ.
    pub max_drift: Duration,
    /// How many bytes a second syncs may send, if that is bounded.
    pub sync_rate: Option<u64>,
    /// How many bytes of conflicts a table's ledger keeps; without one the library's default.
    pub ledger_bytes: Option<usize>,
    /// Where snapshots are kept, if any are.
    pub snapshot_dir: Option<PathBuf>,
    /// How often they are written.
    pub snapshot_every: Duration,
    /// Whether drills are allowed.
    pub drills: bool,
    /// What is logged.
    pub log: Targets,
}

impl Config {
    /// The configuration by `args`, the environment of the process, and the file they name.
    ///
    /// # Errors
    ///
    /// The first value that is wrong.
    pub fn read(args: &ServeArgs) -> Result<Self, ConfigError> {
        Self::new(&Sources::collect(args, |name| std::env::var(name).ok())?)
    }

    /// The configuration by what was written.
    ///
    /// # Errors
    ///
    /// The first value that is wrong.
    pub fn new(sources: &Sources) -> Result<Self, ConfigError> {
        let reader = Reader(sources);
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket = |key, port| {
            let found = reader.read(key, value::SOCKET, value::socket)?;
            Ok(found.unwrap_or(loopback(port)))
        };
        let name = |key| reader.read(key, value::NAME, value::name);
        let secret = |key| reader.read(key, value::SECRET, value::secret);
        let duration = |key, default| {
            let found = reader.read(key, value::DURATION, value::duration)?;
            Ok(found.unwrap_or(default))
        };
        let config = Self {
            name: name(Key::Name)?,
            cluster_name: name(Key::ClusterName)?.unwrap_or_else(|| "tombolo".to_owned()),
            listen: socket(Key::Listen, CLUSTER_PORT)?,
            advertise: reader.read(Key::Advertise, value::HOST_PORT, value::host_port)?,
            resp: socket(Key::Resp, RESP_PORT)?,
            http: socket(Key::Http, HTTP_PORT)?,
            join: reader.read(Key::Join, value::SEEDS, value::seeds)?.unwrap_or_default(),
            discovery: reader.read(Key::Discovery, value::DISCOVERY, value::discovery)?,
            secret: secret(Key::Secret)?,
            password: secret(Key::Password)?,
            ack: reader.read(Key::Ack, value::ACK, value::ack)?.unwrap_or(Ack::All),
            ack_timeout: duration(Key::AckTimeout, Duration::from_secs(5))?,
            max_drift: duration(Key::MaxDrift, Duration::from_secs(1))?,
            sync_rate: reader.read(Key::SyncRate, value::RATE, value::rate)?,
            ledger_bytes: reader.read(Key::LedgerBytes, value::SIZE, value::size)?,
            snapshot_dir: reader.read(Key::SnapshotDir, value::FOLDER, value::folder)?,
            snapshot_every: duration(Key::SnapshotEvery, Duration::from_secs(60))?,
            drills: reader.read(Key::Drills, value::TRUTH, value::truth)?.unwrap_or(false),
            log: reader
                .read(Key::Log, value::FILTER, value::filter)?
                .unwrap_or_else(|| Targets::new().with_default(Level::INFO)),
        };
        config.check_together(sources)?;
        Ok(config)
    }

    /// Checks what is right by itself and wrong together.
    fn check_together(&self, sources: &Sources) -> Result<(), ConfigError> {
        if self.listen.ip().is_unspecified() && self.advertise.is_none() {
            let named = sources.find(Key::Listen).map(|(_, origin)| origin.to_string());
            return Err(ConfigError::NothingToAdvertise {
                origin: named.unwrap_or_default(),
                listen: self.listen,
            });
        }
        let sockets = [(Key::Resp, self.resp), (Key::Http, self.http), (Key::Listen, self.listen)];
        for (index, (first, one)) in sockets.iter().enumerate() {
            for (second, other) in &sockets[index + 1..] {
                // Port 0 is a free port each time.
                if one == other && one.port() != 0 {
                    return Err(ConfigError::SameAddress {
                        first: first.name(),
                        second: second.name(),
                        address: *one,
                    });
                }
            }
        }
        Ok(())
    }
}

/// A time as all settings and flags take it.
///
/// # Errors
///
/// What is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    value::duration(text).ok_or_else(|| format!("accepted is {}", value::DURATION))
}

struct Reader<'a>(&'a Sources);

impl Reader<'_> {
    /// The value of `key`, if it was written, as `read` understands it.
    fn read<T>(
        &self,
        key: Key,
        accepted: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((text, origin)) = self.0.find(key) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => {
                let shown = if key.is_confidential() { "what is given" } else { text };
                Err(ConfigError::Wrong { origin, value: shown.to_owned(), accepted })
            }
        }
    }
}

/// Why there is no configuration. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value is not what its key takes.
    #[error("{origin}: `{value}` is not accepted. Accepted is {accepted}")]
    Wrong {
        /// Where it was written.
        origin: Origin,
        /// What was written.
        value: String,
        /// What could have been.
        accepted: &'static str,
    },
    /// A value in the file is a table, a date or the like.
    #[error("{origin}: the value must be a text, a number, true, false, or a list of texts")]
    WrongShape {
        /// Where it was written.
        origin: Origin,
    },
    /// A key stands in the file with a dash and with an underscore.
    #[error("{origin} is there twice, with a dash and with an underscore. Keep one")]
    Twice {
        /// Where it was written.
        origin: Origin,
    },
    /// The file has a key that is none.
    #[error("{}: there is no key `{key}`. The keys are {known}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The keys that there are.
        known: String,
    },
    /// The file is not TOML.
    #[error("--config: {} is not TOML: {reason}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser says, with the place.
        reason: String,
    },
    /// The file cannot be read.
    #[error("--config: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The node listens on every address, which is no address to dial.
    #[error(
        "{origin}: {listen} is every address of this machine, so other nodes must be told one \
         that they can dial. Add --advertise HOST:PORT"
    )]
    NothingToAdvertise {
        /// Where the address was written.
        origin: String,
        /// The address.
        listen: SocketAddr,
    },
    /// Two of the three servers have one address.
    #[error("--{first} and --{second} are both {address}. Give each its own port")]
    SameAddress {
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
        /// Their address.
        address: SocketAddr,
    },
}
