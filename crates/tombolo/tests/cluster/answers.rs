//! Answers to "who has it": receipts, convergence, progress, digests, order.

use crate::common::{PATIENCE, builder, cluster, cut_apart, equal, start, until, whole};
use std::ops::{Bound, ControlFlow};
use std::time::Duration;
use tombolo::{Ack, Declaration, Kind, Node, NodeEvent};

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_waited_for_until_every_member_has_the_write() {
    let (nodes, tables) = cluster(3).await;
    let receipt = tables[0].put(b"k", b"v", None).unwrap();
    assert_eq!(receipt.sequence(), 1);
    tables[0].acknowledged(receipt, Ack::Stable, PATIENCE).await.unwrap();
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    let alone = tables[0].put(b"k", b"w", None).unwrap();
    tables[0].acknowledged(alone, Ack::All, PATIENCE).await.unwrap();
    let short = Duration::from_millis(300);
    tables[0].acknowledged(alone, Ack::Stable, short).await.unwrap_err();
    nodes.iter().for_each(Node::heal);
    tables[0].acknowledged(alone, Ack::Stable, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_says_whether_it_has_converged_or_who_is_behind() {
    let (nodes, tables) = cluster(3).await;
    for number in 0..50u32 {
        tables[0].put(&number.to_be_bytes(), b"v", None).unwrap();
    }
    until("all have it", || tables.iter().all(|table| table.converged().converged)).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    for number in 0..7u32 {
        tables[0].put(&number.to_be_bytes(), b"w", None).unwrap();
    }
    let apart = tables[0].converged();
    assert!(!apart.converged);
    assert_eq!(apart.members.iter().map(|member| member.lacks).collect::<Vec<_>>(), [7, 7]);
    let digest = tables[0].digest();
    assert!(digest.at_rest && digest.parts.len() == 256);
    let other = tables[1].digest();
    let differing: Vec<u32> = (0..256)
        .filter(|part| digest.parts[*part as usize] != other.parts[*part as usize])
        .collect();
    assert!((1..=7).contains(&differing.len()));
    let keys = |table: &tombolo::RawTable| table.digest_part(differing[0]);
    assert_ne!(keys(&tables[0]), keys(&tables[1]));
    nodes.iter().for_each(Node::heal);
    until("it has converged", || tables.iter().all(|table| table.converged().converged)).await;
    assert_eq!(tables[0].digest(), tables[2].digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_join_tells_how_far_it_is_and_takes_parts_from_every_peer() {
    let slow = |name: &'static str| builder(name).sync_rate(2_000_000);
    let first = slow("n1").start().await.unwrap();
    let second = slow("n2").join([first.status().address]).start().await.unwrap();
    let table = first.create_table("t", Declaration::default()).await.unwrap();
    let other = second.create_table("t", Declaration::default()).await.unwrap();
    for number in 0..20_000u32 {
        table.put(&number.to_be_bytes(), &[7; 100], None).unwrap();
    }
    equal(&[table.clone(), other.clone()]).await;
    let sent = |node: &Node| {
        node.status().links.iter().filter(|link| link.peer == "n3").map(|link| link.bytes_out).sum()
    };
    let third = start("n3", &[&first, &second]).await;
    let mut events = third.events();
    let progress = || third.status().tables.iter().find_map(|table| table.progress.clone());
    until("it says how far it is", || {
        progress().is_some_and(|far| {
            let tells = far.received > 1_000 && far.remaining.is_some();
            tells && far.from.len() == 2 && far.expected > far.received
        })
    })
    .await;
    let filled = third.create_table("t", Declaration::default()).await.unwrap();
    whole(&[first.clone(), second.clone(), third.clone()]).await;
    equal(&[table, other, filled]).await;
    let bytes: [u64; 2] = [sent(&first), sent(&second)];
    let all = bytes[0] + bytes[1];
    // 20,000 records of some 150 bytes on the wire, each sent once.
    assert!(all < 4_000_000, "{bytes:?} bytes were sent");
    assert!(bytes.iter().all(|bytes| *bytes > all / 4), "{bytes:?} bytes were sent");
    let complete = async {
        loop {
            if let Some(NodeEvent::Complete { table }) = events.next().await {
                return table;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, complete).await.unwrap(), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_returning_node_brought_and_lost_is_told() {
    let (nodes, tables) = cluster(2).await;
    for key in [b"a", b"b", b"c"] {
        tables[0].put(key, b"v", None).unwrap();
    }
    equal(&tables).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    tables[0].put(b"brought", b"v", None).unwrap();
    tables[1].delete(b"a").unwrap();
    tables[1].delete(b"b").unwrap();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&tables).await;
    let sync = |node: &Node| {
        let status = node.status();
        let table = status.tables.into_iter().find(|table| table.name == "t").unwrap();
        table.syncs[0].clone()
    };
    until("n2 says what came", || sync(&nodes[1]).brought == 1).await;
    assert_eq!(sync(&nodes[1]).peer, "n1");
    // The two deletes came as events, and took two values with them.
    assert_eq!((sync(&nodes[0]).brought, sync(&nodes[0]).conflicts), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_tables_are_read_in_order_on_every_node() {
    let (nodes, sets) = cluster(2).await;
    let ordered = Declaration { kind: Kind::OrderedSet, ..Declaration::default() };
    let one = nodes[0].create_table("o", ordered.clone()).await.unwrap();
    let two = nodes[1].create_table("o", ordered).await.unwrap();
    assert!(sets[0].first(|_, _| ()).unwrap_err().to_string().contains("ordered_set"));
    for number in (0..100u8).rev() {
        one.put(&[number], &[number], None).unwrap();
    }
    one.delete(&[50]).unwrap();
    equal(&[one.clone(), two.clone()]).await;
    for table in [&one, &two] {
        let key = |key: &[u8], _: tombolo::RawRecord<'_>| key[0];
        assert_eq!(table.first(key).unwrap(), Some(0));
        assert_eq!(table.last(key).unwrap(), Some(99));
        assert_eq!(table.next(&[49], key).unwrap(), Some(51));
        assert_eq!(table.previous(&[51], key).unwrap(), Some(49));
        assert_eq!(table.next(&[99], key).unwrap(), None);
        let mut seen = Vec::new();
        let from = Bound::Included(&[48u8][..]);
        let to = Bound::Excluded(&[52u8][..]);
        let see = |key: &[u8], _: tombolo::RawRecord<'_>| {
            seen.push(key[0]);
            ControlFlow::Continue(())
        };
        table.range(from, to, see).unwrap();
        let see = |key: &[u8], _: tombolo::RawRecord<'_>| {
            seen.push(key[0]);
            if key[0] == 49 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        table.range_back(from, to, see).unwrap();
        assert_eq!(seen, [48, 49, 51, 51, 49]);
    }
}
