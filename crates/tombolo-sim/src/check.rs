//! The simulator for users: their own conflict function under seeded splits, and the laws that it
//! must keep so that every node ends with the same.

mod laws;

use crate::config::Config;
use crate::judge::{Judge, Judgement};
use crate::rng::Rng;
use crate::run::run_in;
use crate::sight::Sight;
use crate::world::World;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tombolo_core::{BTreeStore, Entry, Resolution, Resolver, Sibling};

/// A value as the laws and the simulator know it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Written {
    value: Vec<u8>,
    /// Its place in time: higher is later.
    stamp: u64,
    /// Whether it is the outcome of an earlier conflict.
    outcome: bool,
}

/// What becomes of a function that is not associative. Where three sides conflict, such a function
/// may keep another value depending on who met first; every node has the same in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Associativity {
    /// It is broken law.
    Required,
    /// It is told in [`CheckedResolver::warnings`].
    #[default]
    Warned,
    /// It is not looked at.
    Ignored,
}

/// How a function is checked.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// Values as the function will meet them; the more they differ the better, 3 to 12 of them.
    pub values: Vec<Vec<u8>>,
    /// How many schedules are played.
    pub schedules: u64,
    /// The seed of the first.
    pub first_seed: u64,
    /// How many random steps each has.
    pub steps: usize,
    /// Whether `resolve(resolve(a, b), c)` must equal `resolve(a, resolve(b, c))`.
    pub associativity: Associativity,
}

impl Default for CheckSettings {
    fn default() -> CheckSettings {
        let values = ["", "a", "b", "ab", "[1]", "[2]", "{\"n\":1}"];
        CheckSettings {
            values: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
            schedules: 200,
            first_seed: 1,
            steps: 300,
            associativity: Associativity::default(),
        }
    }
}

/// What a function that keeps the laws was put through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckedResolver {
    /// How many schedules were played.
    pub schedules: u64,
    /// In how many of them an outcome was written.
    pub resolved: u64,
    /// How many outcomes were written.
    pub outcomes: u64,
    /// What is allowed and still worth knowing.
    pub warnings: Vec<String>,
}

/// What a conflict function must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// It never panics.
    Total,
    /// The same siblings give the same verdict, whenever it is asked.
    Deterministic,
    /// It does not matter which value was written later (it is commutative). One that goes by time
    /// does not keep this, and need not: it is told in [`CheckedResolver::warnings`].
    Commutative,
    /// Resolving an outcome again, with itself or with what it came from, ends.
    Idempotent,
    /// It does not matter which two of three are resolved first.
    Associative,
    /// Meeting the same values again and again does not make the outcome longer and longer.
    Bounded,
    /// In the simulator all nodes end with the same, and nothing acknowledged is lost but what the
    /// function discarded.
    Converges,
}

/// A law that the function breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LawBroken {
    /// Which.
    pub law: Law,
    /// The schedule that shows it, if a schedule does: set
    /// [`first_seed`](CheckSettings::first_seed) to it to play it first.
    pub seed: Option<u64>,
    /// What was found.
    pub text: String,
}

impl fmt::Display for LawBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let must = match self.law {
            Law::Total => "must not panic",
            Law::Deterministic => "must say the same of the same siblings",
            Law::Commutative => "depends on which value was written later",
            Law::Idempotent => "must come to an end when outcomes are resolved again",
            Law::Associative => "must not depend on which conflict is resolved first",
            Law::Bounded => "must not let values grow without bound",
            Law::Converges => "must let all nodes end with the same",
        };
        write!(f, "the resolver {must}: {}", self.text)?;
        self.seed.map_or(Ok(()), |seed| write!(f, " (seed {seed})"))
    }
}

impl std::error::Error for LawBroken {}

/// Checks a conflict function: first the laws on the given values, then under seeded splits, where
/// nodes crash, clocks differ, links break and the leader changes.
///
/// # Errors
///
/// The first law that it breaks, with the values or the seed that show it.
///
/// ```
/// use tombolo_sim::{CheckSettings, Resolution, Sibling, check_resolver};
///
/// // The union of lists of words; the very function that a node is given.
/// fn union(_key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
///     let all = siblings.iter().flat_map(|sibling| sibling.value.split(|byte| *byte == b' '));
///     let mut words: Vec<&[u8]> = all.filter(|word| !word.is_empty()).collect();
///     words.sort_unstable();
///     words.dedup();
///     Resolution::Value(words.join(&b' '))
/// }
///
/// let values = ["apple", "pear", "apple plum", "fig"].map(|words| words.as_bytes().to_vec());
/// let settings =
///     CheckSettings { values: values.to_vec(), schedules: 20, ..CheckSettings::default() };
/// let checked = check_resolver(union, &settings).expect("a union keeps every law");
/// assert!(checked.outcomes > 0 && checked.warnings.is_empty());
/// ```
pub fn check_resolver(
    resolver: impl Resolver,
    settings: &CheckSettings,
) -> Result<CheckedResolver, LawBroken> {
    let mut checked = CheckedResolver::default();
    let resolver = Rc::new(resolver);
    laws::check(&|key, siblings| ask(&*resolver, key, siblings), settings, &mut checked)?;
    let judge: Judge = Rc::new(move |key, entries| {
        let siblings: Vec<Written> = entries.iter().map(written).collect();
        match ask(&*resolver, key, &siblings) {
            Some(Resolution::Value(value)) => Judgement::Value(value),
            Some(Resolution::Delete) => Judgement::Delete,
            Some(Resolution::KeepBoth) => Judgement::KeepBoth,
            None => Judgement::Undecided("the resolver panicked".to_string()),
        }
    });
    for seed in settings.first_seed..settings.first_seed + settings.schedules {
        let mut rng = Rng::new(seed);
        let config = Config::for_resolver(&mut rng, settings.steps, &settings.values);
        let mut world: World<BTreeStore> = World::new(config, rng, false);
        world.resolver = Some(Rc::clone(&judge));
        let outcome = run_in(world, seed);
        if let Some(failure) = outcome.failure {
            let text = failure.violation.to_string();
            return Err(LawBroken { law: Law::Converges, seed: Some(seed), text });
        }
        let (outcomes, resolved) = outcome.counts.sights.of(Sight::Outcome);
        checked.schedules += 1;
        checked.outcomes += outcomes;
        checked.resolved += resolved;
    }
    Ok(checked)
}

/// What the function says of siblings, given to it with the newest last; none if it panics.
fn ask(resolver: &impl Resolver, key: &[u8], siblings: &[Written]) -> Option<Resolution> {
    let mut siblings: Vec<Sibling<'_>> = siblings
        .iter()
        .map(|one| Sibling {
            value: &one.value,
            written: one.stamp,
            expires: None,
            outcome: one.outcome,
        })
        .collect();
    siblings.sort_by_key(|sibling| sibling.written);
    catch_unwind(AssertUnwindSafe(|| resolver.resolve(key, &siblings))).ok()
}

fn written(entry: &Entry) -> Written {
    Written {
        value: entry.value.as_deref().unwrap_or_default().to_vec(),
        stamp: entry.stamp.0,
        outcome: entry.mark.outcome,
    }
}
