//! TOMBOLO PAUSE and UNPAUSE, and what becomes of writes to a table that is paused.

use super::{
    super::{
        failure::{Failure, quoted},
        parser::{Args, Span},
        reply::Reply,
        session::Session,
    },
    Executed, Flow, Slow, attempt,
};
use crate::operate;

/// A command that waits for its turn, as it came.
pub(crate) struct Waiting {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Waiting {
    fn of(args: Args<'_>) -> Waiting {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for word in args.from(0) {
            spans.push(Span::new(bytes.len(), word.len()));
            bytes.extend_from_slice(word);
        }
        Waiting { bytes, spans }
    }
}

pub(crate) fn pause(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let table = operate::table(&session.shared.node, &quoted(args.at(2), 256))?;
    session.guards.push((table.name().to_owned(), table.pause()));
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn unpause(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let name = quoted(args.at(2), 256);
    let Some(held) = session.guards.iter().rposition(|(table, _)| *table == name) else {
        return Err(Failure::Other(format!(
            "ERR this connection has not paused table {name:?}; a pause ends with UNPAUSE on the \
             connection that said PAUSE, or with that connection"
        )));
    };
    drop(session.guards.remove(held));
    reply.ok();
    Ok(Flow::Next)
}

/// A write to a table that is paused waits for its turn; not one of the connection that paused it,
/// which would wait for itself.
pub(crate) fn wait_in_line(session: &Session, args: Args<'_>) -> Executed {
    if session.guards.iter().any(|(table, _)| table == session.table.name()) {
        return Err(Failure::Other(
            "ERR this connection has paused the table: UNPAUSE it first, or write on another \
             connection"
                .to_owned(),
        ));
    }
    Ok(Flow::Slow(Slow::Turn(Box::new(Waiting::of(args)))))
}

/// Executes a command when it is its turn. What it still has to wait for then is returned.
pub(crate) async fn execute_in_turn(
    session: &mut Session,
    waiting: &Waiting,
    reply: &mut Reply,
) -> Executed {
    let table = session.table.clone();
    loop {
        let turn = table.unpaused().await?;
        let start = reply.len();
        session.in_turn = true;
        let done = attempt(session, Args::new(&waiting.bytes, &waiting.spans), reply);
        session.in_turn = false;
        drop(turn);
        match done {
            // Somebody paused the table at this very moment.
            Err(Failure::Paused) => reply.truncate(start),
            done => return done,
        }
    }
}
