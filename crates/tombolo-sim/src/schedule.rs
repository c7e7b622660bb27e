//! The random part of a schedule: what happens next.

use crate::fault::Fault;
use crate::invariant::{Checked, check};
use crate::network::Channel;
use crate::process::WantedWrite;
use crate::world::World;
use tombolo_core::{Event, Kind, Store, TableId, fragment_of};

impl<S: Store + Default> World<S> {
    /// Starts the nodes and plays the random steps.
    pub fn play(&mut self) -> Checked {
        self.set_up();
        for _ in 0..self.config.steps {
            self.step();
            self.settle_step()?;
        }
        Ok(())
    }

    /// Ends a step: whoever must stop stops, and the invariants are checked.
    pub fn settle_step(&mut self) -> Checked {
        self.counts.steps += 1;
        for process in self.alive() {
            self.serve_all(process);
        }
        for process in self.alive() {
            if self.procs[process].superseded {
                self.crash(process);
            }
        }
        self.watch_some();
        match self.found.take() {
            Some(violation) => Err(violation),
            None => check(self),
        }
    }

    fn set_up(&mut self) {
        if let Some(slot) = self.config.slow {
            self.fault(Fault::SlowPeer, &[slot]);
        }
        for slot in 0..self.config.nodes {
            let bound = self.config.max_drift as i64 / 2;
            self.clocks[slot].offset = self.rng.between(-bound, bound);
            if self.rng.chance(30) {
                self.clocks[slot].drift = self.rng.between(-20, 20);
                self.fault(Fault::ClockDrift, &[slot]);
            }
            if slot < 2 || self.config.is_crowd() || self.rng.chance(60) {
                self.bring_up(slot);
            }
        }
    }

    /// Starts a node; it creates some of the tables by itself, and hears of the others.
    pub fn bring_up(&mut self, slot: usize) {
        let process = self.start(slot);
        if self.config.snapshots {
            self.start_from_disk(process);
        }
        for number in 0..self.config.tables.len() {
            if self.rng.chance(60) || slot == 0 {
                self.create(process, number);
            }
        }
        if self.rng.chance(70) {
            self.discover(process);
        } else {
            self.fault(Fault::LateDiscovery, &[slot]);
        }
    }

    /// Discovery tells a process every address.
    pub fn discover(&mut self, process: usize) {
        self.procs[process].discovered = true;
        let addresses = (0..self.config.nodes).map(|slot| format!("n{slot}:1"));
        let addresses = addresses.collect();
        self.event(process, Event::Discovered { addresses });
    }

    /// One random step.
    pub fn step(&mut self) {
        if self.rng.chance(30) {
            self.now += self.rng.below(3) as u64 + 1;
        } else if self.rng.chance(1) {
            self.now += self.rng.below(150) as u64;
        }
        let alive = self.alive();
        let flapping = self.config.flapping;
        let Some(process) = self.rng.pick(&alive) else {
            return self.restart_somebody();
        };
        if self.config.snapshots && self.rng.chance(4) {
            return self.some_snapshot(process);
        }
        match self.rng.below(1000) {
            0..90 if self.config.serial => self.some_request(process),
            0..190 => self.some_write(process),
            190..570 => self.some_delivery(),
            570..690 => self.some_answer(),
            690..760 => drop(self.finish(process)),
            760..870 => self.some_tick(process),
            870..930 => self.some_dial(),
            930..945 => self.some_resume(),
            945.. if self.config.short_losses && self.rng.chance(30) => self.some_loss(),
            945.. if self.rng.below(50) < flapping => self.some_network_fault(),
            _ => self.some_other_fault(process),
        }
    }

