//! Whatever is said is heard as it was said.

mod common;

use common::{Op, SENDER, batch, dump_ask, dump_part, handshake, message, op};
use proptest::prelude::*;
use std::sync::Arc;
use tombolo_core::{Dot, TableId};
use tombolo_wire::hello::{decode_handshake, encode_handshake, encode_opening, split_opening};
use tombolo_wire::{
    Frame, MAX_FRAME, batch_table, decode_frame, encode_dump_ask, encode_dump_part, encode_message,
    encode_op, encode_ping, encode_pong, op_key, split,
};

fn encode(op: &Op) -> Vec<u8> {
    let mut out = Vec::new();
    encode_op(&mut out, op.table, &op.as_ref());
    out
}

/// The only frame in `buffer`.
fn only(buffer: &[u8]) -> &[u8] {
    let (frame, consumed) = split(buffer, MAX_FRAME).unwrap().unwrap();
    assert_eq!(consumed, buffer.len());
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_op_comes_from_its_sender_and_is_otherwise_the_same(
        mut op in op(),
        mut replaces in proptest::collection::vec(common::dot(), 0..3),
    ) {
        let bytes = encode(&op);
        let frame = only(&bytes);
        prop_assert_eq!(op_key(frame), Some((op.table, &op.key[..])));
        op.entry.dot.origin = SENDER;
        let expected = Frame::Op { table: op.table, op: op.as_ref() };
        prop_assert_eq!(decode_frame(frame, SENDER, &mut replaces), Ok(expected));
    }

    #[test]
    fn a_batch_comes_from_its_sender_and_is_otherwise_the_same(
        (ops, bytes) in batch(),
        mut replaces in proptest::collection::vec(common::dot(), 0..3),
    ) {
        let frame = only(&bytes);
        let table = ops[0].table;
        prop_assert_eq!((op_key(frame), batch_table(frame)), (None, Some(table)));
        let expected = Frame::Batch { table, ops: ops.iter().map(Op::as_ref).collect() };
        prop_assert_eq!(decode_frame(frame, SENDER, &mut replaces), Ok(expected));
    }

    #[test]
    fn a_message_is_the_same(message in message()) {
        let mut bytes = Vec::new();
        encode_message(&mut bytes, &message);
        let frame = only(&bytes);
        prop_assert_eq!(op_key(frame), None);
        let mut scratch = Vec::new();
        let decoded = decode_frame(frame, SENDER, &mut scratch);
        prop_assert_eq!(decoded, Ok(Frame::Message(message)));
    }

    #[test]
    fn a_handshake_is_the_same(handshake in handshake()) {
        let mut bytes = Vec::new();
        encode_handshake(&mut bytes, &handshake);
        prop_assert_eq!(decode_handshake(only(&bytes)), Ok(handshake.clone()));

        let mut opening = Vec::new();
        encode_opening(&mut opening, &handshake);
        let (frame, consumed) = split_opening(&opening).unwrap().unwrap();
        prop_assert_eq!(consumed, opening.len());
        prop_assert_eq!(decode_handshake(frame), Ok(handshake));
    }

    #[test]
    fn a_dump_is_the_same(ask in dump_ask(), part in dump_part()) {
        let (mut asked, mut answered, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        encode_dump_ask(&mut asked, &ask);
        encode_dump_part(&mut answered, &part);
        let frame = decode_frame(only(&asked), SENDER, &mut scratch);
        prop_assert_eq!(frame, Ok(Frame::DumpAsk(ask)));
        let frame = decode_frame(only(&answered), SENDER, &mut scratch);
        prop_assert_eq!(frame, Ok(Frame::DumpPart(part)));
    }

    #[test]
    fn frames_follow_each_other_in_one_buffer(
        ops in proptest::collection::vec(op(), 0..5),
        message in message(),
        sent in any::<u64>(),
    ) {
        let mut buffer = Vec::new();
        for op in &ops {
            encode_op(&mut buffer, op.table, &op.as_ref());
        }
        encode_message(&mut buffer, &message);
        encode_ping(&mut buffer, sent);
        encode_pong(&mut buffer, sent);

        let mut rest = &buffer[..];
        let mut scratch: Vec<Dot> = Vec::new();
        let mut keys = Vec::new();
        let mut others = Vec::new();
        while let Some((frame, consumed)) = split(rest, MAX_FRAME).unwrap() {
            match decode_frame(frame, SENDER, &mut scratch).unwrap() {
                Frame::Op { table, op } => keys.push((table, op.key.to_vec())),
                Frame::Batch { .. } => panic!("nobody sent one"),
                Frame::Message(message) => others.push(Frame::Message(message)),
                Frame::Ping { sent } => others.push(Frame::Ping { sent }),
                Frame::Pong { sent } => others.push(Frame::Pong { sent }),
                other => panic!("{other:?} was not sent"),
            }
            rest = &rest[consumed..];
        }
        prop_assert!(rest.is_empty());
        let sent_keys: Vec<(TableId, Vec<u8>)> =
            ops.iter().map(|op| (op.table, op.key.clone())).collect();
        prop_assert_eq!(keys, sent_keys);
        let expected = vec![Frame::Message(message), Frame::Ping { sent }, Frame::Pong { sent }];
        prop_assert_eq!(others, expected);
    }
}

#[test]
fn no_value_is_not_an_empty_value_and_no_expiry_is_not_the_epoch() {
    let mut seen = Vec::new();
    for value in [None, Some(Arc::from(&b""[..]))] {
        for expires in [None, Some(tombolo_core::Millis(0))] {
            let entry = tombolo_core::Entry {
                dot: Dot { origin: SENDER, seq: 1 },
                stamp: tombolo_core::Stamp(1),
                mark: tombolo_core::Mark::default(),
                expires,
                value: value.clone(),
            };
            let op = Op {
                request: None,
                table: TableId(1),
                key: b"k".to_vec(),
                entry,
                replaces: Vec::new(),
            };
            let bytes = encode(&op);
            let decoded = decode_frame(only(&bytes), SENDER, &mut seen).unwrap();
            let op = op.as_ref();
            let table = TableId(1);
            assert_eq!(decoded, Frame::Op { table, op });
        }
    }
}
