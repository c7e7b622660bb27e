//! The mistakes that other systems of this kind are known for. The number is that of the pain in
//! the survey of the field.

use crate::scenario;

/// 1: a blip of milliseconds left clusters split for days.
#[test]
fn a_split_of_a_moment_heals_by_itself() {
    scenario(
        3,
        "start all
         link all
         wait 60
         cut 0 1
         put 0 a one
         put 1 b two
         rest                   # both ends find the link broken
         heal 0 1               # no time has passed
         wait 150
         links 0 2
         links 1 2
         expect 1 a one
         expect 0 b two
         missing 0 0
         whole",
    );
}

/// 1: after a day nobody dialled a node any more that was thought dead.
#[test]
fn a_node_that_was_gone_for_long_is_dialled_again() {
    scenario(
        3,
        "start all
         link all
         wait 60
         cut 0 2
         cut 1 2
         wait 20
         down 0 2
         down 1 2
         put 0 a one
         put 2 b two
         wait 5000
         links 0 1
         heal 0 2
         heal 1 2
         wait 300
         links 2 2
         expect 2 a one
         expect 0 b two
         whole",
    );
}

/// 2: whoever was away brought back what had been deleted meanwhile.
#[test]
fn a_deleted_record_does_not_come_back_with_a_node_that_was_away() {
    for policy in ["last_writer_wins", "newest", "merge_only", "resolve(merges)"] {
        let story = format!(
            "declare policy={policy}
             start all
             link all
             wait 60
             put 0 a one
             wait 20
             cut 0 2
             cut 1 2
             wait 20
             del 1 a
             wait 5000              # longer than anybody keeps tombstones
             heal 0 2
             heal 1 2
             wait 400
             expect 2 a -
             expect 0 a -
             expect 1 a -
             whole
             tombstones 0 0"
        );
        scenario(3, &story);
    }
}

/// 2: a third node that was linked to both kept a row that the two had agreed to delete.
#[test]
fn a_third_node_does_not_keep_what_two_have_deleted() {
    scenario(
        3,
        "declare policy=newest
         start all
         link all
         wait 60
         put 0 a one
         wait 20
         hold 0 2 ops 200
         hold 0 2 messages 200
         del 0 a
         rest
         expect 1 a -
         crash 0
         wait 400
         expect 2 a -
         expect 1 a -
         whole",
    );
}

/// 3: an update that overtook another was hidden from anti-entropy by a version number.
#[test]
fn updates_that_overtake_each_other_make_no_healthy_nodes_differ() {
    scenario(
        3,
        "declare policy=newest
         start all
         link all
         wait 60
         put 0 a one
         rest
         hold 0 2 ops 30
         put 0 a two
         rest
         put 1 a three              # has seen `two`, node 2 has not
         rest
         expect 2 a three
         wait 60
         siblings 2 a three
         siblings 0 a three
         outcomes a 0
         whole",
    );
}

/// 3: keys were lost at write rates near the interval of the sync.
#[test]
fn writes_at_the_interval_of_the_sync_are_not_lost() {
    let mut story = "start all\nlink all\nwait 60\n".to_string();
    for write in 0..12 {
        // The queue overflows each time, so that every second write needs a sync.
        story += &format!("put 0 k{write} v{write}\noverflow 0 1\nwait 250\n");
    }
    for write in 0..12 {
        story += &format!("expect 1 k{write} v{write}\nexpect 2 k{write} v{write}\n");
    }
    scenario(3, &(story + "whole"));
}

/// 4: the eighth node of a cluster hung in its join, and all others with it.
#[test]
fn ten_nodes_join_at_once() {
    let mut story = "start all\nlink all\nwait 80\n".to_string();
    for node in 0..10 {
        story += &format!("open {node}\nlinks {node} 9\nput {node} k{node} v{node}\n");
    }
    story += "wait 60\n";
    for node in 0..10 {
        story += &format!("expect {} k{node} v{node}\nacked {node}\n", (node + 5) % 10);
    }
    scenario(10, &(story + "whole"));
}

