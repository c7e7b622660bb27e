//! Policies that compare a field, and bags whose objects have a second key.

use super::{assert_read, declare, declared, later, rejoin, split, write};
use crate::common::{cluster, until};
use tombolo::{Declaration, Kind, RawTable};

#[tokio::test(flavor = "multi_thread")]
async fn the_greater_field_stays_the_newer_of_equal_ones_and_one_without_it_loses() {
    let (nodes, _) = cluster(2).await;
    let cases = [
        ("left", r#"{"F":9}"#, r#"{"F":8,"x":[1,2]}"#, 0),
        ("right", r#"{"F":9}"#, r#"{"F":10}"#, 1),
        ("tie", r#"{"F":9,"w":1}"#, r#"{"F":9,"w":2}"#, 1),
        ("missing left", "{}", r#"{"F":0}"#, 1),
        ("missing right", r#"{"F":-1}"#, r#"{"f":5}"#, 0),
        ("missing both", "{}", "not even json", 1),
        ("null", r#"{"F":false}"#, r#"{"F":null}"#, 0),
        ("fractions", r#"{"F":1.5}"#, r#"{"F":1}"#, 0),
        ("huge", r#"{"F":9007199254740993}"#, r#"{"F":9007199254740992}"#, 0),
        ("words", r#"{"F":"b"}"#, r#"{"F":"a"}"#, 0),
    ];
    let mut all = Vec::new();
    for (policy, field) in [("last_version(/version)", "version"), ("last_modified", "modified")] {
        all.push((declare(&nodes, policy, &declared(policy)).await, field));
    }
    split(&nodes, 1).await;
    for (tables, field) in &all {
        for (key, left, _, _) in cases {
            write(&tables[0], key, &left.replace('F', field)).await;
        }
    }
    later().await;
    for (tables, field) in &all {
        for (key, _, right, _) in cases {
            write(&tables[1], key, &right.replace('F', field)).await;
        }
        write(&tables[1], "lone", "no field at all").await;
    }
    rejoin(&nodes, &[&all[0].0, &all[1].0]).await;
    for (tables, field) in &all {
        for (key, left, right, stays) in cases {
            let stays = [left, right][stays].replace('F', field);
            assert_read(tables, key, Some(&stays));
        }
        assert_read(tables, "lone", Some("no field at all"));
    }
}

fn object(id: &str, version: u32, more: &str) -> String {
    format!(r#"{{"id":"{id}","v":{version}{more}}}"#)
}

fn objects(table: &RawTable, key: &[u8]) -> Vec<String> {
    table.objects(key).into_iter().map(|one| String::from_utf8(one).unwrap()).collect()
}

fn add(table: &RawTable, object: &str) {
    table.add(b"k", object.as_bytes(), None).unwrap();
}

async fn all_hold(tables: &[RawTable], key: &[u8], expected: &[String]) {
    let mut expected = expected.to_vec();
    expected.sort();
    until("the bags are equal", || {
        tables.iter().all(|table| {
            let mut objects = objects(table, key);
            objects.sort();
            objects == expected
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_versions_of_an_object_the_greater_stays_and_the_others_are_left_alone() {
    let (nodes, _) = cluster(2).await;
    let policy = declared("last_version(/v,per=/id)");
    let bags = declare(&nodes, "bags", &Declaration { kind: Kind::Bag, ..policy }).await;
    add(&bags[0], &object("deleted", 1, ""));
    add(&bags[0], &object("old", 1, ""));
    add(&bags[0], "no second key");
    all_hold(
        &bags,
        b"k",
        &[object("deleted", 1, ""), object("old", 1, ""), "no second key".into()],
    )
    .await;
    split(&nodes, 1).await;
    for (node, versions) in [(0, ["a0", "b2", "c0"]), (1, ["a1", "b1", "c0"])] {
        for version in versions {
            let (id, version) = version.split_at(1);
            add(&bags[node], &object(id, version.parse().unwrap(), ""));
        }
        // The second of two versions in one bag takes the place of the first, whatever they are.
        add(&bags[node], &object(&format!("twice {node}"), 5, ""));
        add(&bags[node], &object(&format!("twice {node}"), 4, ""));
        add(&bags[node], &object("tie", 3, &format!(r#","by":{node}"#)));
        add(&bags[node], &format!(r#"{{"id":"none","by":{node}}}"#));
        later().await;
    }
    add(&bags[0], r#"{"v":1}"#);
    let gone = object("deleted", 1, "");
    bags[1].delete_object(b"k", gone.as_bytes()).unwrap().expect("it was there");
    bags[0].delete_object(b"k", b"no second key").unwrap().expect("it was there");
    // Another version than the one that is there is not deleted.
    assert_eq!(bags[0].delete_object(b"k", object("old", 2, "").as_bytes()).unwrap(), None);
    rejoin(&nodes, &[&bags]).await;
    let mut expected: Vec<String> = [("a", 1), ("b", 2), ("c", 0), ("old", 1)]
        .map(|(id, version)| object(id, version, ""))
        .to_vec();
    expected.extend([0, 1].map(|node| object(&format!("twice {node}"), 4, "")));
    expected.push(object("tie", 3, r#","by":1"#));
    expected.push(r#"{"id":"none","by":1}"#.to_owned());
    expected.push(r#"{"v":1}"#.to_owned());
    all_hold(&bags, b"k", &expected).await;
    // Just the two that differed are told of, besides the ties.
    let noted: Vec<_> = bags.iter().flat_map(RawTable::conflicts).collect();
    let lost = noted.iter().flat_map(|one| &one.lost).filter_map(|event| event.value.clone());
    let mut lost: Vec<String> = lost.map(|value| String::from_utf8(value).unwrap()).collect();
    lost.sort();
    lost.dedup();
    let tie = object("tie", 3, r#","by":0"#);
    let none = r#"{"id":"none","by":0}"#.to_owned();
    assert_eq!(lost, [object("a", 0, ""), object("b", 1, ""), none, tie]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_bags_are_united_without_a_word_of_conflicts() {
    let (nodes, _) = cluster(3).await;
    let mut all = Vec::new();
    for policy in ["last_writer_wins", "merge_only", "newest"] {
        let bag = Declaration { kind: Kind::Bag, ..declared(policy) };
        all.push(declare(&nodes, policy, &bag).await);
    }
    for bags in &all {
        add(&bags[0], "seen");
        add(&bags[0], "deleted here");
        add(&bags[0], "deleted there");
        add(&bags[0], "touched");
        all_hold(bags, b"k", &["seen", "deleted here", "deleted there", "touched"].map(Into::into))
            .await;
    }
    split(&nodes, 1).await;
    for bags in &all {
        add(&bags[0], "a");
        add(&bags[0], "common");
        bags[1].add(b"k", b"b", None).unwrap();
        add(&bags[2], "common");
        bags[0].delete_object(b"k", b"deleted here").unwrap().unwrap();
        bags[2].delete_object(b"k", b"deleted there").unwrap().unwrap();
        bags[0].delete_object(b"k", b"touched").unwrap().unwrap();
    }
    later().await;
    for bags in &all {
        // Adding an object again saves it from a delete that did not see that.
        add(&bags[1], "touched");
        assert!(bags[0].objects(b"k").iter().all(|one| one != b"touched"));
    }
    let tables: Vec<&[RawTable]> = all.iter().map(Vec::as_slice).collect();
    rejoin(&nodes, &tables).await;
    for bags in &all {
        all_hold(bags, b"k", &["a", "b", "common", "seen", "touched"].map(Into::into)).await;
        assert!(bags.iter().all(|bag| bag.undecided(9).is_empty()));
    }
    let conflicts = all[1].iter().chain(&all[2]).map(|bag| bag.conflicts().len());
    assert_eq!(conflicts.sum::<usize>(), 0);
}
