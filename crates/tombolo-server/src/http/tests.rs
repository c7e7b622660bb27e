use tombolo::{
    ClockStatus, Declaration, DiscoveryStatus, Freshness, HeldStatus, LedgerStatus, LinkStatus,
    MemberState, MemberStatus, PreviewStatus, ProgressStatus, Refusal, Status, SyncStatus,
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
        discovery: DiscoveryStatus {
            works: true,
            addresses: vec![],
            error: None,
            nodes: vec![],
            backends: vec![],
        },
        refusals: vec![Refusal { at: 5, peer: "n9".into(), reason: "wrong secret".into() }],
        cuts: vec![],
        rehearsing: false,
        leader: "n1".into(),
        clocks: vec![clock("default", 200), clock("other", 300)],
        available: vec!["n2".into()],
        unavailable: vec![],
        joined: vec!["n2".into()],
        peer_tables: vec![],
        freshness: Freshness::default(),
        downs: vec![],
        long_tasks: vec![],
        faults: vec![],
        snapshots: None,
    }
}

fn clock(table: &str, ahead: u64) -> ClockStatus {
    ClockStatus { node: "n3".into(), table: table.into(), ahead, at: 9_000, count: 1 }
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
        epoch: 2,
        hidden: 3,
        siblings: 4,
        ledger: LedgerStatus { noted: 9, dropped: 1, undecided: 2, ..LedgerStatus::default() },
        progress: None,
        syncs: vec![SyncStatus { peer: "n2".into(), at: 5, brought: 1, removed: 2, conflicts: 3 }],
        held: vec![held(true), held(false)],
        other_nodes: vec!["n2".into()],
        conflicts_with: vec![],
        paused: None,
    }
}

fn held(apart: bool) -> HeldStatus {
    let keys = [vec![b"a".to_vec()], vec![vec![0xff]], vec![]];
    let preview = PreviewStatus { looked: 7, adds: 1, updates: 2, deletes: 1, conflicts: 0, keys };
    HeldStatus { peer: "n2".into(), since: 7, apart, preview: apart.then_some(preview) }
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

    status.tables[0].progress = Some(progress());
    let words = ["table default is filled: 41,200 of 100,000 records, about 3 s to go"];
    assert_eq!(ready::missing(&status), words);
    status.tables[0].progress = Some(ProgressStatus { remaining: None, ..progress() });
    let words = ["table default is filled: 41,200 of 100,000 records"];
    assert_eq!(ready::missing(&status), words);

    status.tables.clear();
    assert_eq!(ready::missing(&status), ["no table is there yet"]);
}

fn progress() -> ProgressStatus {
    ProgressStatus {
        expected: 100_000,
        received: 41_200,
        since: 1_000,
        remaining: Some(2_500),
        from: vec!["n2".into()],
    }
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
    assert!(text.contains("\"key_base64\": \"/w==\""), "{text}");
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
    let mut status = status();
    status.tables[0].progress = Some(progress());
    let text = metrics::render(&status, 11_000);
    for line in [
        "tombolo_uptime_seconds 10",
        "tombolo_ready 1",
        "tombolo_verdict{verdict=\"whole\"} 1",
        "tombolo_verdict{verdict=\"split\"} 0",
        "tombolo_members{state=\"up\"} 2",
        "tombolo_link_lag_ops{peer=\"n2\"} 3",
        "tombolo_link_round_trip_seconds{peer=\"n2\"} 0.00025",
        "tombolo_table_records{table=\"default\"} 7",
        "tombolo_verdict{verdict=\"apart\"} 0",
        "tombolo_table_epoch{table=\"default\"} 2",
        "tombolo_table_hidden_records{table=\"default\"} 3",
        "tombolo_table_siblings{table=\"default\"} 4",
        "tombolo_table_undecided{table=\"default\"} 2",
        "tombolo_table_conflicts_total{table=\"default\"} 9",
        "tombolo_table_ledger_dropped_total{table=\"default\"} 1",
        "tombolo_table_held_apart{table=\"default\"} 1",
        "tombolo_sync_expected{table=\"default\"} 100000",
        "tombolo_sync_received{table=\"default\"} 41200",
        "tombolo_clock_ahead_ms{node=\"n3\"} 300",
        // The low 53 bits of 0x0123_4567_89ab_cdef.
        "tombolo_table_fingerprint{table=\"default\"} 920735923817967",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}
