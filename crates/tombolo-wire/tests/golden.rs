//! The bytes of one frame of each kind, so that a change of the format is noticed.
//!
//! A change here needs a new `PROTOCOL` number and a new `docs/protocol.md`.

use std::sync::Arc;
use tombolo_core::{
    Ask, Begin, Chunk, ChunkBatch, ChunkKey, Declaration, Done, Dot, DotSet, Edit, Entry, EntryRef,
    Epochs, Expect, Expiry, Incarnation, Kind, LiveSet, Mark, Member, Merge, Message, Millis,
    NodeId, OpRef, OwnerDown, Past, Policy, Purpose, Remembered, Reply, Request, RequestId,
    RequestRef, Rest, SerialBody, Stamp, SyncBody, TableId, VersionVector, Versioned,
};
use tombolo_wire::hello::{
    Handshake, Hello, Lane, PROTOCOL, Refusal, Welcome, decode_handshake, encode_handshake,
    encode_opening, split_opening,
};
use tombolo_wire::{
    DumpAsk, DumpPage, DumpPart, DumpRecord, Frame, MAX_FRAME, decode_frame, encode_batch,
    encode_dump_ask, encode_dump_part, encode_message, encode_op, encode_ping, encode_pong,
    encode_taken, split,
};

const TABLE: TableId = TableId(0xa1);
const SENDER: Incarnation = Incarnation(0x51);
const OTHER: Incarnation = Incarnation(0x52);

/// The bytes that `text` spells in pairs of hexadecimal digits; the spaces are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect()
}

#[track_caller]
fn assert_bytes(bytes: &[u8], golden: &str) {
    let spelled: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes, hex(golden), "the frame is {spelled} now");
}

/// A message is sent as these bytes, and these bytes are read as the message.
#[track_caller]
fn check(message: Message, golden: &str) {
    let mut out = Vec::new();
    encode_message(&mut out, &message);
    assert_bytes(&out, golden);
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    let mut scratch = Vec::new();
    assert_eq!(decode_frame(frame, SENDER, &mut scratch), Ok(Frame::Message(message)));
}

#[track_caller]
fn check_handshake(message: Handshake, golden: &str) {
    let mut out = Vec::new();
    encode_handshake(&mut out, &message);
    assert_bytes(&out, golden);
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    assert_eq!(decode_handshake(frame), Ok(message));
}

fn vector() -> VersionVector {
    [(SENDER, 5), (OTHER, 300)].into_iter().collect()
}

fn member() -> Member {
    Member {
        id: NodeId { name: "n1".to_owned(), started: 0x0102 },
        address: "h:1".to_owned(),
        left: false,
        linked_to: vec![OTHER],
        links_version: 3,
    }
}

const MEMBER: &str = "02 6e31 0201000000000000 03 683a31 00 03 01 5200000000000000";

#[test]
fn an_op_with_everything() {
    let replaces = [Dot { origin: OTHER, seq: 300 }];
    let entry = EntryRef {
        dot: Dot { origin: SENDER, seq: 9 },
        stamp: Stamp(0x0003_0001),
        mark: Mark { epoch: 0xe1, outcome: true },
        expires: Some(Millis(0x0405)),
        value: Some(b"value"),
    };
    let id = RequestId { origin: OTHER, number: 4 };
    let request = Some(RequestRef { id, floor: 3, told: Some(b"was"), lost: false });
    let op = OpRef { key: b"key", entry, replaces: &replaces, request };
    let mut out = Vec::new();
    encode_op(&mut out, TABLE, &op);
    assert_bytes(
        &out,
        "60000000 01 0f 01000000 03000000 a100000000000000 0900000000000000 0100030000000000 \
         0504000000000000 e1 5200000000000000 2c01000000000000 \
         5200000000000000 0400000000000000 0300000000000000 0300 776173 6b6579 76616c7565",
    );
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    let mut scratch = Vec::new();
    let decoded = decode_frame(frame, SENDER, &mut scratch);
    assert_eq!(decoded, Ok(Frame::Op { table: TABLE, op }));
}

