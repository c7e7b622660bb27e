//! Invariant A of the design (section 3): no zombie.
//!
//! "A node whose `seen` covers a write or delete has none of the dots it replaced live." The same
//! for an op that was taken in beyond a gap, on which acknowledgements rest. A tombstone that was
//! replaced shows nobody anything, so only values count.

use super::{Checked, View};
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    for (key, entry) in view.entries.iter().filter(|(_, entry)| entry.value.is_some()) {
        let mut replacers = view.log.replacers(entry.dot).iter();
        if let Some(by) = replacers.find(|by| view.has(**by)) {
            let text = format!("{:?} of {key:?} is live, but {by:?} replaced it", entry.dot);
            return Err(view.violation("A, no zombie", text));
        }
    }
    Ok(())
}
