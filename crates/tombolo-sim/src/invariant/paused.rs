//! A table that somebody has paused stands still (issue 4, item 7): neither its live dots nor its
//! `seen` change before the last guard is gone.

use super::{Checked, View};
use tombolo_core::{Dot, Store, VersionVector};

/// What a table held when it was paused.
#[derive(Clone, Debug)]
pub struct Still {
    seen: VersionVector,
    /// The live dots, in their order, and whether each is a value.
    live: Vec<(Dot, bool)>,
}

impl Still {
    /// What a table holds now.
    pub fn of<S: Store + Default>(view: &View<'_, S>) -> Still {
        let live = view.entries.iter().map(|(_, entry)| (entry.dot, entry.value.is_some()));
        let mut live: Vec<(Dot, bool)> = live.collect();
        live.sort_unstable();
        Still { seen: view.seen.clone(), live }
    }
}

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    let Some(before) = view.process.paused.get(&view.table) else { return Ok(()) };
    let now = Still::of(view);
    if now.seen == before.seen && now.live == before.live {
        return Ok(());
    }
    let text = format!("{:?} is paused, held {before:?} and holds {now:?}", view.table);
    Err(view.violation("a paused table stands still", text))
}
