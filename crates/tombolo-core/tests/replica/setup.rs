//! How the tables of a law are declared, epoch by epoch.

use proptest::collection::vec;
use proptest::prelude::*;
use tombolo_core::{Declaration, Epochs, Kind, OwnerDown, Policy};

/// One table's declarations.
#[derive(Clone, PartialEq, Debug)]
pub struct Setup {
    /// For each epoch, whether the last writer wins.
    pub last_writer_wins: Vec<bool>,
    /// Whether it is a bag: keys are made of key and value then (rule 11).
    pub bag: bool,
    /// Whether the records of owners that are down are hidden (rule 10).
    pub hides: bool,
}

impl Setup {
    pub fn of(last_writer_wins: &[bool]) -> Setup {
        Setup { last_writer_wins: last_writer_wins.into(), bag: false, hides: false }
    }

    pub fn last_writer_wins() -> Setup {
        Setup::of(&[true])
    }

    pub fn siblings() -> Setup {
        Setup::of(&[false])
    }

    pub fn bag() -> Setup {
        Setup { bag: true, ..Setup::siblings() }
    }

    pub fn hiding() -> Setup {
        Setup { hides: true, ..Setup::siblings() }
    }

    /// The declaration of an epoch.
    pub fn declaration(&self, epoch: u8) -> Declaration {
        let policy = match self.last_writer_wins[usize::from(epoch)] {
            true => Policy::LastWriterWins,
            false => Policy::Newest,
        };
        Declaration {
            kind: if self.bag { Kind::Bag } else { Kind::Set },
            policy,
            owner_down: if self.hides { OwnerDown::Hide } else { OwnerDown::Keep },
            ttl: Some(1_000 + u64::from(epoch)),
            ..Declaration::default()
        }
    }

    /// What the table was before an epoch.
    pub fn epochs(&self, epoch: u8) -> Epochs {
        let past = (0..epoch).map(|past| self.declaration(past));
        past.fold(Epochs::default(), |epochs, past| epochs.after(&past).expect("there are few"))
    }

    pub fn last_epoch(&self) -> u8 {
        self.last_writer_wins.len() as u8 - 1
    }

    /// Whether one event stays of each key, in all epochs.
    pub fn is_last_writer_wins(&self) -> bool {
        self.last_writer_wins.iter().all(|wins| *wins)
    }

    /// Whether everything stays that no writer saw, in all epochs.
    pub fn keeps_siblings(&self) -> bool {
        !self.last_writer_wins.contains(&true)
    }

    /// The bytes of a key that is to hold a value.
    pub fn key(&self, key: u8, value: u8) -> Vec<u8> {
        if self.bag { vec![key, value] } else { vec![key] }
    }
}

/// Tables that were never altered.
pub fn plain() -> impl Strategy<Value = Setup> {
    prop_oneof![
        2 => Just(Setup::last_writer_wins()),
        2 => Just(Setup::siblings()),
        1 => Just(Setup::bag()),
        1 => Just(Setup::hiding()),
        1 => Just(Setup::of(&[true, true])),
        1 => Just(Setup::of(&[false, false])),
    ]
}

/// Tables that were altered, from one rule to the other and perhaps back.
pub fn altered() -> impl Strategy<Value = Setup> {
    (vec(any::<bool>(), 2..4), any::<bool>()).prop_map(|(epochs, bag)| {
        let bag = bag && epochs.iter().all(|wins| !wins);
        Setup { bag, ..Setup::of(&epochs) }
    })
}

/// Both.
pub fn any_setup() -> impl Strategy<Value = Setup> {
    prop_oneof![plain(), altered()]
}
