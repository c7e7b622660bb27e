//! A table's writes as its peers get them: the real core, store and codec, and links of memory.

use crate::load::{key, value};
use std::time::{SystemTime, UNIX_EPOCH};
use tombolo_core::{
    Arrival, Change, Declaration, Dot, EntryRef, Epochs, Incarnation, Limits, Message, Millis,
    OpRef, Table, TableId,
};
use tombolo_store::{ConcurrentStore, Order, Reader, Records};
use tombolo_wire::{Frame, MAX_FRAME};

/// How many ops the reader of a link takes in under one hold of a table's lock.
pub const BATCH: usize = 64;

const TABLE: TableId = TableId(7);

/// One node's copy of the table.
pub struct Copy {
    table: Table<ConcurrentStore>,
    reader: Reader,
}

impl Copy {
    /// An empty one, of the process `me`.
    pub fn new(me: Incarnation) -> Copy {
        let (store, reader) = Records::open(Order::Hashed);
        let (declared, limits) = (Declaration::default(), Limits::default());
        Copy { table: Table::new(me, store, limits, &declared, Epochs::default()), reader }
    }

    /// The process that it is of.
    pub fn me(&self) -> Incarnation {
        self.table.me()
    }

    /// From now on each gets the other's ops.
    pub fn link(&mut self, other: &mut Copy) {
        let (one, two) = (self.me(), other.me());
        let (first, second) = (self.table.attach(two), other.table.attach(one));
        self.table.on_attach(two, second);
        other.table.on_attach(one, first);
    }

    /// Writes the key of a number, and appends the op that goes to every peer.
    pub fn write(&mut self, number: u64, salt: u64, out: &mut Vec<u8>) {
        let (key, value) = (key(number), value(number ^ salt << 48));
        let change = Change::Put { value: &value, expires: None };
        let written = self.table.write(now(), &key, change).expect("a put is always written");
        let (dot, stamp, mark) = (written.dot, written.stamp, written.mark);
        let entry = EntryRef { dot, stamp, mark, expires: None, value: Some(&value) };
        let op = OpRef { key: &key, entry, replaces: written.replaces, request: None };
        tombolo_wire::encode_op(out, TABLE, &op);
    }

    /// Takes in the ops of `from` as the reader of a link does, and appends the acknowledgement.
    pub fn take_in(&mut self, from: Incarnation, ops: &[u8], out: &mut Vec<u8>) {
        let keys = frames(ops).filter_map(tombolo_wire::op_key);
        self.reader.touch(keys.map(|(_, key)| key));
        self.table.set_wall(now());
        decoded(ops, from, |op| {
            assert_eq!(self.table.take_in(from, op), Arrival::InOrder);
        });
        let seq = self.table.ack_for(from).expect("the two are linked");
        tombolo_wire::encode_message(out, &Message::Ack { table: TABLE, seq });
    }

    /// Takes in acknowledgements of `from`.
    pub fn on_acks(&mut self, from: Incarnation, acks: &[u8]) {
        for frame in frames(acks) {
            match tombolo_wire::decode_frame(frame, from, &mut Vec::new()) {
                Ok(Frame::Message(Message::Ack { seq, .. })) => self.table.on_ack(from, seq),
                other => panic!("an acknowledgement was encoded: {other:?}"),
            }
        }
    }

    /// Whether every peer has acknowledged all that was written here.
    pub fn is_acknowledged(&self) -> bool {
        self.table.acked_by_all() == self.table.last_written()
    }
}

/// The time, asked for once a batch as the node does.
fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
}

/// The frames of some bytes.
fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (frame, length) = tombolo_wire::split(rest, MAX_FRAME).ok()??;
        rest = &rest[length..];
        Some(frame)
    })
}

/// Decodes ops of `from`, and shows each.
pub fn decoded(ops: &[u8], from: Incarnation, mut see: impl FnMut(&OpRef<'_>)) {
    let mut replaces: Vec<Dot> = Vec::new();
    for frame in frames(ops) {
        let decoded = tombolo_wire::decode_op(frame, from, &mut replaces);
        let (_, op) = decoded.expect("an op was encoded");
        see(&op);
    }
}
