//! The end of a schedule: everything heals, and must come to rest within a bounded time.

use crate::invariant::{Checked, Violation, check_end, is_settled};
use crate::network::Channel;
use crate::world::World;
use tombolo_core::Store;

/// How many rounds of ten milliseconds everything has to settle: several times what the longest
/// pauses between dials, reports and syncs add up to.
const ROUNDS: usize = 600;

/// How many frames may arrive in one round.
const FRAMES: usize = 20_000;

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
            if !self.procs[process].discovered {
                self.discover(process);
            }
        }
        self.trace.say(self.now, &[], || "everything is healed".to_string());
        // Long enough for every record that expires to be swept.
        let earliest = self.now + 150 + 2 * self.config.max_drift;
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            self.round()?;
            quiet = if self.now > earliest && is_settled(self) { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
        }
        check_end(self)
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

    fn drain_one(&mut self) -> bool {
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