/// 4: a join paused the tables of all nodes.
#[test]
fn nobody_stops_writing_while_a_node_joins() {
    scenario(
        3,
        "start 0 1
         link 0 1
         wait 60
         put 0 a one
         put 1 b two
         wait 10
         start 2
         link 0 2
         link 1 2
         deliver 0 2 messages 1 # declarations
         deliver 2 0 messages 3
         answer 0 2 1
         put 0 c three
         put 1 a four
         answer 0 2 1
         del 1 b
         wait 100
         expect 2 a four
         expect 2 b -
         expect 2 c three
         acked 0
         acked 1
         whole",
    );
}

/// 4: the join hung for ever when the node that led it died.
#[test]
fn the_leader_may_die_in_the_middle_of_a_join() {
    scenario(
        4,
        "start 0 1 2
         link all
         wait 60
         put 0 a one
         put 1 b two
         put 2 c three
         wait 20
         start 3
         link 0 3
         link 1 3
         link 2 3
         deliver 0 3 messages 1
         deliver 1 3 messages 1
         deliver 2 3 messages 1
         deliver 3 0 messages 3
         deliver 3 1 messages 3
         answer 0 3 2
         crash 0
         wait 200
         open 3
         expect 3 a one
         expect 3 b two
         expect 3 c three
         put 3 d four
         wait 20
         expect 2 d four
         whole",
    );
}

/// 5: a node that was being filled answered with nothing, and nobody could tell.
#[test]
fn a_node_that_is_not_full_yet_says_so_and_takes_no_writes() {
    scenario(
        2,
        "start 0
         wait 60
         put 0 a one
         put 0 b two
         start 1
         link 0 1
         deliver 0 1 messages 1
         deliver 1 0 messages 3
         deliver 0 1 messages 2
         answer 0 1 2
         deliver 0 1 messages 2
         shut 1
         missing 1 1
         fails put 1 c three
         wait 80
         open 1
         missing 1 0
         expect 1 a one
         expect 1 b two
         put 1 c three
         whole",
    );
}

/// 6: restarting one node after the other lost data, or flooded the network.
#[test]
fn a_rolling_restart_loses_nothing() {
    let mut story = "declare policy=newest\nstart all\nlink all\nwait 60\n".to_string();
    story += "put 0 a one\nput 1 b two\nput 2 c three\nwait 20\ndel 1 a\nwait 20\n";
    for node in [0, 1, 2] {
        story += &format!("crash {node}\nwait 20\nrestart {node}\nwait 20\n");
        for other in (0..3).filter(|other| *other != node) {
            story += &format!("link {node} {other}\n");
        }
        story += &format!("wait 80\nopen {node}\nput {node} r{node} again\nwait 20\n");
    }
    for node in [0, 1, 2] {
        story += &format!("expect {node} a -\nexpect {node} b two\nexpect {node} c three\n");
        story += &format!("expect {node} r0 again\nexpect {node} r2 again\n");
    }
    scenario(3, &(story + "whole"));
}

/// 7: four hundred nodes were seen as six thousand, and tombstones were kept for ever.
#[test]
fn neither_dead_members_nor_tombstones_pile_up() {
    let mut story = "start 0 1\nlink 0 1\nwait 60\n".to_string();
    for _ in 0..20 {
        story += "put 1 a one\nwait 10\ndel 1 a\nwait 20\ncrash 1\nwait 10\nrestart 1\n";
        story += "link 0 1\nwait 80\nopen 1\n";
    }
    story += "wait 100\nmembers 0 1\nmembers 1 1\ntombstones 0 0\ntombstones 1 0\nwhole";
    scenario(2, &story);
}

/// 8: nothing showed that a cluster was split, nor when it was whole again.
#[test]
fn a_split_is_seen_on_both_sides_and_so_is_its_end() {
    scenario(
        3,
        "declare policy=ignore
         start all
         link all
         wait 60
         put 0 a one
         wait 20
         cut-way 2 0            # one direction is enough
         cut-way 2 1
         wait 20
         links 0 1
         links 1 1
         links 2 0
         put 0 a left
         put 2 a right
         heal 2 0
         heal 2 1
         wait 900
         links 2 2
         held 0 2
         held 2 0
         joined 0 1
         approve 0
         approve 1
         wait 100
         joined 0 2
         joined 2 1
         missing 2 0
         whole",
    );
}

