//! Handshakes over real sockets, with everything that passes written down.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::*;

type Outcome = Result<Peer, HandshakeError>;
type Bytes = Arc<Mutex<Vec<u8>>>;

fn clock() -> Millis {
    crate::clock::now()
}

fn local(name: &str) -> Local {
    Local {
        id: NodeId { name: name.to_owned(), started: 7 },
        cluster: "prod".to_owned(),
        address: format!("{name}.example:7381"),
        secret: Secret::none(),
        max_drift: 1_000,
        clock,
    }
}

fn with_secret(name: &str, secret: &str) -> Local {
    Local { secret: Secret::from(secret), ..local(name) }
}

fn member(of: &Local) -> Member {
    let (id, address) = (of.id.clone(), of.address.clone());
    Member { id, address, left: false, linked_to: Vec::new(), links_version: 0 }
}

fn admit_all(local: &Local) -> impl FnOnce(&Hello) -> Result<Vec<Member>, Refusal> + use<> {
    let told = vec![member(local)];
    move |_| Ok(told)
}

/// Two ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (dialled.unwrap(), accepted.unwrap().0)
}

/// Two ends of a connection through a relay that writes down the bytes both ways, and delays them.
async fn relayed(delay: Duration) -> (TcpStream, TcpStream, Bytes, Bytes) {
    let (dialled, relay_in) = connection().await;
    let (relay_out, accepted) = connection().await;
    let (to_acceptor, to_dialer) = (Bytes::default(), Bytes::default());
    let (from_dialer, into_dialer) = relay_in.into_split();
    let (from_acceptor, into_acceptor) = relay_out.into_split();
    for (mut from, mut into, written) in [
        (from_dialer, into_acceptor, Arc::clone(&to_acceptor)),
        (from_acceptor, into_dialer, Arc::clone(&to_dialer)),
    ] {
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                written.lock().unwrap().extend_from_slice(&buffer[..length]);
                tokio::time::sleep(delay).await;
                if into.write_all(&buffer[..length]).await.is_err() {
                    break;
                }
            }
        });
    }
    (dialled, accepted, to_acceptor, to_dialer)
}

/// What both ends make of a handshake, the dialer first.
async fn shake(dialer: &Local, acceptor: &Local) -> (Outcome, Outcome) {
    let (dialled, accepted) = connection().await;
    shake_on(dialled, accepted, dialer, acceptor, admit_all(acceptor)).await
}

/// As the node does, both ends close the connection as soon as there is no link.
async fn shake_on(
    mut dialled: TcpStream,
    mut accepted: TcpStream,
    dialer: &Local,
    acceptor: &Local,
    admit: impl FnOnce(&Hello) -> Result<Vec<Member>, Refusal>,
) -> (Outcome, Outcome) {
    let told = vec![member(dialer)];
    tokio::join!(
        async move { dial(&mut dialled, dialer, Lane::Data, 5, told, [1; 32]).await },
        async move { accept(&mut accepted, acceptor, [2; 32], admit).await },
    )
}

fn refused_by_peer(outcome: Outcome) -> Refusal {
    match outcome {
        Err(HandshakeError::RefusedByPeer { refusal, .. }) => refusal,
        other => panic!("expected to be refused: {other:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Err(HandshakeError::Refused { refusal, .. }) => refusal,
        other => panic!("expected to refuse: {other:?}"),
    }
}

/// What an acceptor makes of a side that sends these bytes and closes.
async fn accept_after(bytes: &[u8]) -> Outcome {
    let (mut stranger, mut accepted) = connection().await;
    stranger.write_all(bytes).await.unwrap();
    stranger.shutdown().await.unwrap();
    let local = local("b");
    accept(&mut accepted, &local, [2; 32], |_| panic!("a stranger is admitted")).await
}

fn hello_of(local: &Local) -> Hello {
    local.identity().hello(Lane::Data, 5, [1; 32], clock())
}

fn opening(message: &Handshake) -> Vec<u8> {
    let mut bytes = Vec::new();
    hello::encode_opening(&mut bytes, message);
    bytes
}

#[tokio::test]
async fn two_nodes_learn_of_each_other_on_both_lanes_and_no_byte_is_lost() {
    for (secret, lane) in [("", Lane::Data), ("hush", Lane::Control), ("hush", Lane::Data)] {
        let (a, b) = (with_secret("a", secret), with_secret("b", secret));
        let (mut dialled, mut accepted) = connection().await;
        let dialling = async {
            let told = vec![member(&a)];
            let peer = dial(&mut dialled, &a, lane, 5, told, [1; 32]).await.unwrap();
            dialled.write_all(b"to b").await.unwrap();
            peer
        };
        let accepting = async {
            let peer = accept(&mut accepted, &b, [2; 32], admit_all(&b)).await.unwrap();
            accepted.write_all(b"to a").await.unwrap();
            peer
        };
        let (of_b, of_a) = tokio::join!(dialling, accepting);
        for (peer, of) in [(of_a, &a), (of_b, &b)] {
            assert_eq!((peer.id, peer.address), (of.id.clone(), of.address.clone()));
            assert_eq!((peer.lane, peer.link, peer.members), (lane, 5, vec![member(of)]));
            assert!(peer.clock_offset_ms.abs() < 500, "{} ms", peer.clock_offset_ms);
        }
        // What the peer sends right behind the handshake is still in the stream.
        for (stream, expected) in [(&mut dialled, b"to a"), (&mut accepted, b"to b")] {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, expected);
        }
    }
}

