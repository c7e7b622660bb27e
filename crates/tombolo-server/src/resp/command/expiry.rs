//! When keys expire: EXPIRE and its relatives, TTL and its relatives, PERSIST.

use tombolo::{Change, unix_millis};

use super::{
    super::{failure::Failure, number::parse_i64, parser::Args, reply::Reply, session::Session},
    Executed, Flow,
};

/// How a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// From now on, in seconds.
    Seconds,
    /// From now on, in milliseconds.
    Millis,
    /// Since 1970, in seconds.
    UnixSeconds,
    /// Since 1970, in milliseconds.
    UnixMillis,
}

impl Expiry {
    /// The word that SET and GETEX have for it.
    pub(crate) fn from_word(word: &[u8]) -> Option<Expiry> {
        let words: [(&[u8], Expiry); 4] = [
            (b"ex", Expiry::Seconds),
            (b"px", Expiry::Millis),
            (b"exat", Expiry::UnixSeconds),
            (b"pxat", Expiry::UnixMillis),
        ];
        words.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
    }

    /// The time in milliseconds since 1970, where only times above zero are allowed.
    pub(crate) fn positive(
        self,
        time: &[u8],
        now: u64,
        command: &'static str,
    ) -> Result<u64, Failure> {
        let time = parse_i64(time).ok_or(Failure::NotInteger)?;
        let when = if time > 0 { self.resolve(time, now) } else { None };
        when.and_then(|when| u64::try_from(when).ok()).ok_or(Failure::ExpireTime(command))
    }

    fn resolve(self, time: i64, now: u64) -> Option<i64> {
        let base = i64::try_from(now).ok()?;
        match self {
            Expiry::Seconds => time.checked_mul(1000)?.checked_add(base),
            Expiry::Millis => time.checked_add(base),
            Expiry::UnixSeconds => time.checked_mul(1000),
            Expiry::UnixMillis => Some(time),
        }
    }
}

/// When EXPIRE does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Conditions, Failure> {
        let mut given = Conditions::default();
        for word in args.from(3) {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => given.if_none = true,
                b"xx" => given.if_some = true,
                b"gt" => given.if_later = true,
                b"lt" => given.if_earlier = true,
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(Failure::other(format!("ERR Unsupported option {word}")));
                }
            }
        }
        if given.if_none && (given.if_some || given.if_later || given.if_earlier) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(Failure::other(text));
        }
        if given.if_later && given.if_earlier {
            let text = "ERR GT and LT options at the same time are not compatible";
            return Err(Failure::other(text));
        }
        Ok(given)
    }

    /// A key that does not expire counts as one that expires after all times.
    fn hold(self, when: i64, current: Option<u64>) -> bool {
        let later = current.is_some_and(|current| i128::from(when) > i128::from(current));
        let earlier = current.is_none_or(|current| i128::from(when) < i128::from(current));
        (!self.if_none || current.is_none())
            && (!self.if_some || current.is_some())
            && (!self.if_later || later)
            && (!self.if_earlier || earlier)
    }
}

pub(crate) fn expire(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    change_expiry(session, args, Expiry::Seconds, "expire", reply)
}

pub(crate) fn pexpire(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    change_expiry(session, args, Expiry::Millis, "pexpire", reply)
}

pub(crate) fn expireat(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    change_expiry(session, args, Expiry::UnixSeconds, "expireat", reply)
}

pub(crate) fn pexpireat(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    change_expiry(session, args, Expiry::UnixMillis, "pexpireat", reply)
}

