//! What each policy makes of a split.

use crate::common::{PATIENCE, builder, cluster, cut_apart, equal, start, until, value, whole};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tombolo::{
    Ack, Choice, Declaration, Kind, Node, NodeEvent, Outcome, OwnerDown, Policy, RawTable,
    Resolution, Sibling,
};

fn declared(policy: &str) -> Declaration {
    Declaration { policy: policy.parse().unwrap(), ..Declaration::default() }
}

async fn declare(nodes: &[Node], name: &str, declaration: &Declaration) -> Vec<RawTable> {
    let mut tables = Vec::new();
    for node in nodes {
        tables.push(node.create_table(name, declaration.clone()).await.unwrap());
    }
    tables
}

async fn write(table: &RawTable, key: &[u8], new: &[u8]) {
    let receipt = table.put(key, new, None).unwrap();
    table.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
}

/// Three nodes with the table, cut into n1 and n2 with n3.
async fn split(declaration: &Declaration) -> (Vec<Node>, Vec<RawTable>) {
    let (nodes, _) = cluster(3).await;
    let tables = declare(&nodes, "x", declaration).await;
    write(&tables[0], b"before", b"0").await;
    // A peer that declares the table just now is not waited for, and has it from its first sync.
    until("all have it", || read_everywhere(&tables, b"before", Some(b"0"))).await;
    cut(&nodes).await;
    (nodes, tables)
}

async fn cut(nodes: &[Node]) {
    cut_apart(&nodes[..1], &nodes[1..]);
    until("n1 is alone", || nodes[0].status().links.is_empty()).await;
}

fn read_everywhere(tables: &[RawTable], key: &[u8], expected: Option<&[u8]>) -> bool {
    tables.iter().all(|table| value(table, key).as_deref() == expected)
}

