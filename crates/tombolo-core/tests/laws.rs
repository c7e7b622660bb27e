//! The laws of the algebra and of the replicas, on random histories.

mod replica;

use proptest::collection::vec;
use proptest::prelude::*;
use replica::history::{History, change, history};
use replica::{Answers, Contents, ORIGINS, Op, Replica, winners};
use tombolo_core::{Change, Dot, Incarnation, Millis, Store, VersionVector};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

fn vector() -> impl Strategy<Value = VersionVector> {
    let pairs = vec((0u64..5, 0u64..6), 0..8);
    pairs.prop_map(|pairs| pairs.into_iter().map(|(o, seq)| (Incarnation(o), seq)).collect())
}

fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

/// Every dot that a vector of the strategy above may cover, and some beyond.
fn dots() -> impl Iterator<Item = Dot> {
    (0..5).flat_map(|o| (1..8).map(move |seq| Dot { origin: Incarnation(o), seq }))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn join_is_commutative_associative_and_idempotent(a in vector(), b in vector(), c in vector()) {
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a.clone());
        prop_assert_eq!(joined(&a, &VersionVector::new()), a);
    }

    #[test]
    fn what_is_beyond_a_base_restores_the_whole_on_it(a in vector(), base in vector()) {
        let beyond = a.beyond(&base);
        prop_assert_eq!(joined(&base, &beyond), joined(&base, &a));
        prop_assert!(beyond.iter().all(|(o, seq)| seq > base.reach(o) && seq == a.reach(o)));
        prop_assert_eq!(beyond.is_empty(), base.includes(&a));
    }

    #[test]
    fn a_vector_includes_what_covers_no_dot_more(a in vector(), b in vector()) {
        let by_dots = dots().all(|dot| !b.covers(dot) || a.covers(dot));
        prop_assert_eq!(a.includes(&b), by_dots);
        prop_assert_eq!(a.includes(&b), joined(&a, &b) == a);
        prop_assert_eq!(a.includes(&b) && b.includes(&a), a == b);
        let both = joined(&a, &b);
        for dot in dots() {
            prop_assert_eq!(both.covers(dot), a.covers(dot) || b.covers(dot));
            prop_assert_eq!(a.covers(dot), dot.seq <= a.reach(dot.origin));
        }
    }
}

const LEFT: Incarnation = Incarnation(11);
const RIGHT: Incarnation = Incarnation(12);

/// A replica that gets the ops in the order of `turns`, and in the end those that were left out.
fn taken_in(ops: &[Vec<Op>], id: Incarnation, turns: &[usize]) -> Replica {
    let mut replica = Replica::new(id);
    for origin in turns {
        replica.deliver(ops, *origin);
        replica.check_counts();
    }
    for origin in 0..ORIGINS.len() {
        while replica.deliver(ops, origin) {
            replica.check_counts();
        }
    }
    replica
}

proptest! {
    #![proptest_config(config())]

    /// Laws a and d.
    #[test]
    fn any_interleaving_of_all_ops_gives_the_same_table(
        history in history(),
        turns in vec(0usize..3, 0..60),
        other_turns in vec(0usize..3, 0..60),
    ) {
        let left = taken_in(&history.ops, LEFT, &turns).snapshot();
        let right = taken_in(&history.ops, RIGHT, &other_turns).snapshot();
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(left.entries, winners(history.ops.iter().flatten()));
        prop_assert_eq!(left.removed_ahead, []);
    }

    /// Laws a and d, where the ops that were dropped come by syncs with their origins.
    #[test]
    fn gaps_that_syncs_fill_make_no_difference(
        mut history in history(),
        turns in vec((0usize..3, any::<bool>()), 0..60),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
    ) {
        let ops = &history.ops;
        let mut gapped = Replica::new(LEFT);
        for (origin, dropped) in turns {
            if dropped {
                gapped.drop_next(ops, origin);
            } else {
                gapped.deliver(ops, origin);
            }
            gapped.check_counts();
        }
        for origin in order {
            let mut answers = Answers::default();
            answers.ask(&mut gapped, &mut history.origins[origin]);
            answers.run(&mut gapped, &mut history.origins[origin]);
        }
        let whole = taken_in(&history.ops, RIGHT, &[]);
        prop_assert_eq!(gapped.snapshot(), whole.snapshot());
    }

    /// Law b.
    #[test]
    fn an_op_that_comes_again_changes_nothing(
        history in history(),
        turns in vec((0usize..3, prop::bool::weighted(0.2), any::<prop::sample::Index>()), 1..60),
    ) {
        let mut replica = Replica::new(LEFT);
        for (origin, dropped, again) in turns {
            if dropped {
                replica.drop_next(&history.ops, origin);
            } else {
                replica.deliver(&history.ops, origin);
            }
            if replica.told.is_empty() {
                continue;
            }
            let op = again.get(&replica.told).clone();
            let from = op.entry.dot.origin;
            let before = (replica.snapshot(), replica.table.ack_for(from));
            replica.take_in(&op);
            prop_assert_eq!((replica.snapshot(), replica.table.ack_for(from)), before);
            replica.check_counts();
        }
    }
}

