//! The handshake's decisions, its proofs, and its words.

use super::*;

fn identity(name: &str) -> Identity {
    Identity {
        cluster: "prod".to_owned(),
        id: NodeId { name: name.to_owned(), started: 1_000_000 },
        address: format!("{name}:7381"),
    }
}

fn hello() -> Hello {
    identity("a").hello(Lane::Data, 7, [1; 32], Millis(5_000))
}

fn welcome(secret: &Secret) -> Welcome {
    identity("b").welcome(secret, &hello(), [2; 32], Millis(5_001))
}

fn check(theirs: &Hello) -> Result<(), Refusal> {
    check_hello(&identity("b"), theirs, Millis(5_000), 1_000)
}

#[test]
fn a_node_of_the_cluster_with_a_good_clock_may_go_on() {
    assert_eq!(check(&hello()), Ok(()));
    for clock in [4_000, 6_000] {
        let clock = Millis(clock);
        assert_eq!(check(&Hello { clock, ..hello() }), Ok(()));
    }
    let welcome = welcome(&Secret::none());
    assert_eq!(check_welcome(&identity("a"), &welcome, Millis(5_000), 1), Ok(()));
}

#[test]
fn another_protocol_or_cluster_is_refused_with_both_values() {
    let protocol = 9;
    let refusal = Refusal::Protocol { ours: PROTOCOL, theirs: 9 };
    assert_eq!(check(&Hello { protocol, ..hello() }), Err(refusal));

    let cluster = "test".to_owned();
    let refusal = Refusal::Cluster { ours: "prod".to_owned(), theirs: "test".to_owned() };
    assert_eq!(check(&Hello { cluster, ..hello() }), Err(refusal));
}

#[test]
fn a_node_refuses_itself_but_not_yet_another_of_its_name() {
    let mine = identity("b");
    let mut theirs = mine.hello(Lane::Control, 1, [0; 32], Millis(5_000));
    assert_eq!(check(&theirs), Err(Refusal::OneSelf));
    theirs.id.started += 1;
    assert_eq!(check(&theirs), Ok(()));
}

#[test]
fn a_clock_that_is_too_far_off_is_refused_either_way() {
    for (clock, ahead) in [(3_999, false), (6_001, true)] {
        let clock = Millis(clock);
        let refusal = Refusal::ClockDrift { millis: 1_001, ahead, max: 1_000 };
        assert_eq!(check(&Hello { clock, ..hello() }), Err(refusal.clone()));
        let theirs = Welcome { clock, ..welcome(&Secret::none()) };
        let checked = check_welcome(&identity("a"), &theirs, Millis(5_000), 1_000);
        assert_eq!(checked, Err(refusal));
    }
}

#[test]
fn a_proof_holds_for_its_secret_its_role_and_its_connection_only() {
    let secret = Secret::from("shibboleth");
    let (hello, welcome) = (hello(), welcome(&secret));
    let mut good = welcome.proof;
    let holds = |secret: &Secret, role, hello: &Hello, welcome: &Welcome, proof: &Proof| {
        verify(secret, role, hello, welcome, proof) == Ok(())
    };
    assert!(holds(&secret, Role::Acceptor, &hello, &welcome, &good));
    assert!(!holds(&secret, Role::Dialer, &hello, &welcome, &good));
    for other in [Secret::from("sibboleth"), Secret::none()] {
        assert!(!holds(&other, Role::Acceptor, &hello, &welcome, &good));
    }
    good[31] ^= 1;
    assert!(!holds(&secret, Role::Acceptor, &hello, &welcome, &good));
}

