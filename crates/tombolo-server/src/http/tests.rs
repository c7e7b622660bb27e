use tombolo::{
    Declaration, DiscoveryStatus, LinkStatus, MemberState, MemberStatus, Refusal, Status,
    TableStatus, Verdict,
};

use super::view::{Json, StatusView};
use super::{metrics, ready};

/// A node `n1` that is linked to `n2`, with one complete table.
fn status() -> Status {
    Status {
        name: "n1".into(),
        cluster: "tombolo".into(),
        version: "0.1.0",
        started: 1_000,
        address: "127.0.0.1:7381".into(),
        verdict: Verdict::Whole,
        verdict_line: "whole: n1 and n2 hear each other".into(),
        members: vec![member("n1", true), member("n2", false)],
        links: vec![LinkStatus {
            peer: "n2".into(),
            since: 2_000,
            lag_ops: 3,
            lag_bytes: 96,
            last_heard: 9_500,
            round_trip_micros: 250,
            bytes_in: 10,
            bytes_out: 20,
            ops_in: 1,
            ops_out: 2,
            overflows: 0,
        }],
        tables: vec![table("default")],
        discovery: DiscoveryStatus { works: true, addresses: vec![], error: None },
        refusals: vec![Refusal { at: 5, peer: "n9".into(), reason: "wrong secret".into() }],
        cuts: vec![],
    }
}

fn member(name: &str, is_self: bool) -> MemberStatus {
    MemberStatus {
        name: name.into(),
        address: format!("{name}:7381"),
        started: 1_000,
        state: MemberState::Up,
        since: 2_000,
        linked_to: vec![],
        is_self,
    }
}

fn table(name: &str) -> TableStatus {
    TableStatus {
        name: name.into(),
        declaration: Declaration::default(),
        records: 7,
        tombstones: 1,
        fingerprint: 0x0123_4567_89ab_cdef,
        seen: vec![("n1".into(), 8)],
        writable: true,
        complete: true,
        missing: vec![],
        unacknowledged: 0,
        writes: 8,
        conflict: None,
    }
}

#[test]
fn a_joined_node_with_complete_tables_is_ready() {
    assert_eq!(ready::missing(&status()), [""; 0]);
}

#[test]
fn what_is_missing_is_named() {
    let mut status = status();
    status.tables[0].complete = false;
    status.tables[0].missing = vec!["n2".into(), "n3".into()];
    assert_eq!(ready::missing(&status), ["table default is not synced with n2, n3"]);

    status.tables[0].missing.clear();
    status.tables[0].writable = false;
    let words = ["table default waits for the nodes known at the start"];
    assert_eq!(ready::missing(&status), words);

    status.tables.clear();
    assert_eq!(ready::missing(&status), ["no table is there yet"]);
}

#[test]
fn broken_discovery_counts_only_while_nobody_is_known() {
    let mut status = status();
    status.discovery.works = false;
    status.discovery.error = Some("cannot read nodes".into());
    assert_eq!(ready::missing(&status), [""; 0]);
    status.members.pop();
    assert_eq!(ready::missing(&status), ["no node was found yet: cannot read nodes"]);
    status.discovery.addresses = vec!["n2:7381".into()];
    assert_eq!(ready::missing(&status), [""; 0]);
}

#[test]
fn a_declaration_conflict_is_missing_too() {
    let mut status = status();
    status.tables[0].conflict = Some("here a, on n2 b".into());
    let words = ["table default is declared differently elsewhere: here a, on n2 b"];
    assert_eq!(ready::missing(&status), words);
}

#[test]
fn json_reads_back_and_keeps_fingerprints_exact() {
    let view = StatusView::new(&status(), 10_000);
    let text = view.to_json();
    assert!(text.contains("\"fingerprint\": \"0123456789abcdef\""), "{text}");
    assert!(text.contains("\"policy\": \"last_writer_wins\""), "{text}");
    let back: StatusView = serde_json::from_str(&text).unwrap();
    assert_eq!(back, view);
}

#[test]
fn every_metric_has_help_and_type_before_its_samples() {
    let text = metrics::render(&status(), 11_000);
    let mut described = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            described.push(rest.split(' ').next().unwrap().to_owned());
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(described.last().map(String::as_str), Some(name), "{line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
    let mut unique = described.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), described.len(), "a name is described twice");
}

#[test]
fn metrics_carry_what_the_status_says() {
    let text = metrics::render(&status(), 11_000);
    for line in [
        "tombolo_uptime_seconds 10",
        "tombolo_ready 1",
        "tombolo_verdict{verdict=\"whole\"} 1",
        "tombolo_verdict{verdict=\"split\"} 0",
        "tombolo_members{state=\"up\"} 2",
        "tombolo_link_lag_ops{peer=\"n2\"} 3",
        "tombolo_link_round_trip_seconds{peer=\"n2\"} 0.00025",
        "tombolo_table_records{table=\"default\"} 7",
        // The low 53 bits of 0x0123_4567_89ab_cdef.
        "tombolo_table_fingerprint{table=\"default\"} 920735923817967",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}
