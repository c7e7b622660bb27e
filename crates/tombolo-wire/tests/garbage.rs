//! Bytes that no node of ours sent: refused by name, never a panic, never a great allocation.

mod common;

use common::{handshake, message, op};
use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Incarnation, Message, OpRef};
use tombolo_wire::hello::{Handshake, decode_handshake, encode_handshake, split_opening};
use tombolo_wire::{
    DecodeError, Frame, MAX_FRAME, Problem, decode_frame, encode_message, encode_op, op_key, split,
};

const SENDER: Incarnation = Incarnation(77);

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
        Ok(Frame::Message(message)) => {
            encode_message(&mut again, &message);
            if !matches!(message, Message::Sync { .. }) {
                assert_eq!(&again[4..], frame);
            }
        }
        Ok(Frame::Ping { .. } | Frame::Pong { .. }) => assert_eq!(frame.len(), 9),
        Err(error) => assert!(error.to_string().contains(error.field)),
    }
    if let Ok(handshake) = decode_handshake(frame) {
        let mut again = Vec::new();
        encode_handshake(&mut again, &handshake);
        assert_eq!(&again[4..], frame);
    }
}

/// A frame of any kind, as it is sent.
fn sent() -> impl Strategy<Value = Vec<u8>> {
    let op = op().prop_map(|op| {
        let mut out = Vec::new();
        let borrowed = OpRef { key: &op.key, entry: op.entry.as_ref(), replaces: &op.replaces };
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
    prop_oneof![1 => op, 3 => message, 1 => handshake]
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
        kind in prop_oneof![1u8..=10, 32u8..=36],
        step in 0u8..6,
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
    let mut frame = vec![0; 42];
    frame[0] = 1;
    assert!(decode_frame(&frame, SENDER, &mut Vec::new()).is_ok());
    let mut flags = frame.clone();
    flags[1] = 4;
    assert_eq!(refusal_of(&flags).problem, Problem::Unknown(4));
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
