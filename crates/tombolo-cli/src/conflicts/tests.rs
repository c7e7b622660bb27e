use clap::Parser;
use tombolo_server::http::view::{ConflictView, KeyEventView, LedgerView, UndecidedView};

use super::*;
use crate::args::{Cli, Command};

fn event(dot: &str, value: Option<&str>) -> KeyEventView {
    KeyEventView {
        dot: dot.into(),
        written: 90_000,
        value: value.map(str::to_owned),
        ..KeyEventView::default()
    }
}

fn conflict(id: &str, outcome: &str) -> ConflictView {
    ConflictView {
        id: id.into(),
        at: 95_000,
        table: "carts".into(),
        key_text: "ada".into(),
        policy: "newest".into(),
        outcome: outcome.into(),
        kept: Some(event("n2:9", Some("two"))),
        lost: vec![event("n1:4", Some("one")), event("n1:5", None)],
        ..ConflictView::default()
    }
}

fn view() -> ConflictsView {
    let waiting = UndecidedView {
        table: "carts".into(),
        key: "it's".into(),
        key_base64: "aXQncw==".into(),
        key_text: "it's".into(),
        since: 90_000,
        cause: "the policy merge_only keeps all values".into(),
        siblings: vec![event("n1:7", Some("a\x1b[2J")), event("n3:2", Some("b"))],
    };
    let open = ConflictView { kept: None, ..conflict("00000000000000bb", "undecided") };
    let ledger = LedgerView { dropped: 1_200, limit: 1 << 20, ..LedgerView::default() };
    ConflictsView {
        conflicts: vec![conflict("00000000000000aa", "discarded"), open],
        undecided: vec![waiting],
        ledgers: [("carts".to_owned(), ledger)].into(),
        conflicts_left_out: 3,
        undecided_left_out: 0,
    }
}

#[test]
fn what_waits_comes_first_and_says_how_to_end_it() {
    let golden = "\
1 key waits for somebody to decide

table carts, key it's, for 10 s: the policy merge_only keeps all values
  WRITE   WRITTEN  VALUE
  n1:7   10 s ago  a?[2J
  n3:2   10 s ago  b  (the newest: it is read)
  decide: tombolo resolve carts 'it'\\''s' --take n3:2 --http h:1
          or --value V, or --delete, in place of --take

ID                AGE  TABLE  KEY  POLICY  OUTCOME    KEPT        LOST
00000000000000bb  5 s  carts  ada  newest  undecided  -           one (n1:4), a delete (n1:5)
00000000000000aa  5 s  carts  ada  newest  discarded  two (n2:9)  one (n1:4), a delete (n1:5)

to put back what was lost: tombolo undo ID --table TABLE --http h:1
3 older ones are not listed
the ledger of table carts dropped its 1,200 oldest entries to stay within 1.0 MiB: raise \
--ledger-bytes to keep more
";
    assert_eq!(render(&view(), 100_000, " --http h:1", false), golden);
}

#[test]
fn a_key_that_cannot_be_typed_is_given_in_base64() {
    for key in ["\u{fffd}", "-x", "", "a\nb"] {
        let mut view = view();
        view.undecided[0].key = key.into();
        let text = render(&view, 0, "", false);
        assert!(text.contains("resolve carts 'aXQncw==' --take n3:2 --base64\n"), "{text}");
    }
}

#[test]
fn nothing_noted_says_so() {
    let text = render(&ConflictsView::default(), 0, "", false);
    assert_eq!(text, "no conflict was noted, and no key waits for somebody\n");
}

fn resolve_args(arguments: &[&str]) -> Result<ResolveArgs, String> {
    let all = ["tombolo", "resolve", "carts", "ada"].iter().chain(arguments);
    match Cli::try_parse_from(all).map_err(|error| error.to_string())?.command {
        Command::Resolve(args) => Ok(args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_choice_is_sent_and_no_other_number_is_taken() {
    let body = |arguments: &[&str]| resolve_body(&resolve_args(arguments).unwrap()).unwrap();
    assert_eq!(body(&["--take", "n1:7"]), json!({"table": "carts", "key": "ada", "take": "n1:7"}));
    assert_eq!(body(&["--delete"]), json!({"table": "carts", "key": "ada", "delete": true}));
    assert_eq!(body(&["--value", "-1"]), json!({"table": "carts", "key": "ada", "value": "-1"}));
    let error = resolve_args(&[]).unwrap_err();
    assert!(error.contains("--take") && error.contains("--delete"), "{error}");
    let error = resolve_args(&["--take", "n1:7", "--delete"]).unwrap_err();
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn base64_is_checked_before_it_is_sent() {
    let error = resolve_body(&resolve_args(&["--delete", "--base64"]).unwrap()).unwrap_err();
    assert_eq!(error, "--base64: `ada` is no base64. Leave --base64 out for plain text");
    let mut args = resolve_args(&["--value", "/w==", "--base64"]).unwrap();
    args.key = "Zm8=".into();
    let body = json!({"table": "carts", "key_base64": "Zm8=", "value_base64": "/w=="});
    assert_eq!(resolve_body(&args).unwrap(), body);
}
