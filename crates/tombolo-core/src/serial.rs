//! Serial operations (rule 12): what is asked of a leader, and what it answers.
//!
//! A request is data, so that it can travel and be repeated: a condition on what the key shows, and
//! what to do to it. It has an id, and the op that carries it out carries the id: whoever has the
//! op knows that the request was carried out, and does not carry it out again.
//!
//! Ids need not be remembered for long: with every request the asker says below which number it
//! waits for nothing any more (after RIFL: Lee, Park, Kejriwal, Matsushita and Ousterhout,
//! "Implementing Linearizability at Large Scale and Low Latency", SOSP 2015).

use crate::clock::Dot;
use crate::entry::EntryRef;
use crate::id::Incarnation;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// One request of one process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId {
    /// The process that asks.
    pub origin: Incarnation,
    /// Which of its requests, over all tables.
    pub number: u64,
}

/// What a key must show for an operation to be carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Anything or nothing.
    Anything,
    /// Nothing.
    Absent,
    /// Some value.
    Present,
    /// This very value.
    Value(Box<[u8]>),
}

/// When what is written expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// By the table's default.
    Default,
    /// When what is there now would; by the table's default if nothing is.
    Keep,
    /// At this moment.
    At(Millis),
}

/// What is done to a key.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// It holds this value from now on.
    Put {
        /// The value.
        value: Box<[u8]>,
        /// When it expires.
        expiry: Expiry,
    },
    /// It holds nothing from now on.
    Delete,
    /// These bytes come behind what it holds.
    Append(Box<[u8]>),
    /// This is added to what it holds: a 64-bit number in decimal digits, 0 if it holds nothing.
    Add(i64),
    /// This is added to what it holds: a number in decimal digits, 0 if it holds nothing.
    AddFloat(f64),
}

/// What a leader is asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// The asker waits for no request below this number any more.
    pub floor: u64,
    /// How often it was asked before. That nothing was done counts only as the answer to the last
    /// time: an earlier question may still be on its way.
    pub attempt: u32,
    /// The key.
    pub key: Box<[u8]>,
    /// On what condition.
    pub expect: Expect,
    /// What to do.
    pub edit: Edit,
    /// Whether the asker wants to know what was there before a [`Edit::Put`] or [`Edit::Delete`].
    pub tell_previous: bool,
    /// How many nodes must have it before it is answered, the leader included; every node that is
    /// linked with the leader if no number is given.
    pub copies: Option<u32>,
    /// For how many milliseconds the leader may wait for that.
    pub patience: u32,
}

/// The part of a request that goes with its op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestRef<'a> {
    /// The request.
    pub id: RequestId,
    /// The asker waits for no request below this number any more.
    pub floor: u64,
    /// What the asker is told besides that it was done.
    pub told: Option<&'a [u8]>,
    /// Whether that is too large to be remembered: more than [`TOLD_BYTES`].
    pub lost: bool,
}

/// A request that was carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// The request.
    pub id: RequestId,
    /// The asker waits for no request below this number any more.
    pub floor: u64,
    /// The write that carried it out.
    pub dot: Dot,
    /// What the asker is told besides that it was done.
    pub told: Option<Arc<[u8]>>,
    /// Whether that was too large to be remembered.
    pub lost: bool,
    /// Whether whoever tells of it will soon forget it.
    pub old: bool,
}

/// What a leader says to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It is done.
    Done(Done),
    /// The key does not show what was expected, but this. Nothing was done.
    Unmet(Option<Arc<[u8]>>),
    /// It cannot be done, whoever is asked. Nothing was done.
    Refused(Refused),
    /// It was carried out by a leader that is gone, and nobody in this island is known to have what
    /// it wrote. It may be lost, or come when another island joins; it is not carried out again.
    Uncertain,
    /// Whoever was asked does not lead, or not yet: ask again. Nothing was done by it.
    Again,
}

/// A request that was carried out, as its asker is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// The write that carried it out; none if there was nothing to change.
    pub dot: Option<Dot>,
    /// What was there before, for [`Edit::Put`] and [`Edit::Delete`], if that was asked for and
    /// there was something; the new number for [`Edit::Add`] and [`Edit::AddFloat`]; the new
    /// length in decimal digits for [`Edit::Append`].
    pub told: Option<Arc<[u8]>>,
    /// Whether that is lost: it had more than [`TOLD_BYTES`], and the leader that carried the
    /// request out ended before it could tell, or its answer was dropped from a full queue.
    pub lost: bool,
    /// The nodes that have it, besides the leader.
    pub by: Arc<[String]>,
    /// The nodes that were waited for in vain.
    pub missing: Vec<String>,
}