/// Something that happens to two replicas that sync with each other. `left` tells to which, or
/// which one asks.
#[derive(Clone, Debug)]
enum Act {
    Deliver {
        left: bool,
        origin: usize,
    },
    Drop {
        left: bool,
        origin: usize,
    },
    Write {
        left: bool,
        key: u8,
        value: Option<u8>,
        expires: Option<u64>,
    },
    Ask {
        left: bool,
    },
    Answer {
        left: bool,
    },
    Arrive {
        left: bool,
    },
    Finish {
        left: bool,
    },
    /// One of the others tells what it has seen; an origin, what it had seen at some moment.
    Report {
        left: bool,
        about: usize,
        at: prop::sample::Index,
    },
    DropStable {
        left: bool,
    },
    Break,
    /// Ends the equality of the two for a while, so only law e is checked with it.
    Sweep {
        left: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let left = any::<bool>;
    let value = proptest::option::weighted(0.7, any::<u8>());
    prop_oneof![
        4 => (left(), 0usize..3).prop_map(|(left, origin)| Act::Deliver { left, origin }),
        1 => (left(), 0usize..3).prop_map(|(left, origin)| Act::Drop { left, origin }),
        2 => (left(), 0u8..4, value)
            .prop_map(|(left, key, value)| Act::Write { left, key, value, expires: None }),
        1 => left().prop_map(|left| Act::Ask { left }),
        4 => left().prop_map(|left| Act::Answer { left }),
        4 => left().prop_map(|left| Act::Arrive { left }),
        4 => left().prop_map(|left| Act::Finish { left }),
        4 => (left(), 0usize..4, any::<prop::sample::Index>())
            .prop_map(|(left, about, at)| Act::Report { left, about, at }),
        2 => left().prop_map(|left| Act::DropStable { left }),
        1 => prop_oneof![9 => Just(Act::Ask { left: true }), 1 => Just(Act::Break)],
    ]
}

fn act_with_expiry() -> impl Strategy<Value = Act> {
    let left = any::<bool>;
    let expiring = (left(), 0u8..4, any::<u8>(), 0u64..60).prop_map(|(left, key, value, after)| {
        Act::Write { left, key, value: Some(value), expires: Some(after) }
    });
    prop_oneof![
        8 => act(),
        2 => expiring,
        1 => left().prop_map(|left| Act::Sweep { left }),
    ]
}

/// Two replicas, and what is on its way between them.
struct Pair {
    left: Replica,
    right: Replica,
    to_left: Answers,
    to_right: Answers,
    now: Millis,
}

impl Pair {
    fn new() -> Pair {
        let mut left = Replica::new(LEFT);
        let mut right = Replica::new(RIGHT);
        left.table.set_members(ORIGINS.into_iter().chain([RIGHT]).collect());
        right.table.set_members(ORIGINS.into_iter().chain([LEFT]).collect());
        Pair {
            left,
            right,
            to_left: Answers::default(),
            to_right: Answers::default(),
            now: Millis(1_000),
        }
    }

    /// The one meant, the other, and what is on its way to the one meant.
    fn sides(&mut self, left: bool) -> (&mut Replica, &mut Replica, &mut Answers) {
        let Pair { left: a, right: b, to_left, to_right, .. } = self;
        if left { (a, b, to_left) } else { (b, a, to_right) }
    }

