//! A simulator that drives Tombolo's shipping core through faults, from a seed.
//!
//! A [`World`] holds processes of `tombolo_core::Node`, links of first-in first-out lanes that
//! carry encoded frames, clocks that differ, and an [`Oracle`] that writes down what really
//! happened. [`run_seed`] draws a schedule from a seed and plays it: after every step each
//! [`invariant`] is checked for what changed, and at the end, when all is healed and settled, what
//! must hold then. The same seed plays the same schedule on every machine.
//!
//! What this crate does not know: threads (but for playing several seeds at once), sockets, real
//! time, and how the core works inside.

mod batches;
mod check;
pub mod command;
mod config;
mod delivery;
mod disk;
mod duties;
mod fault;
pub mod invariant;
mod judge;
mod links;
mod mishaps;
mod network;
mod oracle;
mod process;
mod rng;
mod run;
mod schedule;
mod script;
mod serial;
mod settle;
mod sight;
mod trace;
mod watcher;
mod world;

pub use batches::Batch;
pub use check::{Associativity, CheckSettings, CheckedResolver, Law, LawBroken, check_resolver};
pub use config::Config;
pub use fault::{FAULTS, Fault, FaultCounts};
pub use invariant::Violation;
pub use judge::{Judge, Judgement};
pub use network::{Channel, Lane, Link, Network, Packet, Queue};
pub use oracle::{Log, Op, Oracle, Truth};
pub use process::{Cause, DoneWrite, Process, SimTables, WantedWrite};
pub use rng::Rng;
pub use run::{Failure, Outcome, run_seed};
pub use script::play;
pub use serial::{Asked, Requests, Serving};
pub use sight::{SIGHTS, Sight, SightCounts};
pub use tombolo_core::{Resolution, Resolver, Sibling};
pub use trace::{Line, Trace};
pub use watcher::{Wanted, Watcher};
pub use world::{Counts, WallClock, World};
