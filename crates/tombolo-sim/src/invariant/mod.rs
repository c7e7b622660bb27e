//! What must hold. One file each, with its source.
//!
//! [`check`] runs after every step, for the processes that changed in it; [`check_end`] once, when
//! everything was healed and has settled.

mod acks;
pub(crate) mod apart;
mod bookkeeping;
mod causal;
mod concluded;
mod convergence;
mod dead_for_ever;
mod fresh;
mod hide;
mod ledger;
mod loss;
mod memory;
mod newest_wins;
mod once;
mod parked;
mod paused;
mod removed_ahead;
mod same_view;
mod survival;
mod together;
mod tombstones;
mod watch;
mod zombie;

pub use hide::is_hidden;
pub use paused::Still;
pub use watch::{check_watcher, shown_by};

use crate::oracle::{Log, Op};
use crate::process::Process;
use crate::sight::Sight;
use crate::world::World;
use std::fmt;
use tombolo_core::{Dot, Entry, Store, TableId, VersionVector};

/// Something that must not happen did.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// The nodes concerned.
    pub slots: Vec<usize>,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// What a check returns.
pub type Checked = Result<(), Violation>;

/// One table of one process as it is now, walked once for all invariants.
pub struct View<'a, S> {
    /// The process.
    pub process: &'a Process<S>,
    /// The table.
    pub table: TableId,
    /// Every op of the table.
    pub log: &'a Log,
    /// Every entry in the store.
    pub entries: Vec<(Box<[u8]>, Entry)>,
    /// `seen`, as the process says.
    pub seen: VersionVector,
}

impl<'a, S: Store + Default> View<'a, S> {
    /// A table of a process as it is now.
    pub fn of(world: &'a World<S>, process: usize, table: TableId, log: &'a Log) -> View<'a, S> {
        let process = &world.procs[process];
        let mut entries = Vec::new();
        let seen = process.look(table, |t| {
            for bucket in 0..t.store().buckets() {
                t.store().visit(bucket, &mut |key, entry| {
                    entries.push((key.into(), entry.to_entry()));
                });
            }
            t.seen()
        });
        View { process, table, log, entries, seen: seen.unwrap_or_default() }
    }

    /// Whether the dot is live, as a value or as a tombstone.
    pub fn is_live(&self, dot: Dot) -> bool {
        self.entries.iter().any(|(_, entry)| entry.dot == dot)
    }

    /// Covered by `seen`, or taken in beyond a gap.
    pub fn has(&self, dot: Dot) -> bool {
        let truth = || self.process.truth.get(&self.table);
        self.seen.covers(dot) || truth().is_some_and(|truth| truth.applied.contains(&dot))
    }

    /// Covered, taken in beyond a gap, or live.
    pub fn knows(&self, dot: Dot) -> bool {
        self.is_live(dot) || self.has(dot)
    }

    /// A violation on this process.
    pub fn violation(&self, invariant: &'static str, text: String) -> Violation {
        let slots = vec![self.process.slot];
        Violation { invariant, slots, text: format!("n{}: {text}", self.process.slot) }
    }
}

/// Checks the processes that changed since the last time.
pub fn check<S: Store + Default>(world: &mut World<S>) -> Checked {
    let dirty: Vec<usize> = std::mem::take(&mut world.dirty).into_iter().collect();
    let empty = Log::default();
    for process in dirty {
        if !world.procs[process].alive {
            continue;
        }
        memory::check(world, process)?;
        for table in world.procs[process].node.tables().ids() {
            let log = world.oracle.logs.get(&table).unwrap_or(&empty);
            let view = View::of(world, process, table, log);
            bookkeeping::check(&view)?;
            zombie::check(&view)?;
            removed_ahead::check(&view)?;
            hide::check(&view)?;
            let hidden = view.process.look(table, |t| t.hidden()).unwrap_or(0);
            parked::check(world, &view)?;
            paused::check(&view)?;
            loss::check(world, &view)?;
            together::check(world, &view)?;
            if !world.config.forgetting {
                newest_wins::check(&view)?;
            }
            let lives = dead_for_ever::check(&view)?;
            let told = acks::check(world, &view)?;
            let banished = hide::banished(&view, &lives);
            if banished {
                world.sight(Sight::Banished);
            }
            if hidden > 0 {
                world.sight(Sight::Hidden);
            }
            dead_for_ever::remember(world, process, table, lives);
            together::remember(world, process, table);
            acks::remember(world, process, table, told)?;
        }
    }
    Ok(())
}

/// Checks a write at the moment it is made.
pub fn check_write<S: Store + Default>(
    world: &World<S>,
    process: usize,
    table: TableId,
    op: &Op,
) -> Checked {
    let empty = Log::default();
    let log = world.oracle.logs.get(&table).unwrap_or(&empty);
    let view = View::of(world, process, table, log);
    fresh::check(&view)?;
    causal::check(&view, op)?;
    once::check(&view, op)?;
    concluded::check(world, &view, op)
}

/// Checks what must hold when everything was healed and has settled.
pub fn check_end<S: Store + Default>(world: &World<S>) -> Checked {
    convergence::check(world)?;
    same_view::check(world)?;
    survival::check(world)?;
    hide::check_end(world)?;
    ledger::check(world)?;
    watch::check_end(world)?;
    tombstones::check(world)?;
    world.check_answered()
}

/// Whether it all looks settled, so that waiting longer changes nothing that is checked.
pub fn is_settled<S: Store + Default>(world: &World<S>) -> bool {
    convergence::check(world).is_ok()
        && tombstones::check(world).is_ok()
        && hide::check_end(world).is_ok()
        && same_view::check(world).is_ok()
        && world.check_answered().is_ok()
        && watch::is_settled(world)
}