    /// What some client wants done next.
    pub fn wanted(&mut self, process: usize) -> WantedWrite {
        let number = self.rng.below(self.config.tables.len());
        let letter = b'a' + self.rng.below(self.config.keys) as u8;
        let delete = self.rng.chance(35);
        let now = self.local(process);
        let short = self.config.expiry && self.rng.chance(35);
        let expires = short.then(|| now.plus(self.rng.below(120) as u64));
        let declared = &self.config.tables[number];
        let (bag, per) = (declared.kind == Kind::Bag, declared.policy.per().is_some());
        let fragment = fragment_of(&[letter], declared.fragments);
        // In a bag the object, or its second key, is a part of the key.
        let object = b'0' + self.rng.below(3) as u8;
        let key: Box<[u8]> = if bag { [letter, object].into() } else { [letter].into() };
        let value = if bag && !per { vec![object] } else { self.some_value() };
        WantedWrite {
            table: TableId::of_fragment(&World::<S>::table_name(number), fragment),
            key,
            value: (!delete).then(|| value.into()),
            expires,
        }
    }

    /// A value of one piece: its version, and which write it is. Now and then two say the same.
    fn some_value(&mut self) -> Vec<u8> {
        if !self.config.values.is_empty() {
            let at = self.rng.below(self.config.values.len());
            return self.config.values[at].clone();
        }
        let mut value = vec![self.rng.below(4) as u8];
        let same = self.rng.chance(7);
        let number = if same { 0 } else { self.counts.ops + 1 };
        value.extend(number.to_le_bytes());
        value
    }

    fn some_write(&mut self, process: usize) {
        if self.rng.chance(15) {
            return self.some_batch(process);
        }
        let wanted = self.wanted(process);
        self.write(process, &wanted);
    }

    fn some_delivery(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        let procs = &self.procs;
        self.network.ready(self.now, |process| procs[process].slot, &mut ready);
        let slow = |channel: &Channel| Some(procs[channel.to].slot) == self.config.slow;
        let picked = self.rng.pick(&ready);
        if let Some(channel) = picked.filter(|channel| !slow(channel) || self.rng.chance(12)) {
            let most = [1, 1, 2, 5][self.rng.below(4)];
            self.deliver(channel, most);
        }
        self.ready = ready;
    }

    fn some_tick(&mut self, process: usize) {
        let between = self.rng.chance(20).then(|| (self.rng.below(6), self.wanted(process)));
        self.tick(process, between);
    }

    fn some_answer(&mut self) {
        let answering = self.answering();
        if let Some((process, to)) = self.rng.pick(&answering) {
            self.answer(process, to);
        }
    }

    /// Who has an answer under way, and to whom.
    pub fn answering(&self) -> Vec<(usize, usize)> {
        let mut answering = Vec::new();
        for link in self.network.links() {
            for side in 0..2 {
                let (process, to) = (link.ends[side], link.ends[1 - side]);
                let to_id = self.procs[to].incarnation;
                let tables = self.procs[process].node.tables();
                let scans = |id| tables.look(id, |t| t.is_answering(to_id)) == Some(true);
                if link.up[side] && tables.ids().into_iter().any(scans) {
                    answering.push((process, to));
                }
            }
        }
        answering
    }

    fn some_dial(&mut self) {
        if !self.attempts.is_empty() {
            let attempt = self.rng.below(self.attempts.len());
            self.resolve_dial(attempt);
        }
    }

    fn some_resume(&mut self) {
        let drained = self.drained();
        if let Some((process, peer)) = self.rng.pick(&drained) {
            self.resume(process, peer);
        }
    }

    fn two_nodes(&mut self) -> (usize, usize) {
        let a = self.rng.below(self.config.nodes);
        let b = (a + 1 + self.rng.below(self.config.nodes - 1)) % self.config.nodes;
        (a, b)
    }

    fn some_network_fault(&mut self) {
        let (a, b) = self.two_nodes();
        let broken = self.broken_ends();
        match self.rng.below(10) {
            0..2 if !self.is_cut(a, b) => self.cut(a, b),
            2..3 if !self.is_cut(a, b) => self.cut_one_way(a, b),
            0..6 if self.is_cut(a, b) => self.heal(a, b),
            _ => {
                if let Some((process, peer)) = self.rng.pick(&broken) {
                    self.close_end(process, peer);
                }
            }
        }
    }
}
