//! Bytes that no node of ours sent: refused by name, never a panic, never a great allocation.

mod common;

use common::{SENDER, batch, dump_ask, dump_part, handshake, message, op};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{
    Ask, Chunk, Declaration, Dot, EntryRef, Epochs, Mark, Message, OpRef, Policy, Purpose, Stamp,
    SyncBody, TableId, Versioned,
};
use tombolo_wire::hello::{Handshake, decode_handshake, encode_handshake, split_opening};
use tombolo_wire::{
    DecodeError, Frame, MAX_BATCH_WRITES, MAX_FRAME, Problem, batch_table, decode_frame,
    encode_batch, encode_dump_ask, encode_dump_part, encode_message, encode_op, op_key, split,
};

/// Shows `bytes` to every decoder. What one of them accepts is spelled in the one way there is,
/// but for the compressed sets inside.
fn decode_all(bytes: &[u8]) {
    let _ = split_opening(bytes);
    if let Ok(Some((frame, consumed))) = split(bytes, MAX_FRAME) {
        assert!(consumed <= bytes.len());
        decode_frames(frame);
    }
    decode_frames(bytes);
}

fn decode_frames(frame: &[u8]) {
    let key = op_key(frame);
    let mut again = Vec::new();
    match decode_frame(frame, SENDER, &mut Vec::new()) {
        Ok(Frame::Op { table, op }) => {
            assert_eq!(key, Some((table, op.key)));
            encode_op(&mut again, table, &op);
            assert_eq!(&again[4..], frame);
        }
        Ok(Frame::Batch { table, ops }) => {
            assert_eq!(batch_table(frame), Some(table));
            assert!((2..=MAX_BATCH_WRITES).contains(&ops.len()));
            let mut frames = Vec::new();
            ops.iter().for_each(|op| encode_op(&mut frames, table, op));
            encode_batch(&mut again, table, ops.len() as u32, &frames);
            assert_eq!(&again[4..], frame);
        }
        Ok(Frame::Message(message)) => {
            encode_message(&mut again, &message);
            assert_sense(&message);
            if !matches!(message, Message::Sync { .. }) {
                assert_eq!(&again[4..], frame);
            }
        }
        Ok(Frame::Ping { .. } | Frame::Pong { .. } | Frame::Taken { .. }) => {
            assert_eq!(frame.len(), 9)
        }
        Ok(Frame::DumpAsk(ask)) => {
            encode_dump_ask(&mut again, &ask);
            assert_eq!(&again[4..], frame);
        }
        Ok(Frame::DumpPart(part)) => {
            encode_dump_part(&mut again, &part);
            assert_eq!(&again[4..], frame);
        }
        Err(error) => assert!(error.to_string().contains(error.field)),
    }
    if let Ok(handshake) = decode_handshake(frame) {
        let mut again = Vec::new();
        encode_handshake(&mut again, &handshake);
        assert_eq!(&again[4..], frame);
    }
}

/// What the core may rely on in every message.
fn assert_sense(message: &Message) {
    match message {
        Message::Declare { declaration: Declaration { policy, .. }, epochs, .. } => {
            assert_eq!(policy.to_string().parse().as_ref(), Ok(policy));
            assert!(epochs.past().len() <= Epochs::MOST);
        }
        Message::Sync { body: SyncBody::Chunk(Chunk { keys, batches, .. }), .. } => {
            let numbers = batches.iter().flat_map(|batch| &batch.keys);
            assert!(numbers.clone().all(|(number, _)| (*number as usize) < keys.len()));
        }
        Message::Sync { body: SyncBody::Ask(Ask { purpose, .. }), .. } => {
            assert!(!matches!(purpose, Purpose::Fill { index, of } if index >= of));
        }
        _ => {}
    }
}

/// A policy whose words nobody has looked at; most of them could be declared.
fn unchecked_policy() -> impl Strategy<Value = Policy> {
    let word = || prop_oneof!["[a-z/]{0,3}[ ,=()\\n]?[a-z/]{0,3}", ".{0,6}", "[a-z]{199,201}"];
    prop_oneof![
        (word(), prop::option::of(word()))
            .prop_map(|(field, per)| Policy::LastVersion(Versioned { field, per })),
        prop::option::of(word()).prop_map(|per| Policy::LastModified { per }),
        word().prop_map(Policy::Resolve),
    ]
}

