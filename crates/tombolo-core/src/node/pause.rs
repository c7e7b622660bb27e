//! Tables that stand still, for as long as somebody wants it.

use super::{Effect, Node, Tables};
use crate::id::TableId;
use crate::time::Millis;
use alloc::vec::Vec;

impl<T: Tables> Node<T> {
    /// From now on a table stands still here ([`Table::pause`](crate::Table::pause)). What was
    /// synced with the peers is not any more.
    pub fn pause(&mut self, id: TableId) {
        let Some(state) = self.tables.get_mut(&id) else { return };
        self.surroundings.with(id, |table| table.pause());
        state.parts.clear();
        state.peers.values_mut().for_each(|synced| *synced = false);
        self.finishing.retain(|(_, table)| *table != id);
    }

    /// A table moves again: every peer that carries it is asked for what came meanwhile.
    pub fn unpause(&mut self, now: Millis, id: TableId) -> Vec<Effect> {
        let Some(state) = self.tables.get(&id) else { return Vec::new() };
        self.surroundings.with(id, |table| table.unpause());
        if state.synced || state.writable {
            for peer in state.peers.keys().copied().collect::<Vec<_>>() {
                self.ask(now, peer, id);
            }
        } else if state.filled {
            self.ask_first(now, id);
        }
        core::mem::take(&mut self.effects)
    }

    /// Whether a table stands still.
    pub(super) fn is_paused(&self, id: TableId) -> bool {
        self.surroundings.with(id, |table| table.is_paused())
    }
}
