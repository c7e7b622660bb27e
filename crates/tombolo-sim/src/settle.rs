//! The end of a schedule: everything heals, and must come to rest within a bounded time.

use crate::invariant::{Checked, Violation, check_end, is_settled};
use crate::network::Channel;
use crate::process::Process;
use crate::sight::Sight;
use crate::world::World;
use tombolo_core::{Event, MemberState, Policy, Store, TableId};

/// How many rounds of ten milliseconds everything has to settle: several times what the longest
/// pauses between dials, reports and syncs add up to.
const ROUNDS: usize = 1_200;

/// After how many rounds an operator looks at what is kept apart.
const PATIENCE: usize = 100;

/// How many frames may arrive in one round: a walk over the concurrent store has 256 steps, each of
/// which may be a frame, and a dozen nodes ask each other.
const FRAMES: usize = 100_000;

impl<S: Store + Default> World<S> {
    /// Heals everything, lets time pass until all is at rest, and checks what must hold then.
    pub fn settle(&mut self) -> Checked {
        self.ending = true;
        self.network.cut.clear();
        for slot in 0..self.config.nodes {
            if self.current[slot].is_none() && self.config.whole_at_end {
                self.restart(slot);
            }
        }
        for process in self.alive() {
            // Of two processes of one name an operator stops the older: whoever is linked to it
            // refuses the other.
            let twin = self.current[self.procs[process].slot] != Some(process);
            if twin {
                self.crash(process);
                continue;
            }
            // Nobody refuses it for its name any more, and that is forgotten after a while.
            self.tell_taken(process, false);
            if !self.procs[process].discovered {
                self.discover(process);
            }
        }
        for process in self.alive() {
            for table in self.procs[process].paused.clone().into_keys() {
                self.unpause(process, table);
            }
        }
        let mut wrong = 0;
        for clock in &mut self.clocks {
            wrong = wrong.max(clock.wrong.unsigned_abs());
            clock.wrong = 0;
        }
        self.trace.say(self.now, &[], || "everything is healed".to_string());
        // Long enough for every record that expires to be swept.
        let earliest = self.now + 150 + 2 * self.config.max_drift + wrong;
        let mut quiet = 0;
        for round in 1..=ROUNDS {
            self.round()?;
            self.hear_all();
            if round % PATIENCE == 0 {
                self.decide_all();
            }
            quiet = if self.now > earliest && is_settled(self) { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
        }
        self.note_ledgers();
        self.pull_all();
        check_end(self)
    }

    fn note_ledgers(&mut self) {
        let noted = |process: &Process<S>| {
            let tables = process.node.tables();
            let noted = |id| tables.look(id, |t| t.ledger().noted()).unwrap_or(0);
            tables.ids().into_iter().any(|id| noted(id) > 0)
        };
        if self.procs.iter().any(noted) {
            self.sight(Sight::Noted);
        }
    }

    /// The membership protocol has found out who runs.
    fn hear_all(&mut self) {
        for process in self.alive() {
            for about in 0..self.procs.len() {
                let id = self.procs[about].id.clone();
                let known = self.procs[process].node.members().named(&id.name);
                let known = known.filter(|known| known.member.id == id).map(|known| known.state);
                let up = self.procs[about].alive;
                let wrong = match known {
                    Some(MemberState::Up) => !up,
                    Some(MemberState::Down) => up,
                    _ => false,
                };
                if wrong {
                    let address = format!("n{}:1", self.procs[about].slot);
                    self.event(process, Event::Heard { id, address, up });
                }
            }
        }
    }

    /// What islands wait for an operator to decide is decided, on one node at a time.
    fn decide_all(&mut self) {
        for process in self.alive() {
            for number in 0..self.config.tables.len() {
                let name = World::<S>::table_name(number);
                let declared = self.procs[process].node.tables().declared(TableId::of(&name));
                let by_itself = declared.is_none_or(|d| d.policy == Policy::YieldIsland);
                let choose = self.rng.chance(30);
                if !by_itself && self.decide(process, &name, choose) {
                    return;
                }
            }
        }
    }

    /// Ten milliseconds in which every node is told the time, and everything on its way arrives.
    pub fn round(&mut self) -> Checked {
        self.now += 10;
        for process in self.alive() {
            self.tick(process, None);
            self.settle_step()?;
        }
        self.drain()
    }

    /// Lets everything arrive that is on its way and not held up, in a random order.
    pub fn drain(&mut self) -> Checked {
        for _ in 0..FRAMES {
            if !self.drain_one() {
                return Ok(());
            }
            self.settle_step()?;
        }
        let text = format!("{FRAMES} frames arrived at one moment, and more are on their way");
        Err(Violation { invariant: "comes to rest", slots: Vec::new(), text })
    }

    /// One of the things that are on their way and not held up happens. False if nothing is.
    pub fn drain_one(&mut self) -> bool {
        if let Some((process, peer)) = self.broken_ends().first() {
            self.close_end(*process, *peer);
            return true;
        }
        if !self.attempts.is_empty() {
            self.resolve_dial(0);
            return true;
        }
        if let Some((process, peer)) = self.drained().first() {
            self.resume(*process, *peer);
            return true;
        }
        let mut ready: Vec<Channel> = Vec::new();
        let procs = &self.procs;
        self.network.ready(self.now, |process| procs[process].slot, &mut ready);
        let answering = self.answering();
        let choice = self.rng.below(ready.len() + answering.len() + 1);
        if choice < ready.len() {
            self.deliver(ready[choice], 5);
            return true;
        }
        if let Some((process, to)) = answering.get(choice - ready.len()) {
            self.answer(*process, *to);
            return true;
        }
        let finished = self.alive().into_iter().any(|process| self.finish(process));
        finished || !ready.is_empty() || !answering.is_empty()
    }
}
