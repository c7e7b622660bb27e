//! Tombolo's messages as bytes, and nothing else: no sockets, no clock, no randomness.
//!
//! Every frame is `u32 length of what follows | u8 kind | body`, little-endian. [`split`] cuts
//! frames out of a read buffer and refuses a length over the limit before the body is there.
//! [`decode_frame`] reads a frame of a linked peer: ops are borrowed from the buffer, everything
//! else is owned. [`hello`] is the handshake, which comes before all else on a connection.
//!
//! # Layout of an op
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | length of what follows |
//! | 4 | 1 | kind, 1 |
//! | 5 | 1 | flags: bit 0 has a value, 1 expires, 2 is an outcome, 3 carries out a request |
//! | 6 | 4 | number of dots that it replaces, `r` |
//! | 10 | 4 | length of the key, `k` |
//! | 14 | 8 | table |
//! | 22 | 8 | sequence number of its dot; the origin is the sender |
//! | 30 | 8 | stamp |
//! | 38 | 8 | when it expires, in milliseconds; 0 without the flag |
//! | 46 | 1 | epoch that it was written in |
//! | 47 | 16 r | replaced dots: origin, sequence number |
//! | 47 + 16 r | q | the request, with bit 3: asker 8, number 8, floor 8, length 2, what is told |
//! | 47 + 16 r + q | k | key |
//! | the rest | | value; nothing without the flag |
//!
//! Of what is told the length `FFFF` says that it is nothing, `FFFE` that it is lost.
//!
//! The layout of all other frames is in `docs/protocol.md`.
//!
//! A decoder never trusts a count for an allocation, accepts one spelling of each message, and
//! never panics. What it refuses it names: the kind of frame, the field, and what is wrong.

mod batch;
mod declaration;
mod dump;
mod error;
mod frame;
pub mod hello;
mod message;
mod op;
mod parts;
mod read;
mod serial;
mod sync;
mod write;

pub use batch::{MAX_BATCH_BYTES, MAX_BATCH_WRITES, batch_table, encode_batch};
pub use dump::{DumpAsk, DumpPage, DumpPart, DumpRecord, encode_dump_ask, encode_dump_part};
pub use error::{DecodeError, Problem};
pub use frame::{
    FrameError, LENGTH_BYTES, MAX_FRAME, MAX_HELLO_FRAME, MAX_MEMBERS_FRAME, MAX_RECORD, split,
};
pub use message::{Frame, decode_frame, encode_message, encode_ping, encode_pong, encode_taken};
pub use op::{decode_op, encode_op, op_key};
