//! Commands: which there are, and the way from a request to its reply.
//!
//! Each file holds a group of commands: reading the words, executing, and writing the answer.
//! A command that has to wait for something returns it as [`Slow`], and the connection waits.

use std::{ops::Bound, time::Duration};

use tombolo::{Ack, Declaration, Kind};

use super::{
    failure::{Failure, quoted},
    parser::Args,
    reply::Reply,
    session::Session,
};

mod bags;
mod clients;
mod config;
mod conflicts;
mod expiry;
mod greeting;
mod info;
mod introspection;
mod keys;
mod lookup;
mod ordered;
mod pause;
mod receipts;
mod scan;
mod serial;
mod set;
mod spec;
mod strings;
mod tables;
#[cfg(test)]
mod tests;
mod wait;

/// What a connection does after a command.
pub(crate) enum Flow {
    /// The next command.
    Next,
    /// Send the replies and end.
    Close,
    /// Finish this first; its reply is not written yet.
    Slow(Slow),
}

/// The part of a command that has to wait, or is too long to be done at a stretch.
pub(crate) enum Slow {
    /// Select a numbered table that may not exist yet.
    Select(u8),
    Create {
        name: String,
        declaration: Declaration,
    },
    Keys {
        pattern: Vec<u8>,
    },
    Flush,
    Wait {
        peers: usize,
        timeout: Duration,
    },
    WaitFor {
        ack: Ack,
        timeout: Duration,
    },
    Range(Box<Range>),
    /// Ask the leader.
    Serial(Box<serial::Serial>),
    /// A write to a table that is paused.
    Turn(Box<pause::Waiting>),
}

/// What TOMBOLO RANGE asks for.
pub(crate) struct Range {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// The greatest key first.
    back: bool,
    limit: usize,
}

type Executed = Result<Flow, Failure>;

/// Executes one command and writes its reply, unless the rest of it is [`Slow`].
pub(crate) fn execute(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Flow {
    let start = reply.len();
    match attempt(session, args, reply) {
        Ok(Flow::Slow(Slow::Turn(waiting))) => {
            reply.truncate(start);
            Flow::Slow(Slow::Turn(waiting))
        }
        Ok(flow) => flow,
        Err(failure) => {
            reply.truncate(start);
            reply.error(&failure.to_string());
            Flow::Next
        }
    }
}

/// Does the waiting part of a command and writes its reply.
pub(crate) async fn finish(slow: Slow, session: &mut Session, reply: &mut Reply) {
    let start = reply.len();
    let result = match slow {
        Slow::Select(database) => greeting::select_created(session, database, reply).await,
        Slow::Create { name, declaration } => {
            tables::create_now(session, &name, declaration, reply).await
        }
        Slow::Keys { pattern } => scan::keys_in_steps(session, &pattern, reply).await,
        Slow::Flush => keys::flush_in_steps(session, reply).await,
        Slow::Wait { peers, timeout } => wait::wait_now(session, peers, timeout, reply).await,
        Slow::WaitFor { ack, timeout } => receipts::wait_now(session, ack, timeout, reply).await,
        Slow::Serial(serial) => serial::ask(session, *serial, reply).await,
        Slow::Range(range) => ordered::range_in_steps(session, *range, reply).await,
        Slow::Turn(waiting) => match pause::execute_in_turn(session, &waiting, reply).await {
            Ok(Flow::Slow(slow)) => return Box::pin(finish(slow, session, reply)).await,
            // No write ends the connection.
            Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        },
    };
    if let Err(failure) = result {
        reply.truncate(start);
        reply.error(&failure.to_string());
    }
}

/// The name of a command by the number that the session keeps of its latest one.
pub(crate) fn name_of(number: u16) -> &'static str {
    lookup::by_number(number).map_or("NULL", |spec| spec.name)
}

fn attempt(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let Some((mut number, mut spec)) = lookup::find(args.at(0)) else {
        return unknown(args);
    };
    if let (false, Some(got)) = (spec.subcommands.is_empty(), args.get(1)) {
        (number, spec) = lookup::find_subcommand(number, spec, got).ok_or_else(|| {
            let command = spec.name.to_ascii_uppercase();
            Failure::UnknownSubcommand { command, got: quoted(got, 128) }
        })?;
    }
    if !spec.takes(args.len()) {
        return Err(Failure::Arity(spec.name));
    }
    if !session.authenticated && !spec.has(spec::NO_AUTH) {
        return Err(Failure::NotAuthenticated);
    }
    if spec.has(spec::READ | spec::WRITE) && !session.table.is_writable() {
        return Err(Failure::Loading);
    }
    match session.kind {
        Kind::Bag if spec.has(spec::VALUES) => return Err(Failure::NeedsValues),
        Kind::Bag => {}
        other if spec.has(spec::OBJECTS) => return Err(Failure::NeedsBag(other)),
        _ => {}
    }
    session.command = number;
    let writes = spec.has(spec::WRITE) && !session.in_turn;
    if writes && session.table.is_paused() {
        return pause::wait_in_line(session, args);
    }
    match (spec.run)(session, args, reply) {
        // Somebody paused the table at this very moment.
        Err(Failure::Paused) if writes => pause::wait_in_line(session, args),
        done => done,
    }
}

fn unknown(args: Args<'_>) -> Executed {
    let name = args.at(0);
    if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
        // A browser that was talked into sending a web form here: nothing it says is wanted.
        tracing::warn!("closed a Redis connection that speaks HTTP, perhaps a cross-site attack");
        return Ok(Flow::Close);
    }
    let mut shown = String::new();
    for arg in args.from(1) {
        if shown.len() >= 128 {
            break;
        }
        shown += &format!("'{}' ", quoted(arg, 128 - shown.len()));
    }
    let name = quoted(name, 128);
    let text = format!("ERR unknown command '{name}', with args beginning with: {shown}");
    Err(Failure::Other(text))
}
