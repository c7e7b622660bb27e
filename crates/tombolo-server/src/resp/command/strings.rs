//! Commands on the value of a key, other than those that only set it.

use tombolo::{Change, unix_millis};

use super::{
    super::{failure::Failure, parser::Args, reply::Reply, session::Session},
    Executed, Flow,
    expiry::Expiry,
};

pub(crate) fn get(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    read_value(session, args.at(1), reply);
    Ok(Flow::Next)
}

pub(crate) fn mget(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.array(args.len() - 1);
    for key in args.from(1) {
        read_value(session, key, reply);
    }
    Ok(Flow::Next)
}

pub(crate) fn strlen(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let length =
        session.table.read(args.at(1), |found| found.map_or(0, |record| record.value.len()));
    reply.count(length);
    Ok(Flow::Next)
}

/// What GETEX does to the expiry.
#[derive(Clone, Copy)]
enum NewExpiry {
    Unchanged,
    Never,
    At(u64),
}

pub(crate) fn getex(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let now = unix_millis();
    let new = parse_getex(args, now)?;
    if matches!(new, NewExpiry::Unchanged) {
        read_value(session, args.at(1), reply);
        return Ok(Flow::Next);
    }
    let (receipt, ()) = session.table.decide(args.at(1), |found| {
        let Some(record) = found else {
            reply.null();
            return (Change::Keep, ());
        };
        reply.bulk(record.value);
        let expires = match new {
            NewExpiry::At(when) if when <= now => return (Change::Delete, ()),
            NewExpiry::At(when) => Some(when),
            NewExpiry::Never | NewExpiry::Unchanged => None,
        };
        if expires == record.expires {
            return (Change::Keep, ());
        }
        (Change::Put { value: record.value.to_vec(), expires }, ())
    })?;
    session.wrote(receipt);
    Ok(Flow::Next)
}

fn parse_getex(args: Args<'_>, now: u64) -> Result<NewExpiry, Failure> {
    match (args.get(2), args.get(3), args.len()) {
        (None, ..) => Ok(NewExpiry::Unchanged),
        (Some(word), _, 3) if word.eq_ignore_ascii_case(b"persist") => Ok(NewExpiry::Never),
        (Some(word), Some(time), 4) => {
            let expiry = Expiry::from_word(word).ok_or(Failure::Syntax)?;
            Ok(NewExpiry::At(expiry.positive(time, now, "getex")?))
        }
        _ => Err(Failure::Syntax),
    }
}

fn read_value(session: &Session, key: &[u8], reply: &mut Reply) {
    session.table.read(key, |found| match found {
        Some(record) => reply.bulk(record.value),
        None => reply.null(),
    });
}
