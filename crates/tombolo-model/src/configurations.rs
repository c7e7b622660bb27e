//! The configurations that are explored: those where the rules must hold, and for each wrong
//! wording one where it must be caught.

use crate::actions::Action;
use crate::bounds::{Bounds, Budget, Family, Rules, Wording};
use crate::state::Kind;

const SIBLING: Rules = Rules {
    family: Family::Sibling,
    collapse: false,
    hide: false,
    done_in_steps: false,
    wrong: None,
};
const IN_STEPS: Rules = Rules { done_in_steps: true, ..SIBLING };
const COLLAPSE: Rules = Rules { collapse: true, ..SIBLING };
const HIDE: Rules = Rules { hide: true, ..SIBLING };
const LWW: Rules = Rules { family: Family::LastWriterWins, ..SIBLING };
const LWW_IN_STEPS: Rules = Rules { done_in_steps: true, ..LWW };

const NOTHING: Budget = Budget {
    operations: 0,
    deletes: 0,
    breaks: 0,
    links: 0,
    drops: 0,
    cuts: 0,
    asks: 0,
    crashes: 0,
    restarts: 0,
};
/// A write, a delete and another of either kind.
const THREE: Budget = Budget { operations: 3, deletes: 1, ..NOTHING };
const THREE_AND_A_FLAP: Budget = Budget { breaks: 1, links: 1, ..THREE };
const THREE_AND_A_RESTART: Budget = Budget { crashes: 1, restarts: 1, links: 1, ..THREE };

const BASE: Bounds = Bounds {
    name: "",
    rules: SIBLING,
    nodes: 3,
    keys: 1,
    budget: NOTHING,
    parted: [false; 3],
    strangers: false,
    prelude: &[],
    fast_clocks: false,
    alone: false,
    writers_in_order: false,
};
const TWO: Bounds = Bounds { nodes: 2, ..BASE };
/// A chain: the first and the last of it are not linked.
const NO_AB: [bool; 3] = [true, false, false];
const NO_AC: [bool; 3] = [false, true, false];
const NO_BC: [bool; 3] = [false, false, true];

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

const fn put(at: usize) -> Action {
    Action::Write { at, key: 0, kind: Kind::Put, fast: false }
}

const fn delete(at: usize) -> Action {
    Action::Write { at, key: 0, kind: Kind::Delete, fast: false }
}

const fn gets(to: usize, from: usize) -> Action {
    Action::Deliver { from, to }
}

/// One value that everybody has.
const ONE_VALUE: &[Action] = &[put(A), gets(B, A), gets(C, A)];
/// A wrote and deleted, and B knows.
const DELETED_AT_B: &[Action] = &[put(A), delete(A), gets(B, A), gets(B, A)];
/// B wrote and deleted, and A knows.
const DELETED_AT_A: &[Action] = &[put(B), delete(B), gets(A, B), gets(A, B)];
/// B wrote and deleted, and C knows.
const DELETED_AT_C: &[Action] = &[put(B), delete(B), gets(C, B), gets(C, B)];
/// B deleted A's value and C, who knows, wrote another; A has the second and not the delete.
const DELETED_BETWEEN: &[Action] = &[put(A), gets(B, A), delete(B), gets(C, B), put(C), gets(A, C)];
/// The same, and A, who holds both, has lost B.
const DELETED_AND_PARTED: &[Action] =
    &[put(A), gets(B, A), delete(B), gets(C, B), put(C), gets(A, C), Action::Break { pair: 0 }];
/// C has deleted A's value and has B's older one; A has the delete and not B's value.
const OLDER_ON_ITS_WAY: &[Action] =
    &[put(A), gets(C, A), put(B), delete(C), gets(C, B), gets(A, C)];

/// Where the rules must hold: some minutes on two cores.
#[must_use]
pub fn large() -> Vec<Bounds> {
    let mut all = large_sibling();
    all.extend(large_lww());
    all.extend(large_stable_and_hidden());
    all
}

