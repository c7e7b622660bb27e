use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ConfigError, Key, Origin};
use crate::args::ServeArgs;

/// The values as they were written, one map for each way to write them.
#[derive(Debug, Default)]
pub struct Sources {
    flags: BTreeMap<Key, String>,
    variables: BTreeMap<Key, String>,
    file: BTreeMap<Key, String>,
    path: PathBuf,
}

impl Sources {
    /// Collects the values of `args`, of the environment, and of the file that one of the two
    /// names. `variable` looks up an environment variable.
    ///
    /// Variables that begin with `TOMBOLO_` and are no key are left alone: Kubernetes makes
    /// such ones (`TOMBOLO_PORT` and more) for a service of that name.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not TOML, or has an unknown key.
    pub fn collect(
        args: &ServeArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        // An empty variable is how many tools say that there is none.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let named = Key::ALL.into_iter();
        let variables = named.filter_map(|key| Some((key, variable(&key.variable())?))).collect();
        let path = args.config.clone().or_else(|| variable("TOMBOLO_CONFIG").map(PathBuf::from));
        let file = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
        Ok(Self { flags: flags(args), variables, file, path: path.unwrap_or_default() })
    }

    /// The value that counts, and where it was written.
    pub fn find(&self, key: Key) -> Option<(&str, Origin)> {
        if let Some(value) = self.flags.get(&key) {
            return Some((value, Origin::Flag(key)));
        }
        if let Some(value) = self.variables.get(&key) {
            return Some((value, Origin::Variable(key)));
        }
        self.file.get(&key).map(|value| (value.as_str(), Origin::File(key, self.path.clone())))
    }
}

fn flags(args: &ServeArgs) -> BTreeMap<Key, String> {
    let value = |key| match key {
        Key::Name => &args.name,
        Key::ClusterName => &args.cluster_name,
        Key::Listen => &args.listen,
        Key::Advertise => &args.advertise,
        Key::Resp => &args.resp,
        Key::Http => &args.http,
        Key::Join => &args.join,
        Key::Discovery => &args.discovery,
        Key::Secret => &args.secret,
        Key::Password => &args.password,
        Key::Ack => &args.ack,
        Key::AckTimeout => &args.ack_timeout,
        Key::MaxDrift => &args.max_drift,
        Key::SyncRate => &args.sync_rate,
        Key::LedgerBytes => &args.ledger_bytes,
        Key::SnapshotDir => &args.snapshot_dir,
        Key::SnapshotEvery => &args.snapshot_every,
        Key::Drills => &args.drills,
        Key::Log => &args.log,
    };
    Key::ALL.into_iter().filter_map(|key| Some((key, value(key).clone()?))).collect()
}

fn read_file(path: &Path) -> Result<BTreeMap<Key, String>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    read_text(&text, path)
}

pub(super) fn read_text(text: &str, path: &Path) -> Result<BTreeMap<Key, String>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|source: toml::de::Error| {
        // The message ends in a picture of the place and a line end.
        let reason = source.to_string().trim_end().to_owned();
        ConfigError::NotToml { path: path.to_owned(), reason }
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in &table {
        let key = Key::named(name).ok_or_else(|| ConfigError::UnknownKey {
            path: path.to_owned(),
            key: name.clone(),
            known: Key::ALL.map(Key::name).join(", "),
        })?;
        let value = as_text(value).ok_or_else(|| ConfigError::WrongShape {
            origin: Origin::File(key, path.to_owned()),
        })?;
        if values.insert(key, value).is_some() {
            return Err(ConfigError::Twice { origin: Origin::File(key, path.to_owned()) });
        }
    }
    Ok(values)
}

/// A value of the file as it would stand on the command line.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}
