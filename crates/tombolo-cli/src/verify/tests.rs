use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::json;
use tombolo_server::http::view::{DigestView, StatusView, SumView, TableView};

use super::compare::{FirstKey, differing_parts, first_difference, judge};
use super::nodes::guess;
use super::render::{self, render};
use super::*;

fn digest(seen: &[(&str, u64)], fingerprint: &str) -> DigestView {
    DigestView {
        seen: seen.iter().map(|(origin, count)| ((*origin).to_owned(), *count)).collect(),
        fingerprint: fingerprint.into(),
        parts: vec!["0".into(), fingerprint.into()],
        at_rest: true,
    }
}

#[test]
fn only_digests_of_the_same_writes_are_compared() {
    let (one, same) = (digest(&[("a", 5), ("b", 2)], "f"), digest(&[("b", 2), ("a", 5)], "f"));
    let equal = Finding::Equal { fingerprint: "f".into() };
    assert_eq!(judge(&[("n1", &one), ("n2", &same)]), equal);

    let behind = digest(&[("a", 3)], "e");
    let ahead = digest(&[("a", 3), ("b", 2), ("c", 1)], "g");
    let why = |lines: &[&str]| Finding::NotComparable {
        why: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(judge(&[("n1", &one), ("n2", &behind)]), why(&["n2 is behind by 4 writes"]));
    assert_eq!(
        judge(&[("n1", &one), ("n2", &ahead)]),
        why(&["n1 is behind by 1 write", "n2 is behind by 2 writes"])
    );
    let other = digest(&[("a", 5), ("b", 2)], "e");
    assert_eq!(judge(&[("n1", &one), ("n2", &other)]), Finding::Different { first: None });
    let moving = DigestView { at_rest: false, ..other };
    assert_eq!(judge(&[("n1", &one), ("n2", &moving)]), why(&["it is being written"]));
    assert_eq!(differing_parts(&[&one, &moving]), [1]);
}

#[test]
fn the_first_key_is_that_of_the_lowest_bytes() {
    let sum = |base64: &str, sum: &str| SumView {
        key: base64.into(),
        key_base64: base64.into(),
        sum: sum.into(),
    };
    // `Zg==` is f, `/w==` a byte above all letters, `YQ==` a, which both have.
    let one = vec![sum("YQ==", "1"), sum("Zg==", "2"), sum("/w==", "3")];
    let other = vec![sum("YQ==", "1"), sum("/w==", "4")];
    let (bytes, first) = first_difference(vec![("n1".into(), one), ("n2".into(), other)]).unwrap();
    assert_eq!((bytes.as_slice(), first.key.as_str()), (b"f".as_slice(), "Zg=="));
    let nodes: BTreeMap<String, Option<String>> =
        [("n1".to_owned(), Some("2".to_owned())), ("n2".to_owned(), None)].into();
    assert_eq!(first.nodes, nodes);
}

#[test]
fn members_are_looked_for_where_the_first_has_its_http() {
    let at = |cluster| guess("127.0.0.1:7380", "10.0.0.1:7381", cluster);
    assert_eq!(at("10.0.0.2:7391").as_deref(), Some("10.0.0.2:7390"));
    assert_eq!(at("[fd00::2]:7381").as_deref(), Some("[fd00::2]:7380"));
    assert_eq!(at("10.0.0.2:1"), None);
    assert_eq!(at("nowhere"), None);
}

fn report() -> Report {
    let first = FirstKey {
        key: "a\x1b".into(),
        key_base64: "YRs=".into(),
        nodes: [("n1".to_owned(), Some("2".to_owned())), ("n2".to_owned(), None)].into(),
        certain: true,
    };
    let tables = [
        ("default".to_owned(), Finding::Equal { fingerprint: "ff".into() }),
        ("carts".to_owned(), Finding::Different { first: Some(first) }),
        (
            "jobs".to_owned(),
            Finding::NotComparable { why: vec!["n2 is behind by 4 writes".into()] },
        ),
    ];
    Report {
        nodes: vec!["n1".into(), "n2".into()],
        left_out: vec![("n3".into(), "it is down".into())],
        tables: tables.into(),
    }
}

#[test]
fn the_report_names_what_differs() {
    let golden = "\
DIFFERENT: 1 of 3 tables, on n1, n2
n3 was not compared: it is down

TABLE    RESULT
carts    DIFFERENT       first at key a?: n1 has 2, n2 has nothing
default  equal           fingerprint ff
jobs     not comparable  n2 is behind by 4 writes
";
    assert_eq!(render(&report(), false), golden);
    let value: serde_json::Value = serde_json::from_str(&render::json(&report())).unwrap();
    assert_eq!(value["equal"], false);
    assert_eq!(value["tables"]["carts"]["first"]["nodes"]["n1"], "2");
    assert_eq!(value["tables"]["jobs"]["result"], "not_comparable");
}

/// A node that has taken in the same writes as all others, and holds `keys` in part 1.
fn fake_node(name: &'static str, fingerprint: &'static str, keys: &'static [&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = move |request: &str| -> serde_json::Value {
        if request.starts_with("GET /api/v1/status") {
            let table = TableView { name: "carts".into(), ..TableView::default() };
            let view = StatusView { name: name.into(), tables: vec![table], ..Default::default() };
            return serde_json::to_value(view).unwrap();
        }
        if request.starts_with("GET /api/v1/digest?table=carts&part=1 ") {
            let sum = format!("{fingerprint}0");
            let sum = |key: &&str| json!({ "key": key, "key_base64": key, "sum": sum });
            return json!({ "keys": keys.iter().map(sum).collect::<Vec<_>>() });
        }
        assert!(request.starts_with("GET /api/v1/digest?table=carts "), "{request}");
        serde_json::to_value(digest(&[("a", 5)], fingerprint)).unwrap()
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let body = answer(&String::from_utf8_lossy(&request[..length])).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    address
}

#[test]
fn nodes_that_differ_are_found_out_with_the_first_key() {
    // `YQ==` is a, `Yg==` is b.
    let nodes = [fake_node("n1", "e", &["Yg==", "YQ=="]), fake_node("n2", "e", &["Yg==", "YQ=="])];
    let report = verify(&nodes, None, Duration::ZERO).unwrap();
    assert!(report.is_equal());

    let nodes = [nodes[0].clone(), fake_node("n3", "f", &["Yg=="])];
    let report = verify(&nodes, None, Duration::ZERO).unwrap();
    assert!(!report.is_equal());
    let Finding::Different { first: Some(first) } = &report.tables["carts"] else {
        panic!("{:?}", report.tables);
    };
    assert_eq!((first.key.as_str(), first.certain), ("YQ==", true));
    let held: Vec<Option<&str>> = first.nodes.values().map(Option::as_deref).collect();
    assert_eq!(held, [Some("e0"), None]);
}

#[test]
fn equal_is_only_what_was_compared_everywhere() {
    let mut report = report();
    report.tables.retain(|_, finding| matches!(finding, Finding::Equal { .. }));
    assert!(!report.is_equal());
    assert!(render(&report, false).starts_with("equal on n1, n2, but not all members"));
    report.left_out.clear();
    assert!(report.is_equal());
    assert!(render(&report, false).starts_with("equal: 1 tables on n1, n2\n"));
}

#[test]
fn a_table_that_nobody_has_is_told_with_those_there_are() {
    let tables: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
    assert_eq!(wanted(tables.clone(), Some("a")).unwrap().len(), 1);
    let error = wanted(tables, Some("c")).unwrap_err().to_string();
    assert_eq!(error, "no node has a table c. There are: a, b");
}
