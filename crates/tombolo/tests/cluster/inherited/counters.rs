//! Merges by what each side has seen, and what resolvers may answer.

use super::{assert_read, declare, declared, everywhere, greatest, later, rejoin, split, write};
use super::{remove, siblings};
use crate::common::{builder, cluster, equal, until, whole};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tombolo::{Node, Outcome, RawTable, Resolution, Resolver, Sibling};

/// Answers as the key says.
fn by_key(key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
    let (first, last) = (siblings.first().unwrap(), siblings.last().unwrap());
    assert!(first.written <= last.written, "the newest comes last");
    match key {
        b"older" => Resolution::Value(first.value.to_vec()),
        b"newer" => Resolution::Value(last.value.to_vec()),
        b"made up" => Resolution::Value(b"neither".to_vec()),
        b"nothing" => Resolution::Delete,
        b"keep" => Resolution::KeepBoth,
        _ => panic!("about this key it cannot say anything"),
    }
}

async fn pair(describe: impl Fn(&str) -> tombolo::NodeBuilder) -> Vec<Node> {
    let one = describe("n1").start().await.unwrap();
    let two = describe("n2").join([one.status().address]).start().await.unwrap();
    let nodes = vec![one, two];
    whole(&nodes).await;
    nodes
}

const ANSWERED: [&str; 6] = ["older", "newer", "made up", "nothing", "keep", "panic"];

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_resolver_is_followed_and_a_panic_holds_up_nothing_else() {
    let max = |_: &[u8], siblings: &[Sibling<'_>]| Resolution::Value(greatest(siblings));
    let nodes = pair(|name| builder(name).resolver("key", by_key).resolver("max", max)).await;
    let tables = declare(&nodes, "x", &declared("resolve(key)")).await;
    let others = declare(&nodes, "other", &declared("resolve(max)")).await;
    split(&nodes, 1).await;
    for (node, value) in [(0, "left"), (1, "right")] {
        for key in ANSWERED {
            write(&tables[node], key, value).await;
        }
        write(&tables[node], value, "lone").await;
        write(&others[node], "n", if node == 0 { "12" } else { "7" }).await;
        later().await;
    }
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("all is decided that can be", || {
        everywhere(&tables, "older", Some("left"))
            && everywhere(&tables, "newer", Some("right"))
            && everywhere(&tables, "made up", Some("neither"))
            && everywhere(&tables, "nothing", None)
            && everywhere(&tables, "left", Some("lone"))
            && everywhere(&others, "n", Some("12"))
            && nodes.iter().all(|node| siblings(node) == 2)
            && tables.iter().all(|table| table.undecided(9).len() == 2)
    })
    .await;
    for table in &tables {
        let open = table.undecided(9);
        let open: Vec<(&[u8], bool)> =
            open.iter().map(|one| (&one.key[..], one.cause.contains("cannot say"))).collect();
        assert_eq!(open, [(&b"keep"[..], false), (&b"panic"[..], true)]);
    }
    assert_read(&tables, "keep", Some("right"));
    assert_read(&tables, "panic", Some("right"));
    check_ledgers(&tables);
    // The next write ends what was left open; also a delete does.
    write(&tables[0], "keep", "decided").await;
    remove(&tables[1], "panic").await;
    rejoin(&nodes, &[&tables, &others]).await;
    assert!(tables.iter().all(|table| table.undecided(9).is_empty()));
    assert_read(&tables, "keep", Some("decided"));
    assert_read(&tables, "panic", None);
}

/// Each key is in the ledger of some node with what it lost, and those left open with both.
fn check_ledgers(tables: &[RawTable]) {
    let noted: Vec<_> = tables.iter().flat_map(RawTable::conflicts).collect();
    for (key, lost) in [("older", "right"), ("newer", "left"), ("made up", "left")] {
        let about = noted.iter().filter(|one| one.key == key.as_bytes());
        let mut lost_values = about.flat_map(|one| &one.lost).map(|event| event.value.as_deref());
        assert!(lost_values.any(|value| value == Some(lost.as_bytes())), "{key}: {noted:?}");
    }
    let undecided: BTreeSet<&[u8]> = noted
        .iter()
        .filter(|one| one.outcome == Outcome::Undecided)
        .map(|one| &one.key[..])
        .collect();
    assert_eq!(undecided, [&b"keep"[..], &b"panic"[..]].into());
    assert!(noted.iter().all(|one| one.key != b"left" && one.key != b"right"));
}

/// Notes what it is asked about, and breaks around every sync.
struct Noting {
    asked: Arc<Mutex<BTreeSet<String>>>,
    begun: Arc<Mutex<u32>>,
}

impl Resolver for Noting {
    fn begin(&self, table: &str, peer: &str) {
        *self.begun.lock().unwrap() += 1;
        panic!("not ready for {table} of {peer}");
    }

    fn resolve(&self, key: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
        self.asked.lock().unwrap().insert(String::from_utf8(key.to_vec()).unwrap());
        Resolution::Value(greatest(siblings))
    }

    fn finish(&self, _: &str, _: &str) {
        panic!("not done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_writes_that_did_not_see_each_other_are_in_conflict() {
    let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let begun: Arc<Mutex<u32>> = Arc::default();
    let noting = || Noting { asked: Arc::clone(&asked), begun: Arc::clone(&begun) };
    let nodes = pair(|name| builder(name).resolver("noting", noting())).await;
    let tables = declare(&nodes, "x", &declared("resolve(noting)")).await;
    for key in ["one side", "other side", "recreated", "both recreated", "equal counts", "same"] {
        for value in ["900", "901", "902"] {
            write(&tables[0], key, value).await;
        }
    }
    split(&nodes, 1).await;
    for value in ["5", "4", "3"] {
        write(&tables[0], "one side", value).await;
        write(&tables[1], "other side", value).await;
    }
    remove(&tables[0], "recreated").await;
    write(&tables[0], "recreated", "1").await;
    for (node, value) in [(0, "11"), (1, "10")] {
        write(&tables[node], "equal counts", value).await;
        write(&tables[node], "same", "77").await;
        remove(&tables[node], "both recreated").await;
        write(&tables[node], "both recreated", value).await;
        later().await;
    }
    write(&tables[1], "same", "76").await;
    write(&tables[1], "same", "77").await;
    rejoin(&nodes, &[&tables]).await;
    let expected = [
        ("one side", "3"),
        ("other side", "3"),
        ("recreated", "1"),
        ("both recreated", "11"),
        ("equal counts", "11"),
        ("same", "77"),
    ];
    for (key, value) in expected {
        assert_read(&tables, key, Some(value));
    }
    let expected: BTreeSet<String> = ["both recreated", "equal counts"].map(str::to_owned).into();
    assert_eq!(*asked.lock().unwrap(), expected);
    assert!(*begun.lock().unwrap() > 0, "it was told of a sync, and broke");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_yields_to_the_larger_island_while_the_others_merge() {
    let (nodes, plain) = cluster(3).await;
    let yields = declare(&nodes, "yields", &declared("yield_island")).await;
    let peaceful = declare(&nodes, "peaceful", &declared("yield_island")).await;
    let newest = declare(&nodes, "newest", &declared("newest")).await;
    let open = declare(&nodes, "open", &declared("merge_only")).await;
    let all = [&plain, &yields, &peaceful, &newest, &open];
    for tables in all {
        write(&tables[0], "before", "0").await;
    }
    split(&nodes, 1).await;
    for tables in all {
        write(&tables[1], "lone right", "v").await;
        write(&tables[0], "lone left", "v").await;
        remove(&tables[0], "before").await;
    }
    for tables in [&plain, &yields, &newest, &open] {
        write(&tables[2], "both", "larger").await;
        later().await;
        write(&tables[0], "both", "smaller").await;
    }
    nodes.iter().for_each(Node::heal);
    until("the tables that merge have merged", || {
        [&plain, &newest, &open].iter().all(|tables| {
            everywhere(tables, "lone left", Some("v"))
                && everywhere(tables, "lone right", Some("v"))
                && everywhere(tables, "before", None)
                && everywhere(tables, "both", Some("smaller"))
        })
    })
    .await;
    until("one has yielded", || {
        everywhere(&yields, "both", Some("larger"))
            && everywhere(&yields, "lone left", None)
            && everywhere(&yields, "lone right", Some("v"))
            && everywhere(&yields, "before", Some("0"))
    })
    .await;
    until("the one without a conflict has lost nothing", || {
        everywhere(&peaceful, "lone left", Some("v"))
            && everywhere(&peaceful, "lone right", Some("v"))
            && everywhere(&peaceful, "before", None)
    })
    .await;
    whole(&nodes).await;
    for tables in all {
        equal(tables).await;
    }
    // Nobody was stopped for it.
    for (number, tables) in all.into_iter().enumerate() {
        write(&tables[0], "after", &number.to_string()).await;
        assert_read(tables, "after", Some(&number.to_string()));
    }
    assert_eq!(open[1].undecided(9).len(), 1);
}