fn change_expiry(
    session: &mut Session,
    args: Args<'_>,
    kind: Expiry,
    command: &'static str,
    reply: &mut Reply,
) -> Executed {
    let conditions = Conditions::parse(args)?;
    let time = parse_i64(args.at(2)).ok_or(Failure::NotInteger)?;
    let now = unix_millis();
    let when = kind.resolve(time, now).ok_or(Failure::ExpireTime(command))?;
    let (receipt, done) = session.table.decide(args.at(1), |found| match found {
        Some(record) if conditions.hold(when, record.expires) => {
            let change = match u64::try_from(when) {
                Ok(when) if when > now => {
                    Change::Put { value: record.value.to_vec(), expires: Some(when) }
                }
                _ => Change::Delete,
            };
            (change, true)
        }
        _ => (Change::Keep, false),
    })?;
    session.wrote(receipt);
    reply.integer(done.into());
    Ok(Flow::Next)
}

pub(crate) fn persist(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let (receipt, done) = session.table.decide(args.at(1), |found| match found {
        Some(record) if record.expires.is_some() => {
            (Change::Put { value: record.value.to_vec(), expires: None }, true)
        }
        _ => (Change::Keep, false),
    })?;
    session.wrote(receipt);
    reply.integer(done.into());
    Ok(Flow::Next)
}

pub(crate) fn ttl(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let now = unix_millis();
    tell_expiry(session, args, reply, |when| round_to_seconds(when.saturating_sub(now)))
}

pub(crate) fn pttl(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    let now = unix_millis();
    tell_expiry(session, args, reply, |when| when.saturating_sub(now))
}

pub(crate) fn expiretime(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    tell_expiry(session, args, reply, round_to_seconds)
}

pub(crate) fn pexpiretime(session: &mut Session, args: Args<'_>, reply: &mut Reply) -> Executed {
    tell_expiry(session, args, reply, |when| when)
}

fn tell_expiry(
    session: &Session,
    args: Args<'_>,
    reply: &mut Reply,
    express: impl FnOnce(u64) -> u64,
) -> Executed {
    let expires = session.table.read(args.at(1), |found| found.map(|record| record.expires));
    reply.integer(match expires {
        None => -2,
        Some(None) => -1,
        Some(Some(when)) => i64::try_from(express(when)).unwrap_or(i64::MAX),
    });
    Ok(Flow::Next)
}

fn round_to_seconds(millis: u64) -> u64 {
    millis.saturating_add(500) / 1000
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Expiry};
    use crate::resp::{command::tests::with_args, failure::Failure};

    fn parse(line: &str) -> Result<Conditions, Failure> {
        with_args(line, Conditions::parse)
    }

    #[test]
    fn conditions() {
        let cases = [
            ("nx", None, true),
            ("nx", Some(5), false),
            ("xx", None, false),
            ("xx", Some(5), true),
            ("gt", None, false),
            ("gt", Some(10), false),
            ("gt", Some(9), true),
            ("lt", None, true),
            ("lt", Some(10), false),
            ("lt", Some(11), true),
            ("xx lt", None, false),
        ];
        for (words, current, expected) in cases {
            let conditions = parse(&format!("expire k 10 {words}")).unwrap();
            assert_eq!(conditions.hold(10, current), expected, "{words} {current:?}");
        }
    }

    #[test]
    fn contradictions_in_the_words_of_redis() {
        let refusal = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            refusal("expire k 1 nx gt"),
            "ERR NX and XX, GT or LT options at the same time are not compatible"
        );
        assert_eq!(
            refusal("expire k 1 gt lt"),
            "ERR GT and LT options at the same time are not compatible"
        );
        assert_eq!(refusal("expire k 1 foo"), "ERR Unsupported option foo");
    }

    #[test]
    fn times_that_overflow_are_none() {
        assert_eq!(Expiry::Seconds.resolve(i64::MAX / 1000, 1_000), None);
        assert_eq!(Expiry::Seconds.resolve(i64::MIN, 1_000), None);
        assert_eq!(Expiry::Millis.resolve(i64::MAX, 1), None);
        assert_eq!(Expiry::Seconds.resolve(-3, 1_000), Some(-2_000));
        assert_eq!(Expiry::UnixMillis.resolve(i64::MAX, 1), Some(i64::MAX));
    }
}
