//! What a configuration of the model fixes: the family of tables, how much may happen, and the
//! wording of the rules.

use crate::actions::Action;

/// Which of the two families of tables is replicated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Family {
    /// Concurrent writes stay side by side; a delete leaves nothing (rules 2 to 5).
    #[default]
    Sibling,
    /// One event per key, the highest; a delete is an entry without value (rule 7).
    LastWriterWins,
}

/// A wrong wording of the rules. Each seemed right to somebody once, and each must be caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wording {
    /// 4b: the answer's `seen` is read when the walk ends, not when it begins.
    SeenReadAtTheEnd,
    /// 4c: entries above the captured `seen` are not sent.
    NothingNewerThanCaptured,
    /// 4d: the answer says nothing of what is removed ahead.
    AnswerWithoutRemovedAhead,
    /// 4d: the answerer looks for dead dots in the asker's list, instead of sending what lives.
    DeadFromAskersList,
    /// 4d: the asker's `seen` moves when the answer begins, not when it ends.
    SeenMovesFirst,
    /// 4d in steps: the removals are not worked out again before `seen` moves.
    RemovalsWorkedOutOnce,
    /// 4b as the text first stood: the answer does not bring the answerer's clock.
    BeginWithoutClock,
    /// 4d as the text first stood: the asker removes tombstones too that the answerer lacks.
    TombstonesRemoved,
    /// 3: a removed dot that is not covered yet is not remembered.
    NothingRemovedAhead,
    /// 6: only peers that are linked now must have seen a stable dot.
    LinkedPeersOnly,
    /// 6: a report counts as soon as it is there.
    ReportCountsAtOnce,
    /// 6: a report that tells less than one that waits is taken for an old one.
    WaitingReportHidesOthers,
    /// 6: what a peer tells of others' reports does not bring the members it knows.
    ReportsWithoutMembers,
    /// 1: a fresh process that found a peer writes before its first sync.
    FreshProcessWrites,
    /// 8: siblings are resolved whether stable or not.
    UnstableCollapse,
    /// 8: siblings are resolved when all linked peers have seen them.
    CollapseByLinkedPeers,
    /// 10: entries of a superseded incarnation are removed, but put again when they come.
    SupersededPutAgain,
}

/// The rules that a configuration runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Sibling tables or last writer wins.
    pub family: Family,
    /// Rule 8: siblings that are stable may be resolved.
    pub collapse: bool,
    /// Rule 10: entries of an origin that is not linked are hidden.
    pub hide: bool,
    /// 4d: the end of a sync is applied in two steps.
    pub done_in_steps: bool,
    /// What is worded wrongly, if anything is.
    pub wrong: Option<Wording>,
}

impl Rules {
    /// Whether this is the wording that is wrong.
    #[must_use]
    pub fn has(&self, wording: Wording) -> bool {
        self.wrong == Some(wording)
    }

    /// Whether the tables are of the family where the last writer wins.
    #[must_use]
    pub fn is_lww(&self) -> bool {
        self.family == Family::LastWriterWins
    }

    /// Whether stability is used at all (rules 7 and 8), so that reports mean something.
    #[must_use]
    pub fn uses_stability(&self) -> bool {
        self.is_lww() || self.collapse
    }
}

/// How often things may happen from here on. Part of the state: it shrinks as things happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    /// Writes, deletes and resolved conflicts together.
    pub operations: u8,
    /// How many of the operations may be deletes.
    pub deletes: u8,
    /// Links that break.
    pub breaks: u8,
    /// Links that come up.
    pub links: u8,
    /// Queues of which the ops are dropped.
    pub drops: u8,
    /// Syncs that are cut off though the link stays.
    pub cuts: u8,
    /// Syncs that a node starts by itself, as it does now and then.
    pub asks: u8,
    /// Processes that die.
    pub crashes: u8,
    /// Processes that start in the place of a dead one.
    pub restarts: u8,
}

impl Budget {
    /// Enough of everything for what comes before an exploration.
    pub(crate) const PLENTY: Self = Self {
        operations: u8::MAX,
        deletes: u8::MAX,
        breaks: u8::MAX,
        links: u8::MAX,
        drops: u8::MAX,
        cuts: u8::MAX,
        asks: u8::MAX,
        crashes: u8::MAX,
        restarts: u8::MAX,
    };
}

/// One configuration, to be explored to the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// What it is called.
    pub name: &'static str,
    /// The rules that it runs.
    pub rules: Rules,
    /// Two or three nodes.
    pub nodes: usize,
    /// One or two keys.
    pub keys: usize,
    /// How much may happen.
    pub budget: Budget,
    /// Pairs of nodes that are not linked at the start: A and B, A and C, B and C.
    pub parted: [bool; 3],
    /// At the start nodes know of those only that they are linked to.
    pub strangers: bool,
    /// What happened before the exploration begins, so that it reaches farther.
    pub prelude: &'static [Action],
    /// A writer's clock may run ahead of all others, so that a later write can be the older one.
    pub fast_clocks: bool,
    /// A process that finds no peer may write alone (the exception that rule 7 documents).
    pub alone: bool,
    /// Nodes first write in the order of their numbers. Nodes are alike in sibling tables, so
    /// every run is a renaming of such a run. Where stamps are compared the origin decides
    /// between equal ones, so there this leaves runs out.
    pub writers_in_order: bool,
}

impl Bounds {
    /// The bounds in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let budget = &self.budget;
        let mut words = vec![format!("{} nodes, {} key(s)", self.nodes, self.keys)];
        let counts = [
            (budget.operations, "operations"),
            (budget.deletes, "of them deletes"),
            (budget.breaks, "breaks"),
            (budget.links, "links"),
            (budget.drops, "dropped queues"),
            (budget.cuts, "cut syncs"),
            (budget.asks, "syncs started"),
            (budget.crashes, "crashes"),
            (budget.restarts, "restarts"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        words.extend(counts.map(|(count, what)| format!("{count} {what}")));
        let flags = [
            (!self.prelude.is_empty(), "behind a prelude"),
            (self.parted.contains(&true), "some parted"),
            (self.strangers, "strangers"),
            (self.fast_clocks, "any clocks"),
            (self.alone, "writes alone"),
            (self.rules.done_in_steps, "end of a sync in steps"),
            (self.writers_in_order, "writers in order"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set);
        words.extend(flags.map(|(_, what)| (*what).to_owned()));
        words.join(", ")
    }
}
