//! Commands on keys whatever their values are, and on the table as a whole.

use tombolo::{Kind, WriteError};

use super::{
    super::{failure::Failure, parser::Args, reply::Reply, session::Session},
    Executed, Flow, Slow, bags,
};

/// Keys deleted by FLUSHDB before others get their turn.
const STEP: usize = 512;

pub(crate) fn del(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let mut deleted = 0;
    for key in args.from(1) {
        deleted += i64::from(session.delete(key)?);
    }
    reply.integer(deleted);
    Ok(Flow::Next)
}

pub(crate) fn exists(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.count(args.from(1).filter(|key| is_there(session, key)).count());
    Ok(Flow::Next)
}

pub(crate) fn type_of(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    reply.simple(match is_there(session, args.at(1)) {
        false => "none",
        true => type_name(session.kind),
    });
    Ok(Flow::Next)
}

/// What Redis calls the values of a table.
pub(crate) fn type_name(kind: Kind) -> &'static str {
    if kind == Kind::Bag { "set" } else { "string" }
}

fn is_there(session: &Session, key: &[u8]) -> bool {
    match session.kind {
        Kind::Bag => bags::count(session, key) > 0,
        _ => session.table.read(key, |found| found.is_some()),
    }
}

pub(crate) fn randomkey(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    match session.table.random_key() {
        Some(key) => reply.bulk(&key),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

pub(crate) fn dbsize(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    reply.count(session.table.len());
    Ok(Flow::Next)
}

/// ASYNC and SYNC are the same: the reply comes when all is deleted, and others go on meanwhile.
pub(crate) fn flushdb(_: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    match (args.get(1), args.len()) {
        (None, _) => Ok(Flow::Slow(Slow::Flush)),
        (Some(word), 2)
            if word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync") =>
        {
            Ok(Flow::Slow(Slow::Flush))
        }
        _ => Err(Failure::Syntax),
    }
}

pub(crate) async fn flush_in_steps(
    session: &mut Session,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let mut cursor = 0;
    let mut found: Vec<Vec<u8>> = Vec::new();
    if session.kind == Kind::Bag {
        // What a scan of a bag shows are the places of its objects, which are not its keys.
        for keys in bags::keys(session).chunks(STEP) {
            for key in keys {
                delete_in_turn(session, key).await?;
            }
            tokio::task::yield_now().await;
        }
        reply.ok();
        return Ok(());
    }
    loop {
        cursor = session.table.scan(cursor, STEP, |key, _| found.push(key.to_vec()));
        for key in found.drain(..) {
            delete_in_turn(session, &key).await?;
        }
        if cursor == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    reply.ok();
    Ok(())
}

/// Deletes a key; if the table is paused in the middle of it all, goes on when it moves again.
async fn delete_in_turn(session: &mut Session, key: &[u8]) -> Result<(), Failure> {
    loop {
        match session.delete(key) {
            Err(WriteError::Paused) => drop(session.table.clone().unpaused().await?),
            done => return Ok(done.map(drop)?),
        }
    }
}
