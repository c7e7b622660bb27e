//! Restarts from snapshots: by difference, of a whole cluster, from damaged files.

use crate::common::{builder, content, equal, start, tables, until, value, whole};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tombolo::{Declaration, Kind, Node, NodeBuilder, NodeEvent, OwnerDown, Policy, StartError};

/// So long that only the last snapshot of [`Node::leave`] is written.
const NEVER: Duration = Duration::from_secs(100_000);

fn kept(name: &str, dir: &Path) -> NodeBuilder {
    builder(name).snapshots(dir.join(name), NEVER)
}

async fn kept_start(name: &str, dir: &Path, join: &[&Node]) -> Node {
    let join = join.iter().map(|node| node.status().address);
    kept(name, dir).join(join).start().await.unwrap()
}

/// The snapshots of a node.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains(ending)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_restarted_node_asks_for_the_difference_and_brings_back_no_delete() {
    let dir = tempfile::tempdir().unwrap();
    let stays = start("stays", &[]).await;
    let goes = kept_start("goes", dir.path(), &[&stays]).await;
    whole(&[stays.clone(), goes.clone()]).await;
    let records = tables(&[stays.clone(), goes.clone()], "t").await;
    for number in 0..2_000u32 {
        records[0].put(&number.to_be_bytes(), b"value", None).unwrap();
    }
    equal(&records).await;
    goes.leave().await;
    drop(goes);
    records[0].delete(&7u32.to_be_bytes()).unwrap();
    records[0].put(&8u32.to_be_bytes(), b"newer", None).unwrap();
    records[0].put(b"new", b"value", None).unwrap();

    let described = kept("goes", dir.path()).join([stays.status().address]);
    let back = described.start().await.unwrap();
    let again = back.create_table("t", Declaration::default()).await.unwrap();
    equal(&[records[0].clone(), again.clone()]).await;
    assert_eq!(value(&again, &7u32.to_be_bytes()), None);
    assert_eq!(value(&again, &8u32.to_be_bytes()).as_deref(), Some(&b"newer"[..]));
    assert_eq!(again.len(), 2_000);
    let status = back.status();
    let table = status.tables.iter().find(|table| table.name == "t").unwrap();
    let brought: u64 = table.syncs.iter().map(|sync| sync.brought).sum();
    assert!(brought <= 3, "the sync brought {brought} records of 2,000");
}

#[tokio::test]
async fn a_cluster_that_was_stopped_as_a_whole_has_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    let one = kept_start("n1", dir.path(), &[]).await;
    let two = kept_start("n2", dir.path(), &[&one]).await;
    whole(&[one.clone(), two.clone()]).await;
    let names = ["plain", "objects", "with siblings / and: a name \u{e4}"];
    let bag = Declaration { kind: Kind::Bag, policy: Policy::Newest, ..Declaration::default() };
    let merge = Declaration { policy: Policy::MergeOnly, ..Declaration::default() };
    let declared = [Declaration::default(), bag, merge];
    for (name, declared) in names.iter().zip(&declared) {
        for node in [&one, &two] {
            node.create_table(name, declared.clone()).await.unwrap();
        }
    }
    let at = |node: &Node, name: &str| node.raw_table(name).unwrap();
    let far = tombolo::unix_millis() + 1_000_000;
    at(&one, names[0]).put(b"a", b"1", Some(far)).unwrap();
    at(&one, names[0]).put(b"gone", b"1", None).unwrap();
    at(&two, names[1]).add(b"k", b"x", None).unwrap();
    at(&one, names[1]).add(b"k", b"y", None).unwrap();
    for name in names {
        equal(&[at(&one, name), at(&two, name)]).await;
    }
    // Siblings: written on both sides of a cut.
    one.cut("n2").unwrap();
    two.cut("n1").unwrap();
    at(&one, names[2]).put(b"s", b"left", None).unwrap();
    at(&two, names[2]).put(b"s", b"right", None).unwrap();
    one.heal();
    two.heal();
    equal(&[at(&one, names[2]), at(&two, names[2])]).await;
    at(&one, names[0]).delete(b"gone").unwrap();
    equal(&[at(&one, names[0]), at(&two, names[0])]).await;
    let before: Vec<u64> = names.iter().map(|name| at(&one, name).fingerprint()).collect();
    one.leave().await;
    two.leave().await;
    drop((one, two));

    let one = kept_start("n1", dir.path(), &[]).await;
    let two = kept_start("n2", dir.path(), &[&one]).await;
    whole(&[one.clone(), two.clone()]).await;
    for (name, fingerprint) in names.iter().zip(before) {
        equal(&[at(&one, name), at(&two, name)]).await;
        assert_eq!(at(&one, name).fingerprint(), fingerprint, "{name}");
    }
    assert_eq!(value(&at(&two, names[0]), b"gone"), None);
    at(&two, names[0]).read(b"a", |record| assert_eq!(record.unwrap().expires, Some(far)));
    assert_eq!(at(&two, names[1]).objects(b"k"), [b"x", b"y"]);
    assert_eq!(at(&one, names[2]).siblings(b"s").len(), 2);
    assert_eq!(one.status().snapshots.unwrap().tables.len(), 3);
    // It is no copy: whoever writes is a new process, and what it writes counts.
    at(&one, names[0]).put(b"a", b"2", None).unwrap();
    equal(&[at(&one, names[0]), at(&two, names[0])]).await;
}

