//! Members, writes, ops, reports, stability and what stability allows: rules 1 to 3 and 6 to 10.
//!
//! Each function does what its sentence of the text says, and the wrong wordings stand beside it.

use crate::bounds::{Rules, Wording};
use crate::dots::{Dot, Dots, ORIGINS};
use crate::state::{Asking, Kind, Message, PAIRS, Record, Reports, State, pair_of};

impl State {
    /// `remove(d)`: no longer live; if not covered, removed ahead.
    pub(crate) fn remove(&mut self, at: usize, dot: Dot, rules: &Rules) {
        let node = &mut self.nodes[at];
        node.live.remove(dot);
        if !node.seen.contains(dot) && !rules.has(Wording::NothingRemovedAhead) {
            node.removed_ahead.insert(dot);
        }
    }

    /// Removes each of the dots.
    pub(crate) fn remove_all(&mut self, at: usize, dots: Dots, rules: &Rules) {
        for dot in dots {
            self.remove(at, dot, rules);
        }
    }

    /// `put(d)`: becomes live, unless covered, removed ahead or live.
    pub(crate) fn put(&mut self, at: usize, dot: Dot, rules: &Rules) {
        self.hear_clock(at, self.record(dot).stamp);
        let node = &self.nodes[at];
        if (node.seen | node.removed_ahead | node.live).contains(dot) {
            return;
        }
        let superseded = self.superseded(node.members) >> dot.origin() & 1 == 1;
        if rules.hide && superseded && !rules.has(Wording::SupersededPutAgain) {
            return;
        }
        self.make_live(at, dot, rules);
    }

    fn make_live(&mut self, at: usize, dot: Dot, rules: &Rules) {
        self.nodes[at].live.insert(dot);
        if rules.is_lww() {
            self.keep_highest(at, self.record(dot).key, rules);
        }
    }

    /// Rule 7: one event per key, the highest; the others are removed.
    fn keep_highest(&mut self, at: usize, key: u8, rules: &Rules) {
        let events = self.of_key(self.nodes[at].live, key);
        let highest = events.into_iter().max_by_key(|dot| self.rank(*dot));
        let others = highest.map_or(events, |highest| events - Dots::of(highest));
        self.remove_all(at, others, rules);
    }

    pub(crate) fn hear_clock(&mut self, at: usize, clock: u8) {
        let node = &mut self.nodes[at];
        node.clock = node.clock.max(clock);
    }

    /// Moves `seen`, to which intervals of applied ops are joined when the prefix reaches them.
    pub(crate) fn advance(&mut self, at: usize, to: Dots, rules: &Rules) {
        let node = &mut self.nodes[at];
        node.seen |= to;
        for dot in node.applied {
            if dot.follows(node.seen) {
                node.seen.insert(dot);
            }
        }
        debug_assert!(node.seen.is_prefix(), "`seen` has a hole");
        node.applied -= node.seen;
        node.removed_ahead -= node.seen;
        node.taken |= node.seen;
        if rules.uses_stability() {
            self.count_reports(at);
        }
    }

    /// Rule 2: a write, or a delete, or the outcome of a conflict, which is `marked`.
    pub(crate) fn write(&mut self, at: usize, said: Record, rules: &Rules) -> Dot {
        let node = &mut self.nodes[at];
        node.given += 1;
        node.clock = said.stamp;
        let origin = usize::from(node.process.expect("only a process writes"));
        let dot = Dot::new(origin, usize::from(node.given));
        let node = &self.nodes[at];
        let past = node.seen | node.applied | node.live | node.removed_ahead;
        let replaces = self.shown(at, said.key, rules);
        // What a writer knew judges only resolved conflicts; elsewhere it would tell states apart.
        let past = if rules.collapse { past } else { Dots::NONE };
        self.ledger[dot.index()] = Record { replaces, past, ..said };
        self.remove_all(at, replaces, rules);
        if said.kind == Kind::Put || rules.is_lww() {
            self.make_live(at, dot, rules);
        }
        self.advance(at, Dots::of(dot), rules);
        for peer in 0..self.nodes.len() {
            self.send(at, peer, Message::Op(dot));
        }
        dot
    }

    /// The live siblings of a key that a writer sees: not the hidden ones.
    pub(crate) fn shown(&self, at: usize, key: u8, rules: &Rules) -> Dots {
        let siblings = self.of_key(self.nodes[at].live, key);
        if !rules.hide {
            return siblings;
        }
        siblings.into_iter().filter(|dot| !self.is_hidden(at, *dot)).collect()
    }

    /// Rule 10: an entry of an origin that is down, which here means not linked.
    fn is_hidden(&self, at: usize, dot: Dot) -> bool {
        let place = usize::from(self.place_of[dot.origin()]);
        let runs = self.nodes[place].process == Some(dot.origin() as u8);
        !(runs && (place == at || self.is_linked(place, at)))
    }

