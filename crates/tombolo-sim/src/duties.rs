//! What a driver does with the tables for its node: siblings judged, islands' words spoken,
//! alterations taken over; and what an operator does.

use crate::config::some_alteration;
use crate::fault::Fault;
use crate::invariant::{Still, View};
use crate::judge::{Judgement, judge};
use crate::oracle::Log;
use crate::process::{Cause, DoneWrite};
use crate::sight::Sight;
use crate::world::World;
use tombolo_core::{
    Conclusion, Declaration, Effect, HoldError, Kind, Lone, Millis, OwnerDown, Policy, Ripe, Store,
    TableId,
};

/// How many keys are judged in one go.
const KEYS: usize = 64;

impl<S: Store + Default> World<S> {
    /// Has the policy judge the ripe keys of a table.
    pub(crate) fn judge(&mut self, process: usize, table: TableId, leads: bool) {
        let now = self.local(process);
        let Some(declared) = self.procs[process].node.tables().declared(table) else { return };
        let ripe = self.procs[process].look(table, |t| t.ripe(now, KEYS)).unwrap_or_default();
        for ripe in ripe {
            let judgement = if ripe.agree() {
                let last = ripe.siblings.last().and_then(|entry| entry.value.as_deref());
                Judgement::Value(last.unwrap_or_default().to_vec())
            } else {
                let own = self.resolver.as_ref();
                judge(&declared.policy, &ripe.key, &ripe.siblings, own)
            };
            match judgement {
                Judgement::Value(value) if leads => {
                    self.conclude(process, table, now, &ripe, Some(&value));
                }
                Judgement::Delete if leads => self.conclude(process, table, now, &ripe, None),
                Judgement::Undecided(cause) => {
                    let raised = self.procs[process].look(table, |t| t.alarm(&ripe, now, &cause));
                    if raised == Some(true) {
                        self.sight(Sight::Alarm);
                    }
                }
                _ => {}
            }
        }
    }

    fn conclude(
        &mut self,
        process: usize,
        table: TableId,
        now: Millis,
        ripe: &Ripe,
        value: Option<&[u8]>,
    ) {
        let same = ripe.siblings.iter().rev().find(|entry| entry.value.as_deref() == value);
        let expires = same.and_then(|entry| entry.expires);
        let conclusion = match value {
            Some(value) => Conclusion::Value { value, expires },
            None => Conclusion::Delete,
        };
        let done = self.procs[process].look(table, |t| {
            let written = t.conclude(now, ripe, conclusion)?;
            Some(DoneWrite::of(table, &ripe.key, value, &written, Cause::Conclusion))
        });
        if let Some(done) = done.flatten() {
            self.sight(Sight::Outcome);
            self.written(process, done);
        }
    }

    /// This island's word takes the place of what another did alone.
    pub(crate) fn overrule(&mut self, process: usize, table: TableId, lone: &[Lone]) {
        let now = self.local(process);
        for Lone { key, writes } in lone {
            let done = self.procs[process].look(table, |t| {
                let (written, shown) = t.overrule(now, key, writes)?;
                let value = shown.as_ref().and_then(|entry| entry.value.as_deref());
                Some(DoneWrite::of(table, key, value, &written, Cause::Overrule))
            });
            if let Some(done) = done.flatten() {
                self.sight(Sight::Overrule);
                self.written(process, done);
            }
        }
    }

    /// The table is declared so from now on.
    pub(crate) fn adopt(&mut self, process: usize, effect: &Effect) {
        let Effect::Adopt { table, declaration, epochs } = effect else { return };
        let tables = self.procs[process].node.tables();
        let same_epoch = tables.epoch(*table) == Some(epochs.current());
        tables.adopt(*table, declaration, epochs);
        if same_epoch {
            self.sight(Sight::AlteredApart);
        }
        self.oracle.logs.entry(*table).or_default().declared(declaration, epochs);
        self.procs[process].may_hold |= declaration.holds();
    }

    /// An operator alters a table by way of one process. True if it is altered.
    pub fn alter(&mut self, process: usize, name: &str, declaration: Declaration) -> bool {
        let altered = self.procs[process].node.alter(name, declaration);
        let Ok(effects) = altered else { return false };
        let done = !effects.is_empty();
        self.carry_out(process, effects);
        done
    }

    /// Alters some table to something else that it can be altered to.
    pub(crate) fn some_alter(&mut self, process: usize) {
        let number = self.rng.below(self.config.tables.len());
        let name = World::<S>::table_name(number);
        let tables = self.procs[process].node.tables();
        let Some(declared) = tables.declared(TableId::of(&name)) else { return };
        let altered = some_alteration(&mut self.rng, &declared);
        if self.alter(process, &name, altered) {
            self.sight(Sight::Alter);
        }
    }

    /// An operator approves, or chooses the side of a process. True if anything was held.
    pub fn decide(&mut self, process: usize, name: &str, choose: bool) -> bool {
        let now = self.steady();
        let node = &mut self.procs[process].node;
        let decided: Result<Vec<Effect>, HoldError> =
            if choose { node.choose(now, name) } else { node.approve(now, name) };
        let Ok(effects) = decided else { return false };
        self.sight(if choose { Sight::Choose } else { Sight::Approve });
        self.carry_out(process, effects);
        true
    }

    /// A program pauses a table, or lets it move again.
    pub(crate) fn some_pause(&mut self, process: usize) {
        let number = self.rng.below(self.config.tables.len());
        let table = TableId::of(&World::<S>::table_name(number));
        if self.procs[process].paused.contains_key(&table) {
            self.unpause(process, table);
        } else {
            self.pause(process, table);
        }
    }

    /// A table stands still from now on.
    pub fn pause(&mut self, process: usize, table: TableId) {
        if self.procs[process].look(table, |_| ()).is_none() {
            return;
        }
        self.fault(Fault::Pause, &[self.procs[process].slot]);
        self.procs[process].node.pause(table);
        let empty = Log::default();
        let log = self.oracle.logs.get(&table).unwrap_or(&empty);
        let still = Still::of(&View::of(self, process, table, log));
        self.procs[process].paused.insert(table, still);
    }

    /// A table moves again, if it stood still.
    pub fn unpause(&mut self, process: usize, table: TableId) {
        if self.procs[process].paused.remove(&table).is_none() {
            return;
        }
        self.local(process);
        let now = self.steady();
        let effects = self.procs[process].node.unpause(now, table);
        self.trace.say(self.now, &[self.procs[process].slot], || format!("unpauses {table:?}"));
        self.carry_out(process, effects);
    }

    /// Notes what kind of table is written.
    pub(crate) fn sight_of_table(&mut self, process: usize, table: TableId) {
        let Some(declared) = self.procs[process].node.tables().declared(table) else { return };
        let sight = match declared.policy {
            Policy::LastWriterWins => Sight::LastWriterWins,
            Policy::Newest => Sight::Newest,
            Policy::MergeOnly => Sight::MergeOnly,
            Policy::LastVersion(_) => Sight::LastVersion,
            Policy::LastModified { .. } => Sight::LastModified,
            Policy::Resolve(_) => Sight::Resolve,
            Policy::Ignore => Sight::Ignore,
            Policy::YieldIsland => Sight::YieldIsland,
        };
        self.sight(sight);
        if declared.kind == Kind::Bag {
            self.sight(Sight::Bag);
        }
        if declared.owner_down == OwnerDown::Hide {
            self.sight(Sight::Hide);
        }
    }
}
