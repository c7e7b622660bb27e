//! The state of the whole model: processes, links, what is under way, and the ledger of writes.

use std::hash::{Hash, Hasher};

use crate::bounds::{Bounds, Budget};
use crate::dots::{DOTS, Dot, Dots, ORIGINS};

/// How many places for processes there are. A place is a name, or a machine.
pub const PLACES: usize = 3;

/// The pairs of places, in the order of [`pair_of`].
pub const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

/// The number of the pair of these two places.
#[must_use]
pub fn pair_of(one: usize, other: usize) -> usize {
    one + other - 1
}

/// What a write or delete said. Fixed when it is made, so it stands in one ledger and the
/// messages of the model carry only its dot.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// What it did, if it was made at all.
    pub kind: Kind,
    /// The key.
    pub key: u8,
    /// The clock of its writer; ordered with the origin. Not used in sibling tables.
    pub stamp: u8,
    /// Whether it is the outcome of a resolved conflict.
    pub marked: bool,
    /// Whether its writer began alone, without a sync.
    pub alone: bool,
    /// What it saw and supersedes. Sent with the op, not stored: a sync knows nothing of it.
    pub replaces: Dots,
    /// What its writer knew. Nothing that the rules know; only to judge what they resolve.
    pub past: Dots,
}

/// In one word, because hashing is where the search spends its time.
impl Hash for Record {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let flags = self.kind as u8 | u8::from(self.marked) << 2 | u8::from(self.alone) << 3;
        let [low, high] = self.replaces.to_bytes();
        let [past_low, past_high] = self.past.to_bytes();
        let bytes = [flags, self.key, self.stamp, low, high, past_low, past_high, 0];
        hasher.write_u64(u64::from_le_bytes(bytes));
    }
}

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// Nothing: this dot was not written yet.
    #[default]
    Unwritten,
    /// It wrote a value.
    Put,
    /// It deleted.
    Delete,
}

/// What one process sends to another over their link, in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// A write or delete of the sender's own.
    Op(Dot),
    /// Ops were dropped here: the receiver lacks something.
    Resume,
    /// 4a: what the asker has seen and what it has live above that.
    Ask {
        /// Its `seen`.
        seen: Dots,
        /// Live dots that it does not cover.
        live: Dots,
    },
    /// 4b: the answer begins.
    Begin {
        /// The answerer's `seen` at the capture.
        seen: Dots,
        /// The answerer's clock.
        clock: u8,
    },
    /// 4c: what one key holds.
    Chunk {
        /// The key.
        key: u8,
        /// The answerer's `seen` at this moment.
        now: Dots,
        /// All live dots of the key.
        list: Dots,
        /// Those whose entries come along.
        entries: Dots,
    },
    /// 4d: the answer ends.
    Done(Answer),
}

/// What the end of a sync brings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Answer {
    /// The `seen` that the asker moves to.
    pub seen: Dots,
    /// The dots that were live.
    pub alive: Dots,
    /// The dots that were removed ahead.
    pub removed_ahead: Dots,
    /// Dots of the asker's list that are dead; only in a wrong wording.
    pub dead: Dots,
}

/// How far a sync is at the one who asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Asking {
    /// None is under way.
    #[default]
    Idle,
    /// Asked, and whatever came so far is taken in already.
    Asked,
    /// The end is there and its removals are made; `seen` has not moved.
    Finishing(Answer),
}

/// A sync at the one who answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Walk {
    /// The asker's `seen`.
    pub asker_seen: Dots,
    /// The asker's live dots above it.
    pub asker_live: Dots,
    /// What was captured.
    pub captured: Answer,
    /// The keys not walked yet, one bit each.
    pub keys_left: u8,
}

/// The reports of one process, as another one holds them (rule 6).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// What counts.
    pub counted: Dots,
    /// The oldest that does not count yet. With the newest alone a busy cluster would starve.
    pub oldest: Dots,
    /// The newest that does not count yet, if that is another one.
    pub newest: Dots,
}

/// In one word, as above.
impl Hash for Reports {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let [a, b] = self.counted.to_bytes();
        let [c, d] = self.oldest.to_bytes();
        let [e, f] = self.newest.to_bytes();
        hasher.write_u64(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
    }
}

