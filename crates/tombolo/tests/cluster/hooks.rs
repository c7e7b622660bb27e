//! Hooks, resolvers and back-ends that block or panic: the node goes on, and says who it is.

use crate::common::{PATIENCE, builder, start, until, value, whole};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tombolo::discovery::{Discovery, DiscoveryError, Found};
use tombolo::{Ack, Declaration, DiscoveryPhase, Node, NodeEvent, Policy, Resolution, Sibling};

/// Blocks for as long as it is not let go.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn wait(&self) {
        while !self.0.load(SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Lets go when the test is over, also when it fails.
impl Drop for Gate {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 2 {
            self.0.store(true, SeqCst);
        }
    }
}

async fn replicates(one: &Node, other: &Node) {
    let from = one.create_table("alive", Declaration::default()).await.unwrap();
    let to = other.create_table("alive", Declaration::default()).await.unwrap();
    for key in [b"a", b"b", b"c"] {
        let receipt = from.put(key, b"v", None).unwrap();
        from.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
        assert_eq!(value(&to, key).as_deref(), Some(&b"v"[..]));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_hook_that_blocks_is_named_and_holds_up_nothing_else() {
    let gate = Gate::default();
    let (blocks, heard) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&heard);
    let one = builder("n1")
        .on_event(move |_| blocks.wait())
        .on_event(move |_| {
            count.fetch_add(1, SeqCst);
        })
        .start()
        .await
        .unwrap();
    let other = start("n2", &[&one]).await;
    whole(&[one.clone(), other.clone()]).await;
    replicates(&one, &other).await;
    until("the other hook is called", || heard.load(SeqCst) > 0).await;
    until("the status names it", || {
        let long = one.status().long_tasks;
        long.iter().any(|task| task.what == "on_event hook 1" && task.age > 1_000)
    })
    .await;
    replicates(&other, &one).await;
    gate.0.store(true, SeqCst);
    until("it is over", || one.status().long_tasks.is_empty()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_hook_that_panics_is_told_once_and_called_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let one = builder("n1")
        .on_node_down(move |node| {
            count.fetch_add(1, SeqCst);
            panic!("cannot bear that {node} is down");
        })
        .start()
        .await
        .unwrap();
    let mut events = one.events();
    for name in ["n2", "n3"] {
        let other = start(name, &[&one]).await;
        one.wait_for_members(2, PATIENCE).await.unwrap();
        other.leave().await;
        until("it is down", || one.down_history().iter().any(|down| down.node == name)).await;
    }
    until("the hook was called for both", || calls.load(SeqCst) == 2).await;
    until("both are counted", || one.status().faults.first().is_some_and(|one| one.count == 2))
        .await;
    let fault = one.status().faults[0].clone();
    assert_eq!((fault.what.as_str(), fault.table), ("on_node_down hook 1", None));
    assert_eq!(fault.cause, "it panicked: cannot bear that n3 is down");
    let other = start("n4", &[&one]).await;
    replicates(&one, &other).await;
    let mut told = 0;
    loop {
        match events.next().await {
            Some(NodeEvent::Fault { .. }) => told += 1,
            Some(NodeEvent::NodeUp { node }) if node == "n4" => break,
            Some(_) => {}
            None => panic!("the node ended"),
        }
    }
    assert_eq!(told, 1);
}

/// Two nodes with a table of siblings that the given resolver is to judge on the first.
async fn siblings(
    resolve: impl Fn(&[u8], &[Sibling<'_>]) -> Resolution + Send + Sync + 'static,
) -> (Node, Node) {
    let one = builder("n1").resolver("r", resolve).start().await.unwrap();
    let other = builder("n2")
        .resolver("r", |_: &[u8], _: &[Sibling<'_>]| Resolution::KeepBoth)
        .join([one.status().address])
        .start()
        .await
        .unwrap();
    whole(&[one.clone(), other.clone()]).await;
    let policy = Policy::Resolve("r".to_owned());
    let declaration = Declaration { policy, ..Declaration::default() };
    let a = one.create_table("s", declaration.clone()).await.unwrap();
    let b = other.create_table("s", declaration).await.unwrap();
    one.cut("n2").unwrap();
    other.cut("n1").unwrap();
    a.put(b"k", b"1", None).unwrap();
    b.put(b"k", b"2", None).unwrap();
    one.heal();
    other.heal();
    whole(&[one.clone(), other.clone()]).await;
    until("there are siblings", || a.siblings(b"k").len() == 2).await;
    (one, other)
}

#[tokio::test(flavor = "current_thread")]
async fn a_resolver_that_blocks_is_named_with_its_table() {
    let gate = Gate::default();
    let blocks = gate.clone();
    let (one, other) = siblings(move |_, _| {
        blocks.wait();
        Resolution::KeepBoth
    })
    .await;
    until("the status names it", || {
        let long = one.status().long_tasks;
        long.iter().any(|task| {
            task.what == "resolver \"r\"" && task.table.as_deref() == Some("s") && task.age > 1_000
        })
    })
    .await;
    replicates(&one, &other).await;
    replicates(&other, &one).await;
    // Readers and writers of the very key go on: they see the newest.
    let table = one.raw_table("s").unwrap();
    assert!(value(&table, b"k").is_some());
    let (_, seen) = table
        .decide(b"k", |record| (tombolo::Change::Keep, record.map(|it| it.value.to_vec())))
        .unwrap();
    assert_eq!(seen, value(&table, b"k"));
    let receipt = other.raw_table("s").unwrap().put(b"other", b"v", None).unwrap();
    let far = other.raw_table("s").unwrap();
    far.acknowledged(receipt, Ack::All, PATIENCE).await.unwrap();
    gate.0.store(true, SeqCst);
}

#[tokio::test(flavor = "current_thread")]
async fn a_resolver_that_panics_is_told_once_with_its_table() {
    let (one, other) = siblings(|_, _| panic!("no idea")).await;
    until("it is told", || one.status().faults.iter().any(|fault| fault.count > 1)).await;
    let faults = one.status().faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].what.as_str(), faults[0].table.as_deref()),
        ("resolver \"r\"", Some("s"))
    );
    assert!(faults[0].cause.contains("no idea"));
    replicates(&one, &other).await;
    let table = one.raw_table("s").unwrap();
    assert!(value(&table, b"k").is_some(), "readers see the newest");
}

/// A back-end that does what the test says each time that it is asked.
struct Acts<F>(F);

impl<F: FnMut() -> Result<Found, DiscoveryError> + Send + 'static> Discovery for Acts<F> {
    fn name(&self) -> String {
        "acts".to_owned()
    }

    fn nodes(&mut self) -> Result<Found, DiscoveryError> {
        (self.0)()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_back_end_that_panics_is_asked_again() {
    let other = start("n2", &[]).await;
    let address = other.status().address;
    let mut asked = 0;
    let acts = Acts(move || {
        asked += 1;
        assert!(asked > 2, "the registry is not there");
        let mut found = Found::default();
        found.add(&address).map_err(|error| DiscoveryError::Other(error.into()))?;
        Ok(found)
    });
    let one = builder("n1").discovery(acts).start().await.unwrap();
    until("the panic is told", || {
        let status = one.status();
        let backend = status.discovery.backends.iter().find(|one| one.name == "acts");
        backend.is_some_and(|one| one.phase == DiscoveryPhase::Retrying)
            && !status.discovery.works
            && status.faults.iter().any(|fault| fault.what == "discovery by acts")
    })
    .await;
    whole(&[one.clone(), other.clone()]).await;
    until("it works", || {
        let discovery = one.status().discovery;
        discovery.works && discovery.backends[0].phase == DiscoveryPhase::Regular
    })
    .await;
    replicates(&one, &other).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_back_end_that_blocks_is_named_and_the_others_are_heard() {
    let other = start("n2", &[]).await;
    let gate = Gate::default();
    let blocks = gate.clone();
    let acts = Acts(move || {
        blocks.wait();
        Ok(Found::default())
    });
    let one = builder("n1").join([other.status().address]).discovery(acts).start().await.unwrap();
    whole(&[one.clone(), other.clone()]).await;
    replicates(&one, &other).await;
    until("the status names it", || {
        let status = one.status();
        let backend = status.discovery.backends.iter().find(|one| one.name == "acts");
        backend.is_some_and(|one| one.asked.is_some() && one.error.is_some())
            && status.long_tasks.iter().any(|task| task.what == "discovery by acts")
    })
    .await;
    let late = one.wait_for_ready(std::time::Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late.missing, ["discovery has not answered yet"]);
    gate.0.store(true, SeqCst);
    one.wait_for_ready(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_back_end_is_asked_at_once_when_a_node_comes_or_goes() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let one = builder("n1").start().await.unwrap();
    let address = one.status().address;
    let acts = Acts(move || {
        count.fetch_add(1, SeqCst);
        let mut found = Found::default();
        found.add(&address).map_err(|error| DiscoveryError::Other(error.into()))?;
        Ok(found)
    });
    let other = builder("n2").discovery(acts).start().await.unwrap();
    whole(&[one.clone(), other.clone()]).await;
    // Once by itself, and once more for n1, long before the five seconds of the regular phase.
    until("it was asked again for n1", || asked.load(SeqCst) >= 2).await;
    let before = asked.load(SeqCst);
    let begun = std::time::Instant::now();
    one.leave().await;
    until("it is asked again for its end", || asked.load(SeqCst) > before).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "not only by its own pace");
}

#[path = "../../examples/discovery_backend.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod example;

#[tokio::test(flavor = "current_thread")]
async fn the_back_end_of_the_example_is_asked() {
    // No process can set its own environment safely while it has threads, so a variable that is
    // there names nobody, and one that is not there is an error.
    let unset = example::Environment("TOMBOLO_NO_SUCH_VARIABLE".to_owned());
    let home = example::Environment("PATH".to_owned());
    let one = builder("n1").discovery(unset).discovery(home).start().await.unwrap();
    until("both are heard", || {
        let backends = one.status().discovery.backends;
        let phase = |name: &str| backends.iter().find(|one| one.name == name).map(|it| it.phase);
        phase("the variable TOMBOLO_NO_SUCH_VARIABLE") == Some(DiscoveryPhase::Retrying)
            && phase("the variable PATH") == Some(DiscoveryPhase::StartUp)
    })
    .await;
    let error = one.status().discovery.error.unwrap();
    assert!(error.contains("environment variable not found"), "{error}");
}