/// Why a request cannot be carried out. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The key holds something else than a number of that kind.
    #[error("the value is not {0}")]
    NotANumber(&'static str),
    /// The sum is no such number.
    #[error("the result would be out of range")]
    OutOfRange,
    /// Key and value together would be larger than a record may be.
    #[error("the value would be too large")]
    TooLarge,
    /// The island has too few members.
    #[error("the island has {members} members, and the table requires {required}")]
    Quorum {
        /// How many members carry the table in the leader's island.
        members: u32,
        /// How many the table requires.
        required: u32,
    },
}

/// How many bytes of what an asker is told go with the op, for a leader that is asked again.
pub const TOLD_BYTES: usize = 4_096;

/// What the numbers of [`Edit::Add`] are called in errors.
pub const INTEGER: &str = "an integer or out of range";
/// What the numbers of [`Edit::AddFloat`] are called in errors.
pub const FLOAT: &str = "a valid float";

/// What an edit comes to, given what the key shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// To be written.
    Put {
        /// The value.
        value: Box<[u8]>,
        /// When it expires; by the table's default if nothing is said.
        expires: Option<Millis>,
        /// What the asker is told.
        told: Option<Arc<[u8]>>,
    },
    /// To be deleted.
    Delete {
        /// What the asker is told.
        told: Option<Arc<[u8]>>,
    },
    /// It is done already: there is nothing to delete.
    Nothing,
    /// The condition is not met.
    Unmet(Option<Arc<[u8]>>),
    /// It cannot be done.
    Refused(Refused),
}

impl Reply {
    /// Whether something was done, so that it counts whichever question it answers.
    pub fn is_done(&self) -> bool {
        matches!(self, Reply::Done(Done { dot: Some(_), .. }))
    }
}

impl Done {
    /// There was nothing to change.
    pub fn nothing() -> Done {
        Done { dot: None, told: None, lost: false, by: Arc::default(), missing: Vec::new() }
    }
}

impl Expect {
    fn is_met(&self, shown: Option<&[u8]>) -> bool {
        match self {
            Expect::Anything => true,
            Expect::Absent => shown.is_none(),
            Expect::Present => shown.is_some(),
            Expect::Value(value) => shown == Some(value),
        }
    }
}

impl Edit {
    /// What is to be done, if the key shows `shown`. `most` is how many bytes a value may have.
    pub fn decide(
        &self,
        expect: &Expect,
        tell_previous: bool,
        shown: Option<EntryRef<'_>>,
        most: usize,
    ) -> Decision {
        let value = shown.and_then(|entry| entry.value);
        if !expect.is_met(value) {
            return Decision::Unmet(value.map(Arc::from));
        }
        let previous = || value.filter(|_| tell_previous).map(Arc::from);
        let kept = shown.and_then(|entry| entry.expires);
        let decision = match self {
            Edit::Put { value, expiry } => {
                let expires = match expiry {
                    Expiry::Default => None,
                    Expiry::Keep => kept,
                    Expiry::At(at) => Some(*at),
                };
                Decision::Put { value: value.clone(), expires, told: previous() }
            }
            Edit::Delete if value.is_none() => Decision::Nothing,
            Edit::Delete => Decision::Delete { told: previous() },
            Edit::Append(bytes) => {
                let value = [value.unwrap_or_default(), bytes].concat();
                let told = Some(value.len().to_string().as_bytes().into());
                Decision::Put { value: value.into(), expires: kept, told }
            }
            Edit::Add(by) => match sum(value, *by) {
                Ok(sum) => number(sum.to_string(), kept),
                Err(refused) => Decision::Refused(refused),
            },
            Edit::AddFloat(by) => match sum_of_floats(value, *by) {
                Ok(sum) => number(sum.to_string(), kept),
                Err(refused) => Decision::Refused(refused),
            },
        };
        match decision {
            Decision::Put { value, .. } if value.len() > most => {
                Decision::Refused(Refused::TooLarge)
            }
            other => other,
        }
    }
}

fn number(digits: String, expires: Option<Millis>) -> Decision {
    let told = Some(digits.as_bytes().into());
    Decision::Put { value: digits.into_bytes().into(), expires, told }
}

