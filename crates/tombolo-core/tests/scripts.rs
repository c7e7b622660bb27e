//! Golden dialogues between nodes. They are the protocol, told by examples: read `scripts/`.

mod dialogue;

macro_rules! scripts {
    ($($name:ident,)*) => {
        $(#[test]
        fn $name() {
            dialogue::check(stringify!($name));
        })*

        #[test]
        fn every_script_is_played() {
            let mut played = vec![$(stringify!($name)),*];
            played.sort_unstable();
            assert_eq!(dialogue::scripts(), played);
        }
    };
}

scripts! {
    a_broken_link_in_the_middle_of_a_sync,
    a_delete_becomes_stable,
    a_first_filling_in_parts,
    a_first_sync_cut_off,
    a_held_table_is_approved,
    a_hidden_owner,
    a_mismatched_declaration,
    a_node_between_two_others,
    a_parked_op,
    a_restart,
    a_side_is_chosen,
    a_write_and_its_acknowledgement,
    an_alteration_spreads,
    an_expired_record,
    concurrent_writes,
    ops_dropped_from_a_full_queue,
    siblings_are_concluded,
    two_nodes_meet,
}
