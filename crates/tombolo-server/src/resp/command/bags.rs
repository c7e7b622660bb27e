//! Redis's commands on sets, for bags: the members of a set are the objects of a key.

use super::{
    super::{parser::Args, reply::Reply, session::Session},
    Executed, Flow,
};

/// Answers with the number of objects that were not there. Adding one that is there is a write all
/// the same, so that a delete of it that another node makes meanwhile does not take it away.
pub(crate) fn sadd(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let key = args.at(1);
    let mut new = 0;
    for object in args.from(2) {
        new += i64::from(!session.table.contains_object(key, object));
        let receipt = session.table.add(key, object, None)?;
        session.wrote(receipt);
    }
    reply.integer(new);
    Ok(Flow::Next)
}

pub(crate) fn srem(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let key = args.at(1);
    let mut gone = 0;
    for object in args.from(2) {
        if let Some(receipt) = session.table.delete_object(key, object)? {
            session.wrote(receipt);
            gone += 1;
        }
    }
    reply.integer(gone);
    Ok(Flow::Next)
}

pub(crate) fn smembers(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let mut found = Reply::default();
    let mut count = 0;
    session.table.for_objects(args.at(1), |object| {
        found.bulk(object);
        count += 1;
    });
    reply.set(count);
    reply.raw(found.bytes());
    Ok(Flow::Next)
}

pub(crate) fn sismember(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.integer(session.table.contains_object(args.at(1), args.at(2)).into());
    Ok(Flow::Next)
}

pub(crate) fn smismember(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.array(args.len() - 2);
    for object in args.from(2) {
        reply.integer(session.table.contains_object(args.at(1), object).into());
    }
    Ok(Flow::Next)
}

pub(crate) fn scard(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.count(count(session, args.at(1)));
    Ok(Flow::Next)
}

/// How many objects a key of the selected bag has.
pub(crate) fn count(session: &Session, key: &[u8]) -> usize {
    let mut count = 0;
    session.table.for_objects(key, |_| count += 1);
    count
}

/// The keys of the selected bag, each once, in their order.
///
/// The library shows all objects at a stretch and cannot go on from a place, so this is one step
/// however many there are.
pub(crate) fn keys(session: &Session) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    session.table.for_each_object(|key, _| {
        if keys.last().is_none_or(|last| last != key) {
            keys.push(key.to_vec());
        }
    });
    keys
}
