//! What the map shares between threads, and what it hashes with. The tests that try interleavings
//! have a module of this name with the same things, made to be tried.

pub(crate) use foldhash::fast::RandomState;
pub(crate) use seize::{Collector, Guard, LocalGuard};
pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
