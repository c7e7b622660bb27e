//! What a program's resolver says of a key, asked before the table is locked.
//!
//! A resolver may take long, or never come back. Under a table's lock nobody could write, and no
//! link could bring anything in; so whoever reads a key under the lock has the resolver asked
//! before, and takes its answer if the key still holds the same siblings.

use crate::policy::Verdict;
use std::cell::RefCell;
use tombolo_core::{Dot, EntryRef};

/// How often a key is looked at again that others write between question and lock.
pub(crate) const TRIES: usize = 3;

/// What a resolver said of these siblings.
struct Answer {
    siblings: Vec<Dot>,
    verdict: Verdict,
}

enum Mode {
    /// Resolvers are asked.
    Ask,
    /// They are, and the answer is kept.
    Keep(Option<Answer>),
    /// None is asked: this is what one said before, and whether another would have had to be.
    Locked { answer: Option<Answer>, missed: bool },
}

thread_local! {
    static MODE: RefCell<Mode> = const { RefCell::new(Mode::Ask) };
}

/// What was said before the lock.
pub(crate) struct Prepared(Option<Answer>);

/// Sets the mode back, also when a closure of the caller's panics.
struct Reset;

impl Drop for Reset {
    fn drop(&mut self) {
        MODE.replace(Mode::Ask);
    }
}

/// Keeps what a resolver says while `look` reads a key.
pub(crate) fn prepare(look: impl FnOnce()) -> Prepared {
    MODE.replace(Mode::Keep(None));
    let _reset = Reset;
    look();
    match MODE.replace(Mode::Ask) {
        Mode::Keep(answer) => Prepared(answer),
        _ => Prepared(None),
    }
}

/// Runs `look` without asking any resolver. Whether that made no difference.
pub(crate) fn without_asking<R>(prepared: &mut Prepared, look: impl FnOnce() -> R) -> (R, bool) {
    MODE.replace(Mode::Locked { answer: prepared.0.take(), missed: false });
    let _reset = Reset;
    let result = look();
    let mut same = true;
    if let Mode::Locked { answer, missed } = MODE.replace(Mode::Ask) {
        (prepared.0, same) = (answer, !missed);
    }
    (result, same)
}

/// What becomes of siblings: what `ask` says, or was said before. None where nobody may be asked.
pub(crate) fn verdict(siblings: &[EntryRef<'_>], ask: impl FnOnce() -> Verdict) -> Option<Verdict> {
    let is_locked = MODE.with_borrow_mut(|mode| match mode {
        Mode::Locked { answer, missed } => {
            let dots = siblings.iter().map(|entry| entry.dot);
            let known = answer.as_ref().filter(|known| dots.eq(known.siblings.iter().copied()));
            *missed |= known.is_none();
            Some(known.map(|known| known.verdict.clone()))
        }
        _ => None,
    });
    if let Some(known) = is_locked {
        return known;
    }
    let verdict = ask();
    MODE.with_borrow_mut(|mode| {
        if let Mode::Keep(answer) = mode {
            let siblings = siblings.iter().map(|entry| entry.dot).collect();
            *answer = Some(Answer { siblings, verdict: verdict.clone() });
        }
    });
    Some(verdict)
}
