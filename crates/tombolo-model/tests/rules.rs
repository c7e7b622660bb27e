//! The rules hold in every state within small bounds, and every wrong wording is caught.

use tombolo_model::bounds::{Bounds, Rules, Wording};
use tombolo_model::search::explore;
use tombolo_model::{configurations, trace};

const THREADS: usize = 2;

fn assert_holds(bounds: &Bounds) {
    let outcome = explore(bounds, THREADS);
    if let Some(counterexample) = outcome.counterexample {
        panic!("{}:\n{}", bounds.name, trace::print(&counterexample, bounds));
    }
    assert!(outcome.states > 100, "{}: nothing was explored", bounds.name);
    println!("{}: {} states, {:.1} s", bounds.name, outcome.states, outcome.seconds);
}

#[test]
fn the_rules_hold_in_every_state() {
    for bounds in configurations::small() {
        assert_holds(&bounds);
    }
}

#[test]
fn each_wrong_wording_is_caught() {
    for bounds in configurations::wrong() {
        let outcome = explore(&bounds, THREADS);
        let wording = bounds.rules.wrong;
        let counterexample = outcome.counterexample.unwrap_or_else(|| panic!("{wording:?} passed"));
        let steps = counterexample.actions.len();
        println!("{wording:?}, {steps} steps:\n{}", trace::print(&counterexample, &bounds));
    }
}

/// Otherwise a configuration of the wrong wordings would say nothing about the wording.
///
/// One has ten million states. It is among those that the binary explores, as "strangers meet".
#[test]
fn the_right_wording_holds_where_the_wrong_one_is_caught() {
    let is_large = |bounds: &Bounds| bounds.rules.has(Wording::ReportsWithoutMembers);
    for bounds in configurations::wrong().into_iter().filter(|bounds| !is_large(bounds)) {
        let rules = Rules { wrong: None, ..bounds.rules };
        assert_holds(&Bounds { rules, ..bounds });
    }
}

#[test]
fn a_trace_can_be_read() {
    let bounds = configurations::wrong()
        .into_iter()
        .find(|bounds| bounds.rules.has(Wording::NothingRemovedAhead))
        .expect("it is one of the wrong wordings");
    let counterexample = explore(&bounds, THREADS).counterexample.expect("it is caught");
    let text = trace::print(&counterexample, &bounds);
    assert!(text.contains(" key 0: "), "{text}");
    assert!(text.contains("=> A, zombie"), "{text}");
}

/// States are counted once, whoever meets them first.
#[test]
fn the_number_of_threads_changes_nothing() {
    let bounds = configurations::small()[0];
    let (one, two) = (explore(&bounds, 1), explore(&bounds, 2));
    assert_eq!((one.states, one.transitions, one.depth), (two.states, two.transitions, two.depth));
}
