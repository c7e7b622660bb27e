//! What must hold in every state, in every step, and after a heal.

use std::fmt;

use crate::bounds::{Bounds, Rules};
use crate::dots::{Dot, Dots};
use crate::settle::settle;
use crate::state::{Asking, Kind, State};

/// A promise that was broken, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A: the process has taken in `by`, which replaced `dot`, and still has `dot` live.
    Zombie {
        /// The process' place.
        at: usize,
        /// What is live and must not be.
        dot: Dot,
        /// What replaced it.
        by: Dot,
    },
    /// B: the process has taken in `dot`, does not have it live, and knows nothing that
    /// replaced it.
    Lost {
        /// The process' place.
        at: usize,
        /// What is lost.
        dot: Dot,
        /// Whether `seen` covers it; else it was only acknowledged.
        covered: bool,
    },
    /// Rule 7: a live value is older than an event that the process has taken in.
    Older {
        /// The process' place.
        at: usize,
        /// The live value.
        dot: Dot,
        /// The event.
        than: Dot,
    },
    /// Rule 7: a key holds more than one event.
    TwoEvents {
        /// The process' place.
        at: usize,
        /// The key.
        key: u8,
    },
    /// A dot that was dead lives again.
    Returned {
        /// The process' place.
        at: usize,
        /// The dot.
        dot: Dot,
    },
    /// `seen` went back.
    Forgotten {
        /// The process' place.
        at: usize,
    },
    /// The sets of a process contradict each other.
    Muddled {
        /// The process' place.
        at: usize,
    },
    /// Rule 10: an entry is live whose origin is known to be superseded.
    Superseded {
        /// The process' place.
        at: usize,
        /// The entry.
        dot: Dot,
    },
    /// Rule 8: of siblings that were resolved one had seen the other.
    ResolvedOrdered {
        /// What was seen.
        older: Dot,
        /// What saw it.
        newer: Dot,
    },
    /// C: two survivors differ though everything is linked and synced.
    Diverged {
        /// The one.
        one: usize,
        /// The other.
        other: usize,
    },
    /// C: something is removed ahead for ever though its origin lives.
    LeftAhead {
        /// Where.
        at: usize,
        /// What.
        dot: Dot,
    },
}

impl State {
    /// Checks what must hold in every state. Convergence is checked where nothing is on its way:
    /// a state where something is gets there by steps that cost nothing, so it is judged there.
    pub(crate) fn check(&self, bounds: &Bounds) -> Result<(), Violation> {
        self.check_places(&bounds.rules)?;
        if self.is_quiet() { self.check_convergence(bounds) } else { Ok(()) }
    }

    pub(crate) fn check_places(&self, rules: &Rules) -> Result<(), Violation> {
        for at in self.places_up() {
            self.check_sets(at)?;
            for dot in self.nodes[at].taken {
                self.check_no_zombie(at, dot)?;
                self.check_not_lost(at, dot, rules)?;
            }
            if rules.is_lww() {
                self.check_newest(at)?;
            }
            if rules.hide {
                self.check_superseded(at)?;
            }
        }
        Ok(())
    }

    fn check_superseded(&self, at: usize) -> Result<(), Violation> {
        let superseded = self.superseded(self.nodes[at].members);
        let mut live = self.nodes[at].live.into_iter();
        let left = live.find(|dot| superseded >> dot.origin() & 1 == 1);
        left.map_or(Ok(()), |dot| Err(Violation::Superseded { at, dot }))
    }

    fn check_sets(&self, at: usize) -> Result<(), Violation> {
        let node = &self.nodes[at];
        let ahead = node.removed_ahead;
        let whole = node.seen.is_prefix() && node.seen.is_within(node.taken);
        let apart = (ahead & node.seen).is_empty() && (ahead & node.live).is_empty();
        if whole && apart { Ok(()) } else { Err(Violation::Muddled { at }) }
    }

    /// A, also for what is acknowledged and not covered yet.
    fn check_no_zombie(&self, at: usize, by: Dot) -> Result<(), Violation> {
        let zombies = self.nodes[at].live & self.record(by).replaces;
        zombies.into_iter().next().map_or(Ok(()), |dot| Err(Violation::Zombie { at, dot, by }))
    }

    /// B, also for what is acknowledged and not covered yet.
    fn check_not_lost(&self, at: usize, dot: Dot, rules: &Rules) -> Result<(), Violation> {
        let node = &self.nodes[at];
        let is_value = self.record(dot).kind == Kind::Put;
        if !is_value || node.live.contains(dot) || self.is_succeeded(at, dot, rules) {
            return Ok(());
        }
        Err(Violation::Lost { at, dot, covered: node.seen.contains(dot) })
    }

    /// Whether a value is rightly gone here: something that this process has replaced it, or it
    /// was deleted, or it belonged to an incarnation that rule 10 removes.
    fn is_succeeded(&self, at: usize, dot: Dot, rules: &Rules) -> bool {
        let node = &self.nodes[at];
        let has = node.taken | node.live;
        let everybody = (1 << self.processes) - 1;
        if rules.hide && self.superseded(everybody) >> dot.origin() & 1 == 1 {
            return true;
        }
        let is_delete = |by: Dot| self.record(by).kind == Kind::Delete;
        if rules.is_lww() {
            let key = self.of_key(self.written(), self.record(dot).key);
            let mut above = key.into_iter().filter(|by| self.rank(*by) > self.rank(dot));
            return above.any(|by| has.contains(by) || is_delete(by));
        }
        let mut replaced = self.written().into_iter();
        replaced.any(|by| {
            self.record(by).replaces.contains(dot)
                && (has.contains(by) || is_delete(by) || self.is_succeeded(at, by, rules))
        })
    }

