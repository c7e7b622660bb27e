//! Some machines on a network in memory, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tombolo_core::NodeId;

use crate::swim::{MAX_PACKET, Output, Settings, Swim, SwimError, Token};

/// One way over the network, in milliseconds.
const LATENCY: u64 = 1;

#[derive(Clone)]
pub(super) enum Input {
    Packet(Vec<u8>),
    Timer(Token),
}

pub(super) struct Machine {
    pub(super) id: NodeId,
    pub(super) swim: Swim,
    /// A process that is stopped: its inputs wait, as in its sockets and its timer queue.
    pub(super) stopped: bool,
    /// What was heard last of each name, and when.
    pub(super) heard: BTreeMap<String, (u64, bool, u64)>,
    /// How often it was heard that somebody is down.
    pub(super) downs: usize,
    pub(super) errors: Vec<SwimError>,
}

pub(super) struct Network {
    pub(super) now: u64,
    pub(super) next: u64,
    pub(super) seed: u64,
    pub(super) machines: BTreeMap<String, Machine>,
    /// What arrives when, at which process.
    pub(super) queue: BTreeMap<(u64, u64), (NodeId, Input)>,
    pub(super) links: BTreeSet<(String, String)>,
    /// Whether who is heard of is linked with.
    pub(super) dials: bool,
}

impl Network {
    pub(super) fn new(seed: u64) -> Network {
        Network {
            now: 0,
            next: 0,
            seed,
            machines: BTreeMap::new(),
            queue: BTreeMap::new(),
            links: BTreeSet::new(),
            dials: false,
        }
    }

    /// As many machines as there are letters, in a full mesh, that know each other.
    pub(super) fn mesh(seed: u64, names: &str) -> Network {
        let mut network = Network::new(seed);
        for name in names.split("").filter(|name| !name.is_empty()) {
            network.start(name, 1);
            network.link_with_all(name);
        }
        network.run(3_000);
        network.assert_all_up();
        network
    }

    pub(super) fn start(&mut self, name: &str, started: u64) {
        let id = NodeId { name: name.to_string(), started };
        self.seed += 1;
        let swim = Swim::new(&id, &address(name), Settings::default(), self.seed);
        let (heard, errors) = (BTreeMap::new(), Vec::new());
        let machine = Machine { id, swim, stopped: false, heard, downs: 0, errors };
        self.machines.insert(name.to_string(), machine);
    }

    /// The process dies, and its links with it.
    pub(super) fn kill(&mut self, name: &str) {
        let id = self.machines.remove(name).unwrap().id;
        for other in self.names() {
            self.cut(name, &other);
        }
        self.queue.retain(|_, (to, _)| *to != id);
    }

