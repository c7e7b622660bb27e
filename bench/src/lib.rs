//! Measures Tombolo beside its peers on one machine, and says whether the targets are met.
//!
//! A [`case::Case`] is one comparison. The [`runner`] plays rounds, and all cases in each round,
//! because a machine's speed drifts: what is compared was measured within seconds. A round gives
//! [`sample::Sample`]s, a [`target::Target`] judges the medians over the rounds, and
//! [`report`] writes them down. Other processes (nodes, the echo of the floor) are this same
//! binary in a [`role`].

pub mod allocations;
pub mod case;
pub mod cluster;
pub mod command;
pub mod erlang;
pub mod floor;
pub mod histogram;
pub mod load;
pub mod machine;
pub mod pair;
pub mod report;
pub mod role;
pub mod runner;
pub mod sample;
pub mod servers;
pub mod stream;
pub mod syscalls;
pub mod target;
pub mod usage;
