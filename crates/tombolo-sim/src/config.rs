//! What one schedule is made of.

use crate::rng::Rng;
use tombolo_core::{Limits, NodeId, Settings};

/// The shape of one schedule.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes have a name.
    pub nodes: usize,
    /// How many keys are written; few, so that writes meet.
    pub keys: usize,
    /// How many tables.
    pub tables: usize,
    /// How many random steps before the end phase.
    pub steps: usize,
    /// Whether processes end and come back.
    pub crashes: bool,
    /// Whether some records expire.
    pub expiry: bool,
    /// Whether stability stops waiting for members after a short while (zombies and convergence
    /// are checked then, but an older write may win over a delete that it never met).
    pub forgetting: bool,
    /// In how many of 1000 steps the network changes.
    pub flapping: usize,
    /// How far apart two clocks may be at most, in milliseconds.
    pub max_drift: u64,
    /// Whether every node is up at the end, so that all tombstones must go.
    pub whole_at_end: bool,
}

impl Config {
    /// The shape that belongs to a seed.
    pub fn of(rng: &mut Rng, steps: usize) -> Config {
        Config {
            nodes: [2, 3, 3, 3, 4, 4, 5][rng.below(7)],
            keys: 3 + rng.below(4),
            tables: 1 + usize::from(rng.chance(25)),
            steps,
            crashes: rng.chance(60),
            expiry: rng.chance(50),
            forgetting: rng.chance(10),
            flapping: [8, 20, 45][rng.below(3)],
            max_drift: [10, 40, 40, 300][rng.below(4)],
            whole_at_end: rng.chance(60),
        }
    }

    /// A quiet world for a script: nothing happens by chance.
    pub fn scripted(nodes: usize) -> Config {
        Config {
            nodes,
            keys: 4,
            tables: 1,
            steps: 0,
            crashes: false,
            expiry: false,
            forgetting: false,
            flapping: 0,
            max_drift: 40,
            whole_at_end: false,
        }
    }

    /// The intervals of every node: those of production, some forty times shorter.
    pub fn settings(&self, id: NodeId, address: String) -> Settings {
        Settings {
            report_interval: 15,
            sync_interval: 250,
            ask_timeout: 80,
            forget_after: if self.forgetting { 60 } else { u64::MAX },
            redial: (5, 60),
            patience: 40,
            removed_ahead: 6,
            ..Settings::new(id, address)
        }
    }

    /// The limits of every table: one key a chunk, so that an answer takes many steps.
    pub fn limits(&self) -> Limits {
        Limits { max_drift: self.max_drift, removed_ahead: 6, chunk_bytes: 1 }
    }
}
