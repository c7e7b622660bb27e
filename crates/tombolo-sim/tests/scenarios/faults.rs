//! Clocks, names, owners, fills: what goes wrong around the tables.

use crate::scenario;

#[test]
fn what_comes_from_too_far_in_the_future_waits_until_the_clocks_meet() {
    scenario(
        3,
        "start all
         link all
         wait 60
         put 1 a before
         wait 20
         wrong 0 1000
         put 0 a future
         wait 100
         expect 1 a before
         parked 1 0
         waiting 0
         put 1 a now            # is not beaten by what is yet to come
         wait 40
         expect 2 a now
         wrong 0 0
         wait 1500
         expect 1 a future
         expect 2 a future
         acked 0
         whole",
    );
}

#[test]
fn of_two_processes_of_one_name_the_older_stops_when_it_hears_of_the_newer() {
    scenario(
        3,
        "start all
         link all
         wait 60
         put 2 a one
         wait 20
         cut 0 2
         cut 1 2
         wait 20
         put 2 b lost           # nobody else has it
         twin 2
         link 0 1
         wait 60
         heal 0 2
         heal 1 2
         link 0 2
         wait 200
         open 2
         expect 2 a one
         expect 0 a one
         whole",
    );
}

#[test]
fn the_same_name_comes_back_with_an_empty_memory_and_continues() {
    scenario(
        2,
        "declare policy=newest
         start all
         link 0 1
         wait 60
         put 1 a one
         put 1 b two
         wait 20
         crash 1
         wait 10
         del 0 a
         restart 1
         link 0 1
         wait 80
         expect 1 a -
         expect 1 b two
         put 1 b three
         wait 20
         siblings 0 b three
         whole",
    );
}

#[test]
fn records_of_a_node_that_is_down_are_hidden_and_come_back_with_it() {
    scenario(
        3,
        "declare policy=newest owner_down=hide
         start all
         link all
         wait 60
         put 2 a mine
         put 0 b other
         wait 20
         cut 0 2
         cut 1 2
         wait 20
         expect 0 a mine        # a link that is down is no node that is down
         down 0 2
         expect 0 a -
         hidden 0 1
         expect 1 a mine
         down 1 2
         expect 1 a -
         up 0 2
         expect 0 a mine
         hidden 0 0
         down 0 2
         heal 0 2
         heal 1 2
         wait 300
         expect 0 a mine
         expect 1 a mine
         whole",
    );
}

#[test]
fn records_go_with_their_owner_when_a_newer_process_takes_its_name() {
    scenario(
        3,
        "declare policy=newest owner_down=hide
         start all
         link all
         wait 60
         put 2 a mine
         put 2 b mine
         put 0 b ours
         wait 20
         crash 2
         wait 20
         restart 2
         link 0 2
         wait 300
         expect 0 a -
         expect 1 a -           # heard of it from node 0
         expect 2 a -
         expect 1 b ours
         whole",
    );
}

/// A node that starts declares the table as it was once. What it made of owners then is over when
/// it hears of the alteration.
#[test]
fn a_table_that_was_altered_not_to_hide_keeps_the_records_of_earlier_processes() {
    scenario(
        2,
        "declare policy=newest owner_down=hide
         start all
         link 0 1
         wait 60
         alter 0 policy=newest owner_down=keep
         rest
         put 1 a mine
         wait 20
         crash 1
         wait 20
         restart 1
         link 0 1
         wait 200
         expect 1 a mine
         expect 0 a mine
         whole",
    );
}

#[test]
fn a_write_does_not_replace_what_is_hidden() {
    scenario(
        2,
        "declare policy=newest owner_down=hide
         start all
         link 0 1
         wait 60
         put 1 a mine
         wait 20
         cut 0 1
         wait 20
         down 0 1
         put 0 a ours
         heal 0 1
         wait 300
         siblings 0 a mine ours
         outcomes a 0
         alarms 0 0
         whole",
    );
}

/// A local write kept what was hidden; every other node removed it, because it was older and from
/// the time when the last writer won.
#[test]
fn what_is_hidden_of_a_last_writer_wins_epoch_goes_with_a_newer_write() {
    scenario(
        2,
        "start all
         link 0 1
         wait 60
         put 1 a mine
         wait 20
         alter 0 policy=newest owner_down=hide
         rest
         cut 0 1
         wait 20
         down 0 1
         expect 0 a -
         put 0 a ours
         siblings 0 a ours
         heal 0 1
         wait 300
         siblings 0 a ours
         siblings 1 a ours
         whole",
    );
}

#[test]
fn a_table_that_is_filled_from_three_survives_the_end_of_one() {
    let mut story = "start 0 1 2\nlink all\nwait 60\n".to_string();
    for key in 0..9 {
        story += &format!("put {} k{key} v{key}\n", key % 3);
    }
    story += "wait 30\nstart 3\nlink 3 0\nlink 3 1\nlink 3 2\n\
              deliver 0 3 messages 1\ndeliver 1 3 messages 1\ndeliver 2 3 messages 1\n\
              tick 3\n\
              deliver 3 0 messages 3\ndeliver 3 1 messages 3\ndeliver 3 2 messages 3\n\
              answer 0 3 3\nanswer 1 3 3\nanswer 2 3 3\ncrash 1\nwait 300\nopen 3\n";
    for key in 0..9 {
        story += &format!("expect 3 k{key} v{key}\n");
    }
    scenario(4, &(story + "whole"));
}

#[test]
fn fast_and_slow_nodes_end_with_the_same() {
    let mut story =
        "declare policy=last_version(/version)\nstart all\nlink all\nwait 60\n".to_string();
    for round in 0..10 {
        story += &format!(
            "hold 0 1 ops {}\nhold 1 2 messages {}\nhold 2 0 control {}\n\
             put 0 a {}zero\nput 1 a {}one\nput 2 a {}two\nwait 20\n",
            40 + 7 * round,
            90 - 5 * round,
            30,
            round % 4,
            (round + 1) % 4,
            (round + 2) % 4
        );
    }
    scenario(3, &(story + "wait 300\nwhole"));
}
