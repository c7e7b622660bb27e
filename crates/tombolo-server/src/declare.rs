//! What clients say of tables that they create or alter, whichever protocol they speak.

use std::str::FromStr;
use std::time::Duration;

use tombolo::{CreateError, Declaration, Kind, Merge, Node, OwnerDown, Policy, RawTable};
use tombolo::{UnknownWord, unix_millis};

/// How long a client waits for a new table that peers have to send first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A part of a declaration that is given as a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Kind,
    Policy,
    OwnerDown,
    Merge,
}

/// What was said of a table; the rest is as by default, or stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    kind: Option<Kind>,
    policy: Option<Policy>,
    owner_down: Option<OwnerDown>,
    merge: Option<Merge>,
    /// In milliseconds; 0 takes it away where there is one.
    pub(crate) ttl: Option<u64>,
    pub(crate) fragments: Option<u16>,
    /// 0 takes it away where there is one.
    pub(crate) quorum: Option<u16>,
}

impl Said {
    /// Takes in one word. Those that are not names of somebody's fields may be in any case.
    pub(crate) fn say(&mut self, part: Part, word: &str) -> Result<(), UnknownWord> {
        match part {
            Part::Kind => self.kind = Some(in_any_case(word)?),
            Part::Policy => self.policy = Some(policy(word)?),
            Part::OwnerDown => self.owner_down = Some(in_any_case(word)?),
            Part::Merge => self.merge = Some(in_any_case(word)?),
        }
        Ok(())
    }

    /// The declaration of a new table.
    pub(crate) fn declaration(self) -> Declaration {
        let (ttl, quorum) = (self.ttl, self.quorum);
        // Not taken away, as it is for a table that is there: a new one with 0 is refused.
        Declaration { ttl, quorum, ..self.over(Declaration::default()) }
    }

    /// What becomes of a declaration by this; the kind and the number of fragments, too, so that
    /// altering them is refused by whoever knows why.
    pub(crate) fn over(self, old: Declaration) -> Declaration {
        Declaration {
            kind: self.kind.unwrap_or(old.kind),
            policy: self.policy.unwrap_or(old.policy),
            owner_down: self.owner_down.unwrap_or(old.owner_down),
            merge: self.merge.unwrap_or(old.merge),
            ttl: match self.ttl {
                Some(0) => None,
                given => given.or(old.ttl),
            },
            fragments: self.fragments.unwrap_or(old.fragments),
            quorum: match self.quorum {
                Some(0) => None,
                given => given.or(old.quorum),
            },
        }
    }
}

fn in_any_case<T: FromStr>(word: &str) -> Result<T, T::Err> {
    word.parse().or_else(|error| word.to_ascii_lowercase().parse().map_err(|_| error))
}

/// What is in brackets has capitals of its own.
fn policy(word: &str) -> Result<Policy, UnknownWord> {
    let name = word.find('(').unwrap_or(word.len());
    let lower = word[..name].to_ascii_lowercase() + &word[name..];
    lower.parse()
}

/// Refuses names that clients could not select, or that would not fit into one word of a line.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if !(1..=100).contains(&name.len()) || !name.bytes().all(fits) {
        return Err("a table's name has 1 to 100 letters, digits and characters of '-_.:'");
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a table's name must not be a number: SELECT takes those");
    }
    Ok(())
}

/// A time to live that ends within the time that a clock can show.
pub(crate) fn check_ttl(millis: u64) -> Result<u64, String> {
    // As Redis does with expiries: the sum has to fit into a signed number.
    let fits = i64::try_from(millis).is_ok_and(|millis| {
        i64::try_from(unix_millis()).is_ok_and(|now| now.checked_add(millis).is_some())
    });
    if fits { Ok(millis) } else { Err(format!("a TTL of {millis} ms never ends; give a shorter")) }
}

/// Declares a table, and waits a while until it may be written; it may take longer if the
/// peers have to send it first.
pub(crate) async fn declare(
    node: &Node,
    name: &str,
    declaration: Declaration,
    patience: Duration,
) -> Result<RawTable, CreateError> {
    match tokio::time::timeout(patience, node.create_table(name, declaration)).await {
        Ok(created) => created,
        Err(_) => node.raw_table(name).ok_or(CreateError::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Said, check_name, check_ttl};
    use tombolo::Declaration;

    fn said(parts: &[(Part, &str)]) -> Said {
        let mut said = Said::default();
        parts.iter().for_each(|(part, word)| said.say(*part, word).unwrap());
        said
    }

    #[test]
    fn what_is_not_said_stays() {
        let new = said(&[(Part::Kind, "BAG"), (Part::Policy, "LAST_VERSION(/Version)")]);
        let new = Said { ttl: Some(5), ..new }.declaration();
        assert_eq!(
            new.to_string(),
            "kind=bag policy=last_version(/Version) owner_down=keep ttl=5ms"
        );
        let altered = said(&[(Part::Merge, "Hold"), (Part::OwnerDown, "hide")]).over(new.clone());
        let text = "kind=bag policy=last_version(/Version) owner_down=hide merge=hold ttl=5ms";
        assert_eq!(altered.to_string(), text);
        assert_eq!(Said { ttl: Some(0), ..Said::default() }.over(altered).ttl, None);
        let spread = Said { fragments: Some(8), ..Said::default() }.over(new.clone());
        assert!(spread.to_string().ends_with(" ttl=5ms fragments=8"));
        assert_eq!(Said::default().over(spread.clone()), spread);
        assert_eq!(Said::default().over(new.clone()), new);
        assert_eq!(Said::default().declaration(), Declaration::default());
    }

    #[test]
    fn a_new_table_whose_records_end_at_once_is_refused() {
        let declaration = Said { ttl: Some(0), ..Said::default() }.declaration();
        assert!(declaration.check().unwrap_err().to_string().contains("ttl of 0"));
    }

    #[test]
    fn unknown_words_are_told_with_those_there_are() {
        let cases = [
            (Part::Kind, "list", "set, ordered_set or bag"),
            (Part::Policy, "lww", "yield_island"),
            (Part::OwnerDown, "no", "keep or hide"),
            (Part::Merge, "Never", "auto or hold"),
        ];
        for (part, word, known) in cases {
            let error = Said::default().say(part, word).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains(known), "{error}");
        }
    }

    #[test]
    fn names_and_times() {
        assert!(check_name("a.b-c_d:1").is_ok());
        for name in ["", "a b", "12", &"x".repeat(101), "ä"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert_eq!(check_ttl(5), Ok(5));
        assert!(check_ttl(u64::MAX).is_err() && check_ttl(i64::MAX as u64).is_err());
    }
}
