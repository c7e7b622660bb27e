//! Some machines on a network in memory, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use foca::{Codec, Header, Member, Message, PostcardCodec};
use tombolo_core::NodeId;

use super::{Identity, MAX_PACKET, Output, Settings, Swim, SwimError, Token};

/// One way over the network, in milliseconds.
const LATENCY: u64 = 1;

#[derive(Clone)]
enum Input {
    Packet(Vec<u8>),
    Timer(Token),
}

struct Machine {
    id: NodeId,
    swim: Swim,
    /// A process that is stopped: its inputs wait, as in its sockets and its timer queue.
    stopped: bool,
    /// What was heard last of each name, and when.
    heard: BTreeMap<String, (u64, bool, u64)>,
    /// How often it was heard that somebody is down.
    downs: usize,
    errors: Vec<SwimError>,
}

struct Network {
    now: u64,
    next: u64,
    seed: u64,
    machines: BTreeMap<String, Machine>,
    /// What arrives when, at which process.
    queue: BTreeMap<(u64, u64), (NodeId, Input)>,
    links: BTreeSet<(String, String)>,
    /// Whether who is heard of is linked with.
    dials: bool,
}

impl Network {
    fn new(seed: u64) -> Network {
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
    fn mesh(seed: u64, names: &str) -> Network {
        let mut network = Network::new(seed);
        for name in names.split("").filter(|name| !name.is_empty()) {
            network.start(name, 1);
            network.link_with_all(name);
        }
        network.run(3_000);
        network.assert_all_up();
        network
    }

    fn start(&mut self, name: &str, started: u64) {
        let id = NodeId { name: name.to_string(), started };
        self.seed += 1;
        let swim = Swim::new(&id, &address(name), Settings::default(), self.seed);
        let (heard, errors) = (BTreeMap::new(), Vec::new());
        let machine = Machine { id, swim, stopped: false, heard, downs: 0, errors };
        self.machines.insert(name.to_string(), machine);
    }

    /// The process dies, and its links with it.
    fn kill(&mut self, name: &str) {
        let id = self.machines.remove(name).unwrap().id;
        for other in self.names() {
            self.cut(name, &other);
        }
        self.queue.retain(|_, (to, _)| *to != id);
    }

    fn link(&mut self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.insert((from.to_string(), to.to_string()));
            let peer = self.machines[to].id.clone();
            self.step(from, |swim| swim.announce_to(&peer, &address(&peer.name)));
        }
    }

    fn link_with_all(&mut self, name: &str) {
        for other in self.names().into_iter().filter(|other| other != name) {
            self.link(name, &other);
        }
    }