#[tokio::test]
async fn what_comes_in_one_packet_with_the_confirmation_stays_in_the_stream() {
    let (a, b) = (local("a"), local("b"));
    let (mut dialled, mut accepted) = connection().await;
    let hello = hello_of(&a);
    let by_hand = async {
        dialled.write_all(&opening(&Handshake::Hello(hello.clone()))).await.unwrap();
        let welcome = match Talk::on(&mut dialled).hear(MAX_HELLO_FRAME).await {
            Ok(Handshake::Welcome(welcome)) => welcome,
            other => panic!("{other:?}"),
        };
        let proof = hello::proof(&a.secret, Role::Dialer, &hello, &welcome);
        let confirm = Handshake::Confirm { proof, members: vec![member(&a)] };
        let mut bytes = Vec::new();
        hello::encode_handshake(&mut bytes, &confirm);
        bytes.extend_from_slice(b"the first op");
        dialled.write_all(&bytes).await.unwrap();
    };
    let accepting = accept(&mut accepted, &b, [2; 32], admit_all(&b));
    let ((), outcome) = tokio::join!(by_hand, accepting);
    assert_eq!(outcome.unwrap().id, a.id);
    let mut rest = [0; 12];
    accepted.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"the first op");
}

#[tokio::test]
async fn other_secrets_are_refused_on_both_sides_and_show_nothing() {
    for (ours, theirs) in [("shibboleth", "sibboleth"), ("shibboleth", ""), ("", "shibboleth")] {
        let (a, b) = (with_secret("a", ours), with_secret("b", theirs));
        let (dialled, accepted, to_acceptor, to_dialer) = relayed(Duration::ZERO).await;
        let admit = |_: &Hello| -> Result<Vec<Member>, Refusal> { panic!("admitted") };
        let (dialling, accepting) = shake_on(dialled, accepted, &a, &b, admit).await;
        let message = dialling.as_ref().unwrap_err().to_string();
        assert!(message.contains("node \"b\"") && message.contains("--secret"), "{message}");
        let message = accepting.as_ref().unwrap_err().to_string();
        assert!(message.contains("node \"a\"") && message.contains("--secret"), "{message}");
        assert_eq!(refused(dialling), Refusal::Secret);
        assert_eq!(refused_by_peer(accepting), Refusal::Secret);

        let (to_acceptor, to_dialer) = (to_acceptor.lock().unwrap(), to_dialer.lock().unwrap());
        for secret in [ours, theirs].into_iter().filter(|secret| !secret.is_empty()) {
            assert!(!contains(&to_acceptor, secret.as_bytes()));
            assert!(!contains(&to_dialer, secret.as_bytes()));
        }
        // The dialer found the acceptor's proof wrong, so it has shown neither its own nor whom
        // it knows: after the hello there is nothing but the refusal.
        let mut expected = Vec::new();
        hello::encode_handshake(&mut expected, &Handshake::Refuse(Refusal::Secret));
        let hello = hello::split_opening(&to_acceptor).unwrap().unwrap().1;
        assert_eq!(to_acceptor[hello..], expected);
    }
}

