//! Breadth-first search to the end, on several threads, layer by layer.
//!
//! A state that was met is remembered by a hash of 64 bits and that of the state it came from;
//! whole states live only in the layer at hand. Two states of one hash would hide one of them:
//! for 50 million states the chance that any two collide is below one in ten thousand. Layers
//! make the first violation found one of the shortest.

use std::hash::BuildHasher;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use foldhash::HashMap;
use foldhash::fast::FixedState;

use crate::actions::Action;
use crate::bounds::Bounds;
use crate::invariants::Violation;
use crate::state::State;

/// What an exploration found.
#[derive(Debug)]
pub struct Outcome {
    /// How many different states there are.
    pub states: usize,
    /// How many steps lead from one to another.
    pub transitions: u64,
    /// How many steps the farthest state is away from the start.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// The shortest way to a broken promise, if there is one. The search ends there.
    pub counterexample: Option<Counterexample>,
}

/// A way to a broken promise.
#[derive(Debug)]
pub struct Counterexample {
    /// The steps from the start.
    pub actions: Vec<Action>,
    /// What the last of them broke.
    pub violation: Violation,
}

/// Explores all states within the bounds, or up to the first broken promise.
#[must_use]
pub fn explore(bounds: &Bounds, threads: usize) -> Outcome {
    let started = Instant::now();
    let start = State::start(bounds);
    let search = Search::new(bounds);
    search.remember(fingerprint(&start), 0);
    let mut layer = vec![vec![start]];
    let mut depth = 0;
    let mut broken = None;
    while broken.is_none() {
        let (next, found) = search.expand(layer, threads);
        broken = found;
        if next.is_empty() {
            break;
        }
        layer = next;
        depth += 1;
    }
    Outcome {
        states: search.met.iter().map(|shard| shard.lock().expect("no thread failed").len()).sum(),
        transitions: search.transitions.load(Ordering::Relaxed),
        depth,
        seconds: started.elapsed().as_secs_f64(),
        counterexample: broken.map(|broken| search.retrace(&broken)),
    }
}

/// The step that broke a promise.
struct Broken {
    from: u64,
    action: Action,
    violation: Violation,
}

/// Enough that two threads seldom want the same one.
const SHARDS: usize = 64;
/// States that a thread takes at a time.
const BATCH: usize = 256;

/// The states at one distance from the start. In batches, so that nothing large is ever copied.
type Layer = Vec<Vec<State>>;

fn add(layer: &mut Layer, state: State) {
    match layer.last_mut() {
        Some(batch) if batch.len() < BATCH => batch.push(state),
        _ => {
            let mut batch = Vec::with_capacity(BATCH);
            batch.push(state);
            layer.push(batch);
        }
    }
}

struct Search<'a> {
    bounds: &'a Bounds,
    /// By the hash of a state the hash of the one that it was first met from.
    met: Vec<Mutex<HashMap<u64, u64>>>,
    transitions: AtomicU64,
}

impl<'a> Search<'a> {
    fn new(bounds: &'a Bounds) -> Self {
        let met = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { bounds, met, transitions: AtomicU64::new(0) }
    }

    /// Whether the state of this hash is new.
    fn remember(&self, hash: u64, from: u64) -> bool {
        let mut shard = self.met[hash as usize % SHARDS].lock().expect("no thread failed");
        let before = shard.len();
        shard.entry(hash).or_insert(from);
        shard.len() > before
    }

    fn expand(&self, layer: Layer, threads: usize) -> (Layer, Option<Broken>) {
        let layer = Mutex::new(layer);
        let work = || self.expand_batches(&layer);
        let parts: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no thread failed")).collect()
        });
        let mut next = Layer::new();
        let mut broken = Vec::new();
        for (batches, found) in parts {
            next.extend(batches);
            broken.extend(found);
        }
        (next, broken.into_iter().next())
    }

    /// Takes batches until none is left. Each is dropped as soon as it is expanded.
    fn expand_batches(&self, layer: &Mutex<Layer>) -> (Layer, Option<Broken>) {
        let mut next = Layer::new();
        let mut broken = None;
        loop {
            let batch = layer.lock().expect("no thread failed").pop();
            let Some(batch) = batch else { return (next, broken) };
            for state in &batch {
                let found = self.expand_state(state, &mut next);
                broken = broken.or(found);
            }
        }
    }

    fn expand_state(&self, state: &State, next: &mut Layer) -> Option<Broken> {
        let from = fingerprint(state);
        let actions = state.actions(self.bounds);
        self.transitions.fetch_add(actions.len() as u64, Ordering::Relaxed);
        let mut broken = None;
        for action in actions {
            let after = state.after(action, self.bounds);
            let mut checked = state.check_step(&after, &self.bounds.rules);
            if self.remember(fingerprint(&after), from) {
                checked = checked.and_then(|()| after.check(self.bounds));
                add(next, after);
            }
            if let (Err(violation), None) = (checked, &broken) {
                broken = Some(Broken { from, action, violation });
            }
        }
        broken
    }

    /// Finds the steps again: the hashes say the way back, the actions are tried on the way out.
    fn retrace(&self, broken: &Broken) -> Counterexample {
        let mut way = vec![broken.from];
        while let Some(from) = self.before(way[way.len() - 1]) {
            way.push(from);
        }
        let mut state = State::start(self.bounds);
        let mut actions = Vec::new();
        for hash in way.into_iter().rev().skip(1) {
            let mut possible = state.actions(self.bounds).into_iter();
            let leads_on =
                |action: &Action| fingerprint(&state.after(*action, self.bounds)) == hash;
            let action = possible.find(leads_on).expect("a step led from one state to the next");
            state = state.after(action, self.bounds);
            actions.push(action);
        }
        actions.push(broken.action);
        Counterexample { actions, violation: broken.violation }
    }

    fn before(&self, hash: u64) -> Option<u64> {
        let shard = self.met[hash as usize % SHARDS].lock().expect("no thread failed");
        shard.get(&hash).copied().filter(|from| *from != 0)
    }
}

/// The same in every run, so that a trace is too.
fn fingerprint(state: &State) -> u64 {
    FixedState::with_seed(0x746f_6d62_6f6c_6f00).hash_one(state)
}
