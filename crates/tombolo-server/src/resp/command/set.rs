//! SET and the other commands that set keys.

use tombolo::{BatchError, Expect, Millis, SerialOp, unix_millis};

use super::{
    super::{failure::Failure, parser::Args, reply::Reply, session::Session},
    Executed, Flow,
    expiry::Expiry,
    serial::{self, Answer},
};

/// When SET sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Always,
    IfAbsent,
    IfPresent,
}

/// What follows the key and the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    condition: Condition,
    /// Return the old value.
    get: bool,
    keep_ttl: bool,
    expires: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, now: u64) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut expiry = None;
        let mut words = args.from(3);
        while let Some(word) = words.next() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"nx") && options.condition != Condition::IfPresent {
                options.condition = Condition::IfAbsent;
            } else if is(b"xx") && options.condition != Condition::IfAbsent {
                options.condition = Condition::IfPresent;
            } else if is(b"get") {
                options.get = true;
            } else if is(b"keepttl") && expiry.is_none() {
                options.keep_ttl = true;
            } else if expiry.is_none() && !options.keep_ttl {
                let kind = Expiry::from_word(word).ok_or(Failure::Syntax)?;
                expiry = Some((kind, words.next().ok_or(Failure::Syntax)?));
            } else {
                return Err(Failure::Syntax);
            }
        }
        // Only now, as in Redis: a wrong word anywhere goes before a wrong time.
        if let Some((kind, time)) = expiry {
            options.expires = Some(kind.positive(time, now, "set")?);
        }
        Ok(options)
    }

    /// Whether the record that is there now must be looked at.
    fn look_first(self) -> bool {
        self.condition != Condition::Always || self.get || self.keep_ttl
    }

    fn to_serial(self, key: &[u8], value: &[u8]) -> SerialOp {
        let expect = match self.condition {
            Condition::Always => Expect::Anything,
            Condition::IfAbsent => Expect::Absent,
            Condition::IfPresent => Expect::Present,
        };
        let expiry = match self.expires {
            Some(at) => tombolo::Expiry::At(Millis(at)),
            None if self.keep_ttl => tombolo::Expiry::Keep,
            None => tombolo::Expiry::Default,
        };
        SerialOp { tell_previous: self.get, ..serial::put(key, value, expect, expiry) }
    }
}

pub(crate) fn set(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    if args.len() == 3 {
        session.put(args.at(1), args.at(2), None)?;
        reply.ok();
        return Ok(Flow::Next);
    }
    let options = Options::parse(args, unix_millis())?;
    if options.look_first() {
        let op = options.to_serial(args.at(1), args.at(2));
        let answer = if options.get { Answer::Previous } else { Answer::Ok };
        return serial::run(session, op, answer, reply);
    }
    session.put(args.at(1), args.at(2), options.expires)?;
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn setex(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    set_expiring(session, args, Expiry::Seconds, "setex", reply)
}

pub(crate) fn psetex(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    set_expiring(session, args, Expiry::Millis, "psetex", reply)
}

fn set_expiring(
    session: &mut Session,
    args: Args<'_>,
    kind: Expiry,
    command: &'static str,
    reply: &mut Reply,
) -> Executed {
    let expires = kind.positive(args.at(2), unix_millis(), command)?;
    session.put(args.at(1), args.at(3), Some(expires))?;
    reply.ok();
    Ok(Flow::Next)
}

pub(crate) fn mset(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    if args.len().is_multiple_of(2) {
        return Err(Failure::Arity("mset"));
    }
    let pairs = || (1..args.len()).step_by(2).map(|pair| (args.at(pair), args.at(pair + 1)));
    let batch = session.table.batch();
    let batch = pairs().fold(batch, |batch, (key, value)| batch.put(key, value, None));
    match batch.write() {
        Ok(receipt) => session.wrote(receipt),
        Err(BatchError::Write(error)) => return Err(error.into()),
        // More than can be written together.
        Err(BatchError::TooMany { .. } | BatchError::TooLarge { .. } | BatchError::Parts) => {
            for (key, value) in pairs() {
                session.put(key, value, None)?;
            }
        }
    }
    reply.ok();
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::{Condition, Options};
    use crate::resp::{command::tests::with_args, failure::Failure};

    fn parse(line: &str) -> Result<Options, Failure> {
        with_args(line, |args| Options::parse(args, 1_000))
    }

    fn refusal(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn options_in_any_order_and_case() {
        let options = parse("set k v get Ex 10 nx").unwrap();
        let condition = Condition::IfAbsent;
        let expected = Options { condition, get: true, keep_ttl: false, expires: Some(11_000) };
        assert_eq!(options, expected);
        assert_eq!(parse("set k v px 5").unwrap().expires, Some(1_005));
        assert_eq!(parse("set k v exat 5").unwrap().expires, Some(5_000));
        assert_eq!(parse("set k v pxat 5").unwrap().expires, Some(5));
        assert!(parse("set k v keepttl xx").unwrap().keep_ttl);
    }

    #[test]
    fn contradictions_are_syntax_errors() {
        for line in [
            "set k v nx xx",
            "set k v xx nx",
            "set k v ex 10 px 10",
            "set k v ex 10 keepttl",
            "set k v keepttl ex 10",
            "set k v ex",
            "set k v nonsense",
            "set k v ex abc nonsense",
        ] {
            assert_eq!(refusal(line), "ERR syntax error", "{line}");
        }
    }

    #[test]
    fn times_that_are_none() {
        assert_eq!(refusal("set k v ex 1.5"), "ERR value is not an integer or out of range");
        for time in ["0", "-1", "9223372036854775807", "9223372036854775"] {
            let line = format!("set k v ex {time}");
            assert_eq!(refusal(&line), "ERR invalid expire time in 'set' command", "{line}");
        }
    }
}