#[test]
fn an_op_that_deletes() {
    let dot = Dot { origin: SENDER, seq: 9 };
    let mark = Mark::default();
    let entry = EntryRef { dot, stamp: Stamp(1), mark, expires: None, value: None };
    let mut out = Vec::new();
    encode_op(&mut out, TABLE, &OpRef { key: b"k", entry, replaces: &[], request: None });
    assert_bytes(
        &out,
        "2c000000 01 00 00000000 01000000 a100000000000000 0900000000000000 0100000000000000 \
         0000000000000000 00 6b",
    );
}

fn remembered() -> Remembered {
    let id = RequestId { origin: OTHER, number: 4 };
    Remembered {
        id,
        floor: 3,
        dot: Dot { origin: SENDER, seq: 9 },
        told: None,
        lost: true,
        old: true,
    }
}

#[test]
fn a_batch_of_two() {
    let entry = |seq, value| EntryRef {
        dot: Dot { origin: SENDER, seq },
        stamp: Stamp(seq),
        mark: Mark::default(),
        expires: None,
        value,
    };
    let replaces = [Dot { origin: OTHER, seq: 3 }];
    let ops = vec![
        OpRef { key: b"a", entry: entry(9, Some(b"v")), replaces: &[], request: None },
        OpRef { key: b"b", entry: entry(10, None), replaces: &replaces, request: None },
    ];
    let (mut frames, mut out) = (Vec::new(), Vec::new());
    ops.iter().for_each(|op| encode_op(&mut frames, TABLE, op));
    encode_batch(&mut out, TABLE, 2, &frames);
    assert_bytes(
        &out,
        "7e000000 0c a100000000000000 02000000 \
         2d000000 01 01 00000000 01000000 a100000000000000 0900000000000000 0900000000000000 \
         0000000000000000 00 61 76 \
         3c000000 01 00 01000000 01000000 a100000000000000 0a00000000000000 0a00000000000000 \
         0000000000000000 00 5200000000000000 0300000000000000 62",
    );
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    let mut scratch = Vec::new();
    let decoded = decode_frame(frame, SENDER, &mut scratch);
    assert_eq!(decoded, Ok(Frame::Batch { table: TABLE, ops }));
}

fn declare(declaration: Declaration, past: Vec<Past>) -> Message {
    let epochs = Epochs::from_past(past).unwrap();
    Message::Declare { name: "users".to_owned(), declaration, epochs }
}

#[test]
fn declare_by_default() {
    let message = declare(Declaration::default(), Vec::new());
    check(message, "0f000000 02 05 7573657273 01 01 01 01 00 01 00 00");
}

#[test]
fn declare_with_everything() {
    let per = Some("/id".to_owned());
    let declaration = Declaration {
        kind: Kind::Bag,
        policy: Policy::LastVersion(Versioned { field: "/v".to_owned(), per }),
        owner_down: OwnerDown::Hide,
        merge: Merge::Hold,
        ttl: Some(300),
        fragments: 8,
        quorum: Some(3),
    };
    let past = vec![
        Past { declaration: 0x0807_0605_0403_0201, last_writer_wins: true },
        Past { declaration: 0x0a, last_writer_wins: false },
    ];
    check(
        declare(declaration, past),
        "2a000000 02 05 7573657273 03 04 02 2f76 01 03 2f6964 02 02 ac02 08 03 \
         02 0102030405060708 01 0a00000000000000 00",
    );
}