#[test]
fn a_proof_covers_every_field_of_both_sides() {
    let secret = Secret::from("shibboleth");
    let (hello, welcome) = (hello(), welcome(&secret));
    let hellos: [fn(&mut Hello); 9] = [
        |hello| hello.protocol += 1,
        |hello| hello.cluster.push('x'),
        |hello| hello.id.name.push('x'),
        |hello| hello.id.started += 1,
        |hello| hello.address.push('x'),
        |hello| hello.lane = Lane::Control,
        |hello| hello.link += 1,
        |hello| hello.nonce[0] ^= 1,
        |hello| hello.clock.0 += 1,
    ];
    for change in hellos {
        let mut changed = hello.clone();
        change(&mut changed);
        let verified = verify(&secret, Role::Acceptor, &changed, &welcome, &welcome.proof);
        assert_eq!(verified, Err(Refusal::Secret), "{changed:?}");
    }
    let welcomes: [fn(&mut Welcome); 7] = [
        |welcome| welcome.protocol += 1,
        |welcome| welcome.cluster.push('x'),
        |welcome| welcome.id.name.push('x'),
        |welcome| welcome.id.started += 1,
        |welcome| welcome.address.push('x'),
        |welcome| welcome.nonce[0] ^= 1,
        |welcome| welcome.clock.0 += 1,
    ];
    for change in welcomes {
        let mut changed = welcome.clone();
        change(&mut changed);
        let verified = verify(&secret, Role::Acceptor, &hello, &changed, &welcome.proof);
        assert_eq!(verified, Err(Refusal::Secret), "{changed:?}");
    }
}

#[test]
fn a_proof_is_an_ordinary_keyed_hash() {
    // Guards against a change of the transcript, which would part releases of one version. The
    // value was computed by the `hmac` module of Python over the layout in docs/protocol.md.
    let proof =
        proof(&Secret::from("shibboleth"), Role::Dialer, &hello(), &welcome(&Secret::none()));
    let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "f0a2ff33ae476d38cd9f973bf9e120059ff5e17f1f5de040f3c8d48f84b0c84f");
}

#[test]
fn a_secret_shows_itself_to_nobody() {
    let secret = Secret::from("shibboleth");
    assert_eq!(format!("{secret:?}"), "Secret(withheld)");
    assert_eq!(format!("{:?}", Secret::none()), "Secret(none)");
    assert!(secret.is_some() && !Secret::from(String::new()).is_some());
}

#[test]
fn a_stranger_is_told_apart_at_its_first_wrong_byte() {
    for stranger in ["G", "GET / HTTP/1.1\r\n", "*1\r\n", "T\r", "TMBX"] {
        assert_eq!(split_opening(stranger.as_bytes()), Err(Refusal::NotTombolo), "{stranger:?}");
    }
    let mut opening = Vec::new();
    encode_opening(&mut opening, &Handshake::Hello(hello()));
    for end in 0..opening.len() {
        assert_eq!(split_opening(&opening[..end]), Ok(None), "of {end} bytes");
    }
    let (frame, consumed) = split_opening(&opening).unwrap().unwrap();
    assert_eq!(consumed, opening.len());
    assert_eq!(decode_handshake(frame), Ok(Handshake::Hello(hello())));
}

#[test]
fn an_opening_over_the_limit_is_refused_by_its_length() {
    let mut opening = MAGIC.to_vec();
    opening.extend_from_slice(&u32::MAX.to_le_bytes());
    let refusal =
        Refusal::TooLarge { length: u64::from(u32::MAX), limit: crate::MAX_HELLO_FRAME as u64 };
    assert_eq!(split_opening(&opening), Err(refusal));
}

#[test]
fn a_hello_of_another_version_is_refused_as_such_whatever_is_in_it() {
    let mut opening = Vec::new();
    let protocol = 0x0102;
    encode_opening(&mut opening, &Handshake::Hello(Hello { protocol, ..hello() }));
    let frame = split_opening(&opening).unwrap().unwrap().0;
    let refusal = Refusal::Protocol { ours: PROTOCOL, theirs: 0x0102 };
    assert_eq!(decode_handshake(frame), Err(refusal.clone()));
    assert_eq!(decode_handshake(&frame[..3]), Err(refusal));
}

#[test]
fn a_hello_that_cannot_be_read_says_where() {
    let cluster = "x".repeat(MAX_NAME + 1);
    let mut opening = Vec::new();
    encode_opening(&mut opening, &Handshake::Hello(Hello { cluster, ..hello() }));
    let frame = split_opening(&opening).unwrap().unwrap().0;
    let what = "cannot read a frame (hello): cluster: it has 513 bytes, more than the 512 allowed";
    assert_eq!(decode_handshake(frame), Err(Refusal::Garbled { what: what.to_owned() }));
}
