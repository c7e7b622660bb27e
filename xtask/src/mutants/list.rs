//! The wrong wordings.

/// One wrong wording of a rule.
pub(super) struct Mutant {
    /// What it does.
    pub(super) name: &'static str,
    /// Within how many seeds it must be caught.
    pub(super) seeds: u64,
    /// The file in the core.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) right: &'static str,
    /// What stands there instead.
    pub(super) wrong: &'static str,
}

/// Every mutant. The numbers are those of the rules in the design.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "1: a fresh process does not wait",
        seeds: 500,
        file: "node/tables.rs",
        right: "if !silent && (state.synced || nobody) {",
        wrong: "let _ = nobody;\n            if !silent {",
    },
    Mutant {
        name: "2: replaces is ignored",
        seeds: 500,
        file: "table/mod.rs",
        right: "self.merge(op.key, op.replaces, Some(op.entry));",
        wrong: "self.merge(op.key, &[], Some(op.entry));",
    },
    Mutant {
        name: "2: the clock does not learn",
        seeds: 1000,
        file: "clock/hlc.rs",
        right: "        self.last = self.last.max(stamp);\n",
        wrong: "        let _ = stamp;\n",
    },
    Mutant {
        name: "3: an op after a gap is dropped",
        seeds: 500,
        file: "table/mod.rs",
        right: "        if !known {\n",
        wrong: "        if !known && seq == seen + 1 {\n",
    },
    Mutant {
        name: "4: seen is read at the end of the scan",
        seeds: 500,
        file: "table/ask.rs",
        right: "        seen.join(&chunk.seen_since);\n",
        wrong: "        seen.join(&chunk.seen_since);\n\
                asking.seen = Some(seen.clone());\n",
    },
    Mutant {
        name: "4c: what is above S is not sent",
        seeds: 3000,
        file: "table/answer.rs",
        right: "                if scan.asker.lacks(&entry) {\n                    found",
        wrong: "                if scan.asker.lacks(&entry) && scan.seen.covers(entry.dot) {\n\
                    found",
    },
    Mutant {
        name: "4d: removed_ahead is not in Done",
        seeds: 500,
        file: "table/answer.rs",
        right: "removed_ahead: self.origins.removed_ahead() }",
        wrong: "removed_ahead: Vec::new() }",
    },
    Mutant {
        name: "4d: seen moves before the removals",
        seeds: 500,
        file: "table/ask.rs",
        right: "            // The first step finds no dead dots yet, so it looks for them.\n",
        wrong: "            for (origin, seq) in asking.seen.iter().flat_map(|s| s.iter()) {\n\
                self.origins.advance(origin, seq);\n            }\n",
    },
    Mutant {
        name: "5: removed_ahead is forgotten",
        seeds: 500,
        file: "clock/origins.rs",
        right: "if dot.seq > known.seen && known.removed_ahead.insert(dot.seq) {",
        wrong: "if false && known.removed_ahead.insert(dot.seq) {",
    },
    Mutant {
        name: "6: a report counts at once",
        seeds: 3000,
        file: "table/stable.rs",
        right: "known.counted.reach(origin)",
        wrong: "known.latest.reach(origin)",
    },
    Mutant {
        name: "6: an ack reaches over a gap",
        seeds: 500,
        file: "table/contact.rs",
        right: "            if arrivals.unbroken {\n",
        wrong: "            if true {\n",
    },
    Mutant {
        name: "6: what was before the link is a copy",
        seeds: 500,
        file: "table/contact.rs",
        right: "(self.base < seq && seq <= self.acked)",
        wrong: "seq <= self.acked",
    },
    Mutant {
        name: "4e: a sync outlives its link",
        seeds: 500,
        file: "table/mod.rs",
        right: "        self.scans.remove(&peer);\n        self.asks.remove(&peer);\n",
        wrong: "",
    },
    Mutant {
        name: "7: only linked peers make stable",
        seeds: 500,
        file: "table/stable.rs",
        right: "let counted = self.stability.members.iter().map(|member| {",
        wrong: "let linked = |id: &&Incarnation| self.contacts.contains_key(*id);\n\
                let counted = self.stability.members.iter().filter(linked).map(|member| {",
    },
    Mutant {
        name: "7: a delete leaves no tombstone",
        seeds: 500,
        file: "table/mod.rs",
        right: "self.merge(op.key, op.replaces, Some(op.entry));",
        wrong: "self.merge(op.key, op.replaces, op.entry.value.map(|_| op.entry));",
    },
    Mutant {
        name: "7: tombstones stay for ever",
        seeds: 500,
        file: "table/stable.rs",
        right: "            self.merge(key, &[*dot], None);\n",
        wrong: "            let _ = (key, dot);\n",
    },
    Mutant {
        name: "9: an expired entry is dropped at once",
        seeds: 3000,
        file: "table/stable.rs",
        right: "        event.value = None;\n",
        wrong: "        self.merge(key, &[event.dot], None);\n\
                if event.value.take().is_some() {\n            return;\n        }\n",
    },
    Mutant {
        name: "13: ops were dropped, nobody asks",
        seeds: 500,
        file: "table/contact.rs",
        right: "        let hole = seq > self.to;\n",
        wrong: "        let hole = false && seq > self.to;\n",
    },
];