#[test]
fn every_kind_and_policy() {
    let kinds = [(Kind::Set, "01"), (Kind::OrderedSet, "02"), (Kind::Bag, "03")];
    for (kind, golden) in kinds {
        let message = declare(Declaration { kind, ..Declaration::default() }, Vec::new());
        check(message, &format!("0f000000 02 05 7573657273 {golden} 01 01 01 00 01 00 00"));
    }
    let field = || "/v".to_owned();
    let cases = [
        (Policy::LastWriterWins, "0f", "01"),
        (Policy::Newest, "0f", "02"),
        (Policy::MergeOnly, "0f", "03"),
        (Policy::LastVersion(Versioned { field: field(), per: None }), "13", "04 02 2f76 00"),
        (Policy::LastModified { per: None }, "10", "05 00"),
        (Policy::LastModified { per: Some(field()) }, "13", "05 01 02 2f76"),
        (Policy::Resolve("carts".to_owned()), "15", "06 05 6361727473"),
        (Policy::Ignore, "0f", "07"),
        (Policy::YieldIsland, "0f", "08"),
    ];
    for (policy, length, golden) in cases {
        let message = declare(Declaration { policy, ..Declaration::default() }, Vec::new());
        check(message, &format!("{length}000000 02 05 7573657273 01 {golden} 01 01 00 01 00 00"));
    }
}

#[test]
fn apart() {
    check(
        Message::Apart { table: TABLE, members: 0x0102, lowest: "n1".to_owned(), rehearsal: true },
        "11000000 0b a100000000000000 02010000 02 6e31 01",
    );
}

#[test]
fn attach() {
    check(Message::Attach { table: TABLE, seq: 5 }, "0a000000 03 a100000000000000 05");
}

#[test]
fn ack() {
    check(Message::Ack { table: TABLE, seq: 300 }, "0b000000 04 a100000000000000 ac02");
}

fn sync(body: SyncBody) -> Message {
    Message::Sync { table: TABLE, session: 2, body }
}

#[test]
fn sync_ask() {
    let ask = Ask {
        seen: vector(),
        rest: None,
        live_beyond: [(OTHER, DotSet::from_iter([301, 1 << 32]))].into_iter().collect(),
        sums: [(SENDER, 0x0807_0605_0403_0201)].into_iter().collect(),
        purpose: Purpose::Join,
    };
    check(
        sync(SyncBody::Ask(ask)),
        "6f000000 05 a100000000000000 02 01 \
         02 5100000000000000 05 5200000000000000 ac02 00 \
         01 5200000000000000 0200000000000000 \
         00000000 3a300000 01000000 0000 0000 10000000 2d01 \
         01000000 3a300000 01000000 0000 0000 10000000 0000 \
         01 5100000000000000 0102030405060708 01",
    );
}

#[test]
fn sync_ask_with_every_purpose() {
    let ask = |purpose| Ask { purpose, ..Ask::default() };
    check(
        sync(SyncBody::Ask(ask(Purpose::Fill { index: 1, of: 0x0203 }))),
        "18000000 05 a100000000000000 02 01 00 00 00 00 02 01000000 03020000",
    );
    check(
        sync(SyncBody::Ask(ask(Purpose::Look))),
        "10000000 05 a100000000000000 02 01 00 00 00 00 03",
    );
}

#[test]
fn sync_ask_with_a_rest() {
    let rest = Rest { whole: vec![3, 255], sums: (0..256).collect() };
    let ask = Ask { rest: Some(rest), ..Ask::default() };
    let sums: String = (0..=255).map(|sum| format!("{sum:02x}00000000000000")).collect();
    check(
        sync(SyncBody::Ask(ask)),
        &format!("13080000 05 a100000000000000 02 01 00 01 02 03ff {sums} 00 00 01"),
    );
}

#[test]
fn sync_ask_more() {
    check(
        sync(SyncBody::AskMore { parts: vec![7, 200] }),
        "0e000000 05 a100000000000000 02 05 02 07c8",
    );
}