    fn cut(&mut self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.remove(&(from.to_string(), to.to_string()));
            if let Some(machine) = self.machines.get_mut(from) {
                machine.swim.unlinked(to);
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.machines.keys().cloned().collect()
    }

    fn step(&mut self, name: &str, call: impl FnOnce(&mut Swim) -> Result<(), SwimError>) {
        let machine = self.machines.get_mut(name).unwrap();
        if let Err(error) = call(&mut machine.swim) {
            machine.errors.push(error);
        }
        let outputs: Vec<Output> = machine.swim.outputs().collect();
        for output in outputs {
            self.carry_out(name, output);
        }
    }

    fn carry_out(&mut self, name: &str, output: Output) {
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

    fn run(&mut self, millis: u64) {
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
    fn run_until_heard(&mut self, name: &str, up: bool, except: &str, limit: u64) -> u64 {
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

    fn assert_all_up(&self) {
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

    fn downs(&self) -> usize {
        self.machines.values().map(|machine| machine.downs).sum()
    }

    fn assert_no_errors(&self) {
        for machine in self.machines.values() {
            assert!(machine.errors.is_empty(), "{}: {:?}", machine.id, machine.errors);
        }
    }
}

fn address(name: &str) -> String {
    format!("{name}.example:7381")
}

/// Every test holds for any seed.
fn seeds() -> impl Iterator<Item = u64> {
    (0..20).map(|seed| seed * 1_000)
}

#[test]
fn all_learn_of_all_from_a_chain_of_links() {
    for seed in seeds() {
        let mut network = Network { dials: true, ..Network::new(seed) };
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            network.start(name, 1);
        }
        for pair in network.names().windows(2) {
            network.link(&pair[0], &pair[1]);
        }
        network.run(2_000);
        network.assert_all_up();
        assert_eq!(network.downs(), 0);
        network.assert_no_errors();
    }
}

#[test]
fn a_node_that_died_is_down_everywhere_within_seconds_and_nobody_else_is() {
    let (mut longest, mut shortest) = (0, u64::MAX);
    for seed in seeds() {
        for names in ["ab", "abc", "abcde", "abcdefgh"] {
            let mut network = Network::mesh(seed, names);
            network.run(seed % 777);
            network.kill("a");
            let took = network.run_until_heard("a", false, "", 6_000);
            (longest, shortest) = (longest.max(took), shortest.min(took));
            network.run(20_000);
            assert_eq!(network.downs(), names.len() - 1);
            network.assert_no_errors();
        }
    }
    println!("down after {shortest} to {longest} ms");
    assert!(shortest > 2_400);
}

#[test]
fn nobody_is_declared_down_for_a_short_pause_or_a_short_cut() {
    for seed in seeds() {
        for (names, pause) in [("ab", 4), ("ab", 1_000), ("abc", 1_000), ("abcde", 2_000)] {
            let mut network = Network::mesh(seed, names);
            for _ in 0..5 {
                network.machines.get_mut("a").unwrap().stopped = true;
                network.run(pause);
                network.machines.get_mut("a").unwrap().stopped = false;
                network.run(5_000 + seed % 777);
                for other in network.names() {
                    network.cut("a", &other);
                }
                network.run(pause);
                network.link_with_all("a");
                network.run(5_000 + seed % 777);
            }
            assert_eq!(network.downs(), 0, "seed {seed}, {names}, {pause} ms");
            network.assert_no_errors();
        }
    }
}

#[test]
fn a_process_that_was_suspended_is_up_again_at_once_and_blames_nobody() {
    for seed in seeds() {
        for names in ["ab", "abc", "abcde"] {
            let mut network = Network::mesh(seed, names);
            network.run(seed % 777);
            network.machines.get_mut("a").unwrap().stopped = true;
            network.run(30_000);
            assert_eq!(network.downs(), names.len() - 1, "all but a itself gave it up");
            network.machines.get_mut("a").unwrap().stopped = false;
            let took = network.run_until_heard("a", true, "", 2_000);
            assert!(took < 1_100, "{took} ms");
            network.run(20_000);
            network.assert_all_up();
            assert_eq!(network.downs(), names.len() - 1);
            network.assert_no_errors();
        }
    }
}

#[test]
fn who_is_suspended_with_a_verdict_pending_lets_the_suspect_object_first() {
    for seed in seeds() {
        let mut network = Network::mesh(seed, "ab");
        // Now b suspects a; then b stops until long after the verdict is due, and a is fine.
        network.machines.get_mut("a").unwrap().stopped = true;
        network.run(2_000);
        network.machines.get_mut("a").unwrap().stopped = false;
        network.machines.get_mut("b").unwrap().stopped = true;
        network.run(2_000);
        network.machines.get_mut("b").unwrap().stopped = false;
        network.run(10_000);
        assert_eq!(network.downs(), 0, "seed {seed}");
    }
}

#[test]
fn a_verdict_is_put_off_only_once() {
    let mut network = Network::mesh(0, "abc");
    network.kill("a");
    // A host so slow that every timer is late.
    for _ in 0..30 {
        for name in ["b", "c"] {
            network.machines.get_mut(name).unwrap().stopped = true;
        }
        network.run(400);
        for name in ["b", "c"] {
            network.machines.get_mut(name).unwrap().stopped = false;
        }
        network.run(1);
    }
    network.run_until_heard("a", false, "", 100);
}

#[test]
fn a_restarted_node_is_up_as_the_new_process_and_the_old_one_is_no_ghost() {
    for seed in seeds() {
        for pause in [0, 1_000, 10_000, 900_000] {
            let mut network = Network::mesh(seed, "abc");
            for started in 2..5 {
                network.kill("a");
                network.run(pause);
                network.start("a", started);
                network.link_with_all("a");
                network.run_until_heard("a", true, "", 100);
                network.run(6_000);
                network.assert_all_up();
            }
            network.assert_no_errors();
        }
    }
}

#[test]
fn a_cut_between_two_nodes_that_both_reach_a_third_takes_nobody_down() {
    for seed in seeds() {
        for names in ["abc", "abcde"] {
            let mut network = Network::mesh(seed, names);
            network.cut("a", "b");
            network.run(60_000);
            assert_eq!(network.downs(), 0);
            network.link("a", "b");
            network.run(5_000);
            network.assert_all_up();
            network.assert_no_errors();
        }
    }
}

#[test]
fn halves_that_gave_each_other_up_are_one_again_when_the_links_are_back() {
    for seed in seeds() {
        for (left, right) in [("a", "b"), ("a", "bc"), ("abc", "de")] {
            for cut in [10_000, 60_000, 900_000] {
                let mut network = Network::mesh(seed, &format!("{left}{right}"));
                let pairs = left.chars().flat_map(|a| right.chars().map(move |b| (a, b)));
                let pairs: Vec<_> = pairs.map(|(a, b)| (a.to_string(), b.to_string())).collect();
                for (a, b) in &pairs {
                    network.cut(a, b);
                }
                network.run(cut);
                assert_eq!(network.downs(), 2 * pairs.len());
                for (a, b) in &pairs {
                    network.link(a, b);
                }
                network.run(500);
                network.assert_all_up();
                network.run(20_000);
                assert_eq!(network.downs(), 2 * pairs.len());
                network.assert_no_errors();
            }
        }
    }
}

#[test]
fn who_leaves_is_down_at_once_and_does_not_come_back() {
    for seed in seeds() {
        let mut network = Network::mesh(seed, "abcdef");
        network.step("a", Swim::leave);
        network.run_until_heard("a", false, "a", 1_000);
        network.run(60_000);
        assert!(network.machines["b"].heard["a"].0 == 1 && !network.machines["b"].heard["a"].1);
        assert_eq!(network.downs(), 5);
    }
}

#[test]
fn a_superseded_process_that_lives_on_causes_no_storm() {
    let mut old = Swim::new(&id("a"), &address("a"), Settings::default(), 1);
    let mut new =
        Swim::new(&NodeId { started: 2, ..id("a") }, &address("a"), Settings::default(), 2);
    let mut peer = Swim::new(&id("b"), &address("b"), Settings::default(), 3);
    new.announce_to(&id("b"), &address("b")).unwrap();
    converse(&mut new, &mut peer);
    old.announce_to(&id("b"), &address("b")).unwrap();
    let exchanged = converse(&mut old, &mut peer);
    assert!((2..20).contains(&exchanged), "{exchanged} packets");
    assert_eq!(peer.foca.iter_members().next().unwrap().id().started, 2);
}

#[test]
fn who_learns_that_it_is_superseded_does_not_declare_its_successor_down() {
    let mut old = Swim::new(&id("a"), &address("a"), Settings::default(), 1);
    // b asked c, which knows better, to ping the old process.
    let successor = NodeId { started: 2, ..id("a") };
    let header = Header {
        src: Identity::new(&id("c"), &address("c")),
        src_incarnation: 0,
        dst: Identity::new(&id("a"), &address("a")),
        message: Message::IndirectPing {
            origin: Identity::new(&id("b"), &address("b")),
            probe_number: 1,
        },
    };
    let mut packet = Vec::new();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend_from_slice(&1u16.to_be_bytes());
    let update = Member::alive(Identity::new(&successor, &address("a")));
    PostcardCodec.encode_member(&update, &mut packet).unwrap();

    let result = old.received(&packet);
    assert!(matches!(result, Err(SwimError::Superseded(by)) if by == successor));
    assert_eq!(old.outputs().count(), 0);
}

/// Carries packets to and fro until there are none; how many there were.
fn converse(a: &mut Swim, b: &mut Swim) -> usize {
    let mut exchanged = 0;
    for _ in 0..1_000 {
        let before = exchanged;
        exchanged += carry(a, b) + carry(b, a);
        if exchanged == before {
            break;
        }
    }
    exchanged
}

fn carry(from: &mut Swim, to: &mut Swim) -> usize {
    let packets = from.outputs().filter_map(|output| match output {
        Output::Send { data, .. } => Some(data),
        _ => None,
    });
    packets.map(|packet| to.received(&packet).unwrap()).count()
}

#[test]
fn bad_packets_are_errors_and_change_nothing() {
    let mut network = Network::mesh(7, "abc");
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for _ in 0..200 {
        network.step("b", |swim| swim.announce_to(&id("a"), &address("a")));
        let waiting = network.queue.values().filter_map(|(_, input)| match input {
            Input::Packet(data) => Some(data.clone()),
            Input::Timer(_) => None,
        });
        packets.extend(waiting);
        network.run(1);
    }
    let mut noise = 12_345u64;
    for round in 0..20_000 {
        let mut packet = packets[round % packets.len()].clone();
        for _ in 0..=round % 3 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(noise >> 33).unwrap() % packet.len();
            packet[at] = u8::try_from(noise >> 56).unwrap();
        }
        packet.truncate(packet.len() - round % 5 % packet.len());
        let mut swim = Swim::new(&id("a"), &address("a"), Settings::default(), 1);
        _ = swim.received(&packet);
    }
    let swim = &mut network.machines.get_mut("a").unwrap().swim;
    assert!(matches!(swim.received(&[]), Err(SwimError::Foca(_))));
    assert!(matches!(swim.received(&vec![0; MAX_PACKET + 1]), Err(SwimError::Foca(_))));
    assert!(matches!(swim.received(b"GET / HTTP/1.1\r\n\r\n"), Err(SwimError::Foca(_))));
    network.run(10_000);
    network.assert_all_up();
    assert_eq!(network.downs(), 0);
}

fn id(name: &str) -> NodeId {
    NodeId { name: name.to_string(), started: 1 }
}
