//! The simulator for users: their own conflict function under seeded splits, and the laws that it
//! must keep so that every node ends with the same.

mod laws;

use crate::config::Config;
use crate::judge::{Judgement, Resolver};
use crate::rng::Rng;
use crate::run::run_in;
use crate::sight::Sight;
use crate::world::World;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tombolo_core::{BTreeStore, Entry};

/// One of several values of a key that were written concurrently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sibling {
    /// The value.
    pub value: Vec<u8>,
    /// Its place in time: higher is later.
    pub stamp: u64,
    /// Whether it is the outcome of an earlier conflict.
    pub outcome: bool,
}

/// What a conflict function says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// This value takes the place of all.
    Value(Vec<u8>),
    /// Nothing takes their place.
    Delete,
    /// All of them stay.
    KeepBoth,
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
    /// The order in which it is given the siblings does not matter (it is commutative).
    Unordered,
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
            Law::Unordered => "must not depend on the order of the siblings",
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
/// use tombolo_sim::{CheckSettings, Sibling, Verdict, check_resolver};
///
/// // The union of two lists of words.
/// fn union(_key: &[u8], siblings: &[Sibling]) -> Verdict {
///     let text = |sibling: &Sibling| String::from_utf8_lossy(&sibling.value).into_owned();
///     let all: Vec<String> = siblings.iter().map(text).collect();
///     let mut words: Vec<&str> = all.iter().flat_map(|text| text.split_whitespace()).collect();
///     words.sort_unstable();
///     words.dedup();
///     Verdict::Value(words.join(" ").into_bytes())
/// }
///
/// let values = ["apple", "pear", "apple plum", "fig"].map(|words| words.as_bytes().to_vec());
/// let settings =
///     CheckSettings { values: values.to_vec(), schedules: 20, ..CheckSettings::default() };
/// let checked = check_resolver(union, &settings).expect("a union keeps every law");
/// assert!(checked.outcomes > 0 && checked.warnings.is_empty());
/// ```
pub fn check_resolver(
    resolver: impl Fn(&[u8], &[Sibling]) -> Verdict + 'static,
    settings: &CheckSettings,
) -> Result<CheckedResolver, LawBroken> {
    let mut checked = CheckedResolver::default();
    let panicking = |key: &[u8], siblings: &[Sibling]| {
        catch_unwind(AssertUnwindSafe(|| resolver(key, siblings))).ok()
    };
    laws::check(&panicking, settings, &mut checked)?;
    let judge: Resolver = Rc::new(move |key, entries| {
        let siblings: Vec<Sibling> = entries.iter().map(sibling).collect();
        let verdict = catch_unwind(AssertUnwindSafe(|| resolver(key, &siblings)));
        match verdict {
            Ok(Verdict::Value(value)) => Judgement::Value(value),
            Ok(Verdict::Delete) => Judgement::Delete,
            Ok(Verdict::KeepBoth) => Judgement::KeepBoth,
            Err(_) => Judgement::Undecided("the resolver panicked".to_string()),
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

fn sibling(entry: &Entry) -> Sibling {
    Sibling {
        value: entry.value.as_deref().unwrap_or_default().to_vec(),
        stamp: entry.stamp.0,
        outcome: entry.mark.outcome,
    }
}