#[test]
fn sync_begin() {
    let begin = Begin {
        seen: [(SENDER, 0), (OTHER, 300)].into_iter().collect(),
        clock: Stamp(7),
        fingerprint: 0x0807_0605_0403_0201,
        lacking: 300,
    };
    check(
        sync(SyncBody::Begin(begin)),
        "31000000 05 a100000000000000 02 02 02 5100000000000000 00 5200000000000000 ac02 \
         0700000000000000 0102030405060708 ac02",
    );
}

#[test]
fn sync_chunk() {
    let value = Entry {
        dot: Dot { origin: SENDER, seq: 6 },
        stamp: Stamp(7),
        mark: Mark { epoch: 0xe1, outcome: true },
        expires: Some(Millis(300)),
        value: Some(Arc::from(&b"v"[..])),
    };
    let tombstone = Entry {
        dot: Dot { origin: OTHER, seq: 8 },
        stamp: Stamp(9),
        mark: Mark::default(),
        expires: None,
        value: None,
    };
    let key = ChunkKey {
        key: Box::from(&b"key"[..]),
        others: vec![value.dot, tombstone.dot],
        entries: vec![value, tombstone],
    };
    let seen_since = [(SENDER, 6)].into_iter().collect();
    let replaced = vec![Dot { origin: OTHER, seq: 7 }];
    let first = Dot { origin: SENDER, seq: 5 };
    let batches = vec![ChunkBatch { first, count: 2, keys: vec![(0, replaced)] }];
    check(
        sync(SyncBody::Chunk(Chunk {
            seen_since,
            keys: vec![key],
            requests: vec![remembered()],
            batches,
        })),
        "93000000 05 a100000000000000 02 03 \
         01 5100000000000000 06 \
         01 03 6b6579 02 5100000000000000 06 5200000000000000 08 \
         02 5100000000000000 06 0700000000000000 0f e1 ac02 01 76 \
         5200000000000000 08 0900000000000000 00 \
         01 5100000000000000 05 02 01 00 01 5200000000000000 07 \
         01 5100000000000000 09 5200000000000000 0400000000000000 0300000000000000 feff 01",
    );
}

#[test]
fn sync_done() {
    let live = vec![LiveSet { origin: SENDER, live: DotSet::from_iter([1, 2, 5]) }];
    let removed_ahead = vec![Dot { origin: OTHER, seq: 400 }];
    check(
        sync(SyncBody::Done { live, removed_ahead }),
        "41000000 05 a100000000000000 02 04 \
         01 5100000000000000 0100000000000000 \
         00000000 3a300000 01000000 0000 0200 10000000 0100 0200 0500 \
         01 5200000000000000 9003",
    );
}

#[test]
fn report() {
    let message = Message::Report {
        table: TABLE,
        about: OTHER,
        seen: vector(),
        fingerprint: 0x0807_0605_0403_0201,
    };
    check(
        message,
        "2d000000 06 a100000000000000 5200000000000000 \
         02 5100000000000000 05 5200000000000000 ac02 0102030405060708",
    );
}

#[test]
fn members() {
    check(Message::Members(vec![member()]), &format!("1c000000 07 01 {MEMBER}"));
}

#[test]
fn swim() {
    check(Message::Swim(b"packet".to_vec()), "07000000 08 7061636b6574");
}

#[test]
fn ping_and_pong() {
    let mut out = Vec::new();
    encode_ping(&mut out, 0x0102);
    encode_pong(&mut out, 0x0102);
    assert_bytes(&out, "09000000 09 0201000000000000 09000000 0a 0201000000000000");
    let (frame, consumed) = split(&out, MAX_FRAME).unwrap().unwrap();
    let mut scratch = Vec::new();
    assert_eq!(decode_frame(frame, SENDER, &mut scratch), Ok(Frame::Ping { sent: 0x0102 }));
    let frame = split(&out[consumed..], MAX_FRAME).unwrap().unwrap().0;
    assert_eq!(decode_frame(frame, SENDER, &mut scratch), Ok(Frame::Pong { sent: 0x0102 }));
}