/// A frame of any kind, as it is sent.
fn sent() -> impl Strategy<Value = Vec<u8>> {
    let op = op().prop_map(|op| {
        let mut out = Vec::new();
        let borrowed = op.as_ref();
        encode_op(&mut out, op.table, &borrowed);
        out
    });
    let message = message().prop_map(|message| {
        let mut out = Vec::new();
        encode_message(&mut out, &message);
        out
    });
    let handshake = handshake().prop_map(|handshake| {
        let mut out = Vec::new();
        encode_handshake(&mut out, &handshake);
        out
    });
    let dump = (dump_ask(), dump_part()).prop_flat_map(|(ask, part)| {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        encode_dump_ask(&mut asked, &ask);
        encode_dump_part(&mut answered, &part);
        prop_oneof![Just(asked), Just(answered)]
    });
    let batch = batch().prop_map(|(_, frame)| frame);
    prop_oneof![1 => op, 1 => batch, 3 => message, 1 => handshake, 1 => dump]
}

/// Zeros and ones pass for counts and flags more often than other bytes do.
fn likely_byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(0xff), 3 => any::<u8>()]
}

fn refusal_of(frame: &[u8]) -> DecodeError {
    decode_frame(frame, SENDER, &mut Vec::new()).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn random_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn random_bytes_after_a_good_kind_do_not_panic(
        kind in prop_oneof![1u8..=15, 32u8..=36],
        step in 0u8..7,
        rest in vec(likely_byte(), 0..200),
    ) {
        let mut frame = vec![kind];
        frame.extend_from_slice(&rest);
        decode_frames(&frame);
        // The steps of a sync come behind the table and the session.
        if let Some(byte) = frame.get_mut(10) {
            *byte = step;
        }
        decode_frames(&frame);
    }

    #[test]
    fn changed_frames_do_not_panic(
        mut frame in sent(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (index, byte) in changes {
            let at = index.index(frame.len());
            frame[at] = byte;
        }
        decode_all(&frame);
        decode_frames(&frame[4..]);
    }

    #[test]
    fn frames_cut_short_are_refused(frame in sent(), cut in any::<prop::sample::Index>()) {
        let whole = &frame[4..];
        let part = &whole[..cut.index(whole.len())];
        decode_frames(part);
        // A packet of the membership protocol and a value of an op reach to the end of their
        // frames, whatever it is; everything else lacks something now.
        let reaches_to_the_end = matches!(part.first(), Some(1 | 8));
        if !reaches_to_the_end {
            prop_assert!(decode_frame(part, SENDER, &mut Vec::new()).is_err());
            prop_assert!(decode_handshake(part).is_err());
        }
    }

    #[test]
    fn a_policy_is_taken_if_its_text_means_it_and_refused_if_not(policy in unchecked_policy()) {
        let good = policy.to_string().parse::<Policy>().as_ref() == Ok(&policy);
        let declaration = Declaration { policy, ..Declaration::default() };
        let (name, epochs) = ("t".to_owned(), Epochs::default());
        let mut out = Vec::new();
        encode_message(&mut out, &Message::Declare { name, declaration, epochs });
        prop_assert_eq!(decode_frame(&out[4..], SENDER, &mut Vec::new()).is_ok(), good);
    }

    #[test]
    fn frames_with_bytes_left_over_are_refused(frame in sent(), more in 1usize..5) {
        let mut longer = frame[4..].to_vec();
        longer.resize(longer.len() + more, 0);
        if !matches!(longer.first(), Some(1 | 8)) {
            prop_assert!(decode_frame(&longer, SENDER, &mut Vec::new()).is_err());
            prop_assert!(decode_handshake(&longer).is_err());
        }
    }
}

#[test]
fn an_error_names_the_kind_the_field_and_the_problem() {
    let mut out = Vec::new();
    let handshake = Handshake::Accepted { members: Vec::new() };
    encode_handshake(&mut out, &handshake);
    let cases: [(&[u8], &str); 6] = [
        (b"", "cannot read a frame (unknown kind): kind: the frame ends before it does"),
        (&out[4..], "cannot read a frame (unknown kind): kind: 35 means nothing here"),
        (b"\x01abc", "cannot read a frame (op): fixed fields: the frame ends before it does"),
        (
            b"\x04\0\0\0\0\0\0\0\0\x80\0",
            "cannot read a frame (ack): seq: it is not a number of at \
          most 64 bits in its shortest form",
        ),
        (b"\x02\x01\xff", "cannot read a frame (declare): name: it is not UTF-8"),
        (b"\x09\0\0\0\0\0\0\0\0\0", "cannot read a frame (ping): end: 1 bytes are left over"),
    ];
    for (frame, text) in cases {
        assert_eq!(refusal_of(frame).to_string(), text);
    }
}

#[test]
fn an_op_with_flags_or_fields_that_mean_nothing_is_refused() {
    let mut frame = vec![0; 43];
    frame[0] = 1;
    assert!(decode_frame(&frame, SENDER, &mut Vec::new()).is_ok());
    let mut flags = frame.clone();
    flags[1] = 16;
    assert_eq!(refusal_of(&flags).problem, Problem::Unknown(16));
    flags[1] = 8;
    assert_eq!(refusal_of(&flags).field, "asker");
    let mut expires = frame.clone();
    expires[34] = 5;
    assert_eq!(refusal_of(&expires).field, "expires");
    let mut value = frame.clone();
    value.push(b'v');
    assert_eq!(refusal_of(&value).problem, Problem::Trailing(1));
    let mut replaces = frame.clone();
    replaces[2..6].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal_of(&replaces).field, "replaces");
    assert_eq!(op_key(&replaces), None);
    let mut key = frame;
    key[6..10].copy_from_slice(&[0xff; 4]);
    assert_eq!(refusal_of(&key).field, "key");
    assert_eq!(op_key(&key), None);
}

