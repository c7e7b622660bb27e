//! The rarer things that a schedule has happen: ends of processes, clocks, queues, operators.

use crate::fault::Fault;
use crate::network::{Channel, LANES};
use crate::sight::Sight;
use crate::world::World;
use tombolo_core::{Event, Store};

impl<S: Store + Default> World<S> {
    pub(crate) fn some_other_fault(&mut self, process: usize) {
        let peers = self.network.peers(process);
        let peer = self.rng.pick(&peers);
        match self.rng.below(20) {
            0..2 => self.end_or_restart(),
            16..18 => self.some_operator(process),
            18 if self.config.wild_clocks => self.wild_clock(process),
            19 if self.config.twins => self.some_twin(),
            18..20 => self.some_loss(),
            2..5 => {
                if let Some(peer) = peer {
                    let kept = self.rng.below(8);
                    self.overflow(process, peer, kept);
                }
            }
            5..7 => {
                let bound = self.config.max_drift as i64 / 2;
                let slot = self.procs[process].slot;
                self.clocks[slot].offset = self.rng.between(-bound, bound);
                self.fault(Fault::ClockJump, &[slot]);
            }
            7..9 => {
                if let Some(peer) = peer {
                    self.delay(process, peer);
                }
            }
            9..11 => {
                if self.procs[process].discovered {
                    self.some_pause(process);
                } else {
                    self.discover(process);
                }
            }
            11..13 => self.hear(process),
            13 => {
                if let Some(peer) = peer.filter(|peer| self.procs[*peer].alive) {
                    self.drop_link(process, peer);
                }
            }
            _ => {
                let broken = self.broken_ends();
                if let Some((process, peer)) = self.rng.pick(&broken) {
                    self.close_end(process, peer);
                }
            }
        }
    }

    /// An operator alters a table, or decides what is kept apart.
    fn some_operator(&mut self, process: usize) {
        if self.config.altering && self.rng.chance(70) {
            return self.some_alter(process);
        }
        let number = self.rng.below(self.config.tables.len());
        let choose = self.rng.chance(50);
        self.decide(process, &World::<S>::table_name(number), choose);
    }

    fn wild_clock(&mut self, process: usize) {
        let slot = self.procs[process].slot;
        let far = self.config.max_drift as i64;
        let jump = self.rng.between(far, 3 * far + 100);
        let back = self.clocks[slot].wrong != 0;
        self.clocks[slot].wrong = if back { 0 } else { jump };
        self.fault(Fault::WildClock, &[slot]);
    }

    /// A second process of a name is started while the first still runs and has heard nothing.
    fn some_twin(&mut self) {
        let slot = self.rng.below(self.config.nodes);
        if self.current[slot].is_some() {
            self.fault(Fault::Twin, &[slot]);
            self.sight(Sight::Twins);
            self.bring_up(slot);
        }
    }

    /// Every link of a pair breaks and is there again before anybody could find out more.
    pub(crate) fn some_loss(&mut self) {
        let alive = self.alive();
        let (Some(a), Some(b)) = (self.rng.pick(&alive), self.rng.pick(&alive)) else { return };
        let up = self.network.up(a, b).is_some() && self.network.up(b, a).is_some();
        if up && !self.is_cut(self.procs[a].slot, self.procs[b].slot) {
            self.fault(Fault::ShortLoss, &[self.procs[a].slot, self.procs[b].slot]);
            self.close_end(a, b);
            self.close_end(b, a);
            self.now += self.rng.below(4) as u64;
            self.replace_link(a, b);
        }
    }

    /// A link breaks by itself: one end finds out, the other later.
    fn drop_link(&mut self, process: usize, peer: usize) {
        if self.network.up(process, peer).is_some() {
            self.close_end(process, peer);
        }
    }

    fn delay(&mut self, process: usize, peer: usize) {
        let lane = LANES[self.rng.below(3)];
        let until = self.now + self.rng.below(60) as u64;
        let channel = Channel { from: process, to: peer, lane };
        if let Some(queue) = self.network.queue_mut(channel) {
            queue.held_until = until;
            self.fault(Fault::Delay, &[self.procs[process].slot, self.procs[peer].slot]);
        }
    }

    /// The membership protocol says something of some process, right or wrong.
    fn hear(&mut self, process: usize) {
        let about = self.rng.below(self.procs.len());
        if about == process {
            return;
        }
        let up = self.procs[about].alive && self.rng.chance(60);
        let wrong = self.procs[about].alive && !up;
        let fault = if wrong { Fault::WrongSuspicion } else { Fault::Heard };
        self.fault(fault, &[self.procs[process].slot, self.procs[about].slot]);
        let id = self.procs[about].id.clone();
        let address = format!("n{}:1", self.procs[about].slot);
        self.event(process, Event::Heard { id, address, up });
    }

    fn end_or_restart(&mut self) {
        if !self.config.crashes {
            // Nodes that were not there at the start still come.
            return self.restart_somebody();
        }
        if self.config.snapshots && self.rng.chance(15) {
            return self.stop_all();
        }
        let slot = self.rng.below(self.config.nodes);
        match self.current[slot] {
            Some(process) if self.alive().len() > 1 => {
                if self.rng.chance(15) {
                    self.fault(Fault::Leave, &[slot]);
                    self.leave(process);
                } else {
                    self.fault(Fault::Crash, &[slot]);
                    self.crash(process);
                }
            }
            Some(_) => {}
            None => self.restart(slot),
        }
    }

    /// Every process ends at once, and some of the nodes start again: there is no more than what
    /// the disks hold.
    fn stop_all(&mut self) {
        self.sight(Sight::AllStopped);
        for process in self.alive() {
            self.fault(Fault::Crash, &[self.procs[process].slot]);
            self.crash(process);
        }
        for slot in 0..self.config.nodes {
            if slot == 0 || self.rng.chance(70) {
                self.restart(slot);
            }
        }
    }

    pub(crate) fn restart_somebody(&mut self) {
        let down = (0..self.config.nodes).find(|slot| self.current[*slot].is_none());
        if let Some(slot) = down {
            self.restart(slot);
        }
    }

    /// Starts a node that is not running, whether it ran before or not.
    pub fn restart(&mut self, slot: usize) {
        if self.procs.iter().any(|process| process.slot == slot) {
            self.fault(Fault::Restart, &[slot]);
        }
        self.bring_up(slot);
    }
}
