//! A table's policy at work: what readers see of siblings, and what becomes of them.

use crate::clock::steady;
use crate::field::Path;
use crate::prepared;
use crate::resolve::{Functions, Resolution, Resolver, Sibling, Version, Versioner};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tombolo_core::{Declaration, EntryRef, Kind, Millis, Policy};
use tombolo_store::{Shown, View};

/// For how many milliseconds readers do without a resolver that panicked.
const PAUSE: u64 = 1_000;

/// From how many milliseconds on a call of a user's function counts as stuck: readers see the
/// newest sibling until it is back.
const STUCK: u64 = 100;

/// A policy as it judges siblings.
pub(crate) struct Judge {
    table: String,
    kind: Kind,
    policy: Policy,
    functions: Arc<Functions>,
    /// How the policy finds the version of a value, if it compares versions.
    versions: Option<Versions>,
    /// Until when readers see the newest sibling, because the resolver panicked.
    paused_until: AtomicU64,
}

enum Versions {
    Path(Path),
    Named(String),
}

/// What becomes of siblings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// This sibling stays.
    Keep(usize),
    /// This value takes their place.
    Value(Vec<u8>),
    /// Nothing does.
    Delete,
    /// Somebody has to decide, because of this.
    Undecided(String),
}

impl Judge {
    pub(crate) fn new(table: &str, declaration: &Declaration, functions: &Arc<Functions>) -> Judge {
        let policy = &declaration.policy;
        let versions = policy.field().map(|field| match Path::parse(field) {
            Ok(path) => Versions::Path(path),
            Err(_) => Versions::Named(field.to_owned()),
        });
        Judge {
            table: table.to_owned(),
            kind: declaration.kind,
            policy: policy.clone(),
            functions: Arc::clone(functions),
            versions,
            paused_until: AtomicU64::new(0),
        }
    }

    /// The resolver, if the policy names one that the program registered.
    pub(crate) fn resolver(&self) -> Option<Arc<dyn Resolver>> {
        match &self.policy {
            Policy::Resolve(name) => self.functions.resolver(name, self.kind),
            _ => None,
        }
    }

