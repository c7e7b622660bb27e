use tombolo_server::http::view::{
    ClockView, DiscoveryView, HeldView, LedgerView, LinkView, MemberView, ProgressView,
    RefusalView, StatusView, SyncView, TableView,
};

use super::*;

fn view() -> StatusView {
    StatusView {
        name: "n1".into(),
        cluster: "tombolo".into(),
        version: "0.1.0".into(),
        address: "127.0.0.1:7381".into(),
        started: 1_000_000,
        now: 1_125_000,
        verdict: "split".into(),
        verdict_line: "split: n1 does not hear n3".into(),
        ready: true,
        missing: vec![],
        members: vec![
            member("n1", "up", &["n2"]),
            member("n2", "up", &["n3", "n1"]),
            member("n3", "down", &[]),
        ],
        links: vec![LinkView {
            peer: "n2".into(),
            since: 1_100_000,
            lag_ops: 12_345,
            lag_bytes: 1_572_864,
            last_heard: 1_124_000,
            round_trip_micros: 180,
            bytes_in: 1,
            bytes_out: 2,
            ops_in: 3,
            ops_out: 1_000,
            overflows: 0,
        }],
        tables: vec![TableView {
            name: "default".into(),
            kind: "set".into(),
            policy: "last_writer_wins".into(),
            owner_down: "keep".into(),
            merge: "auto".into(),
            records: 1_002_003,
            tombstones: 4,
            fingerprint: "00000000000000ff".into(),
            writable: true,
            complete: true,
            ..TableView::default()
        }],
        discovery: DiscoveryView { works: true, ..DiscoveryView::default() },
        refusals: vec![RefusalView {
            at: 1_120_000,
            peer: "10.0.0.9:7381".into(),
            reason: "another cluster name\x1b[2J".into(),
        }],
        ..StatusView::default()
    }
}

fn member(name: &str, state: &str, linked_to: &[&str]) -> MemberView {
    MemberView {
        name: name.into(),
        address: format!("127.0.0.1:{name}"),
        state: state.into(),
        since: 1_113_000,
        started: 1_000_000,
        linked_to: linked_to.iter().map(|name| (*name).to_owned()).collect(),
        is_self: name == "n1",
    }
}

#[test]
fn a_status_is_readable_at_a_glance() {
    let golden = "\
split: n1 does not hear n3
cluster tombolo, as n1 at 127.0.0.1:7381 sees it, running for 2 min, version 0.1.0
refused 5 s ago, 10.0.0.9:7381: another cluster name?[2J

MEMBER  ADDRESS       STATE  SINCE    STARTED  HEARS
n1 *    127.0.0.1:n1  up      12 s  2 min ago  n2
n2      127.0.0.1:n2  up      12 s  2 min ago  n1 n3
n3      127.0.0.1:n3  down    12 s  2 min ago  -

LINK  LAG OPS  LAG BYTES  ROUND TRIP  LAST HEARD  OPS SENT  OPS RECEIVED  OVERFLOWS
n2     12,345    1.5 MiB     0.18 ms     1 s ago     1,000             3          0

TABLE      RECORDS  TOMBSTONES  HIDDEN  SIBLINGS  UNDECIDED  FINGERPRINT       STATE
default  1,002,003           4       0         0          0  00000000000000ff  complete

TABLE    KIND  POLICY            OWNER DOWN  MERGE  TTL  EPOCH
default  set   last_writer_wins  keep        auto     -      0
";
    assert_eq!(render(&view(), false), golden);
}

#[test]
fn colours_change_nothing_but_colours() {
    let painted = render(&view(), true);
    assert!(painted.starts_with("\x1b[31msplit\x1b[0m: n1 does not hear n3\n"), "{painted:?}");
    let mut plain = painted.clone();
    for code in ["0", "1", "2", "31", "32", "33"] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, render(&view(), false));
}

#[test]
fn what_needs_attention_stands_on_top() {
    let mut view = view();
    view.missing = vec!["no table is there yet".into()];
    view.cuts = vec!["n2".into(), "n3".into()];
    view.tables[0].conflict = Some("here a, on n2 b".into());
    let text = render(&view, false);
    let head: Vec<&str> = text.lines().skip(2).take(3).collect();
    assert_eq!(
        head,
        [
            "not ready: no table is there yet",
            "a drill cuts this node off from n2, n3",
            "table default: here a, on n2 b",
        ]
    );
    assert!(text.contains("declared differently elsewhere"));
}

#[test]
fn what_a_split_left_behind_is_told() {
    let mut view = view();
    view.rehearsing = true;
    view.clocks = vec![ClockView {
        node: "n3".into(),
        table: "default".into(),
        ahead_ms: 90_000,
        at: 0,
        count: 7,
    }];
    let sync = |peer: &str, brought| SyncView {
        peer: peer.into(),
        at: 1_120_000,
        brought,
        removed: 2,
        conflicts: 1,
    };
    let idle = SyncView { peer: "n9".into(), at: 1_120_000, ..SyncView::default() };
    let held = HeldView { peer: "n2".into(), since: 0, apart: true, preview: None };
    let table = &mut view.tables[0];
    table.syncs = vec![sync("n3", 1_000), idle];
    table.ledger = LedgerView { undecided: 2, dropped: 5, ..LedgerView::default() };
    (table.hidden, table.siblings, table.held) = (12, 3, vec![held]);
    let text = render(&view, false);
    for line in [
        "a drill rehearses: tables are kept apart from whoever comes back, see `tombolo join \
         --dry-run`",
        "table default: 2 keys wait for somebody to decide, see `tombolo conflicts`",
        "table default is kept apart from n2's, see `tombolo join --dry-run`",
        "table default: the ledger dropped its 5 oldest conflicts, raise --ledger-bytes",
        "the clock of n3 is 90.00 s ahead: 7 of its writes to table default wait until time has \
         caught up. Set the clock of that machine right",
        "default  1,002,003           4      12         3          2  00000000000000ff  kept apart \
         from n2",
        "default  n3              5 s ago    1,000        2            1",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("n9"), "{text}");
}

#[test]
fn a_table_that_is_filled_says_how_far_it_is() {
    let mut view = view();
    view.tables[0].complete = false;
    view.tables[0].progress = Some(ProgressView {
        expected: 1_000,
        received: 400,
        remaining_ms: Some(2_100),
        from: vec!["n2".into()],
        ..ProgressView::default()
    });
    let text = render(&view, false);
    assert!(text.contains("400 of 1,000 records from n2, about 2 s to go"), "{text}");
}

#[test]
fn nobody_there_says_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = ask(&address, PATIENCE).unwrap_err();
    assert!(error.starts_with(&format!("no node answers at {address}: ")), "{error}");
    assert!(error.ends_with("Name another one with --http HOST:PORT"), "{error}");
}
