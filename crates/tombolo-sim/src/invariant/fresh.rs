//! Rule 1 of the design: "a fresh process that found a peer writes after its first sync".
//!
//! One that found nobody begins alone; it does not stop when it meets somebody later.

use super::{Checked, View};
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(view: &View<'_, S>) -> Checked {
    let truth = view.process.truth.get(&view.table);
    if truth.is_some_and(|truth| truth.synced || truth.opened_alone) {
        return Ok(());
    }
    Err(view.violation("fresh processes wait", "wrote before its first sync".to_string()))
}
