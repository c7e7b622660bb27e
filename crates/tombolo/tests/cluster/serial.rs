//! Serial operations over real sockets: every node asks, one carries out.

use crate::common::{PATIENCE, cluster, cut_apart, equal, until, value, whole};
use std::sync::Arc;
use tombolo::{Ack, Edit, Expect, Expiry, RawTable, Refused, SerialError, SerialOp, Serially};

fn put(key: &str, value: &str, expect: Expect) -> SerialOp {
    let edit = Edit::Put { value: value.as_bytes().into(), expiry: Expiry::Default };
    SerialOp { key: key.as_bytes().to_vec(), expect, edit, tell_previous: true }
}

fn add(key: &str, by: i64) -> SerialOp {
    let (expect, edit) = (Expect::Anything, Edit::Add(by));
    SerialOp { key: key.as_bytes().to_vec(), expect, edit, tell_previous: false }
}

async fn run(table: &RawTable, op: SerialOp) -> Result<Serially, SerialError> {
    table.serial(op, Ack::All, PATIENCE).await.map(|(_, outcome)| outcome)
}

fn told(outcome: Serially) -> Option<String> {
    let (Serially::Done(told) | Serially::Unmet(told)) = outcome;
    told.map(|told| String::from_utf8_lossy(&told).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_insert_the_same_key_on_all_nodes_one_does() {
    let (_nodes, tables) = cluster(3).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (at, table) in tables.iter().enumerate() {
        for client in 0..20 {
            let table = table.clone();
            tasks.spawn(async move {
                let value = format!("{at}/{client}");
                (value.clone(), run(&table, put("k", &value, Expect::Absent)).await.unwrap())
            });
        }
    }
    let all = tasks.join_all().await;
    let won: Vec<_> = all.iter().filter(|(_, o)| matches!(o, Serially::Done(_))).collect();
    assert_eq!(won.len(), 1, "{all:?}");
    for (_, outcome) in all.iter().filter(|(_, o)| matches!(o, Serially::Unmet(_))) {
        assert_eq!(told(outcome.clone()).as_ref(), Some(&won[0].0));
    }
    for table in &tables {
        assert_eq!(
            value(table, b"k"),
            Some(won[0].0.clone().into_bytes()),
            "the asker is waited for"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_from_all_nodes_add_up_and_every_answer_is_another() {
    let (_nodes, tables) = cluster(3).await;
    let mut tasks = tokio::task::JoinSet::new();
    for table in &tables {
        for _ in 0..4 {
            let table = table.clone();
            tasks.spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..50 {
                    answers.extend(told(run(&table, add("n", 1)).await.unwrap()));
                }
                answers
            });
        }
    }
    let mut answers: Vec<u64> =
        tasks.join_all().await.concat().iter().map(|digits| digits.parse().unwrap()).collect();
    answers.sort_unstable();
    assert_eq!(answers, (1..=600).collect::<Vec<u64>>());
    equal(&tables).await;
    assert_eq!(value(&tables[2], b"n"), Some(b"600".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sees_what_its_asker_wrote_before() {
    let (_nodes, tables) = cluster(2).await;
    for round in 0..200 {
        let key = format!("k{round}");
        tables[1].put(key.as_bytes(), b"5", None).unwrap();
        assert_eq!(told(run(&tables[1], add(&key, 1)).await.unwrap()).as_deref(), Some("6"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_twice_or_lost_while_leaders_end() {
    let (mut nodes, mut tables) = cluster(4).await;
    let last = tables.pop().unwrap();
    let asking = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (table, goes_on) = (last.clone(), Arc::clone(&asking));
    let counting = tokio::spawn(async move {
        let (mut sure, mut unsure) = (0u64, 0u64);
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            match run(&table, add("n", 1)).await {
                Ok(_) => sure += 1,
                Err(SerialError::Uncertain { .. } | SerialError::Timeout(_)) => unsure += 1,
                Err(SerialError::NoLeader) => {}
                Err(error) => panic!("{error}"),
            }
        }
        (sure, unsure)
    });
    let count = |table: &RawTable| {
        let digits = value(table, b"n").map(|value| String::from_utf8(value).unwrap());
        digits.map_or(0, |digits| digits.parse::<u64>().unwrap())
    };
    for _ in 0..2 {
        let before = count(&last);
        until("it counts on", || count(&last) > before + 20).await;
        tables.remove(0);
        // The node ends without a goodbye, as its process would.
        drop(nodes.remove(0));
    }
    let before = count(&last);
    until("it counts on", || count(&last) > before + 20).await;
    asking.store(false, std::sync::atomic::Ordering::Relaxed);
    let (sure, unsure) = counting.await.unwrap();
    let counted = count(&last);
    assert!(sure <= counted && counted <= sure + unsure, "{sure} + {unsure}, counted {counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_island_has_a_leader_and_the_join_settles_what_both_did() {
    let (nodes, tables) = cluster(3).await;
    run(&tables[2], put("k", "whole", Expect::Absent)).await.unwrap();
    cut_apart(&nodes[..1], &nodes[1..]);
    until("they are apart", || nodes[1].status().links.len() == 1).await;
    for (table, text) in [(&tables[0], "left"), (&tables[2], "right")] {
        let done = run(table, put("new", text, Expect::Absent)).await.unwrap();
        assert_eq!(done, Serially::Done(None));
    }
    nodes.iter().for_each(|node| node.heal());
    whole(&nodes).await;
    equal(&tables).await;
    let unmet = run(&tables[1], put("new", "late", Expect::Absent)).await.unwrap();
    assert!(matches!(unmet, Serially::Unmet(Some(_))), "{unmet:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_numbers_are_checked_where_it_is_done() {
    let (_nodes, tables) = cluster(2).await;
    for (round, table) in tables.iter().enumerate() {
        let key = format!("k{round}");
        assert_eq!(told(run(table, put(&key, "a", Expect::Absent)).await.unwrap()), None);
        let expected = Expect::Value(b"b".as_slice().into());
        let unmet = run(table, put(&key, "c", expected)).await.unwrap();
        assert_eq!(told(unmet).as_deref(), Some("a"));
        let expected = Expect::Value(b"a".as_slice().into());
        assert_eq!(told(run(table, put(&key, "c", expected)).await.unwrap()).as_deref(), Some("a"));
        let refused = run(table, add(&key, 1)).await.unwrap_err();
        assert!(matches!(refused, SerialError::Refused(Refused::NotANumber(_))), "{refused}");
        assert_eq!(value(table, key.as_bytes()), Some(b"c".to_vec()));
    }
}