#[test]
fn sets_whose_parts_are_empty_or_come_twice_are_refused() {
    // A `Done` of table 0 and session 0 with the live dots of one origin.
    let done = |set: &[u8]| {
        let mut frame = b"\x05\0\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0".to_vec();
        frame.extend_from_slice(set);
        frame.push(0);
        frame
    };
    let part = |high: u8, bitmap: &[u8]| [&[high, 0, 0, 0], bitmap].concat();
    let empty = b"\x3a\x30\0\0\0\0\0\0";
    let one = b"\x3a\x30\0\0\x01\0\0\0\0\0\0\0\x10\0\0\0\x07\0";
    let set = |parts: &[Vec<u8>]| {
        let mut set = (parts.len() as u64).to_le_bytes().to_vec();
        parts.iter().for_each(|part| set.extend_from_slice(part));
        done(&set)
    };
    let good = set(&[part(0, one), part(1, one)]);
    assert!(decode_frame(&good, SENDER, &mut Vec::new()).is_ok());
    let problem = |frame: &[u8]| {
        let error = refusal_of(frame);
        assert_eq!((error.frame, error.field), ("sync done", "live"));
        error.problem
    };
    assert_eq!(problem(&set(&[part(0, empty)])), Problem::Set);
    assert_eq!(problem(&set(&[part(1, one), part(1, one)])), Problem::Order);
    assert_eq!(problem(&done(&[0xff; 8])), Problem::Ends);
}

/// A number of up to 14 bits as it is sent.
fn number(number: usize) -> Vec<u8> {
    match number {
        0..128 => vec![number as u8],
        _ => vec![number as u8 | 0x80, (number >> 7) as u8],
    }
}

/// What is wrong with a table's declaration of these bytes, behind the name `t`.
fn declaration_refused(declaration: &[u8]) -> (&'static str, Problem) {
    let error = refusal_of(&[b"\x02\x01t", declaration].concat());
    assert_eq!(error.frame, "declare");
    (error.field, error.problem)
}

#[test]
fn a_choice_that_means_nothing_is_refused_wherever_it_stands_in_a_declaration() {
    let good = b"\x02\x01t\x01\x01\x01\x01\0\x01\0\0";
    assert!(decode_frame(good, SENDER, &mut Vec::new()).is_ok());
    let cases: [(&[u8], &str); 4] = [
        (b"\x04\x01\x01\x01\0\x01\0\0", "kind of table"),
        (b"\x01\x09\x01\x01\0\x01\0\0", "policy"),
        (b"\x01\x01\x03\x01\0\x01\0\0", "owner down"),
        (b"\x01\x01\x01\x03\0\x01\0\0", "merge"),
    ];
    for (declaration, field) in cases {
        let (refused, problem) = declaration_refused(declaration);
        assert_eq!(refused, field);
        assert!(matches!(problem, Problem::Unknown(3 | 4 | 9)));
    }
    let (field, problem) = declaration_refused(b"\x01\x05\x02\x01\x01\0\x01\0\0");
    assert_eq!((field, problem), ("second key of the policy", Problem::Unknown(2)));
    let (field, problem) = declaration_refused(b"\x01\x01\x01\x01\0\x80\x80\x04\0\0");
    assert_eq!((field, problem), ("fragments", Problem::Unknown(0x1_0000)));
}