fn large_sibling() -> Vec<Bounds> {
    let faults = Budget { cuts: 1, drops: 1, deletes: 2, operations: 4, ..THREE_AND_A_FLAP };
    let restart = Budget { operations: 2, links: 2, ..THREE_AND_A_RESTART };
    vec![
        Bounds {
            name: "sibling, 2 nodes, every link fault",
            budget: faults,
            writers_in_order: true,
            ..TWO
        },
        Bounds {
            name: "sibling, 2 nodes, 2 keys",
            budget: Budget { cuts: 1, ..THREE_AND_A_FLAP },
            keys: 2,
            rules: IN_STEPS,
            writers_in_order: true,
            ..TWO
        },
        Bounds {
            name: "sibling, 3 nodes, a link breaks and returns",
            budget: THREE_AND_A_FLAP,
            writers_in_order: true,
            ..BASE
        },
        Bounds {
            name: "sibling, 3 nodes, a chain closes",
            budget: Budget { links: 1, ..THREE },
            parted: NO_BC,
            ..BASE
        },
        Bounds {
            name: "sibling, 3 nodes, a sync in steps is cut, a queue dropped",
            budget: Budget { asks: 1, cuts: 1, drops: 1, operations: 2, ..THREE },
            rules: IN_STEPS,
            writers_in_order: true,
            ..BASE
        },
        Bounds {
            name: "sibling, 3 nodes, one restarts empty",
            budget: restart,
            writers_in_order: true,
            ..BASE
        },
    ]
}

fn large_lww() -> Vec<Bounds> {
    vec![
        Bounds {
            name: "lww, 2 nodes, a link breaks and returns, any clocks",
            rules: LWW,
            budget: THREE_AND_A_FLAP,
            fast_clocks: true,
            ..TWO
        },
        Bounds {
            name: "lww, 2 nodes, one restarts empty, any clocks",
            rules: LWW,
            budget: THREE_AND_A_RESTART,
            fast_clocks: true,
            ..TWO
        },
        Bounds {
            name: "lww, 2 nodes, one restarts and may write alone",
            rules: LWW_IN_STEPS,
            budget: THREE_AND_A_RESTART,
            alone: true,
            ..TWO
        },
        Bounds {
            name: "lww, 3 nodes, a link breaks",
            rules: LWW,
            budget: Budget { breaks: 1, ..THREE },
            writers_in_order: true,
            ..BASE
        },
        Bounds {
            name: "lww, 3 nodes, a value comes late, a sync in steps",
            rules: LWW_IN_STEPS,
            budget: Budget { asks: 1, ..NOTHING },
            prelude: OLDER_ON_ITS_WAY,
            ..BASE
        },
        Bounds {
            name: "lww, 3 nodes, one value, one restarts empty",
            rules: LWW,
            budget: Budget { operations: 2, ..THREE_AND_A_RESTART },
            prelude: ONE_VALUE,
            ..BASE
        },
        Bounds {
            name: "lww, 3 nodes, strangers meet",
            rules: LWW,
            budget: Budget { operations: 1, links: 1, ..NOTHING },
            prelude: DELETED_AT_C,
            parted: NO_AC,
            strangers: true,
            ..BASE
        },
    ]
}

fn large_stable_and_hidden() -> Vec<Bounds> {
    vec![
        Bounds {
            name: "collapse, 3 nodes",
            rules: COLLAPSE,
            budget: THREE,
            writers_in_order: true,
            ..BASE
        },
        Bounds {
            name: "collapse, 3 nodes, a delete comes late",
            rules: COLLAPSE,
            budget: Budget { operations: 1, deletes: 1, breaks: 2, ..NOTHING },
            prelude: DELETED_BETWEEN,
            ..BASE
        },
        Bounds {
            name: "hide, 2 nodes, one restarts empty",
            rules: HIDE,
            budget: Budget {
                operations: 4,
                deletes: 2,
                breaks: 1,
                links: 2,
                ..THREE_AND_A_RESTART
            },
            ..TWO
        },
        Bounds {
            name: "hide, 3 nodes, one restarts empty",
            rules: HIDE,
            budget: Budget { operations: 2, ..THREE_AND_A_RESTART },
            ..BASE
        },
    ]
}

/// Where the rules must hold: seconds, also without optimisation.
#[must_use]
pub fn small() -> Vec<Bounds> {
    let two = Budget { operations: 2, ..THREE };
    vec![
        Bounds {
            name: "sibling, 2 nodes",
            budget: Budget { cuts: 1, ..THREE_AND_A_FLAP },
            writers_in_order: true,
            ..TWO
        },
        Bounds {
            name: "sibling, 3 nodes",
            budget: Budget { breaks: 1, links: 1, ..two },
            rules: IN_STEPS,
            ..BASE
        },
        Bounds {
            name: "lww, 2 nodes",
            rules: LWW_IN_STEPS,
            budget: Budget { asks: 1, drops: 1, ..THREE },
            ..TWO
        },
        Bounds {
            name: "lww, 2 nodes, restart",
            rules: LWW,
            budget: THREE_AND_A_RESTART,
            writers_in_order: true,
            ..TWO
        },
        Bounds { name: "lww, 3 nodes", rules: LWW, budget: THREE, writers_in_order: true, ..BASE },
        Bounds {
            name: "lww, 3 nodes, a value comes late",
            rules: LWW_IN_STEPS,
            budget: Budget { asks: 1, ..NOTHING },
            prelude: OLDER_ON_ITS_WAY,
            ..BASE
        },
        Bounds { name: "collapse, 2 nodes", rules: COLLAPSE, budget: THREE, ..TWO },
        Bounds { name: "hide, 2 nodes", rules: HIDE, budget: THREE_AND_A_RESTART, ..TWO },
    ]
}

