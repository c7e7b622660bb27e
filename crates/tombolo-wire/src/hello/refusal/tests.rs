//! What each refusal says, and what follows from it.

use super::*;

#[track_caller]
fn says(refusal: Refusal, text: &str, is_final: bool) {
    assert_eq!(refusal.to_string(), text);
    assert_eq!(refusal.is_final(), is_final, "{refusal:?}");
}

#[test]
fn not_tombolo() {
    says(
        Refusal::NotTombolo,
        "the other side does not speak Tombolo's node protocol: use the address given as \
         --listen of a Tombolo node (Redis clients use --resp)",
        true,
    );
}

#[test]
fn another_protocol() {
    says(
        Refusal::Protocol { ours: 1, theirs: 2 },
        "the protocol versions differ: the refusing node speaks 1, the refused node 2; run \
         releases of Tombolo with the same protocol on both",
        true,
    );
}

#[test]
fn another_cluster_and_nothing_that_breaks_a_line_of_a_log() {
    says(
        Refusal::Cluster { ours: "prod".to_owned(), theirs: "test\n".to_owned() },
        "the cluster names differ: the refusing node belongs to \"prod\", the refused node \
         to \"test\\n\"; start both with the same --cluster-name, or take the address out of \
         --join and --discovery",
        true,
    );
}

#[test]
fn another_secret() {
    says(
        Refusal::Secret,
        "the secrets differ: start both nodes with the same --secret (or TOMBOLO_SECRET)",
        true,
    );
}

#[test]
fn a_name_that_is_taken() {
    let taken = Refusal::NameTaken {
        name: "n1".to_owned(),
        started: 951_782_399_000_000,
        address: "10.0.0.7:7381".to_owned(),
        heard_millis_ago: 120,
    };
    says(
        taken,
        "the name \"n1\" is taken by a node at \"10.0.0.7:7381\" that started at 2000-02-28 \
         23:59:59 UTC and was heard 120 ms ago: give the refused node another --name, or \
         stop the other node",
        true,
    );
}

#[test]
fn superseded() {
    says(
        Refusal::Superseded { name: "n1".to_owned(), by: 1_796_083_200_000_000 },
        "a newer process of the name \"n1\" is known, started at 2026-12-01 00:00:00 UTC: \
         the refused node must stop; start it again if it is the one to stay",
        true,
    );
}

#[test]
fn a_clock_behind_or_ahead() {
    says(
        Refusal::ClockDrift { millis: 5_000, ahead: false, max: 1_000 },
        "the refused node's clock is 5000 ms behind the refusing node's, and at most 1000 ms \
         are allowed: set the clocks of both machines (run NTP)",
        false,
    );
    says(
        Refusal::ClockDrift { millis: 5_000, ahead: true, max: 1_000 },
        "the refused node's clock is 5000 ms ahead of the refusing node's, and at most 1000 ms \
         are allowed: set the clocks of both machines (run NTP)",
        false,
    );
}

#[test]
fn oneself() {
    says(
        Refusal::OneSelf,
        "the address leads back to the node that dialled it: nothing to do, the node leaves \
         its own address out from here on",
        true,
    );
}

#[test]
fn a_cut_and_a_second_link() {
    says(
        Refusal::Cut,
        "a drill has cut these two nodes from each other: end it with POST \
         /api/v1/drills/heal on the refusing node",
        false,
    );
    says(
        Refusal::AlreadyLinked,
        "the two nodes are linked by another connection already: nothing to do",
        false,
    );
}

#[test]
fn frames_that_are_too_large_or_cannot_be_read() {
    says(
        Refusal::TooLarge { length: 2_000_000, limit: 1_048_576 },
        "a frame of the handshake has 2000000 bytes and at most 1048576 are allowed: run the \
         same release of Tombolo on both nodes",
        true,
    );
    says(
        Refusal::Garbled { what: "hello: lane".to_owned() },
        "the handshake could not be read (hello: lane): run the same release of Tombolo on \
         both nodes",
        true,
    );
}

#[test]
fn a_moment_is_told_in_words() {
    assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
    assert_eq!(utc(951_782_400_000_000), "2000-02-29 00:00:00 UTC");
    assert_eq!(utc(4_107_542_399_999_999), "2100-02-28 23:59:59 UTC");
    assert_eq!(utc(4_107_542_400_000_000), "2100-03-01 00:00:00 UTC");
    assert!(utc(u64::MAX).ends_with("UTC"));
}
