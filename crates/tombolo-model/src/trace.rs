//! A counterexample, for people.

use std::fmt::Write as _;

use crate::actions::Action;
use crate::bounds::Bounds;
use crate::search::Counterexample;
use crate::settle::settle;
use crate::state::{PLACES, State};

/// The steps one by one, each with what it changed, and what was broken at the end.
#[must_use]
pub fn print(counterexample: &Counterexample, bounds: &Bounds) -> String {
    let mut trace = Trace { text: String::new(), steps: 0, bounds };
    let mut state = State::empty(bounds);
    for action in bounds.prelude.iter().copied() {
        let next = state.after(action, bounds);
        trace.step(&state, action, &next);
        state = next;
    }
    state = State::start(bounds);
    let mut broken_before_heal = false;
    for action in counterexample.actions.iter().copied() {
        let next = state.after(action, bounds);
        trace.step(&state, action, &next);
        broken_before_heal = state.check_step(&next, &bounds.rules).is_err();
        state = next;
    }
    broken_before_heal |= state.check_places(&bounds.rules).is_err();
    if !broken_before_heal {
        let _ = writeln!(trace.text, "     nothing more happens, everything links and syncs:");
        state = settle(state, bounds, |state, action| {
            trace.step(state, action, &state.after(action, bounds));
        });
    }
    trace.on_the_way(&state);
    let _ = writeln!(trace.text, "  => {}", state.explain(counterexample.violation));
    trace.text
}

struct Trace<'a> {
    text: String,
    steps: usize,
    bounds: &'a Bounds,
}

impl Trace<'_> {
    fn step(&mut self, state: &State, action: Action, next: &State) {
        self.steps += 1;
        let said = state.describe(action, self.bounds);
        let _ = writeln!(self.text, "{:>3}. {said}", self.steps);
        for place in 0..PLACES {
            let line = replica(next, place, self.bounds);
            if line != replica(state, place, self.bounds) {
                let _ = writeln!(self.text, "       {line}");
            }
        }
    }

    fn on_the_way(&mut self, state: &State) {
        for (from, queues) in state.queues.iter().enumerate() {
            for (to, queue) in queues.iter().enumerate().filter(|(_, queue)| !queue.is_empty()) {
                let (from, to) = (state.name(from), state.name(to));
                let messages: Vec<String> = queue.iter().map(ToString::to_string).collect();
                let messages = messages.join("; ");
                let _ = writeln!(self.text, "     on its way from {from} to {to}: {messages}");
            }
        }
    }
}

fn replica(state: &State, place: usize, bounds: &Bounds) -> String {
    let node = &state.nodes[place];
    let mut line = format!("{}: seen {} | live {}", state.name(place), node.seen, node.live);
    if !node.applied.is_empty() {
        let _ = write!(line, " | applied {}", node.applied);
    }
    if !node.removed_ahead.is_empty() {
        let _ = write!(line, " | removed ahead {}", node.removed_ahead);
    }
    if bounds.rules.uses_stability() {
        let _ = write!(line, " | stable {}", state.stable(place, &bounds.rules));
    }
    line
}
