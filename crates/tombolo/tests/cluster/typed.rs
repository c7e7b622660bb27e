//! Typed tables, bags and records over several nodes.

use crate::common::{PATIENCE, start, until, whole};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};
use tombolo::{
    Ack, CreateError, Declaration, InsertError, Kind, Node, OwnerDown, Policy, RangeError, Record,
    Table, WriteError,
};

async fn two() -> [Node; 2] {
    let a = start("a", &[]).await;
    let b = start("b", &[&a]).await;
    let nodes = [a, b];
    whole(&nodes).await;
    nodes
}

fn ordered() -> Declaration {
    Declaration { kind: Kind::OrderedSet, ..Declaration::default() }
}

fn items<T, E: std::fmt::Debug>(iter: impl Iterator<Item = Result<T, E>>) -> Vec<T> {
    iter.map(Result::unwrap).collect()
}

/// Overwrites the keys that stay and lets others come and go, until it is told to stop.
fn churn(table: &Table<i64, u64>, over: &Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
    let (table, over) = (table.clone(), Arc::clone(over));
    tokio::spawn(async move {
        for round in 0u64.. {
            if over.load(Relaxed) {
                return;
            }
            let number = (round * 7_919 % 3_000) as i64;
            let write = table.insert(&number, &round).ack(Ack::Local);
            write.await.unwrap();
            table.insert(&(10_000 + number), &round).ack(Ack::Local).await.unwrap();
            table.delete(&(10_000 + number / 2)).ack(Ack::Local).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
}

async fn iterates_exactly_once(declaration: Declaration) {
    let [a, b] = two().await;
    let here = a.table_with::<i64, u64>("t", declaration.clone()).await.unwrap();
    let there = b.table_with::<i64, u64>("t", declaration).await.unwrap();
    let staying: Vec<(i64, u64)> = (0..3_000).map(|number| (number, 0)).collect();
    here.insert_many(staying).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writers = [churn(&here, &over), churn(&there, &over)];
    for _ in 0..20 {
        let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
        for key in here.keys() {
            *seen.entry(key.unwrap()).or_default() += 1;
            if seen.len().is_multiple_of(100) {
                tokio::task::yield_now().await;
            }
        }
        assert!((0..3_000).all(|number| seen.get(&number) == Some(&1)));
        assert!(seen.values().all(|times| *times == 1));
    }
    over.store(true, Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    until("the tables are equal", || here.fingerprint() == there.fingerprint()).await;
    let both = [items(here.iter()), items(there.iter())];
    let [one, other] = both.map(BTreeSet::from_iter);
    assert_eq!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn iterators_show_what_stays_exactly_once_beside_writers() {
    iterates_exactly_once(Declaration::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_iterators_show_what_stays_exactly_once_beside_writers() {
    iterates_exactly_once(ordered()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_table_has_the_order_of_its_keys_on_every_node() {
    let [a, b] = two().await;
    type Key = (i32, String, Option<i8>);
    let here = a.table_with::<Key, u32>("o", ordered()).await.unwrap();
    let there = b.table_with::<Key, u32>("o", ordered()).await.unwrap();
    let mut keys: Vec<Key> = Vec::new();
    for number in [300, -1, 0, 7, i32::MIN, -300, i32::MAX] {
        for text in ["b", "", "a\0", "a", "ab", "a\0b", "é"] {
            for third in [Some(-1), None, Some(1)] {
                keys.push((number, text.to_owned(), third));
            }
        }
    }
    here.insert_many(keys.iter().zip(0..)).await.unwrap();
    keys.sort();
    assert_eq!(items(there.keys()), keys);
    let key = |number, text: &str| (number, text.to_owned(), None);
    let (low, high) = (key(-300, "b"), key(7, "a"));
    let between: Vec<&Key> = keys.iter().filter(|key| (&low..&high).contains(key)).collect();
    let found = items(there.range(low.clone()..high.clone()).unwrap());
    assert!(found.iter().map(|(key, _)| key).eq(between.iter().copied()));
    let found = items(there.range(low.clone()..high.clone()).unwrap().rev());
    assert!(found.iter().map(|(key, _)| key).eq(between.iter().copied().rev()));

    assert_eq!(there.first().unwrap().unwrap().0, keys[0]);
    assert_eq!(&there.last().unwrap().unwrap().0, keys.last().unwrap());
    let above = keys.iter().find(|key| **key > low).unwrap();
    assert_eq!(&there.next(&low).unwrap().unwrap().0, above);
    let below = keys.iter().rfind(|key| **key < low).unwrap();
    assert_eq!(&there.previous(&low).unwrap().unwrap().0, below);

    let hashed = a.table::<u8, u8>("hashed").await.unwrap();
    let refused = hashed.range(..).err().unwrap();
    assert!(matches!(refused, RangeError::NotOrdered(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_from_both_ends_at_once() {
    let a = start("a", &[]).await;
    let table = a.table_with::<i32, ()>("o", ordered()).await.unwrap();
    table.insert_many((-500..500).map(|number| (number, ()))).await.unwrap();
    for ends in [[true, false].repeat(500), vec![true; 1_000], vec![false; 1_000]] {
        let mut range = table.range(..).unwrap();
        let (mut front, mut back) = (-500.., (-500..500).rev());
        for forwards in ends {
            let (found, expected) = if forwards {
                (range.next(), front.next())
            } else {
                (range.next_back(), back.next())
            };
            assert_eq!(found.unwrap().unwrap().0, expected.unwrap());
        }
        assert!(range.next().is_none() && range.next_back().is_none());
    }
    let contradiction = table.range((std::ops::Bound::Excluded(5), std::ops::Bound::Excluded(5)));
    assert_eq!(contradiction.unwrap().count(), 0);
    assert_eq!(items(table.range(490..).unwrap()).len(), 10);
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Session {
    token: (u32, String),
    user: String,
}

impl Record for Session {
    type Key = (u32, String);

    fn key(&self) -> Self::Key {
        self.token.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_by_their_own_keys() {
    let [a, b] = two().await;
    let here = a.records::<Session>("sessions").await.unwrap();
    let there = b.records::<Session>("sessions").await.unwrap();
    let session = |number: u32, user: &str| Session {
        token: (number, "s".to_owned()),
        user: user.to_owned(),
    };
    let all = [session(1, "ada"), session(2, "grace"), session(3, "edsger")];
    here.insert_many(&all).await.unwrap();
    assert_eq!(there.get(&all[1].key()).unwrap().as_ref(), Some(&all[1]));
    let replaced = there.put(&session(2, "barbara")).await.unwrap();
    assert_eq!(replaced.previous.unwrap().as_ref(), Some(&all[1]));
    let unmade = here.delete_record(&all[1]).await.unwrap();
    assert!(unmade.receipt.is_none() && here.contains(&all[1].key()), "it has changed since");
    here.delete_record(&session(2, "barbara")).await.unwrap();
    here.delete(&all[0].key()).await.unwrap();
    assert_eq!(there.dump().unwrap(), [all[2].clone()]);
    assert_eq!(there.find(|session| session.user == "edsger").unwrap().unwrap(), all[2]);
    assert_eq!(there.remote_dump("a").await.unwrap(), [all[2].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_holds_many_objects_a_key() {
    let [a, b] = two().await;
    let here = a.bag::<String, (String, u16)>("services").await.unwrap();
    let there = b.bag::<String, (String, u16)>("services").await.unwrap();
    let object = |host: &str, port| (host.to_owned(), port);
    here.insert("web", &object("h1", 80)).await.unwrap();
    there.insert("web", &object("h2", 80)).await.unwrap();
    there.insert("web", &object("h2", 80)).await.unwrap();
    here.insert_many([("db".to_owned(), object("h3", 5_432)), ("w".to_owned(), object("", 0))])
        .await
        .unwrap();
    let sorted = |mut objects: Vec<(String, u16)>| {
        objects.sort();
        objects
    };
    let web = [object("h1", 80), object("h2", 80)];
    assert_eq!(sorted(there.get_all("web").unwrap()), web);
    assert_eq!(sorted(here.get_all("web").unwrap()), web);
    assert!(here.contains("db") && !here.contains("we") && here.contains("w"));
    assert!(here.contains_object("web", &web[1]) && !here.contains_object("db", &web[1]));
    assert_eq!(here.len(), 4);
    assert_eq!(BTreeSet::from_iter(items(here.keys())).len(), 3);
    assert_eq!(items(here.keys()).len(), 3);
    assert_eq!(here.filter(|_, (_, port)| *port == 80).count(), 2);
    let mut dumps = [here.dump().unwrap(), there.dump().unwrap()];
    dumps.iter_mut().for_each(|dump| dump.sort());
    let mut remote = here.remote_dump("b").await.unwrap();
    remote.sort();
    assert_eq!((&dumps[0], &dumps[0]), (&dumps[1], &remote));

    let ttl = Duration::from_secs(100);
    here.insert("web", &web[0]).ttl(ttl).await.unwrap();
    let left = there.remaining("web", &web[0]).unwrap();
    assert!(left > ttl / 2 && left <= ttl, "{left:?}");
    assert_eq!(there.remaining("web", &web[1]), None);

    let gone = there.delete_objects([("web".to_owned(), web[0].clone())]).await.unwrap();
    assert!(gone.receipt.is_some());
    assert!(here.delete_object("web", &web[0]).await.unwrap().receipt.is_none());
    here.delete("web").await.unwrap();
    assert_eq!((here.len(), here.get_all("web").unwrap()), (2, vec![]));
    until("the bags are equal", || here.fingerprint() == there.fingerprint()).await;

    let error = a.table_with::<u8, u8>("s", here.raw().declaration()).await.err().unwrap();
    assert!(matches!(error, CreateError::Kind(_, Kind::Bag)), "{error}");
    let error = a.bag_with::<u8, u8>("s", Declaration::default()).await.err().unwrap();
    assert!(matches!(error, CreateError::Kind(_, Kind::Set)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn put_says_what_was_there() {
    let [a, b] = two().await;
    let here = a.table::<String, u32>("t").await.unwrap();
    let there = b.table::<String, u32>("t").await.unwrap();
    assert_eq!(here.put("k", &1).await.unwrap().previous, Ok(None));
    let replaced = there.put("k", &2).await.unwrap();
    assert_eq!((replaced.previous, &*replaced.acked.by), (Ok(Some(1)), &["a".to_owned()][..]));
    assert_eq!(here.get("k").unwrap(), Some(2));
    let of_texts = b.table::<String, String>("t").await.unwrap();
    let replaced = of_texts.put("k", "text").await.unwrap();
    assert!(replaced.previous.is_err(), "the put was made, and what it replaced was no text");
    assert_eq!(of_texts.get("k").unwrap().as_deref(), Some("text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_live_as_long_as_they_are_told() {
    let [a, b] = two().await;
    let ttl = Duration::from_secs(100);
    let declaration = Declaration { ttl: Some(100_000), ..Declaration::default() };
    let here = a.table_with::<u8, String>("t", declaration.clone()).await.unwrap();
    let there = b.table_with::<u8, String>("t", declaration).await.unwrap();
    let about = |left: Option<Duration>, all: Duration| {
        left.is_some_and(|left| left > all / 2 && left <= all)
    };
    here.insert(&1, "by default").await.unwrap();
    here.insert(&2, "by itself").ttl(ttl * 10).await.unwrap();
    assert!(about(there.remaining(&1), ttl) && about(there.remaining(&2), ttl * 10));
    let touched = there.touch(&1, ttl * 100).await.unwrap();
    assert_eq!(*touched.by, ["a"]);
    assert!(about(here.remaining(&1), ttl * 100), "extending is a write");
    assert_eq!(here.get(&1).unwrap().as_deref(), Some("by default"));
    assert!(there.touch(&3, ttl).await.unwrap().receipt.is_none());
    here.insert(&2, "over").until(SystemTime::now()).await.unwrap();
    assert_eq!((there.get(&2).unwrap(), there.contains(&2)), (None, false));
    assert_eq!(there.remaining(&2), None);
    here.insert(&4, "short").ttl(Duration::from_millis(50)).await.unwrap();
    until("it expires on both", || !here.contains(&4) && !there.contains(&4)).await;
    assert!(here.touch(&4, ttl).await.unwrap().receipt.is_none(), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_does_nothing_before_it_is_polled_and_all_of_it_afterwards() {
    let [a, b] = two().await;
    let here = a.table::<u32, u32>("t").await.unwrap();
    let there = b.table::<u32, u32>("t").await.unwrap();
    drop(here.insert(&1, &1));
    drop(here.put(&1, &1));
    drop(here.insert_many((0..100).map(|number| (number, number))));
    assert_eq!((here.len(), here.raw().fingerprint()), (0, there.raw().fingerprint()));

    // Nobody acknowledges for ever, and who waits goes away.
    let many = (0..1_000).map(|number| (number, number));
    let waiting = here.insert_many(many).ack(Ack::Count(9)).timeout(PATIENCE);
    {
        let mut waiting = pin!(waiting);
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(here.len(), 1_000);
    until("all of it is on the other node", || there.len() == 1_000).await;

    let error = here.insert(&1, &2).ack(Ack::Count(9)).timeout(Duration::ZERO).await.unwrap_err();
    let InsertError::Timeout(late) = error else { panic!("{error}") };
    assert_eq!(here.get(&1).unwrap(), Some(2));
    let acked = here.wait(late.receipt.unwrap(), Ack::All, PATIENCE).await.unwrap();
    assert_eq!(*acked.by, ["b"]);
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..20 {
        requests.spawn(here.delete(&number));
    }
    while let Some(response) = requests.join_next().await {
        response.unwrap().unwrap();
    }
    assert_eq!(there.len(), 980);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_records_none_is_written_if_one_cannot_be() {
    let a = start("a", &[]).await;
    let table = a.table::<u32, Vec<u8>>("t").await.unwrap();
    let fits = vec![0; 10];
    let error = table.insert_many([(1, &fits), (2, &vec![0; 65 << 20])]).await.unwrap_err();
    assert!(matches!(error, InsertError::Write(WriteError::TooLarge { .. })), "{error}");
    assert!(table.is_empty());

    let keyed = a.table::<Unwritable, u8>("keyed").await.unwrap();
    let error = keyed.insert_many([(Unwritable(false), 1), (Unwritable(true), 2)]).await;
    assert!(matches!(error, Err(InsertError::Encode(_))), "{error:?}");
    assert!(keyed.is_empty() && !keyed.contains(&Unwritable(true)));
    assert_eq!(keyed.get(&Unwritable(true)), Ok(None));
}

/// A key that cannot be written if it is true.
#[derive(Deserialize, Debug)]
struct Unwritable(bool);

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 {
            return Err(serde::ser::Error::custom("no"));
        }
        serializer.serialize_bool(false)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_an_item_among_others() {
    let a = start("a", &[]).await;
    let table = a.table_with::<String, u32>("t", ordered()).await.unwrap();
    table.insert("b", &7).await.unwrap();
    // Whoever writes bytes can put anything in.
    table.raw().put(b"no end", b"\x07", None).unwrap();
    table.raw().put(b"a\0\0", b"", None).unwrap();
    let read: Vec<_> = table.iter().collect();
    let good: Vec<_> = read.iter().filter_map(|item| item.as_ref().ok()).collect();
    assert_eq!((read.len(), good), (3, vec![&("b".to_owned(), 7)]));
    let error = table.dump().unwrap_err();
    assert!(error.to_string().contains("\"t\""), "{error}");
    assert!(matches!(table.first(), Err(RangeError::Decode(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hide_tables_records_are_iterated_as_a_reader_sees_them() {
    let [a, b] = two().await;
    let (policy, owner_down) = (Policy::Newest, OwnerDown::Hide);
    let declared = Declaration { policy, owner_down, ..Declaration::default() };
    let here = a.table_with::<u8, u8>("t", declared.clone()).await.unwrap();
    let there = b.table_with::<u8, u8>("t", declared).await.unwrap();
    here.insert(&1, &1).await.unwrap();
    there.insert(&2, &2).await.unwrap();
    assert_eq!(here.dump().unwrap().len(), 2);
    b.leave().await;
    until("what b wrote is hidden", || items(here.keys()) == [1]).await;
}
