//! A handful of random schedules with every test run; `cargo xtask simulate` plays thousands.

use tombolo_core::{BTreeStore, Store};
use tombolo_sim::run_seed;
use tombolo_store::ConcurrentStore;

fn holds<S: Store + Default>(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Some(failure) = run_seed::<S>(seed, 600, false).failure {
            panic!("seed {seed}: {}", failure.violation);
        }
    }
}

#[test]
fn the_invariants_hold_over_the_reference_store() {
    holds::<BTreeStore>(1..200);
}

#[test]
fn the_invariants_hold_over_the_concurrent_store() {
    holds::<ConcurrentStore>(1..20);
}

#[test]
fn a_seed_plays_the_same_schedule_twice() {
    let played = |_| format!("{:?}", run_seed::<BTreeStore>(7, 600, false).counts);
    assert_eq!(played(1), played(2));
}
