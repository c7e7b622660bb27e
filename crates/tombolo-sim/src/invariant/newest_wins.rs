//! Invariant C of the design (section 3), the half that holds at all times: "in LWW tables no live
//! value is older than an event that the node has seen".
//!
//! Left out is what rule 7 does not promise: the write of a process that began alone and had not
//! met anybody (rule 1), and one of a process that a node had not met when it dropped the delete.
//!
//! In a table that was altered an event removes what is older if the last writer won in any of the
//! epochs from the older to the newer.

use super::{Checked, View};
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    for (key, entry) in view.entries.iter().filter(|(_, entry)| entry.value.is_some()) {
        for op in view.log.newest_first(key) {
            if op.dot == entry.dot || op.rank() < entry.as_ref().rank() {
                break;
            }
            if !view.has(op.dot) || !view.log.must_beat(entry.mark.epoch, op.mark.epoch) {
                continue;
            }
            // The newest that was seen stands for all that it superseded in turn.
            let alone = view.log.find(entry.dot).is_some_and(|written| written.alone);
            if alone || op.unmet.contains(&entry.dot.origin) {
                break;
            }
            let text = format!(
                "{:?} of {key:?} is live, but {:?} is newer and was seen",
                entry.dot, op.dot
            );
            return Err(view.violation("C, the newest event wins", text));
        }
    }
    Ok(())
}
