//! Rule "words" of the design (section 3), `remove(d)`: what was replaced by something that this
//! node has, and is not covered, is removed ahead. It is what makes invariant A last: without it
//! the replaced dot would be let in when it comes late.
//!
//! `seen` and `removed_ahead` travel together in a sync (rule 4d), so this holds for ops that came
//! by a sync as well.

use super::{Checked, View};
use tombolo_core::{Dot, Store};

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    let mut ahead: Option<Vec<Dot>> = None;
    for (dot, replacers) in view.log.replaced_beyond(&view.seen) {
        let Some(by) = replacers.iter().find(|by| view.has(**by)) else { continue };
        let removed = || view.process.look(view.table, |t| t.origins().removed_ahead());
        if !ahead.get_or_insert_with(|| removed().unwrap_or_default()).contains(&dot) {
            let text = format!("{dot:?} was replaced by {by:?}, and would be let in");
            return Err(view.violation("removed ahead", text));
        }
    }
    Ok(())
}
