//! Rule 4: the sync, in steps that anything may come between.

use crate::bounds::{Rules, Wording};
use crate::dots::Dots;
use crate::state::{Answer, Asking, Message, State, Walk};

impl State {
    /// The first message on the way from one place to another arrives.
    pub(crate) fn deliver(&mut self, from: usize, to: usize, keys: usize, rules: &Rules) {
        let message = self.queues[from][to].remove(0);
        match message {
            Message::Op(dot) => self.take_in(to, from, dot, rules),
            Message::Resume => self.ask(to, from, rules),
            Message::Ask { seen, live } => self.capture(to, from, (seen, live), keys, rules),
            Message::Begin { seen, clock } => self.begin(to, seen, clock, rules),
            Message::Chunk { key, now, list, entries } => {
                self.take_chunk(to, key, now, list, entries, rules);
            }
            Message::Done(answer) => self.finish(to, from, answer, rules),
        }
    }

    /// 4b: the answerer captures in one step.
    fn capture(
        &mut self,
        at: usize,
        asker: usize,
        (asker_seen, asker_live): (Dots, Dots),
        keys: usize,
        rules: &Rules,
    ) {
        let node = &mut self.nodes[at];
        let captured = Answer {
            seen: node.seen,
            alive: node.live,
            removed_ahead: node.removed_ahead,
            dead: Dots::NONE,
        };
        let keys_left = (1 << keys) - 1;
        node.walks[asker] = Some(Walk { asker_seen, asker_live, captured, keys_left });
        let clock = if rules.has(Wording::BeginWithoutClock) { 0 } else { node.clock };
        let begin = Message::Begin { seen: node.seen, clock };
        // Without stamps the beginning says nothing that the end does not say again.
        if rules.is_lww() || rules.has(Wording::SeenMovesFirst) {
            self.send(at, asker, begin);
        }
    }

    fn begin(&mut self, at: usize, seen: Dots, clock: u8, rules: &Rules) {
        self.hear_clock(at, clock);
        if rules.has(Wording::SeenMovesFirst) {
            self.advance(at, seen, rules);
        }
    }

    /// 4c: the walk comes to a key. It sends what the key holds now and the asker lacks.
    pub(crate) fn walk(&mut self, at: usize, asker: usize, key: u8, rules: &Rules) {
        let node = &mut self.nodes[at];
        let (now, live) = (node.seen, node.live);
        let walk = node.walks[asker].as_mut().expect("only a walk under way comes to a key");
        walk.keys_left &= !(1 << key);
        let walk = *walk;
        let list = self.of_key(live, key);
        let mut entries = list - walk.asker_seen - walk.asker_live;
        if rules.has(Wording::NothingNewerThanCaptured) {
            entries = entries & walk.captured.seen;
        }
        if !entries.is_empty() {
            self.send(at, asker, Message::Chunk { key, now, list, entries });
        }
    }

    /// The asker puts the entries and removes its siblings of the key that are not listed.
    fn take_chunk(
        &mut self,
        at: usize,
        key: u8,
        now: Dots,
        list: Dots,
        entries: Dots,
        rules: &Rules,
    ) {
        for dot in entries {
            self.put(at, dot, rules);
        }
        let siblings = self.of_key(self.nodes[at].live, key);
        self.remove_all(at, (siblings & now) - list, rules);
    }

    /// 4d at the answerer: the walk is through.
    pub(crate) fn end_walk(&mut self, at: usize, asker: usize, rules: &Rules) {
        let node = &mut self.nodes[at];
        let walk = node.walks[asker].take().expect("only a walk under way ends");
        let mut answer = walk.captured;
        if rules.has(Wording::SeenReadAtTheEnd) {
            answer.seen = node.seen;
        }
        if rules.has(Wording::AnswerWithoutRemovedAhead) {
            answer.removed_ahead = Dots::NONE;
        }
        if rules.has(Wording::DeadFromAskersList) {
            answer.dead = (walk.asker_live & (node.seen | node.removed_ahead)) - node.live;
        }
        self.send(at, asker, Message::Done(answer));
    }

    /// 4d at the asker: the removals, and last `seen`; or that in a step of its own.
    fn finish(&mut self, at: usize, from: usize, answer: Answer, rules: &Rules) {
        self.make_removals(at, &answer, rules);
        self.nodes[at].asking[from] = Asking::Finishing(answer);
        if !rules.done_in_steps {
            self.move_seen(at, from, rules);
        }
    }

    /// The last step of a sync.
    pub(crate) fn move_seen(&mut self, at: usize, from: usize, rules: &Rules) {
        let Asking::Finishing(answer) = self.nodes[at].asking[from] else {
            panic!("`seen` moves only behind the end of a sync");
        };
        if rules.done_in_steps && !rules.has(Wording::RemovalsWorkedOutOnce) {
            self.make_removals(at, &answer, rules);
        }
        self.nodes[at].asking[from] = Asking::Idle;
        self.nodes[at].fresh = false;
        self.advance(at, answer.seen, rules);
    }

    fn make_removals(&mut self, at: usize, answer: &Answer, rules: &Rules) {
        let live = self.nodes[at].live;
        let mut gone = (live & answer.seen) - answer.alive;
        if rules.has(Wording::DeadFromAskersList) {
            gone = answer.dead;
        }
        // Tombstones are left to stability: the answerer may have dropped one whose older values
        // are still on their way to the asker.
        if rules.is_lww() && !rules.has(Wording::TombstonesRemoved) {
            gone = self.values(gone);
        }
        self.remove_all(at, gone | answer.removed_ahead, rules);
    }

    /// 4e: a sync is cut off. What came stays, what is still on its way will be ignored.
    pub(crate) fn cut(&mut self, asker: usize, answerer: usize) {
        self.nodes[asker].asking[answerer] = Asking::Idle;
        self.nodes[answerer].walks[asker] = None;
        let is_ask = |message: &Message| matches!(message, Message::Ask { .. });
        self.queues[asker][answerer].retain(|message| !is_ask(message));
        let is_other = |message: &Message| matches!(message, Message::Op(_) | Message::Resume);
        self.queues[answerer][asker].retain(|message| is_other(message) || is_ask(message));
    }
}