/// One process and its replica of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Node {
    /// Its incarnation; none while the place is down.
    pub process: Option<u8>,
    /// How many dots it has given.
    pub given: u8,
    /// Its hybrid logical clock.
    pub clock: u8,
    /// It has not had its first sync yet.
    pub fresh: bool,
    /// It has had a link.
    pub met: bool,
    /// The prefix that it has taken in.
    pub seen: Dots,
    /// Its live dots.
    pub live: Dots,
    /// Ops taken in beyond a gap: one interval per link, so one per origin.
    pub applied: Dots,
    /// Replaced by something known, not covered yet.
    pub removed_ahead: Dots,
    /// Everything it ever took in. The rules do not know this: it says what it acknowledged.
    pub taken: Dots,
    /// The incarnations that it has heard of, one bit each.
    pub members: u8,
    /// Reports by incarnation.
    pub reports: [Reports; ORIGINS],
    /// Syncs that it asked for, by place.
    pub asking: [Asking; PLACES],
    /// Syncs that it answers, by place.
    pub walks: [Option<Walk>; PLACES],
}

/// All there is at one moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The processes by place.
    pub nodes: [Node; PLACES],
    /// Which pairs are linked.
    pub linked: [bool; PAIRS.len()],
    /// What is under way, by sender and receiver.
    pub queues: [[Vec<Message>; PLACES]; PLACES],
    /// What was written so far, by dot.
    pub ledger: [Record; DOTS],
    /// The place of each incarnation so far.
    pub place_of: [u8; ORIGINS],
    /// How many incarnations there were so far.
    pub processes: u8,
    /// What may still happen.
    pub left: Budget,
}

impl State {
    /// Where the exploration starts: behind the prelude.
    #[must_use]
    pub fn start(bounds: &Bounds) -> Self {
        let mut state = Self::empty(bounds);
        for action in bounds.prelude {
            state.apply(*action, bounds);
        }
        Self { left: bounds.budget, ..state }
    }

    /// Empty tables. A prelude is not bound by a budget, so there is enough of everything.
    pub(crate) fn empty(bounds: &Bounds) -> Self {
        let mut nodes = [Node::default(); PLACES];
        let everybody = (1 << bounds.nodes) - 1;
        for (place, node) in nodes.iter_mut().enumerate().take(bounds.nodes) {
            node.process = Some(place as u8);
            node.members = everybody;
            node.met = true;
        }
        let mut linked = [false; PAIRS.len()];
        for (pair, (one, other)) in PAIRS.into_iter().enumerate() {
            let there = one.max(other) < bounds.nodes;
            linked[pair] = there && !bounds.parted[pair];
            if there && bounds.parted[pair] && bounds.strangers {
                nodes[one].members &= !(1 << other);
                nodes[other].members &= !(1 << one);
            }
        }
        Self {
            nodes,
            linked,
            queues: Default::default(),
            ledger: [Record::default(); DOTS],
            place_of: [0, 1, 2, 0],
            processes: bounds.nodes as u8,
            left: Budget::PLENTY,
        }
    }

    /// What this dot said.
    #[must_use]
    pub fn record(&self, dot: Dot) -> &Record {
        &self.ledger[dot.index()]
    }

    /// All dots written so far.
    #[must_use]
    pub fn written(&self) -> Dots {
        let dots = (0..usize::from(self.processes)).flat_map(Dots::of_origin);
        dots.filter(|dot| self.record(*dot).kind != Kind::Unwritten).collect()
    }

    /// Those of the dots that belong to this key.
    #[must_use]
    pub fn of_key(&self, dots: Dots, key: u8) -> Dots {
        dots.into_iter().filter(|dot| self.record(*dot).key == key).collect()
    }

    /// Those of the dots that are values, not tombstones.
    #[must_use]
    pub fn values(&self, dots: Dots) -> Dots {
        dots.into_iter().filter(|dot| self.record(*dot).kind == Kind::Put).collect()
    }

    /// The order of last writer wins: the stamp, then the origin.
    #[must_use]
    pub fn rank(&self, dot: Dot) -> (u8, usize, usize) {
        (self.record(dot).stamp, dot.origin(), dot.number())
    }

    /// The places where a process runs.
    pub fn places_up(&self) -> impl Iterator<Item = usize> + '_ {
        (0..PLACES).filter(|place| self.nodes[*place].process.is_some())
    }

    /// Whether these two places are linked.
    #[must_use]
    pub fn is_linked(&self, one: usize, other: usize) -> bool {
        one != other && self.linked[pair_of(one, other)]
    }

    /// Puts a message on the way, if there is one.
    pub fn send(&mut self, from: usize, to: usize, message: Message) {
        if self.is_linked(from, to) {
            self.queues[from][to].push(message);
        }
    }
}
