//! What is on its way between two nodes.

use super::process::Op;
use tombolo_core::{Declaration, Message, TableId};

/// What travels. One first-in first-out lane each way is one of the orders that two lanes allow.
pub enum Packet {
    Op(TableId, Op),
    Message(Message),
}

/// From one node to another.
pub type Way = (String, String);

/// Whether a packet counts against the bound of a queue and is dropped from a full one.
pub fn is_bounded(packet: &Packet) -> bool {
    matches!(packet, Packet::Op(..) | Packet::Message(Message::Ack { .. }))
}

pub fn arrow(way: &str) -> Way {
    let (from, to) = way.split_once("->").unwrap_or_else(|| panic!("`{way}` is no FROM->TO"));
    (from.to_string(), to.to_string())
}

pub fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is no number"))
}

/// How a table is declared: the words of a declaration, in any order.
pub fn declared(words: &[&str]) -> Declaration {
    let mut declaration = Declaration::default();
    for word in words {
        let known = "a word of a declaration";
        match word.split_once('=').unwrap_or_else(|| panic!("`{word}` is no NAME=VALUE")) {
            ("kind", kind) => declaration.kind = kind.parse().expect(known),
            ("policy", policy) => declaration.policy = policy.parse().expect(known),
            ("owner_down", choice) => declaration.owner_down = choice.parse().expect(known),
            ("merge", choice) => declaration.merge = choice.parse().expect(known),
            ("fragments", count) => declaration.fragments = count.parse().expect(known),
            ("ttl", span) => declaration.ttl = Some(number(span)),
            _ => panic!("`{word}` is no word of a declaration"),
        }
    }
    declaration
}