#[test]
fn a_policy_whose_text_would_be_read_as_another_is_refused() {
    let string = |text: &str| [&number(text.len())[..], text.as_bytes()].concat();
    let resolve = |name: &str| [b"\x01\x06", &string(name)[..], b"\x01\x01\0\x01\0\0"].concat();
    let version = |field: &str, per: &str| {
        [b"\x01\x04", &string(field)[..], b"\x01", &string(per), b"\x01\x01\0\x01\0\0"].concat()
    };
    let words = ["", " ", "a b", "a,per=b", "a)", "(a", "a=b", "a\n", "\u{2003}", "\u{7f}"];
    for word in words {
        for declaration in [resolve(word), version(word, "p"), version("f", word)] {
            assert_eq!(declaration_refused(&declaration), ("policy", Problem::Policy), "{word:?}");
        }
    }
    let long = "x".repeat(200);
    for declaration in [resolve(&long), version(&long, &long)] {
        let frame = [b"\x02\x01t", &declaration[..]].concat();
        assert!(decode_frame(&frame, SENDER, &mut Vec::new()).is_ok());
    }
    let longer = "x".repeat(201);
    let problem = Problem::Length { length: 201, limit: 200 };
    let cases = [
        (resolve(&longer), "name of the resolver"),
        (version(&longer, "p"), "field of the policy"),
        (version("f", &longer), "second key of the policy"),
    ];
    for (declaration, field) in cases {
        assert_eq!(declaration_refused(&declaration), (field, problem));
    }
    let text = refusal_of(&[b"\x02\x01t", &resolve("a b")[..]].concat()).to_string();
    assert!(text.ends_with(
        "policy: a word in it is empty or has a character that no policy's \
        text may have"
    ));
}

#[test]
fn a_table_that_was_altered_more_often_than_it_can_be_is_refused() {
    let altered = |count: usize| {
        [b"\x01\x01\x01\x01\0\x01\0", &number(count)[..], &vec![0; 9 * count]].concat()
    };
    let most = [b"\x02\x01t", &altered(255)[..]].concat();
    assert!(decode_frame(&most, SENDER, &mut Vec::new()).is_ok());
    let problem = Problem::Many { count: 256, limit: 255 };
    assert_eq!(declaration_refused(&altered(256)), ("epochs", problem));
    assert_eq!(problem.to_string(), "it has 256 items, more than the 255 allowed");
    let past = b"\x01\x01\x01\x01\0\x01\0\x01\0\0\0\0\0\0\0\0\x02";
    assert_eq!(declaration_refused(past), ("epochs", Problem::Unknown(2)));
}

#[test]
fn a_part_that_is_none_of_the_parts_is_refused() {
    // A question of table 0 and session 0 that has seen nothing, and what its answer is for.
    let ask = |purpose: &[u8]| [b"\x05\0\0\0\0\0\0\0\0\0\x01\0\0\0\0", purpose].concat();
    let fill =
        |index: u32, of: u32| ask(&[&[2], &index.to_le_bytes()[..], &of.to_le_bytes()].concat());
    assert!(decode_frame(&fill(1, 2), SENDER, &mut Vec::new()).is_ok());
    let cases = [
        (fill(0, 0), "parts", 0),
        (fill(7, 0), "parts", 0),
        (fill(2, 2), "part", 2),
        (fill(u32::MAX, 1), "part", u32::MAX.into()),
        (ask(&[0]), "purpose", 0),
        (ask(&[4]), "purpose", 4),
    ];
    for (frame, field, value) in cases {
        let error = refusal_of(&frame);
        assert_eq!((error.frame, error.field), ("sync ask", field));
        assert_eq!(error.problem, Problem::Unknown(value));
    }
    assert_eq!(refusal_of(b"\x05\0\0\0\0\0\0\0\0\0\x01\0\x02").field, "rest");
}