fn sum(value: Option<&[u8]>, by: i64) -> Result<i64, Refused> {
    let Some(value) = value else { return Ok(by) };
    let text = core::str::from_utf8(value).ok();
    let known = text.and_then(|text| text.parse::<i64>().ok().filter(|n| n.to_string() == text));
    known.ok_or(Refused::NotANumber(INTEGER))?.checked_add(by).ok_or(Refused::OutOfRange)
}

fn sum_of_floats(value: Option<&[u8]>, by: f64) -> Result<f64, Refused> {
    let known = match value {
        None => 0.0,
        Some(value) => {
            let text = core::str::from_utf8(value).ok();
            let number = text.and_then(|text| text.parse::<f64>().ok());
            number.filter(|n| n.is_finite()).ok_or(Refused::NotANumber(FLOAT))?
        }
    };
    let sum = known + by;
    if sum.is_finite() { Ok(sum) } else { Err(Refused::OutOfRange) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Mark;
    use crate::time::Stamp;

    fn decide(edit: &Edit, expect: &Expect, value: Option<&str>) -> Decision {
        let dot = Dot { origin: Incarnation(1), seq: 1 };
        let (stamp, mark, expires) = (Stamp(1), Mark::default(), Some(Millis(9)));
        let shown =
            value.map(|v| EntryRef { dot, stamp, mark, expires, value: Some(v.as_bytes()) });
        edit.decide(expect, true, shown, 20)
    }

    fn put(value: &str) -> Edit {
        Edit::Put { value: value.as_bytes().into(), expiry: Expiry::Default }
    }

    fn told(decision: &Decision) -> Option<&str> {
        match decision {
            Decision::Put { told, .. } | Decision::Delete { told } => {
                told.as_deref().and_then(|told| core::str::from_utf8(told).ok())
            }
            _ => None,
        }
    }

    #[test]
    fn a_condition_that_is_not_met_changes_nothing_and_tells_what_is_there() {
        let there = Decision::Unmet(Some(b"a"[..].into()));
        assert_eq!(decide(&put("b"), &Expect::Absent, Some("a")), there);
        assert_eq!(decide(&put("b"), &Expect::Value(b"c"[..].into()), Some("a")), there);
        assert_eq!(decide(&put("b"), &Expect::Present, None), Decision::Unmet(None));
        let done = decide(&put("b"), &Expect::Value(b"a"[..].into()), Some("a"));
        assert_eq!(told(&done), Some("a"));
    }

    #[test]
    fn numbers_are_added_in_their_one_spelling() {
        let add = |value, by| decide(&Edit::Add(by), &Expect::Anything, value);
        assert_eq!(told(&add(None, 3)), Some("3"));
        assert_eq!(told(&add(Some("-1"), 3)), Some("2"));
        for bad in ["", "+1", "01", "1 ", "x", "9223372036854775808"] {
            let refused = Decision::Refused(Refused::NotANumber(INTEGER));
            assert_eq!(add(Some(bad), 1), refused, "{bad:?}");
        }
        let full = i64::MAX.to_string();
        assert_eq!(add(Some(&full), 1), Decision::Refused(Refused::OutOfRange));
        let float = decide(&Edit::AddFloat(0.5), &Expect::Anything, Some("10.50"));
        assert_eq!(told(&float), Some("11"));
        let nan = decide(&Edit::AddFloat(0.5), &Expect::Anything, Some("nan"));
        assert_eq!(nan, Decision::Refused(Refused::NotANumber(FLOAT)));
    }

    #[test]
    fn what_is_appended_keeps_the_expiry_and_is_bounded() {
        let append = |bytes: &str| Edit::Append(bytes.as_bytes().into());
        let done = decide(&append("cd"), &Expect::Anything, Some("ab"));
        let Decision::Put { value, expires, .. } = &done else { panic!("{done:?}") };
        assert_eq!((&value[..], *expires, told(&done)), (&b"abcd"[..], Some(Millis(9)), Some("4")));
        let long = decide(&append("0123456789012345678"), &Expect::Anything, Some("ab"));
        assert_eq!(long, Decision::Refused(Refused::TooLarge));
    }

    #[test]
    fn nothing_is_deleted_where_nothing_is() {
        assert_eq!(decide(&Edit::Delete, &Expect::Anything, None), Decision::Nothing);
        assert_eq!(told(&decide(&Edit::Delete, &Expect::Present, Some("a"))), Some("a"));
    }
}
