use std::fmt;
use std::path::PathBuf;

/// Everything that can be configured, by any of the three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The node's name.
    Name,
    /// The cluster's name.
    ClusterName,
    /// The cluster address.
    Listen,
    /// The cluster address as others see it.
    Advertise,
    /// The address for Redis clients.
    Resp,
    /// The address for HTTP.
    Http,
    /// Static seeds.
    Join,
    /// Another way to find nodes.
    Discovery,
    /// The cluster's secret.
    Secret,
    /// The password of Redis clients.
    Password,
    /// Who acknowledges a write.
    Ack,
    /// For how long that is waited for.
    AckTimeout,
    /// How far clocks may differ.
    MaxDrift,
    /// How fast syncs are sent.
    SyncRate,
    /// How much the conflict ledger of a table keeps.
    LedgerBytes,
    /// Where snapshots are kept.
    SnapshotDir,
    /// How often they are written.
    SnapshotEvery,
    /// Whether drills are allowed.
    Drills,
    /// What is logged.
    Log,
}

impl Key {
    /// All keys, in the order in which the documentation lists them.
    pub const ALL: [Key; 19] = [
        Key::Name,
        Key::ClusterName,
        Key::Listen,
        Key::Advertise,
        Key::Resp,
        Key::Http,
        Key::Join,
        Key::Discovery,
        Key::Secret,
        Key::Password,
        Key::Ack,
        Key::AckTimeout,
        Key::MaxDrift,
        Key::SyncRate,
        Key::LedgerBytes,
        Key::SnapshotDir,
        Key::SnapshotEvery,
        Key::Drills,
        Key::Log,
    ];

    /// The name of the key in the file, which with two dashes is the flag.
    pub fn name(self) -> &'static str {
        match self {
            Key::Name => "name",
            Key::ClusterName => "cluster-name",
            Key::Listen => "listen",
            Key::Advertise => "advertise",
            Key::Resp => "resp",
            Key::Http => "http",
            Key::Join => "join",
            Key::Discovery => "discovery",
            Key::Secret => "secret",
            Key::Password => "password",
            Key::Ack => "ack",
            Key::AckTimeout => "ack-timeout",
            Key::MaxDrift => "max-drift",
            Key::SyncRate => "sync-rate",
            Key::LedgerBytes => "ledger-bytes",
            Key::SnapshotDir => "snapshot-dir",
            Key::SnapshotEvery => "snapshot-every",
            Key::Drills => "drills",
            Key::Log => "log",
        }
    }

    /// The key that `name` means in a file; dashes and underscores are the same.
    pub fn named(name: &str) -> Option<Key> {
        let name = name.replace('_', "-");
        Key::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The environment variable.
    pub fn variable(self) -> String {
        format!("TOMBOLO_{}", self.name().replace('-', "_").to_uppercase())
    }

    /// Whether the value must not be repeated in a message.
    pub fn is_confidential(self) -> bool {
        matches!(self, Key::Secret | Key::Password)
    }
}

/// Where a value was written, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(Key),
    /// In the environment.
    Variable(Key),
    /// In the configuration file.
    File(Key, PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(key) => write!(f, "--{}", key.name()),
            Origin::Variable(key) => f.write_str(&key.variable()),
            Origin::File(key, path) => write!(f, "`{}` in {}", key.name(), path.display()),
        }
    }
}