#[tokio::test]
async fn records_whose_owner_is_replaced_do_not_come_back_with_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let hides = Declaration {
        policy: Policy::Newest,
        owner_down: OwnerDown::Hide,
        ..Declaration::default()
    };
    let node = kept_start("n1", dir.path(), &[]).await;
    node.create_table("online", hides.clone()).await.unwrap().put(b"me", b"1", None).unwrap();
    node.leave().await;
    drop(node);
    let node = kept_start("n1", dir.path(), &[]).await;
    let table = node.create_table("online", hides).await.unwrap();
    assert_eq!(value(&table, b"me"), None);
    assert!(table.is_empty(), "it is gone, and not only hidden");
}

#[tokio::test]
async fn what_changed_is_written_while_the_node_runs() {
    let dir = tempfile::tempdir().unwrap();
    let every = Duration::from_millis(20);
    let node = builder("n1").snapshots(dir.path(), every).start().await.unwrap();
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    let at = |node: &Node| node.status().snapshots.unwrap().tables.get("t").copied();
    until("there is a snapshot", || at(&node).is_some()).await;
    let first = at(&node).unwrap();
    table.put(b"k", &[7; 3_000], None).unwrap();
    until("there is a newer one", || at(&node).is_some_and(|now| now.bytes > first.bytes)).await;
    // A process that ends without a word leaves what is there.
    drop((table, node));
    let node = builder("n1").snapshots(dir.path(), every).start().await.unwrap();
    assert_eq!(value(&node.raw_table("t").unwrap(), b"k"), Some(vec![7; 3_000]));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_shown_and_the_node_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("n1");
    let every = Duration::from_millis(20);
    let node = builder("n1").snapshots(&folder, every).start().await.unwrap();
    // Nobody can make a file where a folder of that name is; permissions do not stop root.
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    let status = || node.status().snapshots.unwrap();
    until("there is a snapshot", || status().tables.contains_key("t")).await;
    let file = files(&folder, ".snapshot").remove(0).with_extension("snapshot.tmp");
    std::fs::create_dir(&file).unwrap();
    table.put(b"k", b"v", None).unwrap();
    until("the error is shown", || status().error.is_some()).await;
    assert_eq!(value(&table, b"k").as_deref(), Some(&b"v"[..]));
    std::fs::remove_dir(&file).unwrap();
    until("it is written again", || status().error.is_none()).await;
}

