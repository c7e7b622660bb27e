//! Why a node refuses another, in words that are true on both sides.

use crate::frame::FrameError;
use crate::{DecodeError, MAX_HELLO_FRAME};

/// Why a connection is refused. It is sent to the other side before the connection is closed, and
/// both log it: so the text says "the refusing node" and "the refused node", what is wrong, and
/// what to do. `ours` is always the refusing node's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The other side speaks something else.
    #[error(
        "the other side does not speak Tombolo's node protocol: \
         use the address given as --listen of a Tombolo node (Redis clients use --resp)"
    )]
    NotTombolo,
    /// The two speak different versions.
    #[error(
        "the protocol versions differ: the refusing node speaks {ours}, the refused node \
         {theirs}; run releases of Tombolo with the same protocol on both"
    )]
    Protocol {
        /// The refusing node's.
        ours: u16,
        /// The refused node's.
        theirs: u16,
    },
    /// The two are of different clusters.
    #[error(
        "the cluster names differ: the refusing node belongs to {ours:?}, the refused node to \
         {theirs:?}; start both with the same --cluster-name, or take the address out of --join \
         and --discovery"
    )]
    Cluster {
        /// The refusing node's.
        ours: String,
        /// The refused node's.
        theirs: String,
    },
    /// The proof is not right.
    #[error("the secrets differ: start both nodes with the same --secret (or TOMBOLO_SECRET)")]
    Secret,
    /// A living node has the refused node's name.
    #[error(
        "the name {name:?} is taken by a node at {address:?} that started at {} and was heard \
         {heard_millis_ago} ms ago: give the refused node another --name, or stop the other node",
        utc(*.started)
    )]
    NameTaken {
        /// The name.
        name: String,
        /// When the node that has it started, in microseconds since the Unix epoch.
        started: u64,
        /// Where that node can be dialled.
        address: String,
        /// How long ago it was heard.
        heard_millis_ago: u64,
    },
    /// The refused node is not the newest of its name.
    #[error(
        "a newer process of the name {name:?} is known, started at {}: the refused node must \
         stop; start it again if it is the one to stay",
        utc(*.by)
    )]
    Superseded {
        /// The name.
        name: String,
        /// When the newer process started, in microseconds since the Unix epoch.
        by: u64,
    },
    /// The clocks are too far apart.
    #[error(
        "the refused node's clock is {millis} ms {} the refusing node's, and at most {max} ms are \
         allowed: set the clocks of both machines (run NTP)",
        if *.ahead { "ahead of" } else { "behind" }
    )]
    ClockDrift {
        /// By how much they differ.
        millis: u64,
        /// Whether the refused node's is ahead.
        ahead: bool,
        /// How much is allowed.
        max: u64,
    },
    /// A node dialled itself.
    #[error(
        "the address leads back to the node that dialled it: nothing to do, the node leaves its \
         own address out from here on"
    )]
    OneSelf,
    /// A drill has cut the two from each other.
    #[error(
        "a drill has cut these two nodes from each other: end it with \
         POST /api/v1/drills/heal on the refusing node"
    )]
    Cut,
    /// The two are linked by another connection.
    #[error("the two nodes are linked by another connection already: nothing to do")]
    AlreadyLinked,
    /// A frame of the handshake was over the limit.
    #[error(
        "a frame of the handshake has {length} bytes and at most {limit} are allowed: run the \
         same release of Tombolo on both nodes"
    )]
    TooLarge {
        /// The length that was announced.
        length: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// A frame of the handshake could not be read.
    #[error(
        "the handshake could not be read ({what}): run the same release of Tombolo on both nodes"
    )]
    Garbled {
        /// The frame, the field, and what is wrong with it.
        what: String,
    },
}

impl Refusal {
    /// Whether somebody must change something before another attempt can succeed: worth telling
    /// the operator at once, and worth dialling again only seldom.
    pub fn is_final(&self) -> bool {
        match self {
            Refusal::NotTombolo
            | Refusal::Protocol { .. }
            | Refusal::Cluster { .. }
            | Refusal::Secret
            | Refusal::NameTaken { .. }
            | Refusal::Superseded { .. }
            | Refusal::OneSelf
            | Refusal::TooLarge { .. }
            | Refusal::Garbled { .. } => true,
            Refusal::ClockDrift { .. } | Refusal::Cut | Refusal::AlreadyLinked => false,
        }
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Refusal {
        match error {
            FrameError::TooLong { length, limit } => {
                Refusal::TooLarge { length: length as u64, limit: limit as u64 }
            }
            FrameError::Empty => Refusal::NotTombolo,
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Refusal {
        let what = error.to_string();
        debug_assert!(what.len() <= super::MAX_NAME && super::MAX_NAME < MAX_HELLO_FRAME);
        Refusal::Garbled { what }
    }
}

/// A moment in words, from microseconds since the Unix epoch.
fn utc(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days are counted from the first of March of the year 0, so that leap days end the years.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests;
