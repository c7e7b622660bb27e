//! What users say about conflicts: resolvers, and which of two values is the later version.

use crate::tasks::Tasks;
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tombolo_core::Kind;

pub use crate::field::Scalar as Version;
pub use tombolo_core::{Resolution, Resolver, Sibling};

/// Says which version a value is; none if it cannot be told.
pub(crate) type Versioner = Arc<dyn Fn(&[u8]) -> Option<Version> + Send + Sync>;

/// The functions that the program registered, by name.
#[derive(Default)]
pub(crate) struct Functions {
    /// Those that are being called.
    pub(crate) tasks: Arc<Tasks>,
    resolvers: RwLock<BTreeMap<String, Registered>>,
    versioners: RwLock<BTreeMap<String, Versioner>>,
}

/// A resolver, and the same one for ordered tables: they write their typed keys in another way.
struct Registered {
    resolver: Arc<dyn Resolver>,
    ordered: Arc<dyn Resolver>,
}

impl Functions {
    pub(crate) fn add_resolver(
        &self,
        name: &str,
        resolver: Arc<dyn Resolver>,
        ordered: Arc<dyn Resolver>,
    ) {
        self.resolvers.write().insert(name.to_owned(), Registered { resolver, ordered });
    }

    pub(crate) fn add_versioner(&self, name: &str, versioner: Versioner) {
        self.versioners.write().insert(name.to_owned(), versioner);
    }

    pub(crate) fn resolver(&self, name: &str, kind: Kind) -> Option<Arc<dyn Resolver>> {
        let resolvers = self.resolvers.read();
        let found = resolvers.get(name)?;
        Some(Arc::clone(match kind {
            Kind::OrderedSet => &found.ordered,
            Kind::Set | Kind::Bag => &found.resolver,
        }))
    }

    pub(crate) fn versioner(&self, name: &str) -> Option<Versioner> {
        self.versioners.read().get(name).cloned()
    }
}

/// A function of typed keys and values as a resolver of bytes. What is not of these types is kept.
pub(crate) fn of_types<K, V: Serialize + DeserializeOwned>(
    resolve: Arc<impl Fn(&K, Vec<V>) -> Option<V> + Send + Sync + 'static>,
    decode: impl Fn(&[u8]) -> Option<K> + Send + Sync + 'static,
) -> Arc<dyn Resolver> {
    Arc::new(move |key: &[u8], siblings: &[Sibling<'_>]| {
        let values = siblings.iter().map(|one| postcard::from_bytes(one.value));
        let (Some(key), Ok(values)) = (decode(key), values.collect()) else {
            return Resolution::KeepBoth;
        };
        match resolve(&key, values).map(|value| postcard::to_stdvec(&value)) {
            None => Resolution::Delete,
            Some(Ok(value)) => Resolution::Value(value),
            Some(Err(_)) => Resolution::KeepBoth,
        }
    })
}

/// Runs a function of the user's. What it panics with, in words.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}