    /// What becomes of at least two visible siblings that differ, the newest last.
    pub(crate) fn judge(&self, key: &[u8], siblings: &[EntryRef<'_>]) -> Verdict {
        match &self.policy {
            // What is left in these of siblings stems from before an alteration, or from writers
            // that were connected.
            Policy::LastWriterWins | Policy::Newest | Policy::Ignore | Policy::YieldIsland => {
                Verdict::Keep(siblings.len() - 1)
            }
            Policy::MergeOnly => {
                Verdict::Undecided("the policy merge_only keeps all values".to_owned())
            }
            Policy::LastVersion(_) | Policy::LastModified { .. } => self.latest(siblings),
            Policy::Resolve(name) => self.resolved(name, key, siblings),
        }
    }

    /// The value with the greatest version; of several with it the newest.
    fn latest(&self, siblings: &[EntryRef<'_>]) -> Verdict {
        let Some(versions) = &self.versions else { return Verdict::Keep(siblings.len() - 1) };
        let find: Versioner = match versions {
            Versions::Path(path) => {
                let path = path.clone();
                Arc::new(move |value: &[u8]| path.find(value))
            }
            Versions::Named(name) => match self.functions.versioner(name) {
                Some(versioner) => versioner,
                None => return Verdict::Undecided(format!("no function {name:?} is registered")),
            },
        };
        let version = |entry: &EntryRef<'_>| find(entry.value.unwrap_or_default());
        let find_all = || siblings.iter().map(version).collect::<Vec<Option<Version>>>();
        let found = match versions {
            Versions::Path(_) => Ok(find_all()),
            Versions::Named(name) => self.call(&version_name(name), find_all),
        };
        match found {
            Ok(found) => {
                let best = (0..found.len()).max_by_key(|at| (&found[*at], *at));
                Verdict::Keep(best.unwrap_or_default())
            }
            Err(panic) => Verdict::Undecided(format!("the version's function panicked: {panic}")),
        }
    }

    /// Whether some of the values lack the field that the policy compares, although others have it.
    pub(crate) fn lacks_field(&self, siblings: &[EntryRef<'_>]) -> bool {
        let Some(Versions::Path(path)) = &self.versions else { return false };
        siblings.iter().any(|entry| path.find(entry.value.unwrap_or_default()).is_none())
    }

    /// Whether it takes a function of the program's to judge.
    pub(crate) fn asks_the_program(&self) -> bool {
        matches!(self.policy, Policy::Resolve(_))
            || matches!(self.versions, Some(Versions::Named(_)))
    }

    /// Calls a function of the user's for the table.
    fn call<R>(&self, what: &str, run: impl FnOnce() -> R) -> Result<R, String> {
        self.functions.tasks.call(what, Some(&self.table), run)
    }

    /// Whether a call of the user's function does not come back, so that readers must not wait for
    /// another.
    fn is_stuck(&self) -> bool {
        let what = match (&self.policy, &self.versions) {
            (Policy::Resolve(name), _) => resolver_name(name),
            (_, Some(Versions::Named(name))) => version_name(name),
            _ => return false,
        };
        self.functions.tasks.under_way(&what, Some(&self.table)).1 > STUCK
    }

    /// What the resolver says, if it says the same twice.
    fn resolved(&self, name: &str, key: &[u8], siblings: &[EntryRef<'_>]) -> Verdict {
        let Some(resolver) = self.functions.resolver(name, self.kind) else {
            return Verdict::Undecided(format!(
                "no resolver {name:?} is registered on this node; register it with the builder"
            ));
        };
        let shown: Vec<Sibling<'_>> = siblings.iter().map(sibling).collect();
        let ask = || self.call(&resolver_name(name), || resolver.resolve(key, &shown));
        match (ask(), ask()) {
            (Err(panic), _) | (_, Err(panic)) => {
                self.paused_until.store(steady().0 + PAUSE, Relaxed);
                Verdict::Undecided(format!("the resolver {name:?} panicked: {panic}"))
            }
            (Ok(one), Ok(other)) if one != other => Verdict::Undecided(format!(
                "the resolver {name:?} answered the same question differently"
            )),
            (Ok(Resolution::Value(value)), _) => Verdict::Value(value),
            (Ok(Resolution::Delete), _) => Verdict::Delete,
            (Ok(Resolution::KeepBoth), _) => {
                Verdict::Undecided(format!("the resolver {name:?} keeps both"))
            }
        }
    }
}

impl View for Judge {
    fn view(&self, key: &[u8], siblings: &[EntryRef<'_>]) -> Shown {
        let newest = Shown::Sibling(siblings.len() - 1);
        // Outcomes are not resolved again: two resolvers that disagree would never end.
        let settled = siblings.iter().all(|entry| entry.mark.outcome);
        if settled || steady().0 < self.paused_until.load(Relaxed) || self.is_stuck() {
            return newest;
        }
        let ask = || self.judge(key, siblings);
        let verdict = if self.asks_the_program() {
            prepared::verdict(siblings, ask).unwrap_or(Verdict::Keep(siblings.len() - 1))
        } else {
            ask()
        };
        match verdict {
            Verdict::Keep(at) => Shown::Sibling(at),
            Verdict::Value(value) => {
                Shown::Value { value: value.into(), expires: common_expiry(siblings) }
            }
            Verdict::Delete => Shown::Nothing,
            Verdict::Undecided(_) => newest,
        }
    }
}

fn resolver_name(name: &str) -> String {
    format!("resolver {name:?}")
}

fn version_name(name: &str) -> String {
    format!("version function {name:?}")
}

/// When what takes the place of siblings expires: with the last of them, if all do.
pub(crate) fn common_expiry(siblings: &[EntryRef<'_>]) -> Option<Millis> {
    siblings.iter().map(|entry| entry.expires).collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn sibling<'a>(entry: &EntryRef<'a>) -> Sibling<'a> {
    Sibling {
        value: entry.value.unwrap_or_default(),
        written: entry.stamp.millis().0,
        expires: entry.expires.map(|at| at.0),
        outcome: entry.mark.outcome,
    }
}
