//! Hybrid logical clocks (Kulkarni et al. 2014): the stamp of a write is higher than that of every
//! event of the key that the writer has seen. Rule 7 is only right with that: a write that is
//! "older" than a delete its writer has seen would be refused wherever the delete is remembered.

use super::{Checked, View};
use crate::oracle::Op;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(view: &View<'_, S>, op: &Op) -> Checked {
    for other in view.log.newest_first(&op.key) {
        if other.rank() <= op.rank() {
            break;
        }
        if view.has(other.dot) {
            let text = format!(
                "the write {:?} of {:?} has a lower stamp than {:?}, which the writer has seen",
                op.dot, op.key, other.dot
            );
            return Err(view.violation("stamps follow causality", text));
        }
    }
    Ok(())
}
