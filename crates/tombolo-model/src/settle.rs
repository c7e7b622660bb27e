//! The heal: everything links and syncs, in one fixed order, until nothing is left to do.

use crate::actions::Action;
use crate::bounds::Bounds;
use crate::state::{Asking, PAIRS, PLACES, State};

/// A heal under way. Its steps are those of the model; only the budget does not bind them.
pub(crate) struct Heal<'a, F> {
    state: State,
    bounds: &'a Bounds,
    watch: F,
}

/// The state that the survivors come to when no more faults happen. `watch` is shown every step
/// with the state before it.
pub(crate) fn settle(state: State, bounds: &Bounds, watch: impl FnMut(&State, Action)) -> State {
    let mut heal = Heal { state, bounds, watch };
    heal.drain();
    heal.link_all();
    heal.drain();
    heal.sync_all();
    if bounds.rules.uses_stability() {
        heal.report_all();
        heal.sync_all();
    }
    heal.state
}

impl<F: FnMut(&State, Action)> Heal<'_, F> {
    fn take(&mut self, action: Action) {
        (self.watch)(&self.state, action);
        self.state.apply(action, self.bounds);
    }

    fn link_all(&mut self) {
        for (pair, (one, other)) in PAIRS.into_iter().enumerate() {
            let up = |place: usize| self.state.nodes[place].process.is_some();
            if !self.state.linked[pair] && up(one) && up(other) {
                self.take(Action::Link { pair });
            }
        }
    }

    /// Up to three rounds, because what a node lacks may come to its peer only with the first.
    fn sync_all(&mut self) {
        for _ in 0..3 {
            if self.state.differing().is_none() {
                return;
            }
            for (at, peer) in each_way() {
                if self.state.is_linked(at, peer) {
                    self.take(Action::Ask { at, peer });
                }
            }
            self.drain();
        }
    }

    /// Reports go round until all that is stable is known to be, and tombstones are dropped.
    fn report_all(&mut self) {
        for _ in 0..3 {
            for (from, to) in each_way() {
                if self.state.is_linked(from, to) {
                    self.take(Action::Report { from, to });
                }
            }
        }
        for at in (0..PLACES).filter(|_| self.bounds.rules.is_lww()) {
            for dot in self.state.droppable(at, &self.bounds.rules) {
                self.take(Action::DropTombstone { at, index: dot.index() as u8 });
            }
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.next() {
            self.take(action);
        }
    }

    /// The next step of whatever is on its way, if anything is.
    fn next(&self) -> Option<Action> {
        each_way().find_map(|(at, peer)| {
            let node = &self.state.nodes[at];
            if !self.state.queues[at][peer].is_empty() {
                return Some(Action::Deliver { from: at, to: peer });
            }
            if let Asking::Finishing(_) = node.asking[peer] {
                return Some(Action::MoveSeen { at, from: peer });
            }
            node.walks[peer].map(|walk| match walk.keys_left {
                0 => Action::EndWalk { at, asker: peer },
                keys => Action::Walk { at, asker: peer, key: keys.trailing_zeros() as u8 },
            })
        })
    }
}

fn each_way() -> impl Iterator<Item = (usize, usize)> {
    (0..PLACES).flat_map(|one| (0..PLACES).map(move |other| (one, other)))
}
