//! The newest write by hybrid logical clocks, and what has been seen.

use super::{assert_read, declare, declared, later, rejoin, split, text, write};
use crate::common::{cluster, cut_apart, equal, until};
use tombolo::{Node, RawTable};

async fn both(nodes: &[Node]) -> [Vec<RawTable>; 2] {
    [
        declare(nodes, "latest", &declared("last_writer_wins")).await,
        declare(nodes, "newest", &declared("newest")).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_from_the_past_is_not_taken_in() {
    let (nodes, _) = cluster(3).await;
    let all = both(&nodes).await;
    cut_apart(&nodes[1..2], &nodes[2..]);
    until("n2 and n3 are apart", || nodes[2].status().links.len() == 1).await;
    for tables in &all {
        tables[2].put(b"k", b"first", None).unwrap();
    }
    later().await;
    for tables in &all {
        write(&tables[1], "k", "second").await;
        assert_eq!(text(&tables[0], "k").as_deref(), Some("second"));
    }
    rejoin(&nodes, &[&all[0], &all[1]]).await;
    for tables in &all {
        assert_read(tables, "k", Some("second"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_saw_a_value_and_overwrites_it_always_wins() {
    let (nodes, _) = cluster(3).await;
    let all = both(&nodes).await;
    for tables in &all {
        // Faster than the wall clock ticks: the order is only in what was seen.
        for round in 0..300usize {
            let (writer, next) = (&tables[round % 3], &tables[(round + 1) % 3]);
            let value = round.to_string();
            writer.put(b"k", value.as_bytes(), None).unwrap();
            while text(next, "k").as_deref() != Some(&value) {
                tokio::task::yield_now().await;
            }
        }
        equal(tables).await;
        assert_read(tables, "k", Some("299"));
        assert!(tables.iter().all(|table| table.conflicts().is_empty()), "nobody missed another");
        write(&tables[0], "deleted", "x").await;
        tables[1].delete(b"deleted").unwrap().unwrap();
        until("n3 sees the delete", || text(&tables[2], "deleted").is_none()).await;
        write(&tables[2], "deleted", "again").await;
        assert_read(tables, "deleted", Some("again"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn islands_that_meet_in_any_order_have_the_latest_of_each_key() {
    let (nodes, _) = cluster(3).await;
    let all = both(&nodes).await;
    for (round, order) in [[0, 1, 2], [2, 0, 1], [1, 2, 0]].into_iter().enumerate() {
        cut_apart(&nodes[..1], &nodes[1..]);
        cut_apart(&nodes[1..2], &nodes[2..]);
        until("all are alone", || nodes.iter().all(|node| node.status().links.is_empty())).await;
        let common = format!("common {round}");
        for writer in order {
            for tables in &all {
                write(&tables[writer], &common, &format!("of {writer}")).await;
                write(&tables[writer], &format!("own {round} {writer}"), "v").await;
            }
            later().await;
        }
        // n1 and n2 meet first, n3 comes to them later.
        nodes[0].heal();
        nodes[1].heal();
        until("two have met", || nodes[0].status().links.len() == 1).await;
        equal(&[all[0][0].clone(), all[0][1].clone()]).await;
        rejoin(&nodes, &[&all[0], &all[1]]).await;
        for tables in &all {
            assert_read(tables, &common, Some(&format!("of {}", order[2])));
            for writer in order {
                assert_read(tables, &format!("own {round} {writer}"), Some("v"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_isolated_is_caught_up_without_another_write() {
    let (nodes, _) = cluster(3).await;
    let all = both(&nodes).await;
    split(&nodes, 1).await;
    for tables in &all {
        write(&tables[2], "k", "v").await;
        assert_eq!(text(&tables[1], "k").as_deref(), Some("v"));
        assert_eq!(text(&tables[0], "k"), None);
    }
    rejoin(&nodes, &[&all[0], &all[1]]).await;
    for tables in &all {
        assert_read(tables, "k", Some("v"));
    }
}