    /// The half of C that last writer wins promises at every moment. The documented exception are
    /// writes and deletes of a process that began alone: it did not know what it was up against,
    /// nor whom to wait for before it drops a tombstone.
    fn check_newest(&self, at: usize) -> Result<(), Violation> {
        let node = &self.nodes[at];
        for dot in node.live {
            let record = self.record(dot);
            let key = record.key;
            if self.of_key(node.live, key).len() > 1 {
                return Err(Violation::TwoEvents { at, key });
            }
            let events = self.of_key(node.taken, key).into_iter();
            let mut met = events.filter(|than| !self.record(*than).alone);
            let newer = met.find(|than| self.rank(*than) > self.rank(dot));
            if let (Kind::Put, false, Some(than)) = (record.kind, record.alone, newer) {
                return Err(Violation::Older { at, dot, than });
            }
        }
        Ok(())
    }

    /// Whether nothing is on its way, so that only new events change anything.
    fn is_quiet(&self) -> bool {
        let empty = self.queues.iter().flatten().all(Vec::is_empty);
        let idle = |place: usize| {
            let node = &self.nodes[place];
            node.asking.iter().all(|asking| *asking == Asking::Idle)
                && node.walks.iter().all(Option::is_none)
        };
        empty && self.places_up().all(idle)
    }

    fn check_convergence(&self, bounds: &Bounds) -> Result<(), Violation> {
        let healed = settle(self.clone(), bounds, |_, _| ());
        healed.check_places(&bounds.rules)?;
        healed.check_survivors()
    }

    fn check_survivors(&self) -> Result<(), Violation> {
        if let Some((one, other)) = self.differing() {
            return Err(Violation::Diverged { one, other });
        }
        let origins = self.places_up().filter_map(|place| self.nodes[place].process);
        let alive = origins.map(|origin| Dots::of_origin(usize::from(origin)));
        let alive = alive.fold(Dots::NONE, |all, dots| all | dots);
        for at in self.places_up() {
            if let Some(dot) = (self.nodes[at].removed_ahead & alive).into_iter().next() {
                return Err(Violation::LeftAhead { at, dot });
            }
        }
        Ok(())
    }

    /// Two survivors whose tables differ, if there are such.
    pub(crate) fn differing(&self) -> Option<(usize, usize)> {
        let one = self.places_up().next()?;
        let table = |place: usize| (self.nodes[place].seen, self.nodes[place].live);
        self.places_up().find(|other| table(*other) != table(one)).map(|other| (one, other))
    }

    /// Checks what must hold between a state and the next one.
    pub(crate) fn check_step(&self, next: &Self, rules: &Rules) -> Result<(), Violation> {
        for at in self.places_up() {
            let (before, after) = (&self.nodes[at], &next.nodes[at]);
            if before.process != after.process {
                continue;
            }
            if !before.seen.is_within(after.seen) || !before.taken.is_within(after.taken) {
                return Err(Violation::Forgotten { at });
            }
            let dead = (before.seen - before.live) | before.removed_ahead;
            if let Some(dot) = (dead & after.live).into_iter().next() {
                return Err(Violation::Returned { at, dot });
            }
        }
        if rules.collapse { self.check_resolved(next) } else { Ok(()) }
    }

    fn check_resolved(&self, next: &Self) -> Result<(), Violation> {
        let written = next.written() - self.written();
        let outcome = written.into_iter().find(|dot| next.record(*dot).marked);
        let siblings = outcome.map_or(Dots::NONE, |dot| next.record(dot).replaces);
        for newer in siblings {
            let seen = (siblings & self.record(newer).past) - Dots::of(newer);
            if let Some(older) = seen.into_iter().next() {
                return Err(Violation::ResolvedOrdered { older, newer });
            }
        }
        Ok(())
    }

    /// What a violation of this state says, in words.
    #[must_use]
    pub fn explain(&self, violation: Violation) -> String {
        Explanation { state: self, violation }.to_string()
    }
}

struct Explanation<'a> {
    state: &'a State,
    violation: Violation,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |place| self.state.name(place);
        match self.violation {
            Violation::Zombie { at, dot, by } => {
                write!(
                    out,
                    "A, zombie: {} has {by}, which replaced {dot}, and {dot} live",
                    name(at)
                )
            }
            Violation::Lost { at, dot, covered } => {
                let how = if covered { "covers" } else { "acknowledged" };
                write!(out, "B, loss: {} {how} {dot} and has nothing in its place", name(at))
            }
            Violation::Older { at, dot, than } => {
                write!(out, "last writer wins: {} shows {dot}, older than {than}", name(at))
            }
            Violation::TwoEvents { at, key } => {
                write!(out, "last writer wins: {} keeps two events of key {key}", name(at))
            }
            Violation::Returned { at, dot } => {
                write!(out, "dead for ever: {dot} was dead at {} and lives again", name(at))
            }
            Violation::Forgotten { at } => write!(out, "{} forgot what it had taken in", name(at)),
            Violation::Muddled { at } => write!(out, "the sets of {} contradict", name(at)),
            Violation::Superseded { at, dot } => {
                write!(out, "hide: {} keeps {dot} though a newer incarnation is known", name(at))
            }
            Violation::ResolvedOrdered { older, newer } => {
                write!(
                    out,
                    "resolved siblings in order: {newer} was written by one who had {older}"
                )
            }
            Violation::Diverged { one, other } => {
                write!(out, "C, divergence: {} and {} differ after a heal", name(one), name(other))
            }
            Violation::LeftAhead { at, dot } => {
                write!(out, "C: {dot} stays removed ahead at {} after a heal", name(at))
            }
        }
    }
}