#[tokio::test]
async fn a_dialer_that_cannot_prove_itself_is_refused_and_told_of_nobody() {
    let (a, b) = (with_secret("a", "guess"), with_secret("b", "shibboleth"));
    let (mut dialled, mut accepted) = connection().await;
    let by_hand = async move {
        let mut talk = Talk::on(&mut dialled);
        talk.say(&Handshake::Hello(hello_of(&a))).await.unwrap();
        let welcome = match talk.hear(MAX_HELLO_FRAME).await {
            Ok(Handshake::Welcome(welcome)) => welcome,
            other => panic!("{other:?}"),
        };
        // Handing the acceptor's own proof back does not do either.
        let confirm = Handshake::Confirm { proof: welcome.proof, members: Vec::new() };
        talk.say(&confirm).await.unwrap();
        match talk.hear(MAX_MEMBERS_FRAME).await {
            Err(HandshakeError::RefusedByPeer { refusal, .. }) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let admit = |_: &Hello| -> Result<Vec<Member>, Refusal> { panic!("admitted") };
    let (told, outcome) = tokio::join!(by_hand, accept(&mut accepted, &b, [2; 32], admit));
    assert_eq!((told, refused(outcome)), (Refusal::Secret, Refusal::Secret));
}

#[tokio::test]
async fn a_proof_that_went_over_the_wire_is_of_no_use_on_another_connection() {
    let (a, b) = (with_secret("a", "hush"), with_secret("b", "hush"));
    let (dialled, accepted, to_acceptor, _) = relayed(Duration::ZERO).await;
    let (dialling, accepting) = shake_on(dialled, accepted, &a, &b, admit_all(&b)).await;
    assert!(dialling.is_ok() && accepting.is_ok());
    let replayed = to_acceptor.lock().unwrap().clone();
    let (mut stranger, mut accepted) = connection().await;
    stranger.write_all(&replayed).await.unwrap();
    stranger.shutdown().await.unwrap();
    let outcome = accept(&mut accepted, &b, [3; 32], admit_all(&b)).await;
    assert_eq!(refused(outcome), Refusal::Secret);
}

#[tokio::test]
async fn another_cluster_is_refused_on_both_sides_with_both_names() {
    let (a, b) = (local("a"), Local { cluster: "test".to_owned(), ..local("b") });
    let (dialling, accepting) = shake(&a, &b).await;
    let refusal = Refusal::Cluster { ours: "test".to_owned(), theirs: "prod".to_owned() };
    assert_eq!(refused_by_peer(dialling), refusal);
    assert_eq!(refused(accepting), refusal);
}

#[tokio::test]
async fn a_node_that_dials_itself_hears_so_on_both_ends() {
    let (dialling, accepting) = shake(&local("a"), &local("a")).await;
    assert_eq!(refused_by_peer(dialling), Refusal::OneSelf);
    assert_eq!(refused(accepting), Refusal::OneSelf);
}

#[tokio::test]
async fn another_protocol_version_is_refused_whatever_its_hello_looks_like() {
    let mut bytes = opening(&Handshake::Hello(Hello { protocol: 9, ..hello_of(&local("a")) }));
    // This version of the protocol would call the rest garbled.
    let cluster = hello::MAGIC.len() + LENGTH_BYTES + 3;
    bytes[cluster..].fill(0xff);
    let expected = Refusal::Protocol { ours: hello::PROTOCOL, theirs: 9 };
    assert_eq!(refused(accept_after(&bytes).await), expected);
}

#[tokio::test]
async fn whom_admit_refuses_is_refused_and_told_why() {
    let (a, b) = (local("a"), local("b"));
    let taken = Refusal::NameTaken {
        name: "a".to_owned(),
        started: 3,
        address: "c:1".to_owned(),
        heard_millis_ago: 12,
    };
    for refusal in [taken, Refusal::Cut, Refusal::Superseded { name: "a".to_owned(), by: 8 }] {
        let (dialled, accepted) = connection().await;
        let admit = |hello: &Hello| {
            assert_eq!(hello.id.name, "a");
            Err(refusal.clone())
        };
        let (dialling, accepting) = shake_on(dialled, accepted, &a, &b, admit).await;
        assert_eq!(refused_by_peer(dialling), refusal);
        assert_eq!(refused(accepting), refusal);
    }
}

#[tokio::test]
async fn clocks_that_are_too_far_apart_are_refused_whoever_dials() {
    let (good, fast) = (local("a"), Local { clock: || clock().plus(3_000), ..local("b") });
    for (dialer, acceptor) in [(&good, &fast), (&fast, &good)] {
        let (dialling, accepting) = shake(dialer, acceptor).await;
        let outcomes = [dialling, accepting].map(|outcome| match outcome {
            Err(HandshakeError::Refused { refusal, .. })
            | Err(HandshakeError::RefusedByPeer { refusal, .. }) => refusal,
            other => panic!("{other:?}"),
        });
        assert_eq!(outcomes[0], outcomes[1]);
        let Refusal::ClockDrift { millis, ahead, max } = outcomes[0] else { panic!() };
        assert!((2_500..=3_000).contains(&millis), "{millis} ms");
        assert_eq!((ahead, max), (true, 1_000));
    }
}

#[tokio::test]
async fn nobody_is_refused_for_a_handshake_that_was_held_up() {
    let strict = |name| Local { max_drift: 50, ..local(name) };
    // Also clocks that differ by more than is allowed may pass for equal then; the next link tells.
    for clock in [clock, || clock().plus(100), || Millis(clock().0 - 100)] {
        let (a, b) = (strict("a"), Local { clock, ..strict("b") });
        let (dialled, accepted, ..) = relayed(Duration::from_millis(150)).await;
        let (dialling, accepting) = shake_on(dialled, accepted, &a, &b, admit_all(&b)).await;
        assert!(accepting.is_ok(), "{accepting:?}");
        let offset = dialling.unwrap().clock_offset_ms;
        assert!(offset.abs() <= 350, "{offset} ms");
    }
}

#[tokio::test]
async fn strangers_are_refused_at_their_first_wrong_byte() {
    let strangers: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"\x16\x03\x01\x02\x00",
        b"TMB!",
        &[0x5a; 300_000],
    ];
    for bytes in strangers {
        // Who goes on sending does not keep us either.
        let (mut stranger, mut accepted) = connection().await;
        let sender = tokio::spawn(async move {
            while stranger.write_all(bytes).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let (began, b) = (Instant::now(), local("b"));
        let outcome = accept(&mut accepted, &b, [2; 32], admit_all(&b)).await;
        assert_eq!(refused(outcome), Refusal::NotTombolo);
        assert!(began.elapsed() < Duration::from_secs(2));
        drop(accepted);
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_arrives_though_more_was_sent_than_was_read() {
    let (mut stranger, mut accepted) = connection().await;
    let by_hand = async move {
        stranger.write_all(&[b'x'; 100_000]).await.unwrap();
        let mut answer = Vec::new();
        stranger.read_to_end(&mut answer).await.unwrap();
        // Had the acceptor closed with bytes unread, the connection would be reset by now, and on
        // a slower network the refusal might not have made it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        stranger.write_all(b"more").await.unwrap();
        answer
    };
    let accepting = async move {
        let b = local("b");
        accept(&mut accepted, &b, [2; 32], admit_all(&b)).await
    };
    let (answer, outcome) = tokio::join!(by_hand, accepting);
    assert_eq!(refused(outcome), Refusal::NotTombolo);
    assert_eq!(answer, opening(&Handshake::Refuse(Refusal::NotTombolo)));
}

#[tokio::test]
async fn half_a_hello_is_a_broken_connection() {
    let whole = opening(&Handshake::Hello(hello_of(&local("a"))));
    for end in [0, 2, 4, 6, 8, 9, whole.len() - 1] {
        match accept_after(&whole[..end]).await {
            Err(HandshakeError::Io(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "after {end} bytes");
            }
            other => panic!("after {end} bytes: {other:?}"),
        }
    }
}

#[tokio::test]
async fn who_is_silent_or_slow_is_dropped_when_the_time_is_up() {
    let (limit, b) = (Duration::from_millis(100), local("b"));
    let whole = opening(&Handshake::Hello(hello_of(&local("a"))));
    for sent in [0, 4, 20, whole.len()] {
        let (mut stranger, mut accepted) = connection().await;
        stranger.write_all(&whole[..sent]).await.unwrap();
        let outcome = accept_within(limit, &mut accepted, &b, [2; 32], admit_all(&b)).await;
        assert!(matches!(outcome, Err(HandshakeError::Timeout)), "{sent} bytes: {outcome:?}");
    }
}

#[tokio::test]
async fn frames_over_the_limit_and_frames_out_of_turn_are_refused() {
    let mut oversized = hello::MAGIC.to_vec();
    oversized.extend_from_slice(&(MAX_HELLO_FRAME as u32 + 1).to_le_bytes());
    let (length, limit) = (MAX_HELLO_FRAME as u64 + 1, MAX_HELLO_FRAME as u64);
    assert_eq!(refused(accept_after(&oversized).await), Refusal::TooLarge { length, limit });

    let members = vec![member(&local("a"))];
    let refusal = refused(accept_after(&opening(&Handshake::Accepted { members })).await);
    let what = "the acceptance came instead of a hello".to_owned();
    assert_eq!(refusal, Refusal::Garbled { what });
}

#[tokio::test]
async fn more_members_than_a_frame_holds_are_cut_short_with_the_teller_kept() {
    let (a, b) = (local("a"), local("b"));
    let mut many = vec![member(&b)];
    for number in 0..300 {
        let linked_to = (0..600).map(tombolo_core::Incarnation).collect();
        many.push(Member { linked_to, ..member(&local(&format!("n{number}"))) });
    }
    let (dialled, accepted) = connection().await;
    let (dialling, accepting) = shake_on(dialled, accepted, &a, &b, |_| Ok(many.clone())).await;
    assert!(accepting.is_ok(), "{accepting:?}");
    let heard = dialling.unwrap().members;
    assert!(heard.len() > 100 && heard.len() < many.len());
    assert_eq!(heard[0], many[0]);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
