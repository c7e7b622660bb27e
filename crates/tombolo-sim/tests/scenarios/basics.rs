//! Deletes, syncs, gaps, expiry: what the replication rules promise of any table.

use crate::scenario;

#[test]
fn a_delete_during_a_split_stays_deleted() {
    scenario(
        3,
        "start 0 1 2
         link all
         wait 60
         put 0 a one
         wait 20
         expect 2 a one
         cut 0 2
         cut 1 2
         wait 20
         del 0 a
         expect 0 a -
         expect 2 a one
         wait 100
         expect 1 a -
         tombstones 0 1          # the node that is cut off has not seen it
         heal 0 2
         heal 1 2
         wait 300
         expect 2 a -
         tombstones 0 0
         tombstones 2 0
         whole
         expect 2 a -",
    );
}

#[test]
fn after_an_overflow_and_then_silence_all_converges() {
    scenario(
        2,
        "start 0 1
         link 0 1
         wait 60
         put 0 a one
         overflow 0 1
         put 0 b two
         put 0 c three
         waiting 0
         wait 100               # nobody writes any more
         expect 1 a one
         expect 1 b two
         expect 1 c three
         acked 0
         whole",
    );
}

#[test]
fn a_restarted_node_gets_everything_back_before_it_writes() {
    scenario(
        3,
        "start 0 1 2
         link all
         wait 60
         put 0 a one
         put 1 b two
         wait 20
         crash 1
         wait 20
         restart 1
         link 0 1
         link 1 2
         wait 60
         expect 1 a one
         expect 1 b two
         del 1 b
         wait 20
         expect 0 b -
         whole
         tombstones 0 0",
    );
}

#[test]
fn an_op_beyond_a_gap_is_acknowledged_once_the_prefix_is_there() {
    scenario(
        2,
        "start 0 1
         link 0 1
         wait 60
         put 0 a one
         rest
         acked 0
         put 0 b two
         overflow 0 1           # `b` is lost on the way
         resume 0 1
         put 0 c three
         deliver 0 1 messages 1 # where the ops go on
         deliver 0 1 messages 1
         deliver 0 1 ops 1
         expect 1 c three       # beyond the gap, and taken in
         expect 1 b -
         waiting 0
         rest
         expect 1 b two
         acked 0
         whole",
    );
}

#[test]
fn a_link_that_flaps_in_the_middle_of_a_sync_loses_nothing() {
    scenario(
        2,
        "start 0 1
         wait 60
         put 0 a one
         put 0 b two
         put 0 c three
         wait 10
         put 1 b later
         link 0 1
         deliver 0 1 messages 1 # declarations
         deliver 1 0 messages 1
         deliver 1 0 messages 2 # attachment, ask
         deliver 0 1 messages 2
         answer 0 1 3
         deliver 0 1 messages 2
         unlink 0 1
         put 0 d four
         del 0 a
         link 0 1
         wait 30
         expect 1 a -
         expect 0 b later
         expect 1 c three
         expect 1 d four
         whole",
    );
}

#[test]
fn two_nodes_create_the_same_table_and_both_had_written_before_they_met() {
    scenario(
        2,
        "start 0 1
         wait 60
         put 0 a one
         wait 10
         put 1 a two
         put 1 b three
         link 0 1
         wait 20
         expect 0 a two
         expect 1 a two
         expect 0 b three
         whole",
    );
}

#[test]
fn a_node_that_cannot_reach_another_gets_its_writes_from_a_third() {
    scenario(
        3,
        "start 0 1 2
         cut 0 2
         link 0 1
         link 1 2
         wait 60
         put 0 a one
         wait 60
         expect 2 a one
         del 2 a
         wait 60
         expect 0 a -
         wait 200
         tombstones 0 0         # stable all the same: reports are passed on
         tombstones 2 0
         whole",
    );
}

#[test]
fn an_expired_value_is_hidden_at_once_and_swept_later_everywhere() {
    scenario(
        2,
        "start 0 1
         link 0 1
         wait 60
         put 0 a one
         put 0 a two 30
         rest
         expect 1 a two
         wait 40
         expect 0 a -
         expect 1 a -
         wait 300
         tombstones 0 0
         tombstones 1 0
         expect 1 a -
         whole",
    );
}

#[test]
fn a_write_does_not_wait_for_a_peer_that_is_gone() {
    scenario(
        3,
        "start 0 1 2
         link all
         wait 60
         cut-way 2 0
         put 0 a one
         rest
         acked 0
         whole",
    );
}

/// The end of a sync covers deletes that the answerer has dropped, so their stamps come with no
/// entry: the answer brings the answerer's clock.
#[test]
fn a_write_is_newer_than_a_delete_that_its_writer_knows_only_from_a_sync() {
    scenario(
        3,
        "start 0 1 2
         clock 1 20
         clock 2 -20            # within what clocks may differ
         link 0 1
         wait 60
         put 0 a one
         wait 100
         hold 0 1 control 1000  # node 1 will not drop the delete
         del 1 a
         rest
         wait 40
         clock 0 20
         tick 0
         tombstones 0 0
         tombstones 1 1
         cut 1 2
         link 0 2
         rest
         put 2 a new
         rest
         expect 0 a new
         heal 1 2
         link 1 2
         wait 30
         expect 1 a new
         whole",
    );
}

#[test]
fn while_the_end_of_a_sync_is_applied_a_deleted_value_that_comes_late_is_not_shown() {
    scenario(
        3,
        "start 0 1 2
         link all
         wait 60
         put 0 a one
         wait 20
         hold 2 0 ops 5000
         hold 2 1 ops 60
         put 2 a old
         wait 10
         del 1 a
         wait 50                # all have seen the delete, and node 0 lacks `old`
         wait 40
         tombstones 1 0
         tombstones 0 1
         unlink 0 1
         put 1 b two
         link 0 1
         deliver 0 1 messages 1 # declarations
         deliver 1 0 messages 1
         deliver 0 1 messages 2 # attachment, ask
         answer 1 0 8
         deliver 1 0 messages 8
         finish 0
         finish 0
         hold 2 0 ops 0
         deliver 2 0 ops 1      # `old`, at last
         expect 0 a -
         finish 0
         finish 0
         finish 0
         expect 0 a -
         whole",
    );
}
