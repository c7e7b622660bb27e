//! Tables that stand still for a while.

use crate::scenario;

#[test]
fn a_paused_table_takes_nothing_in_and_acknowledges_nothing_until_it_moves_again() {
    scenario(
        3,
        "start all
         link all
         wait 60
         put 0 a one
         wait 20
         pause 1
         put 0 a two
         put 2 b three
         wait 100
         expect 1 a one
         expect 1 b -
         expect 2 a two
         waiting 0
         waiting 2
         fails put 1 c four     # its own writers wait
         unpause 1
         wait 60
         expect 1 a two
         expect 1 b three
         acked 0
         acked 2
         put 1 c four
         whole",
    );
}

#[test]
fn a_pause_gives_up_the_sync_under_way_and_asks_again_afterwards() {
    scenario(
        2,
        "start all
         wait 60
         put 0 a one
         put 0 b two
         link all
         come 1 0 receiving
         pause 1
         wait 100
         unpause 1
         wait 60
         expect 1 a one
         expect 1 b two
         missing 1 0
         whole",
    );
}

#[test]
fn what_expires_during_a_pause_is_swept_after_it() {
    scenario(
        2,
        "start all
         link all
         wait 60
         put 0 a one 50
         wait 20
         pause 1
         wait 400
         expect 1 a -           # readers go by the clock
         unpause 1
         whole",
    );
}

#[test]
fn a_link_that_comes_and_goes_during_a_pause_loses_nothing() {
    scenario(
        3,
        "start all
         link all
         wait 60
         pause 2
         put 0 a one
         wait 20
         unlink 0 2
         put 0 a two
         link 0 2
         wait 60
         put 0 b three
         wait 60
         expect 2 a -
         waiting 0
         unpause 2
         wait 100
         expect 2 a two
         expect 2 b three
         acked 0
         whole",
    );
}

#[test]
fn who_watches_a_table_that_is_altered_is_told_what_it_shows_now_also_during_a_pause() {
    for (before, after) in [("", ""), ("pause 0", "unpause 0\nwait 60\ntold 0")] {
        let script = format!(
            "declare policy=last_version(/version)
             start all
             link all
             wait 60
             crash 2                # nothing is judged before it knows
             cut 0 1
             put 0 a 2
             wait 20
             put 1 a 1
             heal 0 1
             link 0 1
             wait 60
             siblings 0 a 1 2
             watch 0
             expect 0 a 2
             {before}
             alter 0 policy=newest
             expect 0 a 1
             told 0
             {after}
             whole"
        );
        scenario(3, &script);
    }
}