#[tokio::test]
async fn two_nodes_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let _one = builder("n1").snapshots(dir.path(), NEVER).start().await.unwrap();
    let other = builder("n2").snapshots(dir.path(), NEVER).start().await;
    assert!(matches!(other, Err(StartError::Snapshots { .. })));
}

/// A snapshot of one record, as a node leaves it.
async fn one_snapshot(dir: &Path, cluster: &str) -> PathBuf {
    let node = kept("n1", dir).cluster_name(cluster).start().await.unwrap();
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    table.put(b"k", &[9; 5_000], None).unwrap();
    node.leave().await;
    files(&dir.join("n1"), ".snapshot").remove(0)
}

/// Starts on what `damage` made of a snapshot: the node runs, the table is empty, and the file is
/// put aside. Returns what the status says of it.
async fn damaged(cluster: &str, damage: impl FnOnce(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = one_snapshot(dir.path(), cluster).await;
    damage(&file);
    let node = kept_start("n1", dir.path(), &[]).await;
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    assert_eq!(content(&table), []);
    let aside = files(&dir.path().join("n1"), ".damaged-");
    assert_eq!(aside.len(), 1, "{aside:?}");
    table.put(b"k", b"after", None).unwrap();
    let said = node.status().snapshots.unwrap().set_aside.join("\n");
    assert!(said.contains(&aside[0].display().to_string()), "{said}");
    node.leave().await;
    let node = kept_start("n1", dir.path(), &[]).await;
    assert_eq!(value(&node.raw_table("t").unwrap(), b"k").as_deref(), Some(&b"after"[..]));
    said
}

fn rewrite(change: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&Path) {
    move |path| {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test]
async fn whatever_is_damaged_is_set_aside_and_the_table_starts_empty() {
    let flipped = damaged(
        "tombolo",
        rewrite(|bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
    );
    assert!(flipped.await.contains("checksum"));
    let cut = damaged("tombolo", rewrite(|bytes| bytes.truncate(bytes.len() - 20)));
    assert!(cut.await.contains("cut off"));
    let longer = damaged("tombolo", rewrite(|bytes| bytes.push(0)));
    assert!(longer.await.contains("follows its end"));
    let garbage = damaged("tombolo", rewrite(|bytes| bytes.fill(b'x')));
    assert!(garbage.await.contains("no snapshot"));
    let empty = damaged("tombolo", rewrite(Vec::clear));
    assert!(empty.await.contains("no snapshot"));
    let other = damaged("another", |_| {});
    assert!(other.await.contains("cluster \"another\""));
    let renamed = damaged("tombolo", |path| {
        std::fs::rename(path, path.with_file_name("u-00.snapshot")).unwrap();
    });
    assert!(renamed.await.contains("table \"t\""));
}

#[tokio::test]
async fn what_a_crash_left_unfinished_is_removed_and_the_one_before_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = one_snapshot(dir.path(), "tombolo").await;
    let unfinished = file.with_extension("snapshot.tmp");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&unfinished, &whole[..whole.len() / 2]).unwrap();
    let node = kept_start("n1", dir.path(), &[]).await;
    assert_eq!(value(&node.raw_table("t").unwrap(), b"k"), Some(vec![9; 5_000]));
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn writers_go_on_while_a_snapshot_is_made_and_it_holds_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let every = Duration::from_millis(5);
    let node = builder("n1").snapshots(dir.path(), every).start().await.unwrap();
    let mut events = node.events();
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    for number in 0..20_000u32 {
        table.put(&number.to_be_bytes(), &number.to_le_bytes(), None).unwrap();
        if number % 3 == 0 {
            table.delete(&(number / 2).to_be_bytes()).unwrap();
        }
        if number % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let before = content(&table);
    node.leave().await;
    while let Some(event) = events.next().await {
        assert!(!matches!(event, NodeEvent::Conflict { .. }));
    }
    drop((table, node));
    let node = builder("n1").snapshots(dir.path(), every).start().await.unwrap();
    assert_eq!(content(&node.raw_table("t").unwrap()), before);
}