#[test]
fn an_entry_with_flags_that_mean_nothing_or_the_first_epoch_spelled_out_is_refused() {
    // A chunk of one key with one entry, whose flags and what they announce come last but for the
    // numbers of batches and requests.
    let chunk = |flags: &[u8]| {
        let head = b"\x05\0\0\0\0\0\0\0\0\0\x03\0\x01\0\0\x01";
        [&head[..], &[0; 17], flags, &[0, 0]].concat()
    };
    for good in [&[0][..], &[4], &[8, 1], &[12, 255]] {
        assert!(decode_frame(&chunk(good), SENDER, &mut Vec::new()).is_ok());
    }
    let refused = |flags: &[u8]| {
        let error = refusal_of(&chunk(flags));
        (error.field, error.problem)
    };
    assert_eq!(refused(&[16]), ("entry's flags", Problem::Unknown(16)));
    assert_eq!(refused(&[8, 0]), ("entry's epoch", Problem::Unknown(0)));
    assert_eq!(refused(&[8]), ("entry's epoch", Problem::Unknown(0)));
}

#[test]
fn a_beginning_may_say_that_an_origin_reached_nothing_but_not_twice() {
    // Of table 0 and session 0: the origins with their numbers, then clock, fingerprint, lacking.
    let begin = |origins: &[u8]| {
        let head = b"\x05\0\0\0\0\0\0\0\0\0\x02\x02";
        let parts = origins.iter().flat_map(|origin| [*origin, 0, 0, 0, 0, 0, 0, 0, 0]);
        [&head[..], &parts.collect::<Vec<u8>>(), &[0; 17]].concat()
    };
    assert!(decode_frame(&begin(&[1, 2]), SENDER, &mut Vec::new()).is_ok());
    for origins in [[2, 2], [2, 1]] {
        let error = refusal_of(&begin(&origins));
        assert_eq!(
            (error.frame, error.field, error.problem),
            ("sync begin", "seen", Problem::Order)
        );
    }
}

#[test]
fn a_name_that_no_node_can_have_is_refused_in_apart() {
    let apart = |length: usize| {
        let head = b"\x0b\0\0\0\0\0\0\0\0\x01\0\0\0";
        [&head[..], &number(length), &vec![b'n'; length], &[0]].concat()
    };
    assert!(decode_frame(&apart(512), SENDER, &mut Vec::new()).is_ok());
    let error = refusal_of(&apart(513));
    assert_eq!((error.frame, error.field), ("apart", "lowest name"));
    assert_eq!(error.problem, Problem::Length { length: 513, limit: 512 });
}

/// A batch whose ops are of these tables and numbers, announced as so many.
fn batch_of(count: u32, ops: &[(u64, u64)]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (table, seq) in ops {
        let dot = Dot { origin: SENDER, seq: *seq };
        let mark = Mark::default();
        let entry = EntryRef { dot, stamp: Stamp(1), mark, expires: None, value: None };
        let op = OpRef { key: b"k", entry, replaces: &[], request: None };
        encode_op(&mut frames, TableId(*table), &op);
    }
    let mut out = Vec::new();
    encode_batch(&mut out, TableId(1), count, &frames);
    out.split_off(4)
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let refused = |count, ops: &[(u64, u64)]| {
        let error = refusal_of(&batch_of(count, ops));
        (error.field, error.problem)
    };
    assert!(decode_frame(&batch_of(2, &[(1, 7), (1, 8)]), SENDER, &mut Vec::new()).is_ok());
    assert_eq!(refused(1, &[(1, 7)]), ("count", Problem::Unknown(1)));
    assert_eq!(refused(0, &[]), ("count", Problem::Unknown(0)));
    assert_eq!(refused(3, &[(1, 7), (1, 8)]), ("length of an op", Problem::Ends));
    assert_eq!(refused(2, &[(1, 7), (2, 8)]), ("table of an op", Problem::Unknown(2)));
    for second in [6, 7, 9] {
        let ops = [(1, 7), (1, second)];
        assert_eq!(refused(2, &ops), ("sequence numbers", Problem::Order));
    }
    let (many, limit) = (MAX_BATCH_WRITES + 1, MAX_BATCH_WRITES);
    let ops: Vec<(u64, u64)> = (1..=many as u64).map(|seq| (1, seq)).collect();
    assert_eq!(refused(many as u32, &ops), ("count", Problem::Many { count: many, limit }));
    assert_eq!(refused(u32::MAX, &[]).0, "count");
    let nested = batch_of(2, &[(1, 7), (1, 8)]);
    let mut out = Vec::new();
    let framed = [&(nested.len() as u32).to_le_bytes()[..], &nested].concat();
    encode_batch(&mut out, TableId(1), 2, &framed);
    assert_eq!(refusal_of(&out[4..]).problem, Problem::Unknown(12));
}
