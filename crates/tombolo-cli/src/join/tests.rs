use tombolo_server::http::view::{
    HeldView, KeyView, PreviewView, ProgressView, StatusView, TableView,
};

use super::progress::{is_complete, lines};
use super::rehearsal::render;

fn table(name: &str) -> TableView {
    TableView {
        name: name.into(),
        policy: "newest".into(),
        merge: "hold".into(),
        records: 1_200,
        writable: true,
        complete: true,
        ..TableView::default()
    }
}

fn view(tables: Vec<TableView>) -> StatusView {
    StatusView { name: "n1".into(), now: 100_000, tables, ..StatusView::default() }
}

fn key(text: &str) -> KeyView {
    KeyView { key: text.into(), key_base64: String::new() }
}

#[test]
fn a_rehearsal_says_what_would_happen_and_how_to_go_on() {
    let preview = PreviewView {
        adds: 1_000,
        updates: 2,
        deletes: 0,
        conflicts: 1,
        added: (0..20).map(|index| key(&format!("k{index}"))).collect(),
        deleted: vec![],
        conflicting: vec![key("a\x1bb")],
        looked: 96_000,
    };
    let apart = HeldView { peer: "n2".into(), since: 90_000, apart: true, preview: Some(preview) };
    let early = HeldView { peer: "n3".into(), since: 99_500, apart: false, preview: None };
    let carts = TableView { held: vec![apart, early], ..table("carts") };
    let view = view(vec![carts, table("other")]);
    let golden = "\
what a join would do on n1

carts  policy=newest merge=hold
  PEER   FOR   LOOKED    ADD  UPDATE  DELETE  CONFLICT  NOTE
  n2    10 s  4 s ago  1,000       2       0         1  conflicts: the newest value stays
  n3     0 s        -      -       -       -         -  it may yet turn out that both are one \
island
  n2, added: k0, k1, k2, k3, k4, k5, k6, k7, …
  n2, in conflict: a?b
  join: tombolo approve carts --http h:1
  keep the side of n1: tombolo choose carts --http h:1
";
    assert_eq!(render(&view, None, " --http h:1", false), golden);
    let none = render(&view, Some("other"), "", false);
    assert!(none.starts_with("no table of n1 is kept apart from a node\n"), "{none}");
    assert!(none.contains("merge=hold") && none.contains("rehearse"), "{none}");
}

#[test]
fn a_table_that_is_filled_has_a_bar_and_a_time() {
    let progress = ProgressView {
        expected: 100_000,
        received: 41_200,
        remaining_ms: Some(3_400),
        from: vec!["n2".into()],
        ..ProgressView::default()
    };
    let filling = TableView { complete: false, progress: Some(progress), ..table("big") };
    let waiting = TableView { writable: false, missing: vec!["n3".into()], ..table("waiting") };
    let view = view(vec![waiting, filling, table("a")]);
    assert!(!is_complete(&view));
    assert_eq!(
        lines(&view, true),
        [
            "a        [########################]  complete, 1,200 records",
            "big      [#########...............]  41 %, 41,200 of 100,000 records from n2, \
             about 3 s to go",
            "waiting  [........................]  waits for n3",
        ]
    );
    assert_eq!(lines(&view, false)[0], "a        complete, 1,200 records");
}

#[test]
fn no_table_is_not_complete() {
    let view = view(vec![]);
    assert_eq!(lines(&view, false), ["n1: no table is there yet"]);
    assert!(!is_complete(&view));
}