/// For each wrong wording a configuration where it is caught.
#[must_use]
pub fn wrong() -> Vec<Bounds> {
    let mut all = wrong_sync();
    all.extend(wrong_stability());
    all
}

fn case(wrong: Wording, rules: Rules, bounds: Bounds) -> Bounds {
    Bounds { name: "wrong wording", rules: Rules { wrong: Some(wrong), ..rules }, ..bounds }
}

fn wrong_sync() -> Vec<Bounds> {
    let two = Budget { operations: 2, ..NOTHING };
    let asked = Budget { asks: 1, ..two };
    let linked = Budget { links: 1, ..two };
    let deleted = Budget { deletes: 1, ..two };
    vec![
        case(Wording::SeenReadAtTheEnd, SIBLING, Bounds { budget: asked, ..TWO }),
        case(
            Wording::NothingNewerThanCaptured,
            SIBLING,
            Bounds { budget: linked, parted: NO_AC, ..BASE },
        ),
        case(
            Wording::AnswerWithoutRemovedAhead,
            SIBLING,
            Bounds { budget: Budget { links: 1, ..deleted }, parted: NO_BC, ..BASE },
        ),
        case(
            Wording::DeadFromAskersList,
            SIBLING,
            Bounds { budget: linked, parted: NO_AB, ..BASE },
        ),
        case(
            Wording::SeenMovesFirst,
            SIBLING,
            Bounds { budget: Budget { cuts: 1, ..linked }, parted: NO_AB, ..TWO },
        ),
        case(
            Wording::RemovalsWorkedOutOnce,
            IN_STEPS,
            Bounds { budget: Budget { asks: 1, ..deleted }, ..BASE },
        ),
        case(Wording::NothingRemovedAhead, SIBLING, Bounds { budget: deleted, ..BASE }),
        case(Wording::BeginWithoutClock, LWW, Bounds { budget: THREE_AND_A_RESTART, ..TWO }),
        case(
            Wording::TombstonesRemoved,
            LWW_IN_STEPS,
            Bounds { budget: Budget { asks: 1, ..NOTHING }, prelude: OLDER_ON_ITS_WAY, ..BASE },
        ),
    ]
}

fn wrong_stability() -> Vec<Bounds> {
    let linked = Budget { operations: 1, links: 1, ..NOTHING };
    let late = Budget { operations: 1, ..NOTHING };
    let restart = Budget { operations: 1, deletes: 0, asks: 1, ..THREE_AND_A_RESTART };
    vec![
        case(
            Wording::LinkedPeersOnly,
            LWW,
            Bounds { budget: linked, parted: NO_BC, prelude: DELETED_AT_A, ..BASE },
        ),
        case(Wording::ReportCountsAtOnce, LWW, Bounds { budget: THREE, ..BASE }),
        case(
            Wording::WaitingReportHidesOthers,
            LWW,
            Bounds {
                budget: Budget { operations: 1, crashes: 1, ..NOTHING },
                parted: NO_BC,
                prelude: DELETED_AT_B,
                ..BASE
            },
        ),
        case(
            Wording::ReportsWithoutMembers,
            LWW,
            Bounds {
                budget: linked,
                parted: NO_AC,
                strangers: true,
                prelude: DELETED_AT_C,
                ..BASE
            },
        ),
        case(Wording::FreshProcessWrites, LWW, Bounds { budget: THREE_AND_A_RESTART, ..TWO }),
        case(
            Wording::UnstableCollapse,
            COLLAPSE,
            Bounds { budget: late, prelude: DELETED_BETWEEN, ..BASE },
        ),
        case(
            Wording::CollapseByLinkedPeers,
            COLLAPSE,
            Bounds { budget: Budget { breaks: 1, ..late }, prelude: DELETED_AND_PARTED, ..BASE },
        ),
        case(Wording::SupersededPutAgain, HIDE, Bounds { budget: restart, ..BASE }),
    ]
}
