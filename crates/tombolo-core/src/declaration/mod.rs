//! What a table is declared to be; every node of a cluster must agree.

mod epochs;
mod policy;

pub use epochs::{Epochs, Past};
pub use policy::{Policy, Versioned};

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

/// How a table is declared. Two nodes that declare one name differently refuse each other's table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Declaration {
    /// The shape of the table.
    pub kind: Kind,
    /// What happens to concurrent writes of one key.
    pub policy: Policy,
    /// What readers see of the records of a node that is down.
    pub owner_down: OwnerDown,
    /// Whether islands that meet join by themselves.
    pub merge: Merge,
    /// After how many milliseconds a record expires that was written without an expiry of its
    /// own; never if none is given.
    pub ttl: Option<u64>,
    /// Into how many fragments the keys are spread, 1 to [`Declaration::MOST_FRAGMENTS`]; one if
    /// nothing else is said. Each is locked, synced and acknowledged apart, so that as many threads
    /// can write at a time; to readers it is one table.
    pub fragments: u16,
    /// How many members an island must have for serial operations (rule 12); any number if none is
    /// given. Plain writes do not ask.
    pub quorum: Option<u16>,
}

impl Default for Declaration {
    /// A set of one fragment whose last writer wins, with records that stay.
    fn default() -> Declaration {
        Declaration {
            kind: Kind::default(),
            policy: Policy::default(),
            owner_down: OwnerDown::default(),
            merge: Merge::default(),
            ttl: None,
            fragments: 1,
            quorum: None,
        }
    }
}

/// The shape of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// One record a key, in no order.
    #[default]
    Set,
    /// One record a key, in the order of the keys' bytes.
    OrderedSet,
    /// Any number of distinct values a key: a set of (key, value) (rule 11).
    Bag,
}

/// What readers see of the records that a node wrote once that node is down (rule 10).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OwnerDown {
    /// They stay.
    #[default]
    Keep,
    /// They are not seen until the node is heard again, and go when a newer process has its name.
    Hide,
}

/// Whether islands that meet join by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Merge {
    /// At once.
    #[default]
    Auto,
    /// When an operator has looked and approved.
    Hold,
}

/// A declaration that cannot be kept. Nothing was declared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeclarationError {
    /// With last-writer-wins an owner's newer record would kill another's and then go with its
    /// owner.
    #[error(
        "policy=last_writer_wins and owner_down=hide do not go together: a record that was \
         overwritten would be lost when its writer goes down; declare policy=newest, which reads \
         the same"
    )]
    LastWriterWinsHides,
    /// The winning island would have to write the records of the others anew, and own them.
    #[error(
        "policy={0} and owner_down=hide do not go together: choosing a side writes records anew, \
         so they would get another owner; declare policy=newest or owner_down=keep"
    )]
    SideHides(Policy),
    /// Only the objects of a bag are told apart by a second key.
    #[error("policy={0} names a second key, which only kind=bag has; leave `per` out")]
    PerWithoutBag(Policy),
    /// A name in the policy cannot be shown and read again.
    #[error(
        "policy={0}: the names in a policy are 1 to 200 bytes without blanks, commas, brackets \
         and ="
    )]
    Words(Policy),
    /// Nothing would ever be seen.
    #[error("a ttl of 0 would end every record at once; leave it out for records that stay")]
    NoTime,
    /// Every island has a member.
    #[error("a quorum of 0 is none; leave it out for serial operations in every island")]
    NoQuorum,
    /// There is nothing between none and one, and each fragment has its cost.
    #[error("a table has 1 to {most} fragments, not {0}", most = Declaration::MOST_FRAGMENTS)]
    Fragments(u16),
    /// A peer speaks of a fragment that a table declared so has not.
    #[error("there is no fragment {fragment} in a table with fragments={of}")]
    NoFragment {
        /// The fragment.
        fragment: u16,
        /// How many there are, from 0 on.
        of: u16,
    },
}

impl Declaration {
    /// The most fragments that a table can have.
    pub const MOST_FRAGMENTS: u16 = 64;

    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), DeclarationError> {
        if self.owner_down == OwnerDown::Hide {
            match self.policy {
                Policy::LastWriterWins => return Err(DeclarationError::LastWriterWinsHides),
                Policy::YieldIsland | Policy::Ignore => {
                    return Err(DeclarationError::SideHides(self.policy.clone()));
                }
                _ => {}
            }
        }
        if self.policy.to_string().parse::<Policy>().as_ref() != Ok(&self.policy) {
            return Err(DeclarationError::Words(self.policy.clone()));
        }
        if self.ttl == Some(0) {
            return Err(DeclarationError::NoTime);
        }
        if !(1..=Declaration::MOST_FRAGMENTS).contains(&self.fragments) {
            return Err(DeclarationError::Fragments(self.fragments));
        }
        if self.quorum == Some(0) {
            return Err(DeclarationError::NoQuorum);
        }
        if self.policy.per().is_some() && self.kind != Kind::Bag {
            return Err(DeclarationError::PerWithoutBag(self.policy.clone()));
        }
        Ok(())
    }

    /// The same, but that serial operations are refused in islands with fewer members.
    #[must_use]
    pub fn require_quorum(self, members: u16) -> Declaration {
        Declaration { quorum: Some(members), ..self }
    }

    /// Whether two islands that both wrote are kept apart until somebody decides.
    pub fn holds(&self) -> bool {
        self.merge == Merge::Hold || matches!(self.policy, Policy::Ignore | Policy::YieldIsland)
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind={} policy={} owner_down={}", self.kind, self.policy, self.owner_down)?;
        if self.merge != Merge::Auto {
            write!(f, " merge={}", self.merge)?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, " ttl={ttl}ms")?;
        }
        if self.fragments != 1 {
            write!(f, " fragments={}", self.fragments)?;
        }
        if let Some(quorum) = self.quorum {
            write!(f, " quorum={quorum}")?;
        }
        Ok(())
    }
}

/// A word that names no kind, policy or choice; the text says which there are.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{word:?} is not a {what}: {known}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What it should have been.
    pub what: &'static str,
    /// What there is.
    pub known: &'static str,
}

impl UnknownWord {
    fn new(word: &str, what: &'static str, known: &'static str) -> UnknownWord {
        UnknownWord { word: word.into(), what, known }
    }
}

/// A word for each variant, to be shown and read.
macro_rules! words {
    ($type:ty, $what:literal, $known:literal, $($variant:path => $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($variant),)+
                    _ => Err(UnknownWord::new(word, $what, $known)),
                }
            }
        }
    };
}

words!(Kind, "kind", "set, ordered_set or bag",
    Kind::Set => "set", Kind::OrderedSet => "ordered_set", Kind::Bag => "bag");
words!(OwnerDown, "choice for owner_down", "keep or hide",
    OwnerDown::Keep => "keep", OwnerDown::Hide => "hide");
words!(Merge, "choice for merge", "auto or hold", Merge::Auto => "auto", Merge::Hold => "hold");
