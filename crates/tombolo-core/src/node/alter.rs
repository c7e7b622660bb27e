//! Altering a table while the cluster runs.

use super::{Effect, Node, Notice, Tables};
use crate::declaration::{Declaration, Epochs};
use crate::error::AlterError;
use crate::id::{Incarnation, TableId};
use alloc::vec::Vec;

impl<T: Tables> Node<T> {
    /// Alters a table, here and, as it spreads, everywhere. What is written by whoever has heard of
    /// it belongs to the new epoch; what was written before is judged as before, wherever and
    /// whenever it arrives. Islands that alter one table differently agree when they meet.
    ///
    /// # Errors
    ///
    /// If there is no such table, or it cannot be altered so.
    pub fn alter(
        &mut self,
        name: &str,
        declaration: Declaration,
    ) -> Result<Vec<Effect>, AlterError> {
        let id = TableId::of(name);
        let known = self.tables.get(&id).filter(|known| known.name == name);
        let Some(known) = known else { return Err(AlterError::Unknown(name.into())) };
        declaration.check()?;
        let (ours, wanted) = (known.declaration.kind, declaration.kind);
        if ours != wanted {
            return Err(AlterError::Kind { table: name.into(), ours, wanted });
        }
        let (ours, wanted) = (known.declaration.fragments, declaration.fragments);
        if ours != wanted {
            return Err(AlterError::Fragments { table: name.into(), ours, wanted });
        }
        if known.declaration.policy.per() != declaration.policy.per() {
            return Err(AlterError::Per(name.into()));
        }
        if known.declaration != declaration {
            let epochs = known.epochs.after(&known.declaration);
            let epochs = epochs.ok_or_else(|| AlterError::TooOften(name.into()))?;
            self.adopt(id, &declaration, &epochs, None);
        }
        Ok(core::mem::take(&mut self.effects))
    }

    /// The table is declared so from now on, in all its fragments. Every peer is told before
    /// anything is written under it, but the one that told.
    pub(super) fn adopt(
        &mut self,
        id: TableId,
        declaration: &Declaration,
        epochs: &Epochs,
        told_by: Option<Incarnation>,
    ) {
        for table in self.fragments(id).iter().copied() {
            let Some(state) = self.tables.get_mut(&table) else { continue };
            state.declaration.clone_from(declaration);
            state.epochs.clone_from(epochs);
            for to in self.links.keys().filter(|to| Some(**to) != told_by) {
                self.effects.push(Effect::Send { to: *to, message: state.declare() });
            }
            let first = state.fragment == 0;
            let (declaration, epochs) = (declaration.clone(), epochs.clone());
            let altered = Notice::Altered { table, declaration: declaration.clone() };
            self.effects.push(Effect::Adopt { table, declaration, epochs });
            if first {
                self.effects.push(Effect::Notice(altered));
            }
            self.show_owners(table);
        }
    }
}
