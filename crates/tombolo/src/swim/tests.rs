//! What the membership protocol must do, on a network in memory and in virtual time.

mod network;

use std::time::Duration;

use foca::{Codec, Header, Member, Message, PostcardCodec};
use tombolo_core::NodeId;

use super::{Identity, MAX_PACKET, Output, Settings, Swim, SwimError, Token};
use network::{Input, Network, address};

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
                network.stop("a");
                network.run(pause);
                network.resume("a");
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
            network.stop("a");
            network.run(30_000);
            assert_eq!(network.downs(), names.len() - 1, "all but a itself gave it up");
            network.resume("a");
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
        network.stop("a");
        network.run(2_000);
        network.resume("a");
        network.stop("b");
        network.run(2_000);
        network.resume("b");
        network.run(10_000);
        assert_eq!(network.downs(), 0, "seed {seed}");
    }
}

#[test]
fn a_verdict_is_put_off_only_once() {
    let mut network = Network::mesh(0, "abc");
    network.kill("a");
    // A host so slow that every timer is late.
    for _ in 0..10 {
        for name in ["b", "c"] {
            network.stop(name);
        }
        network.run(3_000);
        for name in ["b", "c"] {
            network.resume(name);
        }
        network.run(20);
    }
    network.run_until_heard("a", false, "", 100);
}

#[test]
fn timers_that_are_overdue_together_may_come_in_any_order() {
    let mut swim = Swim::new(&id("a"), &address("a"), Settings::default(), 1);
    let mut peer = Swim::new(&id("b"), &address("b"), Settings::default(), 2);
    swim.announce_to(&id("b"), &address("b")).unwrap();
    carry(&mut swim, &mut peer);
    carry(&mut peer, &mut swim);
    let timers = |swim: &mut Swim| -> Vec<(Duration, Token)> {
        let timers = swim.outputs().filter_map(|output| match output {
            Output::Timer { after, token } => Some((after, token)),
            _ => None,
        });
        timers.collect()
    };
    let period = Settings::default().probe_period;
    let probe = timers(&mut swim).into_iter().find(|(after, _)| *after == period).unwrap();
    swim.timer(probe.1, Duration::ZERO).unwrap();
    // Now the next probe comes due before this one has gone its whole way.
    let mut cycle = timers(&mut swim);
    assert_eq!(cycle.len(), 2);
    cycle.sort_by_key(|(after, _)| std::cmp::Reverse(*after));
    for (_, token) in cycle {
        swim.timer(token, Duration::from_secs(30)).unwrap();
    }
    let again = timers(&mut swim);
    assert_eq!(again.len(), 1);
    swim.timer(again[0].1.clone(), Duration::ZERO).unwrap();
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
    let successor = NodeId { started: 2, ..id("a") };
    let packet = indirect_ping(&Member::alive(Identity::new(&successor, &address("a"))));
    let result = old.received(&packet);
    assert!(matches!(result, Err(SwimError::Superseded(by)) if by == successor));
    assert_eq!(old.outputs().count(), 0);
}

#[test]
fn who_has_left_does_not_take_the_echo_for_a_mistake() {
    let echo = indirect_ping(&Member::down(Identity::new(&id("a"), &address("a"))));
    for (leaves, bump) in [(false, 1), (true, 0)] {
        let mut swim = Swim::new(&id("a"), &address("a"), Settings::default(), 1);
        if leaves {
            swim.leave().unwrap();
            swim.outputs().for_each(drop);
        }
        swim.received(&echo).unwrap();
        assert_eq!(swim.foca.identity().bump, bump);
        assert_eq!(swim.outputs().count() == 0, leaves);
    }
}

/// What c, which knows of `update`, tells a when b asks it to ping a.
fn indirect_ping(update: &Member<Identity>) -> Vec<u8> {
    let header = Header {
        src: Identity::new(&id("c"), &address("c")),
        src_incarnation: 0,
        dst: Identity { bump: update.id().bump, ..Identity::new(&id("a"), &address("a")) },
        message: Message::IndirectPing {
            origin: Identity::new(&id("b"), &address("b")),
            probe_number: 1,
        },
    };
    let mut packet = Vec::new();
    PostcardCodec.encode_header(&header, &mut packet).unwrap();
    packet.extend_from_slice(&1u16.to_be_bytes());
    PostcardCodec.encode_member(update, &mut packet).unwrap();
    packet
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
