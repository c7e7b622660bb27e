//! TOMBOLO CONFLICTS, SIBLINGS, RESOLVE and UNDO: what merges made of concurrent writes.

use tombolo::{Choice, Conflict, KeyEvent, Undecided};

use super::{
    super::{
        failure::{Failure, quoted},
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow,
    tables::{number_field, text_field},
};
use crate::operate::{self, LISTED, MOST_LISTED};

pub(crate) fn list(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let wanted = Wanted::parse(args)?;
    let tables = operate::tables(&session.shared.node, wanted.table.as_deref())?;
    let listing = operate::conflicts(&tables, wanted.limit);
    reply.map(4);
    reply.text("conflicts");
    reply.array(listing.conflicts.len());
    listing.conflicts.iter().for_each(|(one, text)| conflict(one, text, reply));
    reply.text("undecided");
    reply.array(listing.undecided.len());
    listing.undecided.iter().for_each(|(one, text)| undecided(one, text, reply));
    number_field("conflicts_left_out", listing.conflicts_left_out as u64, reply);
    number_field("undecided_left_out", listing.undecided_left_out as u64, reply);
    Ok(Flow::Next)
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    table: Option<String>,
    limit: usize,
}

impl Wanted {
    fn parse(args: Args<'_>) -> Result<Wanted, Failure> {
        let mut wanted = Wanted { table: None, limit: LISTED };
        let mut words = args.from(2);
        while let Some(word) = words.next() {
            let wrong = || Failure::option(word, "TABLE table or LIMIT count");
            let value = words.next().ok_or_else(wrong)?;
            match word.to_ascii_lowercase().as_slice() {
                b"table" => wanted.table = Some(quoted(value, 256)),
                b"limit" => {
                    let limit = parse_i64(value).and_then(|limit| usize::try_from(limit).ok());
                    let limit = limit.filter(|limit| (1..=MOST_LISTED).contains(limit));
                    wanted.limit = limit.ok_or_else(|| {
                        Failure::Other(format!("ERR LIMIT is a number from 1 to {MOST_LISTED}"))
                    })?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(wanted)
    }
}

fn conflict(conflict: &Conflict, key_text: &str, reply: &mut Reply) {
    reply.map(10);
    text_field("id", &conflict.id, reply);
    number_field("at", conflict.at, reply);
    text_field("table", &conflict.table, reply);
    reply.text("key");
    reply.bulk(&conflict.key);
    text_field("key_text", key_text, reply);
    text_field("policy", &conflict.policy, reply);
    text_field("outcome", operate::outcome(conflict.outcome), reply);
    reply.text("kept");
    match &conflict.kept {
        Some(kept) => event(kept, reply),
        None => reply.null(),
    }
    reply.text("lost");
    events(&conflict.lost, reply);
    optional_field("settled", conflict.settled, reply);
}

fn undecided(undecided: &Undecided, key_text: &str, reply: &mut Reply) {
    reply.map(6);
    text_field("table", &undecided.table, reply);
    reply.text("key");
    reply.bulk(&undecided.key);
    text_field("key_text", key_text, reply);
    number_field("since", undecided.since, reply);
    text_field("cause", &undecided.cause, reply);
    reply.text("siblings");
    events(&undecided.siblings, reply);
}

fn events(events: &[KeyEvent], reply: &mut Reply) {
    reply.array(events.len());
    events.iter().for_each(|one| event(one, reply));
}

fn event(event: &KeyEvent, reply: &mut Reply) {
    reply.map(5);
    text_field("dot", &event.dot, reply);
    number_field("written", event.written, reply);
    reply.text("value");
    match &event.value {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
    optional_field("expires", event.expires, reply);
    reply.text("outcome");
    reply.boolean(event.outcome);
}

fn optional_field(name: &str, value: Option<u64>, reply: &mut Reply) {
    match value {
        Some(value) => number_field(name, value, reply),
        None => {
            reply.text(name);
            reply.null();
        }
    }
}

pub(crate) fn siblings(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    events(&session.table.siblings(args.at(2)), reply);
    Ok(Flow::Next)
}

/// What RESOLVE is to leave of a key.
enum Decision<'a> {
    Take(String),
    Value(&'a [u8]),
    Delete,
}

impl<'a> Decision<'a> {
    fn parse(args: Args<'a>) -> Result<Decision<'a>, Failure> {
        let is = |name: &[u8]| args.at(4).eq_ignore_ascii_case(name);
        match (args.get(5), args.len()) {
            (Some(dot), 6) if is(b"take") => Ok(Decision::Take(quoted(dot, 512))),
            (Some(value), 6) if is(b"value") => Ok(Decision::Value(value)),
            (None, _) if is(b"delete") => Ok(Decision::Delete),
            _ => Err(Failure::other(
                "ERR say what the key is to hold: TAKE dot, VALUE value or DELETE",
            )),
        }
    }
}

pub(crate) fn resolve(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let decision = Decision::parse(args)?;
    let table = operate::table(&session.shared.node, &quoted(args.at(2), 256))?;
    let choice = match &decision {
        Decision::Take(dot) => Choice::Take(dot),
        Decision::Value(value) => Choice::Value(value),
        Decision::Delete => Choice::Delete,
    };
    let receipt = operate::resolve(&table, args.at(3), choice)?;
    session.wrote_to(table, receipt);
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn undo(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let tables = session.shared.node.raw_tables();
    let (table, receipt) = operate::undo(&tables, &quoted(args.at(2), 64))?;
    session.wrote_to(table, receipt);
    reply.ok();
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::{Decision, LISTED, Wanted};
    use crate::resp::command::tests::with_args;

    #[test]
    fn which_conflicts() {
        let parsed = |line| with_args(line, |args| Wanted::parse(args).unwrap());
        assert_eq!(parsed("tombolo conflicts"), Wanted { table: None, limit: LISTED });
        let wanted = Wanted { table: Some("t".to_owned()), limit: 5 };
        assert_eq!(parsed("tombolo conflicts limit 5 TABLE t"), wanted);
    }

    #[test]
    fn refusals() {
        let cases = [
            ("tombolo conflicts table", "syntax error"),
            ("tombolo conflicts t x", "TABLE table or LIMIT count"),
            ("tombolo conflicts limit 0", "LIMIT is a number from 1"),
            ("tombolo conflicts limit 1000000", "LIMIT is a number from 1"),
        ];
        for (line, part) in cases {
            let refusal = with_args(line, |args| Wanted::parse(args).unwrap_err().to_string());
            assert!(refusal.contains(part), "{line}: {refusal}");
        }
        for words in ["take", "value", "delete now", "keep", "take a b"] {
            let line = format!("tombolo resolve t k {words}");
            let refusal = with_args(&line, |args| Decision::parse(args).err().unwrap().to_string());
            assert!(refusal.contains("TAKE dot, VALUE value or DELETE"), "{words}: {refusal}");
        }
    }
}