    /// Rule 3: taking in an op from its origin.
    pub(crate) fn take_in(&mut self, at: usize, from: usize, dot: Dot, rules: &Rules) {
        let record = *self.record(dot);
        self.hear_clock(at, record.stamp);
        let node = &self.nodes[at];
        if (node.seen | node.applied).contains(dot) {
            return;
        }
        self.remove_all(at, record.replaces, rules);
        if record.kind == Kind::Put || rules.is_lww() {
            self.put(at, dot, rules);
        }
        let node = &mut self.nodes[at];
        node.taken.insert(dot);
        if dot.follows(node.seen) {
            self.advance(at, Dots::of(dot), rules);
            return;
        }
        // There is one interval per link. An op behind a second gap starts it anew: what the old
        // one named is forgotten, its effects stay.
        if !dot.follows(node.applied) {
            node.applied -= Dots::of_origin(dot.origin());
        }
        node.applied.insert(dot);
        self.ask(at, from, rules);
    }

    /// Asks a peer for a sync, one at a time.
    pub(crate) fn ask(&mut self, at: usize, peer: usize, rules: &Rules) {
        if self.nodes[at].asking[peer] != Asking::Idle || !self.is_linked(at, peer) {
            return;
        }
        self.nodes[at].asking[peer] = Asking::Asked;
        let node = &self.nodes[at];
        // Where the answerer looks for dead dots, the list has all that is live.
        let all = rules.has(Wording::DeadFromAskersList);
        let live = if all { node.live } else { node.live - node.seen };
        self.send(at, peer, Message::Ask { seen: node.seen, live });
    }

    /// A link comes up. The handshake is before all else and exchanges the members; then each
    /// side asks the other for a sync.
    pub(crate) fn link(&mut self, pair: usize, rules: &Rules) {
        let (one, other) = PAIRS[pair];
        self.linked[pair] = true;
        let members = self.nodes[one].members | self.nodes[other].members;
        for (at, peer) in [(one, other), (other, one)] {
            self.nodes[at].met = true;
            self.meet(at, members, rules);
            self.ask(at, peer, rules);
        }
    }

    /// A link goes down, with all that was on its way and the syncs that ran over it.
    pub(crate) fn unlink(&mut self, pair: usize) {
        let (one, other) = PAIRS[pair];
        self.linked[pair] = false;
        for (at, peer) in [(one, other), (other, one)] {
            self.queues[at][peer].clear();
            let origin = self.nodes[peer].process;
            let node = &mut self.nodes[at];
            node.asking[peer] = Asking::Idle;
            node.walks[peer] = None;
            if let Some(origin) = origin {
                node.applied -= Dots::of_origin(usize::from(origin));
            }
        }
    }

    /// The process at this place dies with its memory.
    pub(crate) fn crash(&mut self, place: usize) {
        for (pair, (one, other)) in PAIRS.into_iter().enumerate() {
            if one == place || other == place {
                self.unlink(pair);
            }
        }
        self.nodes[place] = Default::default();
    }

    /// A process starts with empty memory, as a new incarnation that knows of nobody.
    pub(crate) fn restart(&mut self, place: usize) {
        let process = self.processes;
        self.processes += 1;
        self.place_of[usize::from(process)] = place as u8;
        let node = &mut self.nodes[place];
        node.process = Some(process);
        node.members = 1 << process;
        node.fresh = true;
    }

    /// Members heard of, by handshake or report.
    fn meet(&mut self, at: usize, members: u8, rules: &Rules) {
        self.nodes[at].members |= members;
        let superseded = self.superseded(self.nodes[at].members);
        for origin in (0..ORIGINS).filter(|origin| superseded >> origin & 1 == 1) {
            // Nobody asks for these reports again; kept they would only tell equal states apart.
            self.nodes[at].reports[origin] = Reports::default();
            if rules.hide {
                let dead = self.nodes[at].live & Dots::of_origin(origin);
                self.remove_all(at, dead, rules);
            }
        }
    }

    /// The incarnations among these of whose name a newer one is among them too.
    pub(crate) fn superseded(&self, members: u8) -> u8 {
        let knows = |origin: usize| members >> origin & 1 == 1;
        let is_older = |origin: usize| {
            let mut newer = origin + 1..usize::from(self.processes);
            newer.any(|newer| knows(newer) && self.place_of[newer] == self.place_of[origin])
        };
        let older = (0..usize::from(self.processes)).filter(|origin| is_older(*origin));
        older.fold(0, |bits, origin| bits | 1 << origin)
    }