    fn act(&mut self, history: &History, act: &Act) {
        let ops = &history.ops;
        self.now = self.now.plus(1);
        let now = self.now;
        match act {
            Act::Deliver { left, origin } => {
                self.sides(*left).0.deliver(ops, *origin);
            }
            Act::Drop { left, origin } => self.sides(*left).0.drop_next(ops, *origin),
            Act::Write { left, key, value, expires } => {
                let expires = expires.map(|after| now.plus(after));
                let change = match change(value) {
                    Change::Put { value, .. } => Change::Put { value, expires },
                    Change::Delete => Change::Delete,
                };
                self.sides(*left).0.write(now, *key, change);
            }
            Act::Report { left, about, at } => {
                let (replica, other, _) = self.sides(*left);
                let (about, seen) = match ORIGINS.get(*about) {
                    Some(origin) => (*origin, at.get(&history.seen[*about]).clone()),
                    None => (other.id, other.table.seen()),
                };
                replica.table.on_report(about, &seen, 0, now);
            }
            Act::Break => self.part(),
            // Clocks differ by 1,000 ms at most: this is when the swept values have expired.
            Act::Sweep { left } => {
                let table = &mut self.sides(*left).0.table;
                (0..table.store().buckets()).for_each(|bucket| {
                    table.sweep(bucket, now.plus(1_000));
                });
            }
            Act::DropStable { left } => {
                self.sides(*left).0.table.drop_stable(now);
            }
            Act::Ask { left }
            | Act::Answer { left }
            | Act::Arrive { left }
            | Act::Finish { left } => {
                let (asker, answerer, answers) = self.sides(*left);
                match act {
                    Act::Ask { .. } => answers.ask(asker, answerer),
                    Act::Answer { .. } => drop(answers.answer(asker, answerer)),
                    Act::Arrive { .. } => drop(answers.arrive(asker, answerer)),
                    _ => drop(answers.finish(asker, answerer)),
                }
            }
        }
        self.left.check_counts();
        self.right.check_counts();
        self.left.check_nothing_older_shown();
        self.right.check_nothing_older_shown();
    }

    /// The link breaks, in the middle of whatever passes on it.
    fn part(&mut self) {
        self.left.table.detach(RIGHT);
        self.right.table.detach(LEFT);
        self.to_left.clear();
        self.to_right.clear();
    }

    /// Both ask each other until neither has seen more: what one gets by a sync may close the gap
    /// before ops it has taken in, which the other then has to hear of.
    fn settle(&mut self) {
        for _ in 0..2 + 2 * ORIGINS.len() * 60 {
            for left in [true, false] {
                let (asker, answerer, answers) = self.sides(left);
                answers.ask(asker, answerer);
            }
            for left in [true, false] {
                let (asker, answerer, answers) = self.sides(left);
                answers.run(asker, answerer);
            }
            if self.left.table.seen() == self.right.table.seen() {
                return;
            }
        }
        panic!("the two never came to have seen the same");
    }
}

fn values(mut entries: Contents) -> Contents {
    entries.retain(|_, entries| entries.iter().any(|entry| entry.value.is_some()));
    entries
}

proptest! {
    #![proptest_config(config())]

    /// Laws c and d, and e on the way.
    #[test]
    fn syncs_in_any_number_of_steps_make_two_tables_equal(
        history in history(),
        acts in vec(act(), 0..150),
    ) {
        let mut pair = Pair::new();
        for act in &acts {
            pair.act(&history, act);
        }
        pair.settle();
        let (left, right) = (pair.left.snapshot(), pair.right.snapshot());
        prop_assert_eq!(left.seen, right.seen);
        prop_assert_eq!(left.fingerprint, right.fingerprint);
        // A delete that is stable need not be remembered.
        let told = pair.left.told.iter().chain(&pair.right.told);
        let winners = values(winners(told));
        prop_assert_eq!(values(left.entries), winners.clone());
        prop_assert_eq!(values(right.entries), winners);
    }

    /// Law e, with values that expire.
    #[test]
    fn the_counts_agree_with_the_store_after_every_step(
        history in history(),
        acts in vec(act_with_expiry(), 0..150),
    ) {
        let mut pair = Pair::new();
        for act in &acts {
            pair.act(&history, act);
        }
    }
}
