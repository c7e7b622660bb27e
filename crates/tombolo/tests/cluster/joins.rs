use crate::common::{PATIENCE, cluster, cut_apart, equal, start, tables, until, value, whole};
use tombolo::{Ack, Declaration, Node, RawTable};

async fn write(table: &RawTable, key: &[u8], new: &[u8]) {
    let receipt = table.put(key, new, None).unwrap();
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn islands_join_without_losing_a_write_or_bringing_back_a_delete() {
    let (nodes, tables) = cluster(3).await;
    for key in [b"both", b"gone", b"kept", b"late"] {
        write(&tables[0], key, b"before").await;
    }
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
    write(&tables[0], b"only1", b"1").await;
    write(&tables[1], b"only2", b"2").await;
    tables[0].delete(b"gone").unwrap();
    write(&tables[0], b"both", b"first").await;
    tables[0].delete(b"late").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    write(&tables[2], b"both", b"second").await;
    write(&tables[1], b"late", b"written after the delete").await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    equal(&tables).await;
    for table in &tables {
        assert_eq!(value(table, b"only1").as_deref(), Some(&b"1"[..]));
        assert_eq!(value(table, b"only2").as_deref(), Some(&b"2"[..]));
        assert_eq!(value(table, b"gone"), None);
        assert_eq!(value(table, b"kept").as_deref(), Some(&b"before"[..]));
        assert_eq!(value(table, b"both").as_deref(), Some(&b"second"[..]));
        assert_eq!(value(table, b"late").as_deref(), Some(&b"written after the delete"[..]));
    }
    until("no delete is remembered", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_anew_is_whole_again_ten_times_in_a_row() {
    let (mut nodes, mut shared) = cluster(3).await;
    for number in 0..2_000u32 {
        shared[0].put(&number.to_be_bytes(), &[1; 64], None).unwrap();
    }
    equal(&shared).await;
    for round in 0..10u32 {
        let (node, table) = (nodes.pop().unwrap(), shared.pop().unwrap());
        drop((node, table));
        shared[1].delete(&round.to_be_bytes()).unwrap();
        let again = start("n3", &[&nodes[1]]).await;
        let table = tables(std::slice::from_ref(&again), "t").await.pop().unwrap();
        assert!(table.len() > 1_000, "a table may be written once it was filled");
        nodes.push(again);
        shared.push(table);
        whole(&nodes).await;
        equal(&shared).await;
        assert_eq!(shared[2].len(), 2_000 - round as usize - 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_go_on_while_a_node_is_filled() {
    let (mut nodes, mut shared) = cluster(2).await;
    for number in 0..20_000u32 {
        shared[0].put(&number.to_be_bytes(), &[1; 100], None).unwrap();
    }
    equal(&shared).await;
    let writer = shared[0].clone();
    let writing = tokio::spawn(async move {
        for number in 0..3_000u32 {
            write(&writer, &(number * 5).to_be_bytes(), b"new").await;
        }
    });
    nodes.push(start("n3", &[&nodes[0]]).await);
    shared.extend(tables(&nodes[2..], "t").await);
    writing.await.unwrap();
    whole(&nodes).await;
    equal(&shared).await;
    assert_eq!(value(&shared[2], &10u32.to_be_bytes()).as_deref(), Some(&b"new"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_split_is_bridged() {
    let (nodes, tables) = cluster(3).await;
    nodes[0].cut("n2").unwrap();
    nodes[1].cut("n1").unwrap();
    until("n1 and n2 are apart", || nodes[0].status().links.len() == 1).await;
    tables[0].put(b"k", b"v", None).unwrap();
    until("n3 passes it on", || value(&tables[1], b"k").is_some()).await;
    tables[1].delete(b"k").unwrap();
    until("the delete comes back", || value(&tables[0], b"k").is_none()).await;
    until("the delete is stable although two members are apart", || {
        nodes.iter().all(|node| node.status().tables.iter().all(|table| table.tombstones == 0))
    })
    .await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_declared_otherwise_is_refused_with_both_declarations() {
    let (nodes, _) = cluster(3).await;
    let short = Declaration { ttl: Some(60_000), ..Declaration::default() };
    let table = nodes[0].create_table("sessions", short).await.unwrap();
    until("it is everywhere", || nodes[1].raw_table("sessions").is_some()).await;
    let error = nodes[1].create_table("sessions", Declaration::default()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("ttl=60000ms on") && text.contains("owner_down=keep here"), "{text}");
    let receipt = table.put(b"k", b"v", None).unwrap();
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    let expires = |record: Option<tombolo::RawRecord<'_>>| record.unwrap().expires.unwrap();
    let there = nodes[2].raw_table("sessions").unwrap();
    assert_eq!(there.read(b"k", expires), table.read(b"k", expires));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_declared_otherwise_on_both_sides_of_a_split_stays_apart() {
    let (nodes, shared) = cluster(2).await;
    cut_apart(&nodes[..1], &nodes[1..]);
    until("they are apart", || nodes.iter().all(|node| node.status().links.is_empty())).await;
    let mut apart = Vec::new();
    for (node, ttl) in nodes.iter().zip([60_000, 90_000]) {
        let declaration = Declaration { ttl: Some(ttl), ..Declaration::default() };
        let table = node.create_table("torn", declaration).await.unwrap();
        table.put(node.name().as_bytes(), b"v", None).unwrap();
        apart.push(table);
    }
    nodes.iter().for_each(Node::heal);
    until("both see the conflict", || {
        nodes.iter().all(|node| {
            let status = node.status();
            let conflicts = status.tables.iter().filter_map(|table| table.conflict.as_ref());
            conflicts.clone().any(|text| text.contains("60000ms") && text.contains("90000ms"))
        })
    })
    .await;
    write(&shared[0], b"others", b"go on").await;
    equal(&shared).await;
    assert!(apart.iter().all(|table| table.len() == 1), "nothing of it passed");
    let receipt = apart[0].put(b"k", b"v", None).unwrap();
    apart[0].acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
}
