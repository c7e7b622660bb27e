//! What child processes do. A child is this same binary; it is steered over its standard input by
//! commands of one line and answers with lines on its standard output:
//!
//! - `READY TEXT` once, when it can be used;
//! - `RES NAME VALUE` for each number, and `END` after the last of an answer;
//! - anything else is for people and is passed on to the error output.
//!
//! It ends when its input does, so no child outlives its parent.

mod child;
mod fill;
mod lookups;
mod member;
mod nothing;
mod redis_load;
mod replica;

pub use child::Child;
pub use member::{Embedding, Way};

use crate::floor;
use anyhow::Result;
use clap::Subcommand;
use std::io::Write;
use std::time::Duration;

/// The roles.
#[derive(Subcommand, Debug)]
pub enum Role {
    /// Sends every byte back.
    Pong,
    /// Looks keys up in tables of this process.
    Lookups(lookups::Lookups),
    /// Fills a table and tells what memory it takes.
    Fill(fill::Fill),
    /// Answers Redis clients and does nothing.
    Nothing {
        /// Where to listen.
        port: u16,
    },
    /// Loads a Redis server, or what speaks like one.
    RedisLoad(redis_load::RedisLoad),
    /// Sends one byte at a time and waits for it.
    Ping {
        /// Where the pong listens.
        address: String,
        /// For how long.
        millis: u64,
    },
    /// Runs a node and writes to it.
    Member(member::Member),
    /// Runs a node that is filled, cut off and healed.
    Replica(replica::Replica),
}

/// Plays a role to its end.
pub fn play(role: Role) -> Result<()> {
    match role {
        Role::Pong => floor::pong(),
        Role::Lookups(options) => lookups::play(&options),
        Role::Fill(options) => fill::play(&options),
        Role::Nothing { port } => nothing::play(port),
        Role::RedisLoad(load) => redis_load::play(&load),
        Role::Ping { address, millis } => floor::ping(&address, Duration::from_millis(millis)),
        Role::Member(options) => member::run(options),
        Role::Replica(options) => replica::run(options),
    }
}

/// Says a line to the parent. A parent that is gone needs no answer, so errors are ignored.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Says a number to the parent.
pub fn result(name: &str, value: f64) {
    say(&format!("RES {name} {value}"));
}

/// Says that the answer is whole.
pub fn end() {
    say("END");
}
