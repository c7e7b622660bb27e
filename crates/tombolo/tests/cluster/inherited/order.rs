//! In which order writes take effect.

use super::freezing::freezable;
use super::{assert_read, rejoin, split};
use crate::common::{cluster, equal, start, tables, until, value, whole};
use std::sync::{Arc, Barrier};
use tombolo::{Node, RawTable, Table};

/// Inserts and deletes of one writer that nobody waits for, each as `+` or `-` and the keys.
fn play(table: &RawTable, steps: &str) {
    for step in steps.split(' ') {
        let (sign, keys) = step.split_at(1);
        for key in keys.split(',') {
            match sign {
                "+" => drop(table.put(key.as_bytes(), step.as_bytes(), None).unwrap()),
                _ => drop(table.delete(key.as_bytes()).unwrap()),
            }
        }
    }
}

const STEPS: &str = "+1 -1 -2 +2 +3 +4 +5 +6,7 -5,4 +1 +8 -8 +8 -1";

fn check_played(tables: &[RawTable]) {
    for key in ["1", "4", "5"] {
        assert_read(tables, key, None);
    }
    for (key, step) in [("2", "+2"), ("3", "+3"), ("6", "+6,7"), ("7", "+6,7"), ("8", "+8")] {
        assert_read(tables, key, Some(step));
    }
    assert!(tables.iter().all(|table| table.len() == 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stood_still_applies_what_waited_in_the_order_it_was_written() {
    let first = start("n1", &[]).await;
    let (second, freezer) = freezable("n2", &[&first]).await;
    let nodes = [first, second];
    whole(&nodes).await;
    let tables = tables(&nodes, "t").await;
    let frozen = freezer.freeze().await;
    play(&tables[0], STEPS);
    assert_eq!((tables[0].len(), tables[1].len()), (5, 0));
    frozen.thaw();
    equal(&tables).await;
    check_played(&tables);
    // What its own clients wrote meanwhile comes before what they write afterwards.
    let frozen = freezer.freeze().await;
    play(&tables[1], "+2 -2 +9 +3,3 -9");
    frozen.thaw();
    equal(&tables).await;
    assert_read(&tables, "2", None);
    assert_read(&tables, "3", Some("+3,3"));
    assert_read(&tables, "9", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_cut_off_gets_the_outcome_of_all_that_it_missed() {
    let (nodes, shared) = cluster(3).await;
    let mut bulk: Vec<Table<u32, String>> = Vec::new();
    for node in &nodes {
        bulk.push(node.table("bulk").await.unwrap());
    }
    let keys: Vec<u32> = (0..1_000).collect();
    let values: Vec<String> = keys.iter().map(|key| format!("value {key}")).collect();
    bulk[0].insert_many(keys.iter().zip(&values)).await.unwrap();
    split(&nodes, 2).await;
    for _ in 0..20 {
        play(&shared[0], STEPS);
    }
    bulk[0].delete_many(&keys[..500]).await.unwrap();
    bulk[1].insert_many(keys[250..750].iter().zip(&values)).await.unwrap();
    bulk[0].delete_many(&keys[400..600]).await.unwrap();
    assert_eq!((bulk[0].len(), bulk[2].len(), shared[2].len()), (550, 1_000, 0));
    rejoin(&nodes, &[&shared]).await;
    check_played(&shared);
    let raw: Vec<RawTable> = bulk.iter().map(|table| table.raw().clone()).collect();
    equal(&raw).await;
    assert_eq!(bulk[2].len(), 550);
    for (key, expected) in [(0, None), (399, Some("value 149")), (450, None), (599, None)] {
        assert_eq!(bulk[2].get(&key).unwrap().as_deref(), expected, "{key}");
    }
    assert_eq!(bulk[2].get(&600).unwrap().as_deref(), Some("value 350"));
    assert_eq!(bulk[2].get(&999).unwrap().as_deref(), Some("value 999"));
}

fn write_at_once(tables: &[RawTable], round: u32) {
    let barrier = Arc::new(Barrier::new(tables.len()));
    let writers = tables.iter().enumerate().map(|(number, table)| {
        let (barrier, table) = (Arc::clone(&barrier), table.clone());
        std::thread::spawn(move || {
            barrier.wait();
            for key in 0..20u32 {
                let key = (round * 20 + key).to_be_bytes();
                table.put(&key, &[number as u8], None).unwrap();
            }
        })
    });
    writers.collect::<Vec<_>>().into_iter().for_each(|writer| writer.join().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_write_one_key_at_the_same_moment_end_with_one_value() {
    let (nodes, shared) = cluster(3).await;
    for round in 0..20 {
        write_at_once(&shared, round);
    }
    equal(&shared).await;
    assert_eq!(shared[0].len(), 400);
    split(&nodes, 1).await;
    for round in 0..20 {
        write_at_once(&shared, round);
    }
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&shared).await;
    until("each key has the same one value everywhere", || {
        (0..400u32).all(|key| {
            let key = key.to_be_bytes();
            let first = value(&shared[0], &key);
            first.is_some() && shared.iter().all(|table| value(table, &key) == first)
        })
    })
    .await;
}
