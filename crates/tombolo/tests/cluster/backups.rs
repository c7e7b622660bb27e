//! Backups, and what a restore makes of them.

use crate::common::{content, cut_apart, equal, start, until, value, whole};
use tombolo::{Declaration, Kind, Node, Policy, RestoreError, RestoredTable, Versioned};

fn file(node: &Node, only: Option<&str>) -> Vec<u8> {
    let mut backup = node.backup(only);
    let mut file = Vec::new();
    while let Some(piece) = backup.next_piece() {
        file.extend_from_slice(&piece);
    }
    file
}

async fn restored(node: &Node, file: &[u8], dry_run: bool) -> Vec<RestoredTable> {
    let mut restore = node.restore(None, dry_run);
    for piece in file.chunks(10_000) {
        restore.feed(piece).await.unwrap();
    }
    restore.finish().unwrap()
}

fn counts(table: &RestoredTable) -> [u64; 4] {
    [table.added, table.changed, table.same, table.expired]
}

fn bag(policy: Policy) -> Declaration {
    Declaration { kind: Kind::Bag, policy, ..Declaration::default() }
}

#[tokio::test]
async fn what_is_missing_or_differs_is_written_anew_and_nothing_is_deleted() {
    let node = start("n1", &[]).await;
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    let far = tombolo::unix_millis() + 1_000_000;
    table.put(b"kept", b"1", None).unwrap();
    table.put(b"changed", b"1", Some(far)).unwrap();
    table.put(b"deleted", b"1", None).unwrap();
    let soon = tombolo::unix_millis() + 50;
    table.put(b"expires", b"1", Some(soon)).unwrap();
    let file = file(&node, None);
    table.put(b"changed", b"1", None).unwrap();
    table.delete(b"deleted").unwrap();
    table.put(b"new", b"1", None).unwrap();
    until("the record has expired", || tombolo::unix_millis() >= soon).await;

    let before = (content(&table), table.fingerprint());
    let dry = restored(&node, &file, true).await;
    assert_eq!(counts(&dry[0]), [1, 1, 1, 1]);
    assert_eq!((content(&table), table.fingerprint()), before, "a dry run writes nothing");
    assert_eq!(restored(&node, &file, false).await, dry);
    table.read(b"changed", |record| assert_eq!(record.unwrap().expires, Some(far)));
    assert_eq!(value(&table, b"deleted").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&table, b"new").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&table, b"expires"), None);
    assert_eq!(counts(&restored(&node, &file, false).await[0]), [0, 0, 3, 1]);
}

#[tokio::test]
async fn a_backup_goes_into_another_cluster_with_bags_and_what_siblings_show() {
    let (one, two) = (start("n1", &[]).await, start("n2", &[]).await);
    let linked = start("n3", &[&one]).await;
    whole(&[one.clone(), linked.clone()]).await;
    let per = Versioned { field: "/v".to_owned(), per: Some("/id".to_owned()) };
    let plain = one.create_table("bag", bag(Policy::Newest)).await.unwrap();
    plain.add(b"k\0", b"x", None).unwrap();
    plain.add(b"k\0", b"y\0", None).unwrap();
    let versions = one.create_table("versions", bag(Policy::LastVersion(per))).await.unwrap();
    versions.add(b"k", br#"{"id":1,"v":2}"#, None).unwrap();
    let merge = Declaration { policy: Policy::MergeOnly, ..Declaration::default() };
    let here = one.create_table("siblings", merge.clone()).await.unwrap();
    let there = linked.create_table("siblings", merge).await.unwrap();
    cut_apart(std::slice::from_ref(&one), std::slice::from_ref(&linked));
    here.put(b"s", b"older", None).unwrap();
    there.put(b"s", b"newer", None).unwrap();
    one.heal();
    linked.heal();
    equal(&[here.clone(), there.clone()]).await;
    assert_eq!(here.siblings(b"s").len(), 2);
    let large = one.create_table("large", Declaration::default()).await.unwrap();
    for number in 0..3_000u32 {
        large.put(&number.to_be_bytes(), &[number as u8; 300], None).unwrap();
    }

    let file = file(&one, None);
    let tables = restored(&two, &file, true).await;
    assert!(tables.iter().all(|table| table.created) && two.raw_tables().is_empty());
    restored(&two, &file, false).await;
    for table in one.raw_tables() {
        let again = two.raw_table(table.name()).unwrap();
        assert_eq!(again.declaration(), table.declaration());
        assert_eq!(content(&again), content(&table), "{}", table.name());
    }
    let at = |name: &str| two.raw_table(name).unwrap();
    assert_eq!(at("bag").objects(b"k\0"), [&b"x"[..], b"y\0"]);
    assert!(at("versions").contains_object(b"k", br#"{"id":1,"v":2}"#));
    assert_eq!(at("siblings").siblings(b"s").len(), 1);
}

#[tokio::test]
async fn every_node_gets_what_one_restores_and_other_tables_are_left_alone() {
    let (one, two) = (start("n1", &[]).await, start("n2", &[]).await);
    for name in ["a", "b", "c"] {
        let table = one.create_table(name, Declaration::default()).await.unwrap();
        table.put(b"k", name.as_bytes(), None).unwrap();
    }
    let all = file(&one, None);
    let linked = start("n3", &[&two]).await;
    whole(&[two.clone(), linked.clone()]).await;
    two.create_table("b", bag(Policy::Newest)).await.unwrap();
    let tables = restored(&two, &all, false).await;
    let refused = tables[1].refused.as_deref().unwrap();
    assert!(refused.contains("kind=bag") && refused.contains("kind=set"), "{refused}");
    assert_eq!(counts(&tables[1]), [0; 4]);
    let has = |name: &str| linked.raw_table(name).is_some_and(|t| value(&t, b"k").is_some());
    until("the other node has them", || has("a") && has("c")).await;

    let fresh = start("n4", &[]).await;
    let mut restore = fresh.restore(Some("c"), false);
    restore.feed(&all).await.unwrap();
    assert_eq!(restore.finish().unwrap().len(), 1);
    assert_eq!(fresh.raw_tables().len(), 1);
    assert!(file(&one, Some("c")).len() < all.len());
}

#[tokio::test]
async fn what_is_no_whole_backup_says_so() {
    let node = start("n1", &[]).await;
    let table = node.create_table("t", Declaration::default()).await.unwrap();
    table.put(b"k", &[1; 500], None).unwrap();
    let mut bytes = file(&node, None);
    let mut restore = node.restore(None, true);
    restore.feed(&bytes[..bytes.len() - 1]).await.unwrap();
    assert!(matches!(restore.finish(), Err(RestoreError::Damage(_))));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut restore = node.restore(None, false);
    assert!(matches!(restore.feed(&bytes).await, Err(RestoreError::Damage(_))));
}
