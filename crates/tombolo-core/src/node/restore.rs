//! Tables that are there again after a restart.

use super::{Effect, Node, Tables};
use crate::declaration::{Declaration, Epochs};
use crate::error::{DeclarationMismatch, DeclareError};
use crate::id::TableId;
use crate::members::Member;
use crate::time::Millis;
use alloc::boxed::Box;
use alloc::string::String;
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
        let id = TableId::of(name);
        if let Some(known) = self.tables.get(&id) {
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
        self.add_table(now, id, String::from(name), declaration, epochs);
        if let Some(state) = self.tables.get_mut(&id) {
            state.filled = true;
        }
        Ok((id, core::mem::take(&mut self.effects)))
    }

    /// How a table is declared here now, and what it was before.
    pub fn declared(&self, id: TableId) -> Option<(&Declaration, &Epochs)> {
        self.tables.get(&id).map(|state| (&state.declaration, &state.epochs))
    }
}
