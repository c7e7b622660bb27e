//! Joins that are broken off at each step of a sync, in each way.

use crate::scenario;

/// The steps at which something is broken off (`tombolo_core::Checkpoint`).
const STEPS: [&str; 5] = ["asked", "begun", "receiving", "ended", "removing"];

/// Plays the return of a node that was away, up to a step, and then what ends it.
fn broken_off(at: &str, end: &str) {
    let script = format!(
        "declare policy=newest
         start 0 1 2
         link all
         wait 60
         put 0 a old
         put 0 b gone
         put 0 c gone
         put 0 d gone
         wait 60
         cut 0 2
         cut 1 2
         wait 60
         put 1 a new
         put 1 e more
         put 0 f more
         del 0 b
         del 0 c
         del 1 d
         put 2 g lone
         wait 100
         heal 0 2
         link 2 0
         come 2 0 {at}
         {end}
         wait 200
         whole
         expect 0 a new
         expect 0 b -
         expect 0 c -
         expect 0 e more
         expect 0 g lone"
    );
    scenario(3, &script);
}

#[test]
fn the_link_breaks_at_each_step() {
    STEPS.iter().for_each(|step| broken_off(step, "unlink 2 0"));
}

#[test]
fn one_end_finds_the_link_broken_at_each_step() {
    STEPS.iter().for_each(|step| broken_off(step, "half 0 2"));
    STEPS.iter().for_each(|step| broken_off(step, "half 2 0"));
}

#[test]
fn a_new_link_takes_the_place_of_the_old_at_each_step() {
    STEPS.iter().for_each(|step| broken_off(step, "link 2 0"));
}

#[test]
fn the_answerer_dies_at_each_step() {
    // What it had acknowledged, node 1 has as well.
    let end = "crash 0\n heal 1 2\n link 1 2\n wait 100\n restart 0\n link 0 1\n link 0 2";
    STEPS.iter().for_each(|step| broken_off(step, end));
}

#[test]
fn a_write_comes_between_at_each_step() {
    let end = "put 2 a concurrent\n put 0 a new";
    STEPS.iter().for_each(|step| broken_off(step, &format!("{end}\n rest\n put 1 a new")));
}

#[test]
fn the_asker_pauses_at_each_step() {
    let end = "pause 2\n put 0 a new\n wait 100\n unpause 2";
    STEPS.iter().for_each(|step| broken_off(step, end));
}

#[test]
fn the_asker_dies_at_each_step() {
    for step in STEPS {
        let script = format!(
            "declare policy=newest
             start 0 1 2
             link all
             wait 60
             put 0 a one
             put 0 b gone
             put 0 c gone
             put 0 d gone
             wait 60
             cut 0 2
             cut 1 2
             wait 60
             del 0 b
             del 0 c
             del 1 d
             put 1 a two
             wait 100
             heal 0 2
             link 2 0
             come 2 0 {step}
             crash 2
             heal 1 2
             restart 2
             link 2 0
             link 2 1
             wait 200
             whole
             expect 2 a two
             expect 2 d -"
        );
        scenario(3, &script);
    }
}
