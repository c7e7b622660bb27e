//! TOMBOLO RANGE and its relatives: tables in the order of their keys.

use std::ops::{Bound, ControlFlow};

use tombolo::{NotOrdered, RawRecord};

use super::{
    super::{
        failure::{Failure, quoted},
        number::parse_i64,
        parser::Args,
        reply::Reply,
        session::Session,
    },
    Executed, Flow, Range, Slow,
};

/// How many records a range has unless it is asked for more.
const DEFAULT_LIMIT: usize = 1_000;
/// Records shown before others get their turn.
const STEP: usize = 512;

pub(crate) fn range(session: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    let range = parse(args)?;
    // At once, whatever the range is.
    session.table.first(|_, _| ())?;
    Ok(Flow::Slow(Slow::Range(Box::new(range))))
}

fn parse(args: Args<'_>) -> Result<Range, Failure> {
    let (from, to) = (args.at(2), args.at(3));
    if from == b"+" || to == b"-" {
        return Err(Failure::other("ERR the lower end of a range comes first, also with REV"));
    }
    let (from, to) = (parse_end(from)?, parse_end(to)?);
    let mut range = Range { from, to, back: false, limit: DEFAULT_LIMIT };
    let mut words = args.from(4);
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_slice() {
            b"rev" => range.back = true,
            b"limit" => {
                let limit = parse_i64(words.next().unwrap_or_default());
                let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                range.limit = limit.ok_or_else(|| {
                    Failure::other("ERR LIMIT is not a number of records, 0 or more")
                })?;
            }
            _ => return Err(Failure::option(word, "REV or LIMIT count")),
        }
    }
    Ok(range)
}

/// One end of a range, in the notation of ZRANGEBYLEX.
fn parse_end(word: &[u8]) -> Result<Bound<Vec<u8>>, Failure> {
    match word {
        b"-" | b"+" => Ok(Bound::Unbounded),
        [b'[', key @ ..] => Ok(Bound::Included(key.to_vec())),
        [b'(', key @ ..] => Ok(Bound::Excluded(key.to_vec())),
        other => {
            let other = quoted(other, 128);
            Err(Failure::Other(format!(
                "ERR '{other}' is not the end of a range: it is [key with the key, (key without \
                 it, - from the lowest or + to the greatest"
            )))
        }
    }
}

/// Shows a range, and lets others go on meanwhile: it is no snapshot.
pub(crate) async fn range_in_steps(
    session: &mut Session,
    mut range: Range,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let mut found = Reply::default();
    let mut count = 0;
    while count < range.limit && !is_empty(&range) {
        let most = STEP.min(range.limit - count);
        let mut last: Option<Vec<u8>> = None;
        let mut step = 0;
        let see = |key: &[u8], record: RawRecord<'_>| {
            pair(key, record, &mut found);
            step += 1;
            if step < most {
                return ControlFlow::Continue(());
            }
            last = Some(key.to_vec());
            ControlFlow::Break(())
        };
        let (from, to) = (slice(&range.from), slice(&range.to));
        if range.back {
            session.table.range_back(from, to, see)?;
        } else {
            session.table.range(from, to, see)?;
        }
        count += step;
        // Without a last one the range is at its end.
        let Some(last) = last else { break };
        let end = if range.back { &mut range.to } else { &mut range.from };
        *end = Bound::Excluded(last);
        tokio::task::yield_now().await;
    }
    reply.array(count);
    reply.raw(found.bytes());
    Ok(())
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Whether no key can be between the ends, which an index need not take for a range at all.
fn is_empty(range: &Range) -> bool {
    match (&range.from, &range.to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}

fn pair(key: &[u8], record: RawRecord<'_>, reply: &mut Reply) {
    reply.array(2);
    reply.bulk(key);
    reply.bulk(record.value);
}

pub(crate) fn first(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let shown = session.table.first(|key, record| pair(key, record, reply));
    or_null(shown, reply)
}

pub(crate) fn last(session: &mut Session, _: Args<'_>, reply: &mut Reply) -> Executed {
    let shown = session.table.last(|key, record| pair(key, record, reply));
    or_null(shown, reply)
}

pub(crate) fn next(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let shown = session.table.next(args.at(2), |key, record| pair(key, record, reply));
    or_null(shown, reply)
}

pub(crate) fn previous(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let shown = session.table.previous(args.at(2), |key, record| pair(key, record, reply));
    or_null(shown, reply)
}

fn or_null(shown: Result<Option<()>, NotOrdered>, reply: &mut Reply) -> Executed {
    if shown?.is_none() {
        reply.null();
    }
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::{DEFAULT_LIMIT, is_empty, parse};
    use crate::resp::command::tests::with_args;

    #[test]
    fn ends_and_options() {
        with_args("tombolo range [a (b REV limit 5", |args| {
            let range = parse(args).unwrap();
            assert_eq!(range.from, Bound::Included(b"a".to_vec()));
            assert_eq!(range.to, Bound::Excluded(b"b".to_vec()));
            assert_eq!((range.back, range.limit), (true, 5));
        });
        with_args("tombolo range - +", |args| {
            let range = parse(args).unwrap();
            assert_eq!((range.from, range.to), (Bound::Unbounded, Bound::Unbounded));
            assert_eq!((range.back, range.limit), (false, DEFAULT_LIMIT));
        });
    }

    #[test]
    fn ranges_with_nothing_between_their_ends() {
        let empty = |line| with_args(line, |args| is_empty(&parse(args).unwrap()));
        for line in ["tombolo range [b [a", "tombolo range (a (a", "tombolo range [a (a"] {
            assert!(empty(line), "{line}");
        }
        for line in ["tombolo range [a [a", "tombolo range - (a", "tombolo range (b +"] {
            assert!(!empty(line), "{line}");
        }
    }

    #[test]
    fn refusals() {
        let cases = [
            ("tombolo range a [b", "[key with the key"),
            ("tombolo range + -", "the lower end of a range comes first"),
            ("tombolo range - + limit", "LIMIT is not a number"),
            ("tombolo range - + limit x", "LIMIT is not a number"),
            ("tombolo range - + limit -1", "LIMIT is not a number"),
            ("tombolo range - + foo", "REV or LIMIT count"),
        ];
        for (line, part) in cases {
            let refusal = with_args(line, |args| parse(args).err().unwrap().to_string());
            assert!(refusal.contains(part), "{line}: {refusal}");
        }
    }
}
