//! What may happen next, and what it does.

use std::fmt;

use crate::bounds::{Bounds, Wording};
use crate::dots::{Dot, process_name};
use crate::state::{Asking, Kind, Message, PAIRS, PLACES, Record, State};

/// One step of the model. Nodes are named by their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A write or delete.
    Write {
        /// The writer.
        at: usize,
        /// The key.
        key: u8,
        /// Which of the two it is.
        kind: Kind,
        /// Whether the writer's clock is ahead of all others.
        fast: bool,
    },
    /// The leader's outcome for stable siblings.
    Resolve {
        /// Who takes itself for the leader.
        at: usize,
        /// The key.
        key: u8,
        /// A value or a delete.
        kind: Kind,
    },
    /// The first message on the way arrives.
    Deliver {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// The walk of an answer comes to a key.
    Walk {
        /// The answerer.
        at: usize,
        /// The asker.
        asker: usize,
        /// The key.
        key: u8,
    },
    /// The walk of an answer is through.
    EndWalk {
        /// The answerer.
        at: usize,
        /// The asker.
        asker: usize,
    },
    /// The last step of a sync at the asker.
    MoveSeen {
        /// The asker.
        at: usize,
        /// The answerer.
        from: usize,
    },
    /// A sync is started, as now and then.
    Ask {
        /// The asker.
        at: usize,
        /// The answerer.
        peer: usize,
    },
    /// A sync is cut off.
    Cut {
        /// The asker.
        asker: usize,
        /// The answerer.
        answerer: usize,
    },
    /// A full queue is dropped.
    Drop {
        /// Whose queue it is.
        from: usize,
        /// For whom the ops were.
        to: usize,
    },
    /// A link comes up.
    Link {
        /// The number of the pair.
        pair: usize,
    },
    /// A link goes down.
    Break {
        /// The number of the pair.
        pair: usize,
    },
    /// A process dies.
    Crash {
        /// Its place.
        place: usize,
    },
    /// A process starts.
    Restart {
        /// Its place.
        place: usize,
    },
    /// A report is sent and arrives.
    Report {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// A stable tombstone is dropped.
    DropTombstone {
        /// Where.
        at: usize,
        /// The number of its dot.
        index: u8,
    },
}

impl State {
    /// Everything that may happen next.
    #[must_use]
    pub fn actions(&self, bounds: &Bounds) -> Vec<Action> {
        let mut actions = Vec::with_capacity(32);
        for at in self.places_up() {
            self.writes(at, bounds, &mut actions);
            for peer in (0..PLACES).filter(|peer| self.is_linked(at, *peer)) {
                self.actions_on_link(at, peer, bounds, &mut actions);
            }
            if bounds.rules.is_lww() {
                let droppable = self.droppable(at, &bounds.rules).into_iter();
                actions.extend(
                    droppable.map(|dot| Action::DropTombstone { at, index: dot.index() as u8 }),
                );
            }
        }
        self.faults(bounds, &mut actions);
        actions
    }

    fn writes(&self, at: usize, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.left.operations == 0 || !self.may_write(at, bounds) {
            return;
        }
        for key in 0..bounds.keys as u8 {
            let shown = self.values(self.shown(at, key, &bounds.rules));
            let mut kinds = vec![Kind::Put];
            if self.left.deletes > 0 && !shown.is_empty() {
                kinds.push(Kind::Delete);
            }
            for kind in kinds.iter().copied() {
                actions.push(Action::Write { at, key, kind, fast: false });
                if bounds.fast_clocks {
                    actions.push(Action::Write { at, key, kind, fast: true });
                }
            }
            if bounds.rules.collapse && self.resolvable(at, key, &bounds.rules).is_some() {
                let kinds = kinds.into_iter();
                actions.extend(kinds.map(|kind| Action::Resolve { at, key, kind }));
            }
        }
    }

    fn may_write(&self, at: usize, bounds: &Bounds) -> bool {
        let node = &self.nodes[at];
        if bounds.writers_in_order && usize::from(node.process.unwrap_or(0)) < bounds.nodes {
            let process = usize::from(node.process.unwrap_or(0));
            let wrote = |origin| self.record(Dot::new(origin, 1)).kind != Kind::Unwritten;
            if !(0..process).all(wrote) {
                return false;
            }
        }
        let may_be_fresh =
            bounds.rules.has(Wording::FreshProcessWrites) && node.met || bounds.alone && !node.met;
        !node.fresh || may_be_fresh
    }

    fn actions_on_link(&self, at: usize, peer: usize, bounds: &Bounds, actions: &mut Vec<Action>) {
        let node = &self.nodes[at];
        let queue = &self.queues[at][peer];
        if !queue.is_empty() {
            actions.push(Action::Deliver { from: at, to: peer });
        }
        if self.left.drops > 0 && queue.iter().any(|message| matches!(message, Message::Op(_))) {
            actions.push(Action::Drop { from: at, to: peer });
        }
        if let Some(walk) = node.walks[peer] {
            let keys = (0..bounds.keys as u8).filter(|key| walk.keys_left >> key & 1 == 1);
            actions.extend(keys.map(|key| Action::Walk { at, asker: peer, key }));
            if walk.keys_left == 0 {
                actions.push(Action::EndWalk { at, asker: peer });
            }
        }
        match node.asking[peer] {
            Asking::Idle if self.left.asks > 0 => actions.push(Action::Ask { at, peer }),
            Asking::Finishing(_) => actions.push(Action::MoveSeen { at, from: peer }),
            _ => {}
        }
        if self.left.cuts > 0 && node.asking[peer] != Asking::Idle {
            actions.push(Action::Cut { asker: at, answerer: peer });
        }
        if self.has_news(at, peer, &bounds.rules) {
            actions.push(Action::Report { from: at, to: peer });
        }
    }

    fn faults(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        for (pair, (one, other)) in PAIRS.into_iter().enumerate() {
            if self.linked[pair] && self.left.breaks > 0 {
                actions.push(Action::Break { pair });
            }
            let up = |place: usize| self.nodes[place].process.is_some();
            if !self.linked[pair] && self.left.links > 0 && up(one) && up(other) {
                actions.push(Action::Link { pair });
            }
        }
        for place in 0..bounds.nodes {
            let up = self.nodes[place].process.is_some();
            if up && self.left.crashes > 0 && self.places_up().count() > 1 {
                actions.push(Action::Crash { place });
            }
            if !up && self.left.restarts > 0 {
                actions.push(Action::Restart { place });
            }
        }
    }

    /// The state after this action.
    #[must_use]
    pub fn after(&self, action: Action, bounds: &Bounds) -> Self {
        let mut next = self.clone();
        next.apply(action, bounds);
        next
    }

    /// Takes a step.
    pub(crate) fn apply(&mut self, action: Action, bounds: &Bounds) {
        let rules = &bounds.rules;
        match action {
            Action::Write { at, key, kind, fast } => {
                self.charge(kind);
                let said = self.said(at, key, kind, fast, bounds);
                self.write(at, said, rules);
            }
            Action::Resolve { at, key, kind } => {
                self.charge(kind);
                let said = self.said(at, key, kind, false, bounds);
                self.write(at, Record { marked: true, ..said }, rules);
            }
            Action::Deliver { from, to } => self.deliver(from, to, bounds.keys, rules),
            Action::Walk { at, asker, key } => self.walk(at, asker, key, rules),
            Action::EndWalk { at, asker } => self.end_walk(at, asker, rules),
            Action::MoveSeen { at, from } => self.move_seen(at, from, rules),
            Action::Ask { at, peer } => {
                self.left.asks = self.left.asks.saturating_sub(1);
                self.ask(at, peer, rules);
            }
            Action::Cut { asker, answerer } => {
                self.left.cuts -= 1;
                self.cut(asker, answerer);
            }
            Action::Drop { from, to } => {
                self.left.drops -= 1;
                let queue = &mut self.queues[from][to];
                queue.retain(|message| !matches!(message, Message::Op(_)));
                queue.push(Message::Resume);
            }
            Action::Link { pair } => {
                self.left.links = self.left.links.saturating_sub(1);
                self.link(pair, rules);
            }
            Action::Break { pair } => {
                self.left.breaks -= 1;
                self.unlink(pair);
            }
            Action::Crash { place } => {
                self.left.crashes -= 1;
                self.crash(place);
            }
            Action::Restart { place } => {
                self.left.restarts -= 1;
                self.restart(place);
            }
            Action::Report { from, to } => self.report(from, to, rules),
            Action::DropTombstone { at, index } => self.drop_tombstone(at, index),
        }
    }

    pub(crate) fn drop_tombstone(&mut self, at: usize, index: u8) {
        let live = self.nodes[at].live.into_iter();
        self.nodes[at].live = live.filter(|dot| dot.index() != usize::from(index)).collect();
    }

    fn charge(&mut self, kind: Kind) {
        self.left.operations -= 1;
        if kind == Kind::Delete {
            self.left.deletes -= 1;
        }
    }

    fn said(&self, at: usize, key: u8, kind: Kind, fast: bool, bounds: &Bounds) -> Record {
        let node = &self.nodes[at];
        let highest = self.ledger.iter().map(|record| record.stamp).max().unwrap_or(0);
        // Two above the highest leaves room between them for a write whose clock is behind.
        let stamp = if fast { highest + 2 } else { node.clock + 1 };
        let stamp = if bounds.rules.is_lww() { stamp } else { 0 };
        Record { kind, key, stamp, alone: node.fresh && !node.met, ..Record::default() }
    }

    /// A process by its letter and place, for people.
    #[must_use]
    pub fn name(&self, place: usize) -> String {
        match self.nodes[place].process {
            Some(process) => process_name(usize::from(process)).to_string(),
            None => format!("place {place}"),
        }
    }

    /// An action in words. `self` is the state before it.
    #[must_use]
    pub fn describe(&self, action: Action, bounds: &Bounds) -> String {
        Description { state: self, action, bounds }.to_string()
    }
}

struct Description<'a> {
    state: &'a State,
    action: Action,
    bounds: &'a Bounds,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |place| self.state.name(place);
        match self.action {
            Action::Write { at, .. } | Action::Resolve { at, .. } => self.write(at, out),
            Action::Deliver { from, to } => {
                let message = self.state.queues[from][to][0];
                write!(out, "{} receives from {}: {message}", name(to), name(from))
            }
            Action::Walk { at, asker, key } => {
                write!(out, "{} walks key {key} for {}", name(at), name(asker))
            }
            Action::EndWalk { at, asker } => {
                write!(out, "{} ends its answer to {}", name(at), name(asker))
            }
            Action::MoveSeen { at, from } => {
                write!(out, "{} moves `seen`, as the sync from {} ends", name(at), name(from))
            }
            Action::Ask { at, peer } => write!(out, "{} asks {} for a sync", name(at), name(peer)),
            Action::Cut { asker, answerer } => {
                write!(out, "the sync of {} from {} is cut off", name(asker), name(answerer))
            }
            Action::Drop { from, to } => {
                write!(out, "the ops on their way from {} to {} are dropped", name(from), name(to))
            }
            Action::Link { pair } => {
                let (one, other) = PAIRS[pair];
                write!(out, "{} and {} link and ask each other", name(one), name(other))
            }
            Action::Break { pair } => {
                let (one, other) = PAIRS[pair];
                write!(out, "the link of {} and {} breaks", name(one), name(other))
            }
            Action::Crash { place } => write!(out, "{} dies", name(place)),
            Action::Restart { place } => {
                let process = process_name(usize::from(self.state.processes));
                write!(out, "{process} starts at place {place} with empty memory")
            }
            Action::Report { from, to } => write!(out, "{} reports to {}", name(from), name(to)),
            Action::DropTombstone { at, .. } => {
                write!(out, "{} drops a tombstone that it takes for stable", name(at))
            }
        }
    }
}

