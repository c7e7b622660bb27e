//! One seed from the beginning to the end.

use crate::config::Config;
use crate::invariant::Violation;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::world::{Counts, World};
use tombolo_core::Store;

/// A schedule that broke an invariant.
#[derive(Debug)]
pub struct Failure {
    /// What was broken.
    pub violation: Violation,
    /// What happened, if the run was traced.
    pub trace: Trace,
}

/// What came of one schedule.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What it did.
    pub counts: Counts,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
}

/// Plays the schedule of a seed. A panic of the core is a failure like any other.
pub fn run_seed<S: Store + Default>(seed: u64, steps: usize, traced: bool) -> Outcome {
    let mut rng = Rng::new(seed);
    let config = Config::of(&mut rng, steps);
    run_in(World::<S>::new(config, rng, traced), seed)
}

/// Plays the schedule of a seed in a world that was made for it.
pub(crate) fn run_in<S: Store + Default>(mut world: World<S>, seed: u64) -> Outcome {
    let traced = world.trace.is_wanted();
    world.trace.say(0, &[], || format!("seed {seed}"));
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.play().and_then(|()| world.settle())
    }));
    let played = played.unwrap_or_else(|panic| Err(of_panic(panic.as_ref())));
    world.counts.schedules = 1;
    if traced && played.is_err() {
        world.trace_state();
    }
    let trace = std::mem::take(&mut world.trace);
    Outcome {
        seed,
        counts: world.counts,
        failure: played.err().map(|violation| Failure { violation, trace }),
    }
}

fn of_panic(panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    Violation {
        invariant: "no panic",
        slots: Vec::new(),
        text: text.unwrap_or_else(|| "something without words".to_string()),
    }
}
