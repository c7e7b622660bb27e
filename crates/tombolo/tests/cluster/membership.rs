use crate::common::{builder, start, tables, until, whole};
use tombolo::discovery::File;
use tombolo::{MemberState, StartError, StopReason, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn seeds_may_come_up_later_and_in_any_order() {
    let free = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses: Vec<std::net::SocketAddr> = (0..4).map(free).collect();
    let seeds: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut nodes = Vec::new();
    for number in [2, 0, 3, 1] {
        let builder = builder(&format!("n{number}")).listen(addresses[number]);
        nodes.push(builder.join(seeds.clone()).start().await.unwrap());
    }
    whole(&nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_file_that_appears_late_with_a_wrong_line_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes");
    let a = start("a", &[]).await;
    let b = builder("b").discovery(File::new(&path)).start().await.unwrap();
    assert_eq!(b.status().verdict, Verdict::Alone);
    let lines = format!("# our nodes\nnot an address\n{} # a\n", a.status().address);
    std::fs::write(&path, lines).unwrap();
    whole(&[a, b.clone()]).await;
    let discovery = b.status().discovery;
    assert!(!discovery.works && discovery.error.unwrap().contains(":2:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_no_failure() {
    let (a, b) = (start("a", &[]).await, start("c", &[]).await);
    let c = builder("b").join([a.status().address, b.status().address]).start().await.unwrap();
    whole(&[a.clone(), b.clone(), c.clone()]).await;
    c.leave().await;
    assert_eq!(c.stopped().await, StopReason::Left);
    until("the others know", || {
        let left = |node: &tombolo::Node| {
            node.status().members.iter().any(|member| member.state == MemberState::Left)
        };
        [&a, &b].into_iter().all(|node| left(node) && node.status().verdict == Verdict::Whole)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_of_a_name_is_refused_and_stops() {
    let (a, b) = (start("a", &[]).await, start("b", &[]).await);
    let c = builder("c").join([a.status().address, b.status().address]).start().await.unwrap();
    whole(&[a.clone(), b.clone(), c.clone()]).await;
    let twin = builder("b").join([a.status().address]).start().await;
    let Err(StartError::Stopped(StopReason::NameTaken(reason))) = twin else {
        panic!("a twin must not start");
    };
    assert!(reason.contains("\"b\" is taken") && reason.contains("--name"), "{reason}");
    assert!(!a.status().refusals.is_empty(), "the other side tells it too");
    let after = b.status();
    assert_eq!(after.verdict, Verdict::Whole, "{}", after.verdict_line);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_and_another_cluster_are_refused() {
    let a = builder("a").secret("one").start().await.unwrap();
    let join = [a.status().address];
    let b = builder("b").secret("other").join(join.clone()).start().await.unwrap();
    let c = builder("c").secret("one").cluster_name("x").join(join).start().await.unwrap();
    for (node, words) in [(&b, "secrets differ"), (&c, "cluster names differ")] {
        until("it is told", || {
            node.status().refusals.iter().any(|refusal| refusal.reason.contains(words))
        })
        .await;
    }
    until("both are logged here", || a.status().refusals.len() >= 2).await;
    assert!(a.status().links.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_a_wrong_address_are_told() {
    let a = start("a", &[]).await;
    let taken = builder("b").listen(a.status().address.parse().unwrap()).start().await;
    assert!(matches!(taken, Err(StartError::Listen { .. })));
    let wrong = builder("b").join(["nowhere"]).start().await;
    assert!(matches!(wrong, Err(StartError::Join(_))));
    let any = builder("b").listen("0.0.0.0:0".parse().unwrap()).start().await;
    assert!(matches!(any, Err(StartError::Unspecified(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_the_callers_runtime_is_one_like_any_other() {
    let a = builder("a").on_current_runtime().start().await.unwrap();
    let b = start("b", &[&a]).await;
    let nodes = [a, b];
    whole(&nodes).await;
    let tables = tables(&nodes, "t").await;
    tables[0].put(b"k", b"v", None).unwrap();
    until("it crosses", || tables[1].len() == 1).await;
}

/// A back-end that answers nothing for as long as a test takes.
struct Stuck;

impl tombolo::discovery::Discovery for Stuck {
    fn nodes(&mut self) -> Result<tombolo::discovery::Found, tombolo::discovery::DiscoveryError> {
        std::thread::sleep(std::time::Duration::from_secs(3));
        Ok(tombolo::discovery::Found::default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_back_end_that_blocks_hides_no_other() {
    let a = start("a", &[]).await;
    let join = [a.status().address];
    let b = builder("b").discovery(Stuck).join(join).start().await.unwrap();
    assert_eq!(b.status().links.len(), 1, "it was linked before it started");
    until("it is told", || !b.status().discovery.works).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_addresses_of_one_node_make_one_link() {
    let a = start("a", &[]).await;
    let address = a.status().address;
    let other = address.replace("127.0.0.1", "localhost");
    for round in 0..10 {
        let b = builder(&format!("b{round}")).join([address.clone(), other.clone()]);
        let b = b.start().await.unwrap();
        let since = b.status().links[0].since;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        assert_eq!(b.status().links[0].since, since, "nothing took its place");
        b.leave().await;
    }
}
