//! The cases: one comparison each.

mod apply;
mod daemon;
mod filling;
mod growth;
mod heal;
mod lookups;
mod memory;
mod replicated;
mod sizes;
mod write;

use crate::report::Panel;
use crate::runner::Bench;
use crate::sample::Sample;
use crate::target::Target;
use anyhow::Result;

/// One comparison: who is measured, doing what, and what is to be reached.
pub trait Case {
    /// What it is chosen by on the command line.
    fn name(&self) -> &'static str;

    /// Which plot and which part of the report it belongs to.
    fn group(&self) -> &'static str;

    /// What is to be reached.
    fn targets(&self) -> Vec<Target>;

    /// Measures every subject once, in turn.
    ///
    /// # Errors
    ///
    /// If something could not be measured, or its outcome was wrong; the case has failed then.
    fn round(&self, bench: &Bench) -> Result<Vec<Sample>>;

    /// What the group's plot shows of it: the metric of each target, as bars, if it says nothing.
    fn panels(&self) -> Vec<Panel> {
        Panel::of_targets(&self.targets())
    }
}

/// All cases, in the order in which they run.
pub fn all() -> Vec<Box<dyn Case>> {
    let lookups: [Box<dyn Case>; 2] = [Box::new(lookups::Lookups), Box::new(memory::Memory)];
    let joins: [Box<dyn Case>; 5] = [
        Box::new(heal::Heal),
        Box::new(filling::Filling),
        Box::new(growth::Growth),
        Box::new(apply::Apply),
        Box::new(sizes::Sizes),
    ];
    let daemons: [Box<dyn Case>; 2] = [Box::new(daemon::Daemon), Box::new(replicated::Replicated)];
    lookups.into_iter().chain(write::all()).chain(joins).chain(daemons).collect()
}
