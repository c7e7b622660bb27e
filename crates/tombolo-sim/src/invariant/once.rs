//! Rule 8 and finding 6 of the models: "siblings that are all marked are not resolved again". So an
//! outcome takes the place of at least one value that is none, and leaders that dispute each other
//! come to rest.

use super::{Checked, View};
use crate::oracle::Op;
use crate::process::Cause;
use tombolo_core::Store;

pub(super) fn check<S: Store + Default>(view: &View<'_, S>, op: &Op) -> Checked {
    let is_outcome = |op: &Op| op.cause == Cause::Conclusion;
    let mut replaced = op.replaces.iter().filter_map(|dot| view.log.find(*dot));
    if is_outcome(op) && replaced.all(|op| op.mark.outcome) {
        let text = format!("{:?} takes the place of outcomes alone: {:?}", op.dot, op.replaces);
        return Err(view.violation("outcomes are not resolved again", text));
    }
    Ok(())
}