    /// Rule 6: `from` reports its `seen`, what it counts of others, and the members it knows.
    ///
    /// It arrives in the step that sends it. A report only grows, and what counts later rests on
    /// less than what counts now, so a delayed one allows nothing that this one does not.
    pub(crate) fn report(&mut self, from: usize, to: usize, rules: &Rules) {
        let reporter = self.nodes[from];
        if !rules.has(Wording::ReportsWithoutMembers) {
            self.meet(to, reporter.members, rules);
        }
        let superseded = self.superseded(self.nodes[to].members);
        for origin in 0..usize::from(self.processes) {
            let own = self.nodes[to].process == Some(origin as u8);
            if own || superseded >> origin & 1 == 1 {
                continue;
            }
            let is_reporter = reporter.process == Some(origin as u8);
            let seen = if is_reporter { reporter.seen } else { reporter.reports[origin].counted };
            self.receive_report(to, origin, seen, rules);
        }
        self.count_reports(to);
    }

    /// Whether a report would tell the receiver anything of use: of a tombstone (rule 7), of a
    /// value that may have siblings (rule 8), or of a member. Stability means nothing for others.
    pub(crate) fn has_news(&self, from: usize, to: usize, rules: &Rules) -> bool {
        let matter = match (rules.is_lww(), rules.collapse) {
            (true, _) => self.written() - self.values(self.written()),
            (false, true) => self.written(),
            (false, false) => return false,
        };
        let (reporter, receiver) = (&self.nodes[from], &self.nodes[to]);
        let superseded = self.superseded(receiver.members);
        let tells = |origin: usize| {
            let is_reporter = reporter.process == Some(origin as u8);
            let seen = if is_reporter { reporter.seen } else { reporter.reports[origin].counted };
            let asked = receiver.process != Some(origin as u8) && superseded >> origin & 1 == 0;
            let reports = &receiver.reports[origin];
            let waiting = reports.oldest | reports.newest;
            let counts = seen.is_within(receiver.seen);
            let known = reports.counted | if counts { Dots::NONE } else { waiting };
            asked && !(seen & matter).is_within(known)
        };
        reporter.members & !receiver.members != 0 || (0..ORIGINS).any(tells)
    }

    fn receive_report(&mut self, at: usize, origin: usize, seen: Dots, rules: &Rules) {
        let node = &mut self.nodes[at];
        let covered = seen.is_within(node.seen) || rules.has(Wording::ReportCountsAtOnce);
        let reports = &mut node.reports[origin];
        let waits = seen.is_within(reports.oldest | reports.newest);
        if rules.has(Wording::WaitingReportHidesOthers) && waits {
            return;
        }
        // One that is covered counts whatever waits: what waits may tell of a write that died
        // with everybody who had it, and would wait for ever.
        if covered {
            reports.counted |= seen;
        } else if reports.oldest.is_empty() {
            reports.oldest = seen;
        } else if !seen.is_within(reports.oldest) {
            reports.newest |= seen;
        }
    }

    /// A report counts when the receiver's own `seen` covers it.
    fn count_reports(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        for reports in &mut node.reports {
            for _ in 0..2 {
                if !reports.oldest.is_empty() && reports.oldest.is_within(node.seen) {
                    reports.counted |= reports.oldest;
                    reports.oldest = reports.newest;
                    reports.newest = Dots::NONE;
                }
            }
        }
    }

    /// Rule 6: the dots that every member is known to have seen.
    pub(crate) fn stable(&self, at: usize, rules: &Rules) -> Dots {
        let node = &self.nodes[at];
        let superseded = self.superseded(node.members);
        let mut stable = node.seen;
        for origin in 0..usize::from(self.processes) {
            let own = node.process == Some(origin as u8);
            let mut counts = node.members >> origin & 1 == 1 && superseded >> origin & 1 == 0;
            if rules.has(Wording::LinkedPeersOnly) {
                counts = self.is_peer(at, origin);
            }
            if counts && !own {
                stable = stable & node.reports[origin].counted;
            }
        }
        stable
    }

    fn is_peer(&self, at: usize, origin: usize) -> bool {
        let place = usize::from(self.place_of[origin]);
        let runs = self.nodes[place].process == Some(origin as u8);
        runs && place != at && self.linked[pair_of(at, place)]
    }

    /// Rule 7: the tombstones that may be dropped.
    pub(crate) fn droppable(&self, at: usize, rules: &Rules) -> Dots {
        let live = self.nodes[at].live;
        (live - self.values(live)) & self.stable(at, rules)
    }

    /// Rule 8: the siblings of a key that a leader may resolve now, if it may. Any node may take
    /// itself for the leader here: who leads is disputed.
    pub(crate) fn resolvable(&self, at: usize, key: u8, rules: &Rules) -> Option<Dots> {
        let siblings = self.of_key(self.nodes[at].live, key);
        let all_marked = siblings.into_iter().all(|dot| self.record(dot).marked);
        if siblings.len() < 2 || all_marked {
            return None;
        }
        let wanted = match rules.wrong {
            Some(Wording::UnstableCollapse) => siblings,
            Some(Wording::CollapseByLinkedPeers) => {
                let linked = Rules { wrong: Some(Wording::LinkedPeersOnly), ..*rules };
                self.stable(at, &linked)
            }
            _ => self.stable(at, rules),
        };
        siblings.is_within(wanted).then_some(siblings)
    }
}
