//! Syncs in single steps, with everything else in between.

use super::{LEFT, RIGHT, config};
use crate::replica::answers::Answers;
use crate::replica::history::{History, history};
use crate::replica::oracle::expected;
use crate::replica::setup::{Setup, altered, any_setup, plain};
use crate::replica::{ORIGINS, Replica};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Change, Millis, Store};

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
        value: u8,
        delete: bool,
        expires: Option<u64>,
    },
    Conclude {
        left: bool,
        key: u8,
        value: u8,
        keep: bool,
    },
    Alter {
        left: bool,
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
    let delete = proptest::bool::weighted(0.3);
    prop_oneof![
        4 => (left(), 0usize..3).prop_map(|(left, origin)| Act::Deliver { left, origin }),
        1 => (left(), 0usize..3).prop_map(|(left, origin)| Act::Drop { left, origin }),
        2 => (left(), 0u8..4, 0u8..4, delete).prop_map(|(left, key, value, delete)| {
            Act::Write { left, key, value, delete, expires: None }
        }),
        1 => (left(), 0u8..4, 0u8..4, any::<bool>()).prop_map(|(left, key, value, keep)| {
            Act::Conclude { left, key, value, keep }
        }),
        1 => left().prop_map(|left| Act::Alter { left }),
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
    let expiring = (left(), 0u8..4, 0u8..4, 0u64..60).prop_map(|(left, key, value, after)| {
        Act::Write { left, key, value, delete: false, expires: Some(after) }
    });
    prop_oneof![
        8 => act(),
        2 => expiring,
        1 => left().prop_map(|left| Act::Sweep { left }),
    ]
}

/// Two replicas, and what is on its way between them.
struct Pair {
    setup: Setup,
    left: Replica,
    right: Replica,
    to_left: Answers,
    to_right: Answers,
    now: Millis,
}

impl Pair {
    fn new(setup: &Setup) -> Pair {
        let mut left = Replica::new(LEFT, setup);
        let mut right = Replica::new(RIGHT, setup);
        left.table.set_members(ORIGINS.into_iter().chain([RIGHT]).collect());
        right.table.set_members(ORIGINS.into_iter().chain([LEFT]).collect());
        Pair {
            setup: setup.clone(),
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
            Act::Write { left, key, value, delete, expires } => {
                let expires = expires.map(|after| now.plus(after));
                let key = self.setup.key(*key, *value);
                let change = match delete {
                    true => Change::Delete,
                    false => Change::Put { value: &[*value], expires },
                };
                self.sides(*left).0.write(now, &key, change);
            }
            Act::Conclude { left, key, value, keep } => {
                let key = self.setup.key(*key, *value);
                self.sides(*left).0.conclude(now, &key, *keep);
            }
            Act::Alter { left } => {
                let last = self.setup.last_epoch();
                let replica = self.sides(*left).0;
                replica.adopt(last.min(replica.epoch + 1));
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

/// Whatever happened: after syncs both ways the two are equal, and hold what the rules say.
fn check_pair(history: &History, acts: &[Act]) {
    let mut pair = Pair::new(&history.setup);
    for act in acts {
        pair.act(history, act);
    }
    pair.settle();
    pair.left.age();
    pair.right.age();
    let (left, right) = (pair.left.snapshot(), pair.right.snapshot());
    assert_eq!(left.seen, right.seen);
    assert_eq!(left.fingerprint, right.fingerprint);
    // A delete that is stable need not be remembered.
    assert_eq!(pair.left.values(), pair.right.values());
    let told = pair.left.told.iter().chain(&pair.right.told);
    let expected = expected(&history.setup, told, &[]);
    assert!(expected.is_none_or(|expected| expected == pair.left.values()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn syncs_in_any_number_of_steps_make_two_tables_equal(
        history in history(plain()),
        acts in vec(act(), 0..150),
    ) {
        check_pair(&history, &acts);
    }

    #[test]
    fn syncs_make_two_tables_equal_also_if_they_were_altered(
        history in history(altered()),
        acts in vec(act(), 0..150),
    ) {
        check_pair(&history, &acts);
    }

    /// With values that expire.
    #[test]
    fn the_counts_agree_with_the_store_after_every_step(
        history in history(any_setup()),
        acts in vec(act_with_expiry(), 0..150),
    ) {
        let mut pair = Pair::new(&history.setup);
        for act in &acts {
            pair.act(&history, act);
        }
    }
}
