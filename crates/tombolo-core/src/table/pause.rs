//! A table that stands still.

use super::{Contact, Table};
use crate::id::Incarnation;
use crate::store::Store;

impl<S: Store> Table<S> {
    /// From now on the table stands still: neither its live dots nor its `seen` change until
    /// [`Table::unpause`]. Ops of peers are not taken in and so not acknowledged, syncs that are
    /// under way are given up, nothing is swept, no outcome is written. Answers to others go on.
    ///
    /// What comes meanwhile is not remembered, so memory stays bounded: afterwards it is a gap like
    /// any other, and a sync fills it. [`Table::write`] is the caller's own to hold back.
    pub fn pause(&mut self) {
        self.paused = true;
        self.asks.clear();
    }

    /// The table moves again. Whoever carries it has to be asked for what came meanwhile.
    pub fn unpause(&mut self) {
        if core::mem::take(&mut self.paused) {
            self.judge_all_anew();
        }
    }

    /// Whether the ops of `peer` are taken in as they come: nothing before them is missing, no sync
    /// with it is open, and the table does not stand still.
    pub fn is_current(&self, peer: Incarnation) -> bool {
        let unbroken = self.contacts.get(&peer).is_some_and(Contact::is_unbroken);
        unbroken && !self.paused && self.asking(peer).is_none()
    }

    /// Whether the table stands still.
    pub fn is_paused(&self) -> bool {
        self.paused
    }
}
