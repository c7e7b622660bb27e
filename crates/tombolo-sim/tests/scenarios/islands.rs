//! Tables that are kept apart after a split.

use crate::scenario;

/// Three nodes of which the last was alone; both sides wrote the keys a and b.
fn split(policy: &str, expected: &str) {
    let story = format!(
        "declare {policy}
         start all
         link all
         wait 60
         put 0 b old
         put 0 c gone
         wait 60
         cut 0 2
         cut 1 2
         wait 20
         put 0 a left
         put 2 a right
         put 2 alone right
         del 2 c
         heal 0 2
         heal 1 2
         {expected}
         whole"
    );
    scenario(3, &story);
}

#[test]
fn nothing_passes_between_islands_until_somebody_approves() {
    for policy in ["policy=ignore", "policy=newest merge=hold"] {
        split(
            policy,
            "wait 2000
             held 0 2
             held 2 1
             expect 0 a left
             expect 2 a right
             expect 1 alone -
             expect 0 c gone
             put 0 later one
             wait 100
             expect 1 later one
             expect 2 later -
             approve 2
             wait 400
             joined 0 2
             expect 0 alone right
             expect 2 later one
             expect 0 c -",
        );
    }
}

#[test]
fn who_joins_another_island_does_not_lead_both_at_once() {
    split(
        "policy=newest merge=hold",
        "wait 2000
         claim 0 left mine
         claim 2 right mine
         wait 200
         leads 0
         leads 2
         approve 0
         fails leads 0
         wait 2000
         claim 2 both mine
         wait 500
         leads 0
         fails leads 2
         expect 0 both mine
         expect 2 both mine",
    );
}

#[test]
fn an_operator_chooses_a_side_and_the_other_is_in_the_ledger() {
    split(
        "policy=ignore",
        "wait 1000
         choose 0
         wait 600
         expect 2 a left
         expect 0 a left
         expect 2 alone -
         expect 2 c gone
         expect 0 b old
         expect 2 b old
         fails ledger 0 0",
    );
}

#[test]
fn the_smaller_island_yields_and_the_ledger_knows_what_it_lost() {
    split(
        "policy=yield_island",
        "wait 4000
         joined 0 2
         expect 0 a left
         expect 2 a left
         expect 1 alone -
         expect 2 alone -
         expect 0 c gone
         expect 2 c gone
         fails ledger 0 0",
    );
}

/// Said twice, the second attachment let writes count as acknowledged that had never passed.
#[test]
fn a_choice_made_twice_acknowledges_nothing_that_did_not_pass() {
    split(
        "policy=ignore",
        "wait 1000
         hold 2 0 messages 500
         hold 0 2 messages 500
         choose 0
         put 0 d one
         put 0 e two
         waiting 0
         choose 0
         waiting 0
         wait 900
         acked 0
         expect 2 e two",
    );
}

/// A link that was lost for a moment is no split: a third node connected both all the time.
#[test]
fn a_lost_link_within_an_island_is_no_island() {
    scenario(
        3,
        "declare policy=ignore
         start all
         link all
         wait 60
         put 0 a one
         wait 20
         cut 0 1
         wait 20
         put 0 a two
         put 1 b three
         wait 60
         expect 1 a two
         heal 0 1
         wait 500
         joined 0 1
         joined 1 0
         expect 0 b three
         whole",
    );
}

/// A node that has nothing joins one island, and does not connect it to the other.
#[test]
fn a_fresh_node_does_not_connect_two_islands() {
    scenario(
        4,
        "declare policy=ignore
         start 0 1 3
         link 0 1
         wait 60
         put 0 a left
         put 3 a right
         put 3 b right
         wait 20
         cut 0 3
         cut 1 3
         start 2
         link 2 0
         link 2 3
         wait 1500
         open 2
         expect 0 a left
         expect 0 b -
         expect 3 a right
         put 0 c one
         put 3 d two
         wait 100
         expect 3 c -
         expect 0 d -
         whole",
    );
}

#[test]
fn a_node_that_is_not_filled_has_no_side_to_choose() {
    scenario(
        2,
        "declare policy=ignore
         start 0
         wait 60
         put 0 a one
         start 1
         link 0 1
         deliver 0 1 messages 1
         held 1 0
         fails choose 1
         wait 100
         expect 1 a one
         whole",
    );
}

/// An attachment that came before the peer was joined was forgotten; after an overflow what had
/// been dropped counted as acknowledged.
#[test]
fn what_was_dropped_before_a_peer_joined_is_not_acknowledged() {
    scenario(
        2,
        "declare policy=yield_island
         start 1
         wait 60
         start 0
         link 0 1
         deliver 1 0 messages 1
         deliver 0 1 messages 2
         hold 1 0 ops 1000
         put 1 a one
         overflow 1 0
         put 1 b two
         wait 100
         put 1 c three
         wait 1500
         expect 0 a one
         expect 0 b two
         acked 1
         whole",
    );
}

/// The word of an island took the place of a write that came after its clock, and was older by its
/// stamp.
#[test]
fn an_islands_word_is_newer_than_what_it_overrules() {
    scenario(
        2,
        "declare policy=last_writer_wins merge=hold
         start all
         clock 1 20
         clock 0 -20
         wait 60
         put 0 a left
         put 1 a right
         link 0 1
         wait 1000
         choose 0
         deliver 0 1 messages 9
         answer 1 0 1
         put 1 a later          # while the answer is being walked
         wait 300
         put 0 b one
         wait 100
         expect 1 b one
         whole",
    );
}
