//! Commands that look before they write: the leader of the island carries them out, one after the
//! other (`docs/redis.md`).

use tombolo::{Edit, Expect, Expiry, SerialError, SerialOp, Serially};

use super::{
    super::{
        failure::{Failure, quoted},
        marks::refusal,
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow, Slow,
};

/// A command on its way to the leader.
pub(crate) struct Serial {
    op: SerialOp,
    answer: Answer,
}

/// How a command says what came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// OK, or nothing if the condition was not met.
    Ok,
    /// What was there.
    Previous,
    /// 1 or 0.
    Whether,
    /// The new number, as an integer.
    Integer,
    /// The new number, as text.
    Number,
}

/// Carries out `op` at once if this node leads, and otherwise has the connection wait for whoever
/// does.
pub(crate) fn run(
    session: &mut Session,
    op: SerialOp,
    answer: Answer,
    reply: &mut Reply,
) -> Executed {
    let Some((receipt, outcome)) = session.table.serial_here(&op)? else {
        return Ok(Flow::Slow(Slow::Serial(Box::new(Serial { op, answer }))));
    };
    session.wrote(receipt);
    render(&outcome, answer, reply);
    Ok(Flow::Next)
}

/// Asks the leader, and waits for the answer and for those who must have the write.
pub(crate) async fn ask(
    session: &mut Session,
    serial: Serial,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let Serial { op, answer } = serial;
    let (ack, timeout) = (session.shared.settings.ack, session.shared.settings.ack_timeout);
    match session.table.serial(op, ack, timeout).await {
        Ok((_, outcome)) => render(&outcome, answer, reply),
        Err(SerialError::Timeout(lacking)) => {
            return Err(Failure::Other(refusal(&lacking, timeout)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn render(outcome: &Serially, answer: Answer, reply: &mut Reply) {
    let (met, told) = match outcome {
        Serially::Done(told) => (true, told),
        Serially::Unmet(holds) => (false, holds),
    };
    let told = told.as_deref();
    match answer {
        Answer::Ok if met => reply.ok(),
        Answer::Whether => reply.integer(met.into()),
        Answer::Integer => reply.integer(told.and_then(parse_i64).unwrap_or_default()),
        Answer::Previous | Answer::Number if told.is_some() => {
            reply.bulk(told.unwrap_or_default());
        }
        _ => reply.null(),
    }
}

/// A value that is put if the key shows what `expect` says.
pub(crate) fn put(key: &[u8], value: &[u8], expect: Expect, expiry: Expiry) -> SerialOp {
    SerialOp { expect, ..change(key, Edit::Put { value: value.into(), expiry }) }
}

/// What is done to a key whatever it shows.
fn change(key: &[u8], edit: Edit) -> SerialOp {
    SerialOp { key: key.to_vec(), expect: Expect::Anything, edit, tell_previous: false }
}

pub(crate) fn setnx(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let op = put(args.at(1), args.at(2), Expect::Absent, Expiry::Default);
    run(session, op, Answer::Whether, reply)
}

pub(crate) fn getset(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let op = put(args.at(1), args.at(2), Expect::Anything, Expiry::Default);
    run(session, SerialOp { tell_previous: true, ..op }, Answer::Previous, reply)
}

pub(crate) fn getdel(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let op = SerialOp { tell_previous: true, ..change(args.at(1), Edit::Delete) };
    run(session, op, Answer::Previous, reply)
}

pub(crate) fn incr(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    add(session, args, 1, reply)
}

pub(crate) fn decr(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    add(session, args, -1, reply)
}

pub(crate) fn incrby(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let by = parse_i64(args.at(2)).ok_or(Failure::NotInteger)?;
    add(session, args, by, reply)
}

pub(crate) fn decrby(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let by = parse_i64(args.at(2)).ok_or(Failure::NotInteger)?;
    let by = by.checked_neg().ok_or_else(|| Failure::other("ERR decrement would overflow"))?;
    add(session, args, by, reply)
}

fn add(session: &mut Session, args: Args<'_>, by: i64, reply: &mut Reply) -> Executed {
    run(session, change(args.at(1), Edit::Add(by)), Answer::Integer, reply)
}

pub(crate) fn incrbyfloat(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let by = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse::<f64>().ok());
    let by = by.filter(|by| by.is_finite());
    let by = by.ok_or_else(|| Failure::other("ERR value is not a valid float"))?;
    run(session, change(args.at(1), Edit::AddFloat(by)), Answer::Number, reply)
}

pub(crate) fn append(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    run(session, change(args.at(1), Edit::Append(args.at(2).into())), Answer::Integer, reply)
}

impl From<SerialError> for Failure {
    fn from(error: SerialError) -> Failure {
        use tombolo::Refused;
        let code = match &error {
            SerialError::Write(error) => return (*error).into(),
            SerialError::Refused(Refused::NotANumber(tombolo::INTEGER)) => {
                return Failure::NotInteger;
            }
            SerialError::Refused(Refused::NotANumber(_)) => {
                return Failure::other("ERR value is not a valid float");
            }
            SerialError::Refused(Refused::OutOfRange) => {
                return Failure::other("ERR increment or decrement would overflow");
            }
            SerialError::Refused(Refused::Quorum { .. }) => "NOREPLICAS",
            SerialError::NoLeader => "TRYAGAIN",
            SerialError::Uncertain { .. } | SerialError::Lost => "UNCERTAIN",
            SerialError::Timeout(_) => "NOACK",
            SerialError::Refused(_) => "ERR",
        };
        // What it says may hold names that other nodes chose.
        Failure::Other(quoted(format!("{code} {error}").as_bytes(), 512))
    }
}