fn no_siblings(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| node.status().tables.iter().all(|table| table.siblings == 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_reads_the_later_value_and_a_delete_removes_what_it_saw() {
    let (nodes, tables) = split(&declared("newest")).await;
    write(&tables[0], b"both", b"first").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    write(&tables[1], b"both", b"second").await;
    tables[2].delete(b"before").unwrap();
    write(&tables[0], b"before", b"written meanwhile").await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("all read the same", || {
        read_everywhere(&tables, b"both", Some(b"second"))
            && read_everywhere(&tables, b"before", Some(b"written meanwhile"))
    })
    .await;
    until("the leader wrote the outcome", || no_siblings(&nodes)).await;
    equal(&tables).await;
    let conflicts = tables[2].conflicts();
    let noted = conflicts.iter().find(|conflict| conflict.key == b"both").unwrap();
    assert_eq!(noted.outcome, Outcome::Collapsed);
    assert_eq!(noted.lost[0].value.as_deref(), Some(&b"first"[..]));
    // Undone on another node than it was noted on: the entry has the same name everywhere.
    tables[1].undo(&noted.id).unwrap();
    until("it is undone", || read_everywhere(&tables, b"both", Some(b"first"))).await;
    let again = tables[1].undo(&noted.id).unwrap_err();
    assert!(again.to_string().contains("was written since"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_only_keeps_both_and_raises_an_alarm_until_somebody_decides() {
    let (nodes, tables) = split(&declared("merge_only")).await;
    write(&tables[0], b"both", b"one").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    write(&tables[1], b"both", b"two").await;
    write(&tables[0], b"same", b"equal").await;
    write(&tables[1], b"same", b"equal").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(tables.iter().all(|table| table.undecided(10).is_empty()), "nothing is stable yet");
    let mut events = nodes[2].events();
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("every node has the alarm", || tables.iter().all(|table| table.undecided(10).len() == 1))
        .await;
    let open = &tables[2].undecided(10)[0];
    assert_eq!((&open.key[..], open.siblings.len()), (&b"both"[..], 2));
    assert!(read_everywhere(&tables, b"both", Some(b"two")));
    let told = async {
        while let Some(event) = events.next().await {
            if let NodeEvent::Conflict { key, .. } = event {
                return key;
            }
        }
        panic!("the node ended");
    };
    assert_eq!(tokio::time::timeout(PATIENCE, told).await.unwrap(), b"both");
    let wrong = tables[0].resolve(b"both", Choice::Take("n9:1")).unwrap_err();
    assert!(wrong.to_string().contains("n1:"), "{wrong}");
    let older = open.siblings[0].dot.clone();
    tables[0].resolve(b"both", Choice::Take(&older)).unwrap();
    until("the alarm is over", || tables.iter().all(|table| table.undecided(10).is_empty())).await;
    assert!(read_everywhere(&tables, b"both", Some(b"one")));
    let settled = tables[1].conflicts();
    let settled = settled.iter().find(|one| one.outcome == Outcome::Undecided).unwrap();
    assert!(settled.settled.is_some());
    until("equal siblings are one", || no_siblings(&nodes)).await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_with_the_greater_field_stays_and_one_without_it_loses() {
    let (nodes, tables) = split(&declared("last_version(/version)")).await;
    write(&tables[1], b"higher", br#"{"version":7}"#).await;
    write(&tables[0], b"higher", br#"{"version":10}"#).await;
    write(&tables[0], b"without", br#"{"version":1}"#).await;
    write(&tables[1], b"without", b"no json").await;
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("all agree", || {
        read_everywhere(&tables, b"higher", Some(br#"{"version":10}"#))
            && read_everywhere(&tables, b"without", Some(br#"{"version":1}"#))
            && no_siblings(&nodes)
    })
    .await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bags_are_united_and_objects_with_a_second_key_are_versions() {
    let (nodes, _) = cluster(2).await;
    let bag = Declaration { kind: Kind::Bag, ..declared("newest") };
    let bags = declare(&nodes, "bag", &bag).await;
    let per = Declaration { kind: Kind::Bag, ..declared("last_version(/v,per=/id)") };
    let versions = declare(&nodes, "versions", &per).await;
    bags[0].add(b"k", b"common", None).unwrap();
    until("n2 has it", || bags[1].contains_object(b"k", b"common")).await;
    cut(&nodes).await;
    bags[0].add(b"k", b"one", None).unwrap();
    bags[1].add(b"k", b"two", None).unwrap();
    bags[0].add(b"k", b"three", None).unwrap();
    bags[1].add(b"k", b"three", None).unwrap();
    bags[1].delete_object(b"k", b"common").unwrap().unwrap();
    assert_eq!(bags[1].delete_object(b"k", b"absent").unwrap(), None);
    for (node, objects) in [(0, ["a0", "b2", "c0"]), (1, ["a1", "b1", "c0"])] {
        for object in objects {
            let (id, v) = object.split_at(1);
            let object = format!(r#"{{"id":"{id}","v":{v}}}"#);
            versions[node].add(b"k", object.as_bytes(), None).unwrap();
        }
    }
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    let expected = [r#"{"id":"a","v":1}"#, r#"{"id":"b","v":2}"#, r#"{"id":"c","v":0}"#];
    until("bags are united", || {
        let texts = |table: &RawTable| {
            let objects = table.objects(b"k").into_iter();
            objects.map(|one| String::from_utf8(one).unwrap()).collect::<Vec<_>>()
        };
        bags.iter().all(|bag| texts(bag) == ["one", "three", "two"])
            && versions.iter().all(|table| texts(table) == expected)
            && no_siblings(&nodes)
    })
    .await;
    let error = bags[0].put(b"k", b"v", None).unwrap_err();
    assert!(error.to_string().contains("kind=bag"), "{error}");
    bags[1].delete(b"k").unwrap().unwrap();
    until("all objects are gone", || bags[0].objects(b"k").is_empty()).await;
}

fn union(_: &[u8], siblings: &[Sibling<'_>]) -> Resolution {
    let mut all: Vec<&[u8]> =
        siblings.iter().flat_map(|one| one.value.split(|byte| *byte == b',')).collect();
    all.sort_unstable();
    all.dedup();
    Resolution::Value(all.join(&b','))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_decides_and_one_that_panics_loses_nothing() {
    let random = Arc::new(AtomicUsize::new(0));
    let start = |name: &'static str, join: Vec<String>| {
        let random = Arc::clone(&random);
        let fickle = move |_: &[u8], _: &[Sibling<'_>]| {
            Resolution::Value(random.fetch_add(1, SeqCst).to_string().into_bytes())
        };
        let broken = |_: &[u8], _: &[Sibling<'_>]| -> Resolution { panic!("no idea") };
        let node = builder(name).join(join).resolver("union", union);
        node.resolver("fickle", fickle).resolver("broken", broken).start()
    };
    let one = start("n1", vec![]).await.unwrap();
    let two = start("n2", vec![one.status().address]).await.unwrap();
    let nodes = [one, two];
    whole(&nodes).await;
    let names = ["union", "fickle", "broken", "absent"];
    let mut tables = Vec::new();
    for name in names {
        tables.push(declare(&nodes, name, &declared(&format!("resolve({name})"))).await);
    }
    cut(&nodes).await;
    for table in &tables {
        write(&table[0], b"k", b"a,b").await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        write(&table[1], b"k", b"b,c").await;
    }
    nodes.iter().for_each(Node::heal);
    whole(&nodes).await;
    until("the union is written", || {
        read_everywhere(&tables[0], b"k", Some(b"a,b,c")) && tables[0][1].siblings(b"k").len() == 1
    })
    .await;
    for (table, cause) in [(1, "differently"), (2, "no idea"), (3, "no resolver")] {
        until("the alarm says why", || {
            let open = tables[table].iter().map(|one| one.undecided(1));
            open.flatten().filter(|open| open.cause.contains(cause)).count() == 2
        })
        .await;
        assert_eq!(tables[table][0].siblings(b"k").len(), 2);
    }
    assert!(read_everywhere(&tables[2], b"k", Some(b"b,c")), "the newest is read");
    write(&tables[2][0], b"k", b"decided").await;
    until("all have it", || read_everywhere(&tables[2], b"k", Some(b"decided"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_node_that_is_down_are_hidden_and_come_back_with_it() {
    let (nodes, _) = cluster(2).await;
    let hide = Declaration { owner_down: OwnerDown::Hide, ..declared("newest") };
    let refused = Declaration { owner_down: OwnerDown::Hide, ..Declaration::default() };
    let error = nodes[0].create_table("refused", refused).await.err().unwrap();
    assert!(error.to_string().contains("newest"), "{error}");
    let tables = declare(&nodes, "sessions", &hide).await;
    let downs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&downs);
    let third = builder("n3").join([nodes[0].status().address]).on_node_down(move |node| {
        assert!(node.starts_with('n'));
        counted.fetch_add(1, SeqCst);
        panic!("a hook that breaks");
    });
    let third = third.start().await.unwrap();
    let table3 = third.create_table("sessions", hide.clone()).await.unwrap();
    write(&tables[0], b"of n1", b"1").await;
    write(&tables[1], b"of n2", b"2").await;
    write(&table3, b"of n3", b"3").await;
    drop(tables);
    let mut nodes = nodes;
    let second = nodes.remove(1);
    // n1 goes without a word for the others: it is cut from both.
    cut_apart(&nodes, &[second.clone(), third.clone()]);
    until("n1's record is hidden at n3", || value(&table3, b"of n1").is_none()).await;
    assert!(value(&table3, b"of n2").is_some() && value(&table3, b"of n3").is_some());
    let status = third.status();
    assert_eq!(status.tables.iter().find(|table| table.name == "sessions").unwrap().hidden, 1);
    until("the hook was called", || downs.load(SeqCst) == 1).await;
    for node in [&nodes[0], &second, &third] {
        node.heal();
    }
    until("it is back", || value(&table3, b"of n1").as_deref() == Some(b"1")).await;
    // A new process of the name: what the old one wrote is gone everywhere.
    second.leave().await;
    drop(second);
    until("n2's record is hidden", || value(&table3, b"of n2").is_none()).await;
    let again = start("n2", &[&third]).await;
    let table2 = again.create_table("sessions", hide).await.unwrap();
    until("it is gone for good", || {
        third.status().tables.iter().any(|table| table.name == "sessions" && table.records == 2)
    })
    .await;
    assert_eq!(value(&table2, b"of n2"), None);
    assert_eq!(value(&table2, b"of n1").as_deref(), Some(&b"1"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_islands_in_conflict_the_smaller_yields_and_its_ledger_says_what() {
    let (nodes, tables) = split(&declared("yield_island")).await;
    write(&tables[0], b"both", b"of the smaller").await;
    write(&tables[0], b"lone", b"of the smaller").await;
    tables[0].delete(b"before").unwrap();
    write(&tables[1], b"both", b"of the larger").await;
    write(&tables[2], b"other", b"of the larger").await;
    nodes.iter().for_each(Node::heal);
    until("the larger island's word counts", || {
        read_everywhere(&tables, b"both", Some(b"of the larger"))
            && read_everywhere(&tables, b"lone", None)
            && read_everywhere(&tables, b"before", Some(b"0"))
            && read_everywhere(&tables, b"other", Some(b"of the larger"))
    })
    .await;
    whole(&nodes).await;
    equal(&tables).await;
    let ledger = tables[0].conflicts();
    let about = |key: &[u8]| ledger.iter().find(|conflict| conflict.key == key);
    let lost = about(b"lone").expect("the lone write is listed");
    assert_eq!(lost.lost[0].value.as_deref(), Some(&b"of the smaller"[..]));
    assert_eq!(about(b"before").map(|one| one.outcome), Some(Outcome::Overruled));
    assert!(about(b"both").is_some() && about(b"other").is_none());
    tables[0].undo(&lost.id).unwrap();
    until("the lone write is back", || read_everywhere(&tables, b"lone", Some(b"of the smaller")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ignores_the_others_stays_as_it_is_until_a_side_is_chosen() {
    let (nodes, tables) = split(&declared("ignore")).await;
    write(&tables[0], b"one", b"1").await;
    write(&tables[1], b"two", b"2").await;
    nodes.iter().for_each(Node::heal);
    let held = |node: &Node| {
        let status = node.status();
        let table = status.tables.iter().find(|table| table.name == "x").unwrap();
        table.held.iter().filter(|held| held.apart).count()
    };
    until("both sides know", || held(&nodes[0]) == 2 && held(&nodes[1]) == 1).await;
    write(&tables[1], b"later", b"3").await;
    until("the island replicates", || value(&tables[2], b"later").is_some()).await;
    assert_eq!(value(&tables[0], b"later"), None);
    assert_eq!(value(&tables[0], b"two"), None);
    assert!(nodes[0].status().verdict_line.contains("kept apart"));
    nodes[1].choose_side("x").unwrap();
    until("n2's side holds everywhere", || {
        read_everywhere(&tables, b"one", None)
            && read_everywhere(&tables, b"two", Some(b"2"))
            && read_everywhere(&tables, b"later", Some(b"3"))
    })
    .await;
    until("nobody is held", || nodes.iter().all(|node| held(node) == 0)).await;
    equal(&tables).await;
    assert!(nodes[0].choose_side("x").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_a_heal_will_do_and_approves_it() {
    let hold = "kind=set policy=newest";
    let declaration = Declaration { merge: tombolo::Merge::Hold, ..declared("newest") };
    assert!(declaration.to_string().starts_with(hold));
    let (nodes, tables) = split(&declaration).await;
    write(&tables[0], b"one", b"1").await;
    write(&tables[0], b"both", b"a").await;
    write(&tables[1], b"both", b"b").await;
    write(&tables[1], b"two", b"2").await;
    assert!(tables[1].delete(b"before").unwrap().is_some(), "n2 has it");
    until("n3 has the delete", || value(&tables[2], b"before").is_none()).await;
    nodes.iter().for_each(Node::heal);
    let preview = |node: &Node| {
        let status = node.status();
        let table = status.tables.into_iter().find(|table| table.name == "x").unwrap();
        table.held.into_iter().find_map(|held| held.preview)
    };
    until("n1 has looked", || preview(&nodes[0]).is_some()).await;
    let seen = preview(&nodes[0]).unwrap();
    assert_eq!((seen.adds, seen.updates, seen.deletes, seen.conflicts), (1, 0, 1, 1));
    assert_eq!(seen.keys[1], [b"before".to_vec()]);
    assert_eq!(value(&tables[0], b"two"), None);
    nodes[2].approve("x").unwrap();
    until("they have joined", || {
        read_everywhere(&tables, b"one", Some(b"1"))
            && read_everywhere(&tables, b"two", Some(b"2"))
            && read_everywhere(&tables, b"before", None)
    })
    .await;
    whole(&nodes).await;
    equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_altered_while_writers_go_on() {
    let (nodes, _) = cluster(3).await;
    let tables = declare(&nodes, "x", &Declaration::default()).await;
    write(&tables[0], b"old", b"1").await;
    let writer = tables[1].clone();
    let writes = tokio::spawn(async move {
        for number in 0..300u32 {
            write(&writer, &number.to_be_bytes(), b"w").await;
        }
    });
    let hides = Declaration { owner_down: OwnerDown::Hide, ..Declaration::default() };
    assert!(nodes[0].alter("x", hides).unwrap_err().to_string().contains("newest"));
    let bag = Declaration { kind: Kind::Bag, ..Declaration::default() };
    assert!(nodes[0].alter("x", bag).unwrap_err().to_string().contains("cannot be altered"));
    assert!(nodes[0].alter("y", declared("newest")).is_err());
    nodes[2].alter("x", declared("merge_only")).unwrap();
    until("all know it", || {
        tables.iter().all(|table| table.declaration().policy == Policy::MergeOnly)
    })
    .await;
    writes.await.unwrap();
    cut(&nodes).await;
    write(&tables[0], b"k", b"a").await;
    write(&tables[1], b"k", b"b").await;
    nodes.iter().for_each(Node::heal);
    until("both are kept", || tables.iter().all(|table| table.undecided(9).len() == 1)).await;
    equal(&tables).await;
    // A program that still knows the first declaration is served, another is refused.
    nodes[0].create_table("x", Declaration::default()).await.unwrap();
    assert!(nodes[0].create_table("x", declared("ignore")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_tables_give_functions_for_versions_and_conflicts() {
    type Cart = (u64, Vec<String>);
    let describe = |name: &str| {
        let carts = |_: &String, carts: Vec<Cart>| {
            let mut all: Vec<String> = carts.iter().flat_map(|cart| cart.1.clone()).collect();
            all.sort();
            all.dedup();
            (!all.is_empty()).then_some((carts.iter().map(|cart| cart.0).max()?, all))
        };
        builder(name).version_of("rev", |cart: &Cart| cart.0.into()).resolver_of("carts", carts)
    };
    let one = describe("n1").start().await.unwrap();
    let two = describe("n2").join([one.status().address]).start().await.unwrap();
    let nodes = [one, two];
    let mut versions = Vec::new();
    let mut carts = Vec::new();
    for node in &nodes {
        let declared = |policy: &str| declared(policy);
        let by_version =
            node.table_with::<String, Cart>("versions", declared("last_version(rev)")).await;
        versions.push(by_version.unwrap());
        carts.push(
            node.table_with::<String, Cart>("carts", declared("resolve(carts)")).await.unwrap(),
        );
    }
    cut(&nodes).await;
    let key = "ada".to_owned();
    let cart = |rev: u64, item: &str| -> Cart { (rev, vec![item.to_owned()]) };
    for (node, cart) in [(0, cart(9, "tea")), (1, cart(3, "ink"))] {
        let acked = versions[node].insert(&key, &cart).await.unwrap();
        versions[node].wait(acked.receipt.unwrap(), Ack::Count(1), PATIENCE).await.unwrap();
        carts[node].insert(&key, &cart).await.unwrap();
    }
    nodes.iter().for_each(Node::heal);
    let both: Cart = (9, vec!["ink".to_owned(), "tea".to_owned()]);
    until("both functions decided", || {
        versions.iter().all(|table| table.get(&key).unwrap() == Some(cart(9, "tea")))
            && carts.iter().all(|table| table.get(&key).unwrap().as_ref() == Some(&both))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_resolvers_read_the_keys_of_either_kind() {
    type Seat = (String, i32);
    let describe = |name: &str| {
        let sum = |(room, number): &Seat, values: Vec<i32>| {
            assert_eq!(room, "hall", "it was given another key");
            Some(values.iter().sum::<i32>() + number)
        };
        builder(name).resolver_of("sum", sum)
    };
    let one = describe("n1").start().await.unwrap();
    let two = describe("n2").join([one.status().address]).start().await.unwrap();
    let nodes = [one, two];
    let mut tables = Vec::new();
    for (name, kind) in [("set", Kind::Set), ("ordered", Kind::OrderedSet)] {
        for node in &nodes {
            let declaration = Declaration { kind, ..declared("resolve(sum)") };
            tables.push(node.table_with::<Seat, i32>(name, declaration).await.unwrap());
        }
    }
    cut(&nodes).await;
    let key = ("hall".to_owned(), -300);
    for (table, value) in tables.iter().zip([1, 20, 1, 20]) {
        table.insert(&key, &value).await.unwrap();
    }
    nodes.iter().for_each(Node::heal);
    until("both kinds are resolved", || {
        tables.iter().all(|table| table.get(&key).unwrap() == Some(-279))
    })
    .await;
    assert!(tables.iter().all(|table| table.raw().undecided(9).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_shows_what_a_heal_will_do_before_anything_crosses() {
    let (nodes, tables) = split(&declared("newest")).await;
    write(&tables[0], b"one", b"1").await;
    write(&tables[1], b"two", b"2").await;
    // Only one node rehearses; the others have to wait as well.
    nodes[0].rehearse(true);
    nodes.iter().for_each(Node::heal);
    let previews = |node: &Node| {
        let status = node.status();
        let table = status.tables.into_iter().find(|table| table.name == "x").unwrap();
        table.held.into_iter().filter_map(|held| held.preview).count()
    };
    until("n1 has looked at both", || previews(&nodes[0]) == 2).await;
    assert!(value(&tables[0], b"two").is_none() && value(&tables[1], b"one").is_none());
    write(&tables[1], b"two", b"nobody waits for a node that rehearses").await;
    nodes[0].rehearse(false);
    until("they join", || {
        value(&tables[0], b"two").is_some() && value(&tables[2], b"one").is_some()
    })
    .await;
    whole(&nodes).await;
    equal(&tables).await;
}