impl Description<'_> {
    fn write(&self, at: usize, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.state.after(self.action, self.bounds);
        let written = after.written() - self.state.written();
        let Some(dot) = written.into_iter().next() else { return Ok(()) };
        let record = after.record(dot);
        let what = if record.kind == Kind::Delete { "deletes" } else { "writes" };
        let marked = if record.marked { " as the outcome of a conflict" } else { "" };
        let (name, key) = (self.state.name(at), record.key);
        write!(out, "{name} {what} key {key}{marked}: {dot}, replaces {}", record.replaces)?;
        if self.bounds.rules.is_lww() { write!(out, ", stamp {}", record.stamp) } else { Ok(()) }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op(dot) => write!(out, "op {dot}"),
            Self::Resume => write!(out, "ops were dropped"),
            Self::Ask { seen, live } => write!(out, "Ask, seen {seen}, live above it {live}"),
            Self::Begin { seen, clock } => write!(out, "Begin, seen {seen}, clock {clock}"),
            Self::Chunk { key, now, list, entries } => {
                write!(out, "key {key} holds {list}, with entries {entries}, seen now {now}")
            }
            Self::Done(answer) => write!(
                out,
                "Done, seen {}, live {}, removed ahead {}",
                answer.seen, answer.alive, answer.removed_ahead
            ),
        }
    }
}