/// 13: conflict functions ran on two nodes at once, had to agree, and did not.
#[test]
fn one_node_resolves_a_conflict_and_all_have_its_outcome() {
    scenario(
        3,
        "declare policy=resolve(merges)
         start all
         link all
         wait 60
         cut 0 1
         cut 0 2
         cut 1 2
         wait 20
         put 0 a 000000001
         put 1 a 000000002
         put 2 a 000000003
         heal 0 1
         heal 0 2
         heal 1 2
         wait 500
         expect 0 a 000000001000000002000000003
         expect 1 a 000000001000000002000000003
         expect 2 a 000000001000000002000000003
         outcomes a 1
         whole",
    );
}

/// 13: a node was restarted because its conflict function threw.
#[test]
fn a_resolver_that_throws_harms_nobody() {
    scenario(
        2,
        "declare policy=resolve(throws)
         start all
         wait 60
         put 0 a one
         wait 10
         put 1 a two
         put 1 b three
         link 0 1
         wait 300
         runs 0
         runs 1
         siblings 0 a one two
         siblings 1 a one two
         alarms 0 1
         alarms 1 1
         outcomes a 0
         expect 0 b three
         put 1 a decided        # somebody has seen both, and decides
         wait 20
         expect 0 a decided
         alarms 0 0
         alarms 1 0
         whole",
    );
}

/// 14: the merge after a split threw away what one side had written.
#[test]
fn a_merge_keeps_what_both_sides_wrote() {
    for policy in ["last_writer_wins", "newest", "yield_island", "resolve(merges)"] {
        let story = format!(
            "declare policy={policy}
             start all
             link all
             wait 60
             cut 0 2
             cut 1 2
             wait 20
             put 0 left one
             put 2 right two
             heal 0 2
             heal 1 2
             wait 4000
             expect 0 right two
             expect 1 right two
             expect 2 left one
             ledger 0 0
             whole"
        );
        scenario(3, &story);
    }
}

/// 14: what a merge had to throw away was gone without a trace.
#[test]
fn what_a_merge_discards_is_in_the_ledger() {
    for policy in ["last_writer_wins", "newest"] {
        let story = format!(
            "declare policy={policy}
             start all
             wait 60
             put 0 a older
             wait 10
             put 1 a newer
             link 0 1
             wait 300
             expect 0 a newer
             expect 1 a newer
             ledger 0 1
             ledger 1 1
             whole"
        );
        scenario(2, &story);
    }
}

/// 16: one slow node made all others wait.
#[test]
fn a_slow_node_does_not_hold_up_the_others() {
    scenario(
        3,
        "start all
         link all
         wait 60
         hold 0 2 ops 2000
         hold 0 2 messages 2000
         hold 1 2 ops 2000
         hold 1 2 messages 2000
         put 0 a one
         rest
         expect 1 a one         # the fast one has it at once
         waiting 0              # and the writer knows who lacks it
         overflow 0 2
         put 1 a two
         put 0 b three
         rest
         expect 0 a two
         expect 1 b three
         wait 2500
         expect 2 a two
         expect 2 b three
         acked 0
         acked 1
         whole",
    );
}

/// 17: what two nodes wrote that only a third could reach both did not meet.
#[test]
fn a_partial_split_is_bridged_by_whoever_reaches_both_sides() {
    scenario(
        4,
        "declare policy=newest owner_down=hide
         start all
         link all
         wait 60
         put 3 d mine
         wait 20
         cut 0 3
         cut 1 3                # node 2 reaches all
         wait 40
         put 0 a one
         put 3 b two
         wait 60
         expect 3 a one
         expect 0 b two
         expect 0 d mine        # its owner is up, whatever the links do
         hidden 0 0
         hidden 1 0
         del 3 b
         wait 60
         expect 0 b -
         cut 1 2                # a chain: 1 - 0 - 2 - 3
         wait 40
         put 1 e far
         wait 100
         expect 3 e far
         hidden 3 0
         whole",
    );
}
