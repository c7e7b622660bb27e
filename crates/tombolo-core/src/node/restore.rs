//! Tables that are there again after a restart.

use super::tables::TableState;
use super::{Effect, Node, Tables};
use crate::declaration::{Declaration, DeclarationError, Epochs};
use crate::error::{DeclarationMismatch, DeclareError};
use crate::fragment;
use crate::id::TableId;
use crate::members::Member;
use crate::message::Message;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl<T: Tables> Node<T> {
    /// Makes a table as an earlier process had it, whose record is to be [replayed] before the node
    /// is given any event. It asks each peer for the difference instead of being filled, and may be
    /// written after the first sync, or when nobody is found (rule 1).
    ///
    /// `members` are those that the earlier process knew, itself included. They are taken for what
    /// a peer tells: the processes that a newer one has replaced since are superseded, and
    /// stability waits for the others.
    ///
    /// [replayed]: crate::Table::replay
    pub fn restore(
        &mut self,
        now: Millis,
        name: &str,
        declaration: Declaration,
        epochs: Epochs,
        members: &[Member],
    ) -> Result<(TableId, Vec<Effect>), DeclareError> {
        declaration.check()?;
        let (base, fragment) = fragment::split(name);
        if fragment >= declaration.fragments {
            let of = declaration.fragments;
            return Err(DeclarationError::NoFragment { fragment, of }.into());
        }
        let id = TableId::of(name);
        if let Some(known) = self.tables.get(&id) {
            // Another fragment's record made all of the table, perhaps before it was altered.
            if known.epochs.is_kin(&known.declaration, &epochs, &declaration) {
                if epochs.outlasts(&declaration, &known.epochs, &known.declaration) {
                    self.adopt(TableId::of(base), &declaration, &epochs, None);
                }
                return Ok((id, core::mem::take(&mut self.effects)));
            }
            let mismatch = DeclarationMismatch {
                table: known.name.clone(),
                peer: self.settings.id.name.clone(),
                ours: declaration,
                theirs: known.declaration.clone(),
            };
            return Err(DeclareError::Mismatch(Box::new(mismatch)));
        }
        // First who is superseded: nothing of theirs is let into a table that hides.
        self.learn(now, members);
        self.add_table(now, base, &declaration, &epochs);
        for id in self.fragments(id).iter() {
            if let Some(state) = self.tables.get_mut(id) {
                state.filled = true;
            }
        }
        Ok((id, core::mem::take(&mut self.effects)))
    }

    /// How a table is declared here now, and what it was before, as a peer is told.
    pub fn declared(&self, id: TableId) -> Option<Message> {
        self.tables.get(&id).map(TableState::declare)
    }
}