#[test]
fn taken() {
    let mut out = Vec::new();
    encode_taken(&mut out, 0x0102);
    assert_bytes(&out, "09000000 10 0201000000000000");
    let (frame, _) = split(&out, MAX_FRAME).unwrap().unwrap();
    assert_eq!(decode_frame(frame, SENDER, &mut Vec::new()), Ok(Frame::Taken { bytes: 0x0102 }));
}

#[test]
fn dumps() {
    let ask = DumpAsk { table: TABLE, call: 300, cursor: 7 };
    let mut out = Vec::new();
    encode_dump_ask(&mut out, &ask);
    assert_bytes(&out, "0c000000 0e a100000000000000 ac02 07");
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    assert_eq!(decode_frame(frame, SENDER, &mut Vec::new()), Ok(Frame::DumpAsk(ask)));

    let record =
        |key: &[u8], expires| DumpRecord { key: key.into(), value: b"v"[..].into(), expires };
    let records = vec![record(b"k", None), record(b"ke", Some(Millis(300)))];
    let part = DumpPart { table: TABLE, call: 1, page: Some(DumpPage { next: 8, records }) };
    out.clear();
    encode_dump_part(&mut out, &part);
    let golden = "1a000000 0f a100000000000000 01 01 08 02 01 6b 01 76 00 02 6b65 01 76 01 ac02";
    assert_bytes(&out, golden);
    let frame = split(&out, MAX_FRAME).unwrap().unwrap().0;
    assert_eq!(decode_frame(frame, SENDER, &mut Vec::new()), Ok(Frame::DumpPart(part)));

    let unknown = DumpPart { table: TABLE, call: 1, page: None };
    out.clear();
    encode_dump_part(&mut out, &unknown);
    assert_bytes(&out, "0b000000 0f a100000000000000 01 00");
}

#[test]
fn hello_with_the_magic_before_it() {
    let hello = Handshake::Hello(Hello {
        protocol: PROTOCOL,
        cluster: "prod".to_owned(),
        id: member().id,
        address: "h:1".to_owned(),
        lane: Lane::Control,
        link: 7,
        nonce: [0xee; 32],
        clock: Millis(0x0304),
    });
    let mut out = Vec::new();
    encode_opening(&mut out, &hello);
    let nonce = "ee".repeat(32);
    assert_bytes(
        &out,
        &format!(
            "544d424c 48000000 20 0300 04 70726f64 02 6e31 0201000000000000 03 683a31 02 \
             0700000000000000 {nonce} 0403000000000000"
        ),
    );
    let frame = split_opening(&out).unwrap().unwrap().0;
    assert_eq!(decode_handshake(frame), Ok(hello));
}

#[test]
fn a_hello_of_the_version_before_is_refused_in_clear_words() {
    let frame = hex("20 0100 04 70726f64 02 6e31 0201000000000000 03 683a31 02 0700000000000000 \
         eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee 0403000000000000");
    let refusal = Refusal::Protocol { ours: 3, theirs: 1 };
    assert_eq!(decode_handshake(&frame), Err(refusal.clone()));
    assert_eq!(
        refusal.to_string(),
        "the protocol versions differ: the refusing node speaks 3, the refused node 1; run \
         releases of Tombolo with the same protocol on both"
    );
}

#[test]
fn welcome() {
    let welcome = Handshake::Welcome(Welcome {
        protocol: PROTOCOL,
        cluster: "prod".to_owned(),
        id: member().id,
        address: "h:1".to_owned(),
        nonce: [0xee; 32],
        clock: Millis(0x0304),
        proof: [0xcc; 32],
    });
    let (nonce, proof) = ("ee".repeat(32), "cc".repeat(32));
    check_handshake(
        welcome,
        &format!(
            "5f000000 21 0300 04 70726f64 02 6e31 0201000000000000 03 683a31 {nonce} \
             0403000000000000 {proof}"
        ),
    );
}

