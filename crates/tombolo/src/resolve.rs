//! What users say about conflicts: resolvers, and which of two values is the later version.

use crate::tasks::Tasks;
use crate::typed::Codec;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use crate::field::Scalar as Version;
pub use tombolo_core::{Resolution, Resolver, Sibling};

/// Says which version a value is; none if it cannot be told.
pub(crate) type Versioner = Arc<dyn Fn(&[u8]) -> Option<Version> + Send + Sync>;

/// Makes the resolver of a table: one for typed values has to know how the table writes them.
pub(crate) type ResolverFor = Box<dyn Fn(&Codec) -> Arc<dyn Resolver> + Send + Sync>;

/// The functions that the program registered, by name.
#[derive(Default)]
pub(crate) struct Functions {
    /// Those that are being called.
    pub(crate) tasks: Arc<Tasks>,
    resolvers: RwLock<BTreeMap<String, ResolverFor>>,
    versioners: RwLock<BTreeMap<String, Versioner>>,
}

impl Functions {
    pub(crate) fn add_resolver(&self, name: &str, resolver: ResolverFor) {
        self.resolvers.write().insert(name.to_owned(), resolver);
    }

    pub(crate) fn add_versioner(&self, name: &str, versioner: Versioner) {
        self.versioners.write().insert(name.to_owned(), versioner);
    }

    pub(crate) fn resolver(&self, name: &str, table: &Codec) -> Option<Arc<dyn Resolver>> {
        self.resolvers.read().get(name).map(|make| make(table))
    }

    pub(crate) fn versioner(&self, name: &str) -> Option<Versioner> {
        self.versioners.read().get(name).cloned()
    }
}

/// Runs a function of the user's. What it panics with, in words.
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}
