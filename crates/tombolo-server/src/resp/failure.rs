//! Why a command was refused, in Redis's own words where Redis has some.

use thiserror::Error;
use tombolo::{CreateError, Kind, NotOrdered, WriteError};

use crate::operate::Trouble;

/// The error reply of one command, code first. Unless a variant says otherwise nothing was done.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    #[error("ERR unknown subcommand '{got}'. Try {command} HELP.")]
    UnknownSubcommand { command: String, got: String },
    #[error("NOAUTH Authentication required.")]
    NotAuthenticated,
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPassword,
    #[error("LOADING Tombolo is loading the table from its peers; try again shortly")]
    Loading,
    #[error("ERR a value of {size} bytes is over the limit of {limit} bytes; nothing was written")]
    TooLarge { size: usize, limit: usize },
    #[error("ERR {size} bytes in one request are over the limit of {limit}; nothing was done")]
    RequestTooLarge { size: usize, limit: usize },
    #[error(
        "WRONGTYPE the table is kind={0}, and this command is for kind=bag; SELECT such a table, \
         or make one: TOMBOLO CREATE name KIND bag"
    )]
    NeedsBag(Kind),
    #[error(
        "WRONGTYPE the table is kind=bag, which has no single values; use SADD, SREM, SMEMBERS, \
         SISMEMBER, SCARD and DEL, or SELECT a table of another kind"
    )]
    NeedsValues,
    #[error("TRYAGAIN the table is paused on this node; try again when it moves")]
    Paused,
    #[error("ERR this node has stopped and takes no more writes")]
    Stopped,
    /// Everything that is said in one place only.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A word that is none of the options of a command, or one whose value is missing.
    pub(crate) fn option(word: &[u8], known: &str) -> Failure {
        let word = quoted(word, 128);
        Failure::Other(format!(
            "ERR syntax error at '{word}': after it or in its place goes {known}"
        ))
    }

    pub(crate) fn other(text: impl Into<String>) -> Failure {
        Failure::Other(text.into())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        match error {
            WriteError::NotReady => Failure::Loading,
            WriteError::TooLarge { size, limit } => Failure::TooLarge { size, limit },
            kind @ WriteError::Kind(_) => Failure::Other(format!("WRONGTYPE {kind}")),
            WriteError::Paused => Failure::Paused,
            WriteError::Stopped => Failure::Stopped,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Write(error) => error.into(),
            other => Failure::Other(format!("ERR {other}")),
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Failure {
        Failure::Other(format!("ERR {error}"))
    }
}

impl From<NotOrdered> for Failure {
    fn from(error: NotOrdered) -> Failure {
        Failure::Other(format!("WRONGTYPE {error}"))
    }
}

/// Bytes of a client for use in a message: as Redis does, no more than `limit` of them and
/// nothing from a zero byte on.
pub(crate) fn quoted(bytes: &[u8], limit: usize) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(limit);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