#[test]
fn confirm_and_accepted() {
    let (proof, members) = ("cc".repeat(32), vec![member()]);
    check_handshake(
        Handshake::Confirm { proof: [0xcc; 32], members: members.clone() },
        &format!("3c000000 22 {proof} 01 {MEMBER}"),
    );
    check_handshake(Handshake::Accepted { members }, &format!("1c000000 23 01 {MEMBER}"));
}

#[test]
fn every_refusal() {
    let taken = Refusal::NameTaken {
        name: "n1".to_owned(),
        started: 1,
        address: "h:1".to_owned(),
        heard_millis_ago: 2,
    };
    let cluster = Refusal::Cluster { ours: "a".to_owned(), theirs: "b".to_owned() };
    let cases = [
        (Refusal::NotTombolo, "02000000 24 01"),
        (Refusal::Protocol { ours: 1, theirs: 2 }, "06000000 24 02 0100 0200"),
        (cluster, "06000000 24 03 01 61 01 62"),
        (Refusal::Secret, "02000000 24 04"),
        (taken, "19000000 24 05 02 6e31 0100000000000000 03 683a31 0200000000000000"),
        (
            Refusal::Superseded { name: "n1".to_owned(), by: 3 },
            "0d000000 24 06 02 6e31 0300000000000000",
        ),
        (
            Refusal::ClockDrift { millis: 1, ahead: true, max: 2 },
            "13000000 24 07 0100000000000000 01 0200000000000000",
        ),
        (Refusal::OneSelf, "02000000 24 08"),
        (Refusal::Cut, "02000000 24 09"),
        (Refusal::AlreadyLinked, "02000000 24 0a"),
        (
            Refusal::TooLarge { length: 1, limit: 2 },
            "12000000 24 0b 0100000000000000 0200000000000000",
        ),
        (Refusal::Garbled { what: "x".to_owned() }, "04000000 24 0c 01 78"),
    ];
    for (refusal, golden) in cases {
        check_handshake(Handshake::Refuse(refusal), golden);
    }
}

fn serial(body: SerialBody) -> Message {
    Message::Serial { table: TABLE, body }
}

#[test]
fn serial_grants() {
    check(serial(SerialBody::Ready), "0a000000 0d a100000000000000 01");
    let grant = 300;
    check(serial(SerialBody::Want { grant }), "0c000000 0d a100000000000000 02 ac02");
    check(serial(SerialBody::Lend { grant }), "0c000000 0d a100000000000000 03 ac02");
    check(serial(SerialBody::Refuse { grant }), "0c000000 0d a100000000000000 04 ac02");
    check(serial(SerialBody::Return { grant }), "0c000000 0d a100000000000000 05 ac02");
}

#[test]
fn serial_request_and_reply() {
    let id = RequestId { origin: OTHER, number: 4 };
    let request = Request {
        id,
        floor: 3,
        attempt: 2,
        key: b"key".as_slice().into(),
        expect: Expect::Value(b"old".as_slice().into()),
        edit: Edit::Put { value: b"new".as_slice().into(), expiry: Expiry::At(Millis(300)) },
        tell_previous: true,
        copies: Some(2),
        patience: 5,
    };
    check(
        serial(SerialBody::Request(request)),
        "30000000 0d a100000000000000 06 5200000000000000 04 03 02 03 6b6579 04 03 6f6c64 \
         01 03 6e6577 03 ac02 01 01 02000000 05000000",
    );
    let done = Done {
        dot: Some(Dot { origin: SENDER, seq: 9 }),
        told: Some(b"old".as_slice().into()),
        lost: false,
        by: ["n1".to_owned()].into(),
        missing: Vec::new(),
    };
    check(
        serial(SerialBody::Reply { id, attempt: 2, reply: Reply::Done(done) }),
        "2a000000 0d a100000000000000 07 5200000000000000 04 02 01 01 5100000000000000 09 \
         01 03 6f6c64 00 01 02 6e31 00",
    );
}
