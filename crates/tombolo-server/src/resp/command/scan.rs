//! Commands that look for keys: SCAN and KEYS.

use tombolo::Kind;

use super::{
    super::{
        failure::Failure, glob, number::parse_i64, parser::Args, reply::Reply, session::Session,
    },
    Executed, Flow, Slow, bags,
    keys::type_name,
};

/// What SCAN looks at when it is not told.
const DEFAULT_COUNT: usize = 10;
/// COUNT is a hint, and more at a stretch would keep others waiting.
const MAX_COUNT: usize = 4096;

#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    cursor: u64,
    pattern: Option<&'a [u8]>,
    count: usize,
    /// Only keys of this type; those of a table are all of one.
    wanted: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Options<'a>, Failure> {
        let cursor = parse_cursor(args.at(1))?;
        let mut options = Options { cursor, pattern: None, count: DEFAULT_COUNT, wanted: None };
        let mut words = args.from(2);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(Failure::Syntax)?;
            match word.to_ascii_lowercase().as_slice() {
                b"match" => options.pattern = Some(value).filter(|pattern| *pattern != b"*"),
                b"count" => {
                    let count = parse_i64(value).ok_or(Failure::NotInteger)?;
                    let count = usize::try_from(count).ok().filter(|count| *count > 0);
                    options.count = count.ok_or(Failure::Syntax)?.min(MAX_COUNT);
                }
                b"type" => options.wanted = Some(value),
                _ => return Err(Failure::Syntax),
            }
        }
        Ok(options)
    }
}

fn parse_cursor(text: &[u8]) -> Result<u64, Failure> {
    let digits = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'));
    let cursor = digits.and_then(|text| text.parse().ok());
    cursor.ok_or_else(|| Failure::other("ERR invalid cursor"))
}

pub(crate) fn scan(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let options = Options::parse(args)?;
    let own = type_name(session.kind).as_bytes();
    let of_type = options.wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(own));
    let mut found = Reply::default();
    let mut count = 0;
    let mut see = |key: &[u8]| {
        if of_type && options.pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
            found.bulk(key);
            count += 1;
        }
    };
    let next = match session.kind {
        // All at once: there is no cursor for the keys of a bag.
        Kind::Bag => {
            bags::keys(session).iter().for_each(|key| see(key));
            0
        }
        _ => session.table.scan(options.cursor, options.count, |key, _| see(key)),
    };
    reply.array(2);
    reply.text(&next.to_string());
    reply.array(count);
    reply.raw(found.bytes());
    Ok(Flow::Next)
}

pub(crate) fn keys(_: &mut Session, args: Args<'_>, _: &mut Reply) -> Executed {
    Ok(Flow::Slow(Slow::Keys { pattern: args.at(1).to_vec() }))
}

pub(crate) async fn keys_in_steps(
    session: &mut Session,
    pattern: &[u8],
    reply: &mut Reply,
) -> Result<(), Failure> {
    let mut found = Reply::default();
    let (mut count, mut cursor) = (0, 0);
    let mut see = |key: &[u8]| {
        if glob::matches(pattern, key) {
            found.bulk(key);
            count += 1;
        }
    };
    if session.kind == Kind::Bag {
        bags::keys(session).iter().for_each(|key| see(key));
    } else {
        loop {
            cursor = session.table.scan(cursor, MAX_COUNT, |key, _| see(key));
            if cursor == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    reply.array(count);
    reply.raw(found.bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MAX_COUNT, Options};
    use crate::resp::command::tests::with_args;

    #[test]
    fn options() {
        with_args("scan 17 MATCH a* count 100 TYPE string", |args| {
            let expected =
                Options { cursor: 17, pattern: Some(b"a*"), count: 100, wanted: Some(b"string") };
            assert_eq!(Options::parse(args).unwrap(), expected);
        });
        with_args("scan 0 count 1000000 match * type hash", |args| {
            let wanted = Some(b"hash".as_slice());
            let expected = Options { cursor: 0, pattern: None, count: MAX_COUNT, wanted };
            assert_eq!(Options::parse(args).unwrap(), expected);
        });
    }

    #[test]
    fn refusals_in_the_words_of_redis() {
        let cases = [
            ("scan x", "ERR invalid cursor"),
            ("scan -1", "ERR invalid cursor"),
            ("scan 0 match", "ERR syntax error"),
            ("scan 0 count 0", "ERR syntax error"),
            ("scan 0 count x", "ERR value is not an integer or out of range"),
            ("scan 0 foo bar", "ERR syntax error"),
        ];
        for (line, text) in cases {
            let refusal = with_args(line, |args| Options::parse(args).unwrap_err().to_string());
            assert_eq!(refusal, text, "{line}");
        }
    }
}
