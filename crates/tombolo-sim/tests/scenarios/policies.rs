//! What becomes of concurrent writes by the policies.

use crate::scenario;

/// Two nodes write a key apart, meet, and all is told.
fn conflict(policy: &str, expected: &str) {
    let story = format!(
        "declare policy={policy}
         start all
         wait 60
         put 0 a 9older
         wait 10
         put 1 a 1newer
         link 0 1
         link 0 2
         link 1 2
         wait 400
         {expected}
         whole"
    );
    scenario(3, &story);
}

#[test]
fn newest_shows_and_keeps_the_value_that_was_written_last() {
    conflict(
        "newest",
        "expect 2 a 1newer
         siblings 2 a 1newer
         outcomes a 1
         ledger 0 1",
    );
}

#[test]
fn last_version_shows_and_keeps_the_value_with_the_greatest_field() {
    conflict(
        "last_version(/version)",
        "expect 2 a 9older
         siblings 0 a 9older
         outcomes a 1",
    );
}

#[test]
fn merge_only_keeps_all_and_raises_the_alarm_everywhere() {
    conflict(
        "merge_only",
        "expect 2 a 1newer
         siblings 2 a 1newer 9older
         outcomes a 0
         alarms 0 1
         alarms 1 1
         alarms 2 1
         put 2 a settled
         wait 20
         alarms 0 0
         siblings 1 a settled",
    );
}

#[test]
fn a_resolver_that_deletes_leaves_nothing() {
    conflict("resolve(deletes)", "expect 0 a -\nexpect 2 a -\noutcomes a 1\nledger 0 1");
}

#[test]
fn a_resolver_that_keeps_both_writes_nothing_and_asks_nobody() {
    conflict("resolve(keeps)", "siblings 2 a 1newer 9older\noutcomes a 0\nalarms 0 0");
}

#[test]
fn equal_values_are_no_conflict() {
    scenario(
        2,
        "declare policy=merge_only
         start all
         wait 60
         put 0 a same
         wait 10
         put 1 a same
         link 0 1
         wait 300
         expect 0 a same
         alarms 0 0
         ledger 0 0
         outcomes a 1           # one takes the place of the two
         whole",
    );
}

#[test]
fn a_write_that_a_delete_had_not_seen_survives_it() {
    scenario(
        2,
        "declare policy=newest
         start all
         link 0 1
         wait 60
         put 0 a one
         wait 20
         cut 0 1
         wait 20
         put 0 a two
         wait 10
         del 1 a                # later, and it saw `one` only
         heal 0 1
         wait 400
         expect 0 a two
         expect 1 a two
         whole",
    );
}

/// Finding 6 of the models: what was deleted and written anew is no conflict, although a node that
/// lacks the delete holds both.
#[test]
fn a_value_written_after_a_delete_is_no_sibling_of_what_was_deleted() {
    scenario(
        4,
        "declare policy=merge_only
         start all
         link all
         wait 60
         put 3 a old
         wait 60
         hold 1 0 ops 400
         hold 1 0 messages 400
         hold 1 3 ops 400
         hold 1 3 messages 400
         del 1 a
         rest
         put 2 a new            # has seen the delete
         rest
         siblings 0 a new old   # has not
         wait 200
         alarms 0 0
         outcomes a 0
         wait 400
         siblings 0 a new
         alarms 0 0
         ledger 0 0
         whole",
    );
}

#[test]
fn leaders_that_dispute_each_other_come_to_rest() {
    scenario(
        4,
        "declare policy=resolve(merges)
         start all
         wait 60
         put 2 a 000000001
         put 3 a 000000002
         cut 0 1                # both believe that they lead
         link 0 2
         link 0 3
         link 1 2
         link 1 3
         link 2 3
         wait 60
         hold 0 2 ops 100
         hold 0 3 ops 100
         hold 1 2 ops 100
         hold 1 3 ops 100
         wait 600
         outcomes a 2
         expect 0 a 000000001000000002
         expect 3 a 000000001000000002
         heal 0 1
         wait 400
         outcomes a 2
         whole",
    );
}

#[test]
fn a_table_is_altered_while_all_write() {
    scenario(
        3,
        "start all
         link all
         wait 60
         put 0 a one
         wait 20
         cut 0 2
         cut 1 2
         wait 20
         put 0 a two
         wait 10
         put 2 a three
         alter 0 policy=merge_only
         rest
         put 1 b left           # has heard of it
         put 2 b right          # has not: it comes before
         heal 0 2
         heal 1 2
         wait 600
         expect 0 a three       # written before: the newest wins
         siblings 2 a three
         siblings 0 b left
         cut 0 2
         cut 1 2
         wait 20
         put 0 c left
         put 2 c right
         heal 0 2
         heal 1 2
         wait 600
         siblings 1 c left right
         alarms 1 1
         put 2 c one
         wait 20
         siblings 0 c one
         whole",
    );
}

#[test]
fn two_islands_alter_a_table_differently_and_agree_when_they_meet() {
    scenario(
        2,
        "start all
         link 0 1
         wait 60
         put 0 a one
         wait 20
         cut 0 1
         wait 20
         alter 0 policy=newest
         alter 1 policy=merge_only
         put 0 a left
         put 1 a right
         heal 0 1
         wait 600
         put 0 b both
         wait 20
         expect 1 b both
         whole",
    );
}

/// One merge discarded two values, of which somebody had seen one: the note of both was gone.
#[test]
fn the_ledger_keeps_what_nobody_had_seen_although_somebody_had_seen_another() {
    scenario(
        4,
        "declare policy=merge_only
         start all
         clock 2 20
         wait 60
         put 0 a one
         put 1 a two
         link 3 0
         link 3 1
         link 0 1
         wait 200
         siblings 3 a one two
         alter 2 policy=last_writer_wins
         put 2 a three
         hold 3 2 messages 300
         link 3 2
         link 0 2
         link 1 2
         wait 600
         expect 0 a three
         expect 3 a three
         whole",
    );
}
