//! First fillings in parts, and questions that leave origins out.

use super::{LEFT, RIGHT, config, gaps, told};
use crate::replica::answers::{Answers, exchange};
use crate::replica::history::history;
use crate::replica::setup::{Setup, any_setup};
use crate::replica::{Op, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Aim, Dot, Entry, Incarnation, Mark, Stamp, part_of};

const THIRD: Incarnation = Incarnation(13);

/// More origins than a question names one by one.
const CROWD: u64 = 280;

/// Origins that each wrote once, and some twice; every write saw the one before it of its key.
fn crowd_ops(setup: &Setup) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    let mut last: [Option<Dot>; 16] = [None; 16];
    for (round, origin) in (1..=2).flat_map(|round| (0..CROWD).map(move |o| (round, o))) {
        if round == 2 && origin % 3 > 0 {
            continue;
        }
        let key = (origin % 16) as usize;
        let dot = Dot { origin: Incarnation(1_000 + origin), seq: round };
        let entry = Entry {
            dot,
            stamp: Stamp((1_000 << 16) + round * CROWD + origin),
            mark: Mark::default(),
            expires: None,
            value: (origin % 5 > 0).then(|| [origin as u8].as_slice().into()),
        };
        let replaces = last[key].replace(dot).into_iter().collect();
        ops.push(Op { key: setup.key(key as u8, 0), entry, replaces });
    }
    ops
}

/// A replica that got the first so many ops, but for some, and linked everybody.
fn in_crowd(setup: &Setup, id: Incarnation, ops: &[Op], missed: &[u64]) -> Replica {
    let mut replica = Replica::new(id, setup);
    (0..CROWD).for_each(|origin| replica.link(Incarnation(1_000 + origin), 0));
    for op in ops.iter().filter(|op| !missed.contains(&(op.entry.dot.origin.0 - 1_000))) {
        replica.take_in(op);
    }
    replica
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_filling_in_parts_and_the_joins_after_it_are_the_joins_alone(
        history in history(any_setup()),
        turns in [gaps(), gaps()],
    ) {
        let mut right = told(&history, RIGHT, &turns[0]);
        let mut third = told(&history, THIRD, &turns[1]);
        let mut filled = Replica::new(LEFT, &history.setup);
        for (index, peer) in [(0, &mut right), (1, &mut third)] {
            let before = filled.snapshot();
            exchange(&mut filled, peer, Aim::Fill { index, of: 2 });
            let after = filled.snapshot();
            prop_assert_eq!(&after.seen, &before.seen);
            prop_assert_eq!(filled.table.ledger().noted(), 0);
            let new = after.entries.iter().filter(|(key, _)| !before.entries.contains_key(*key));
            for (key, held) in new {
                prop_assert_eq!(part_of(key, 2), index);
                prop_assert_eq!(held, &peer.snapshot().entries[key]);
            }
            for key in peer.snapshot().entries.keys().filter(|key| part_of(key, 2) == index) {
                prop_assert!(after.entries.contains_key(key));
            }
        }
        let mut joined = Replica::new(LEFT, &history.setup);
        for peer in [&mut right, &mut third] {
            exchange(&mut filled, peer, Aim::Join);
            exchange(&mut joined, peer, Aim::Join);
        }
        filled.age();
        joined.age();
        prop_assert_eq!(filled.snapshot().seen, joined.snapshot().seen);
        prop_assert_eq!(filled.snapshot().fingerprint, joined.snapshot().fingerprint);
        prop_assert_eq!(filled.values(), joined.values());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..config() })]

    #[test]
    fn a_question_that_leaves_origins_out_leads_to_what_the_whole_one_does(
        siblings in any::<bool>(),
        asker in (0usize..400, vec(0..CROWD, 0..3)),
        answerer in (0usize..400, vec(0..CROWD, 0..3)),
        same in any::<bool>(),
        members in vec(0..CROWD, 0..4),
    ) {
        let setup = if siblings { Setup::siblings() } else { Setup::last_writer_wins() };
        let ops = crowd_ops(&setup);
        let all = |(most, missed): &(usize, Vec<u64>), id| {
            in_crowd(&setup, id, &ops[..ops.len().min(CROWD as usize + most)], missed)
        };
        let answerer = if same { &asker } else { &answerer };
        let mut right = all(answerer, RIGHT);
        let mut lefts = [all(&asker, LEFT), all(&asker, LEFT)];
        for (left, named) in lefts.iter_mut().zip([vec![], (0..=255).collect()]) {
            let members = members.iter().map(|member| Incarnation(1_000 + member));
            left.table.set_members(members.collect());
            let mut answers = Answers::default();
            answers.ask_with(left, &mut right, Aim::Join, named);
            answers.run(left, &mut right);
            prop_assert!(!same || answers.asked_more == 0, "equal tables need no second question");
        }
        let [short, whole] = lefts;
        prop_assert_eq!(short.snapshot(), whole.snapshot());
    }
}
