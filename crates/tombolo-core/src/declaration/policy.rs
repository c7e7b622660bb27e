//! What happens to concurrent writes of one key.

use super::UnknownWord;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// What happens to concurrent writes of one key. A write that saw the other simply wins, whatever
/// the policy.
///
/// All but the first keep concurrent values as siblings (rule 8): the policy says which of them is
/// read, and what replaces them once every member has all of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// The event with the highest (stamp, origin) stays, deletes included (rule 7).
    #[default]
    LastWriterWins,
    /// The value with the highest stamp is read and stays; a delete removes what its writer saw.
    Newest,
    /// Differing values are all kept and the newest is read, with an alarm until somebody writes
    /// the key.
    MergeOnly,
    /// The value with the greatest field is read and stays.
    LastVersion(Versioned),
    /// The same with the field `modified`.
    LastModified {
        /// In a bag: the field that tells objects of one key apart.
        per: Option<String>,
    },
    /// A function of the users decides, registered under this name.
    Resolve(String),
    /// Islands that both wrote stay as they are until somebody chooses a side.
    Ignore,
    /// If islands that meet have a conflict, the smaller one takes the other's content.
    YieldIsland,
}

/// Which field makes a value the later version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Versioned {
    /// The field: a JSON pointer (`/version`), a path into MessagePack (`msgpack:/version`), or
    /// the name of a function that the program registered.
    pub field: String,
    /// In a bag: the field that tells objects of one key apart.
    pub per: Option<String>,
}

/// The field of [`Policy::LastModified`].
const MODIFIED: &str = "/modified";

/// What policies there are, in words.
const KNOWN: &str = "last_writer_wins, newest, merge_only, last_version(FIELD), \
    last_version(FIELD,per=FIELD), last_modified, last_modified(per=FIELD), resolve(NAME), ignore \
    or yield_island";

impl Policy {
    /// Whether a key holds one event, and older ones are removed (rule 7).
    pub fn is_last_writer_wins(&self) -> bool {
        *self == Policy::LastWriterWins
    }

    /// The field that the policy compares, if it does.
    pub fn field(&self) -> Option<&str> {
        match self {
            Policy::LastVersion(versioned) => Some(&versioned.field),
            Policy::LastModified { .. } => Some(MODIFIED),
            _ => None,
        }
    }

    /// In a bag: the field that tells objects of one key apart, instead of their whole content.
    pub fn per(&self) -> Option<&str> {
        match self {
            Policy::LastVersion(Versioned { per, .. }) | Policy::LastModified { per } => {
                per.as_deref()
            }
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::LastWriterWins => f.write_str("last_writer_wins"),
            Policy::Newest => f.write_str("newest"),
            Policy::MergeOnly => f.write_str("merge_only"),
            Policy::LastVersion(Versioned { field, per: None }) => {
                write!(f, "last_version({field})")
            }
            Policy::LastVersion(Versioned { field, per: Some(per) }) => {
                write!(f, "last_version({field},per={per})")
            }
            Policy::LastModified { per: None } => f.write_str("last_modified"),
            Policy::LastModified { per: Some(per) } => write!(f, "last_modified(per={per})"),
            Policy::Resolve(name) => write!(f, "resolve({name})"),
            Policy::Ignore => f.write_str("ignore"),
            Policy::YieldIsland => f.write_str("yield_island"),
        }
    }
}

impl FromStr for Policy {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Policy, UnknownWord> {
        let unknown = || UnknownWord::new(text, "policy", KNOWN);
        let (name, inside) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(unknown)?)),
            None => (text, None),
        };
        let word = |word: &str| is_word(word).then(|| String::from(word)).ok_or_else(unknown);
        let per = |part: &str| part.strip_prefix("per=").ok_or_else(unknown).and_then(word);
        Ok(match (name, inside) {
            ("last_writer_wins", None) => Policy::LastWriterWins,
            ("newest", None) => Policy::Newest,
            ("merge_only", None) => Policy::MergeOnly,
            ("last_version", Some(inside)) => {
                let (field, per) = match inside.split_once(',') {
                    Some((field, rest)) => (field, Some(per(rest.trim_start())?)),
                    None => (inside, None),
                };
                Policy::LastVersion(Versioned { field: word(field)?, per })
            }
            ("last_modified", None) => Policy::LastModified { per: None },
            ("last_modified", Some(inside)) => Policy::LastModified { per: Some(per(inside)?) },
            ("resolve", Some(name)) => Policy::Resolve(word(name)?),
            ("ignore", None) => Policy::Ignore,
            ("yield_island", None) => Policy::YieldIsland,
            _ => return Err(unknown()),
        })
    }
}

/// Whether it may stand in the text of a policy.
fn is_word(word: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"(),=".contains(c);
    !word.is_empty() && word.len() <= 200 && word.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn every_policy_is_read_as_it_is_shown() {
        for text in [
            "last_writer_wins",
            "newest",
            "merge_only",
            "last_version(/version)",
            "last_version(msgpack:/v,per=/id)",
            "last_modified",
            "last_modified(per=/id)",
            "resolve(carts)",
            "ignore",
            "yield_island",
        ] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_policy_is_told_with_those_there_are() {
        for text in ["", "lww", "last_version", "last_version()", "resolve(a b)", "newest()"] {
            let error = text.parse::<Policy>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("yield_island"));
        }
    }
}