    pub(super) fn link(&mut self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.insert((from.to_string(), to.to_string()));
            let peer = self.machines[to].id.clone();
            self.step(from, |swim| swim.announce_to(&peer, &address(&peer.name)));
        }
    }

    pub(super) fn link_with_all(&mut self, name: &str) {
        for other in self.names().into_iter().filter(|other| other != name) {
            self.link(name, &other);
        }
    }

    pub(super) fn cut(&mut self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.remove(&(from.to_string(), to.to_string()));
            if let Some(machine) = self.machines.get_mut(from) {
                machine.swim.unlinked(to);
            }
        }
    }

    /// The process is stopped, as by SIGSTOP: what reaches it waits in its sockets.
    pub(super) fn stop(&mut self, name: &str) {
        self.machines.get_mut(name).unwrap().stopped = true;
    }

    /// The process goes on. In the worst case it sees the timers that are overdue before all that
    /// waits in its sockets.
    pub(super) fn resume(&mut self, name: &str) {
        let machine = self.machines.get_mut(name).unwrap();
        machine.stopped = false;
        let id = machine.id.clone();
        let now = self.now;
        let moved = std::mem::take(&mut self.queue).into_iter().map(|((due, number), arrival)| {
            let waits = arrival.0 == id && matches!(arrival.1, Input::Packet(_));
            ((if waits { due.max(now) } else { due }, number), arrival)
        });
        self.queue = moved.collect();
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.machines.keys().cloned().collect()
    }

    pub(super) fn step(
        &mut self,
        name: &str,
        call: impl FnOnce(&mut Swim) -> Result<(), SwimError>,
    ) {
        let machine = self.machines.get_mut(name).unwrap();
        if let Err(error) = call(&mut machine.swim) {
            machine.errors.push(error);
        }
        let outputs: Vec<Output> = machine.swim.outputs().collect();
        for output in outputs {
            self.carry_out(name, output);
        }
    }

    pub(super) fn carry_out(&mut self, name: &str, output: Output) {
        self.next += 1;
        let machine = self.machines.get_mut(name).unwrap();
        match output {
            Output::Send { to, data } => {
                assert!(data.len() <= MAX_PACKET && to != name);
                if let Some(peer) = self.machines.get(&to)
                    && self.links.contains(&(name.to_string(), to))
                {
                    let arrival = (peer.id.clone(), Input::Packet(data));
                    self.queue.insert((self.now + LATENCY, self.next), arrival);
                }
            }
            Output::Timer { after, token } => {
                let due = self.now + u64::try_from(after.as_millis()).unwrap();
                let arrival = (machine.id.clone(), Input::Timer(token));
                self.queue.insert((due, self.next), arrival);
            }
            Output::Heard { id, address: at, up } => {
                assert_eq!(at, address(&id.name));
                machine.downs += usize::from(!up);
                machine.heard.insert(id.name.clone(), (id.started, up, self.now));
                if up && self.dials && !self.links.contains(&(name.to_string(), id.name.clone())) {
                    self.link(name, &id.name);
                }
            }
        }
    }

    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        let mut waiting = Vec::new();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((due, number), (to, input)) = entry.remove_entry();
            let machine = self.machines.get(&to.name).filter(|machine| machine.id == to);
            if machine.is_some_and(|machine| machine.stopped) {
                waiting.push(((due, number), (to, input)));
            } else if machine.is_some() {
                let late = self.now.saturating_sub(due);
                self.now = self.now.max(due);
                self.step(&to.name, |swim| match input {
                    Input::Packet(data) => swim.received(&data),
                    Input::Timer(token) => swim.timer(token, Duration::from_millis(late)),
                });
            }
        }
        self.queue.extend(waiting);
        self.now = end;
    }

    /// Runs until every machine but those called `except` hears `name` as `up` says; how long that
    /// took.
    pub(super) fn run_until_heard(
        &mut self,
        name: &str,
        up: bool,
        except: &str,
        limit: u64,
    ) -> u64 {
        let start = self.now;
        loop {
            let unheard = self.machines.values().find(|machine| {
                let heard = machine.heard.get(name).is_some_and(|(_, is_up, _)| *is_up);
                machine.id.name != name && !except.contains(&machine.id.name) && heard != up
            });
            let Some(machine) = unheard else {
                return self.now - start;
            };
            let by = &machine.id.name;
            assert!(self.now - start < limit, "after {limit} ms {by} does not say {name} {up}");
            self.run(10);
        }
    }

    pub(super) fn assert_all_up(&self) {
        for machine in self.machines.values() {
            for other in self.machines.values().filter(|other| other.id != machine.id) {
                let heard = machine.heard.get(&other.id.name);
                let fits = heard.is_some_and(|(start, up, _)| *start == other.id.started && *up);
                assert!(fits, "{} heard {heard:?} of {}", machine.id, other.id);
            }
            let up = machine.heard.values().filter(|(_, up, _)| *up).count();
            assert_eq!(up, self.machines.len() - 1, "{} hears a ghost", machine.id);
        }
    }

    pub(super) fn downs(&self) -> usize {
        self.machines.values().map(|machine| machine.downs).sum()
    }

    pub(super) fn assert_no_errors(&self) {
        for machine in self.machines.values() {
            assert!(machine.errors.is_empty(), "{}: {:?}", machine.id, machine.errors);
        }
    }
}

pub(super) fn address(name: &str) -> String {
    format!("{name}.example:7381")
}
