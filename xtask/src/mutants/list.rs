//! The wrong wordings.

/// One wrong wording of a rule.
pub(super) struct Mutant {
    /// What it does.
    pub(super) name: &'static str,
    /// Within how many seeds the simulator must catch it; none if the core's own tests must,
    /// because what it breaks is no promise that the simulator could see broken.
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
        right: "!silent && (state.synced || nobody)",
        wrong: "let _ = nobody;\n        !silent",
    },
    Mutant {
        name: "2: replaces is ignored",
        seeds: 500,
        file: "table/mod.rs",
        right: "self.merge(op.key, op.replaces, Some(op.entry), true);",
        wrong: "self.merge(op.key, &[], Some(op.entry), true);",
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
        right: "            seen.join(&chunk.seen_since);\n",
        wrong: "            seen.join(&chunk.seen_since);\n\
                asking.seen = Some(seen.clone());\n",
    },
    Mutant {
        name: "4c: what is above S is not sent",
        seeds: 3000,
        file: "table/answer.rs",
        right: "let found = read(&self.store, &scan.asker, &key);",
        wrong: "let mut found = read(&self.store, &scan.asker, &key);\n\
                found.entries.retain(|entry| scan.seen.covers(entry.dot));",
    },
    Mutant {
        name: "4d: removed_ahead is not in Done",
        seeds: 500,
        file: "table/answer.rs",
        right: "removed_ahead: self.origins.removed_ahead(),",
        wrong: "removed_ahead: Vec::new(),",
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
        right: "if dot.seq > self.seen(dot.origin)\n            &&",
        wrong: "if false\n            &&",
    },
    Mutant {
        name: "6: a report counts at once",
        seeds: 3000,
        file: "table/stable.rs",
        right: "known.counted.reach(origin)",
        wrong: "known.latest().reach(origin)",
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
        right: "self.merge(op.key, op.replaces, Some(op.entry), true);",
        wrong: "self.merge(op.key, op.replaces, op.entry.value.map(|_| op.entry), true);",
    },
    Mutant {
        name: "7: tombstones stay for ever",
        seeds: 500,
        file: "table/stable.rs",
        right: "            self.merge(key, &[*dot], None, false);\n",
        wrong: "            let _ = (key, dot);\n",
    },
    Mutant {
        name: "9: an expired entry is dropped at once",
        seeds: 3000,
        file: "table/stable.rs",
        right: "        event.value = None;\n",
        wrong: "        self.merge(key, &[event.dot], None, false);\n\
                if event.value.take().is_some() {\n            return;\n        }\n",
    },
    Mutant {
        name: "13: ops were dropped, nobody asks",
        seeds: 500,
        file: "table/contact.rs",
        right: "        let hole = seq > self.to;\n",
        wrong: "        let hole = false && seq > self.to;\n",
    },
    Mutant {
        name: "4a: what was left out is taken for equal",
        seeds: 0,
        file: "table/answer.rs",
        right: "            if !parts.is_empty() {",
        wrong: "            if false && !parts.is_empty() {",
    },
    Mutant {
        name: "4d: a part claims all",
        seeds: 500,
        file: "table/ask.rs",
        right: "return Finished::Filled(asking.report);",
        wrong: "let seen = seen.clone();\n\
                self.claim(&seen, Vec::new());\n\
                return Finished::Filled(asking.report);",
    },
    Mutant {
        name: "4d: a look claims what it saw",
        seeds: 0,
        file: "table/ask.rs",
        right: "Aim::Look => Finished::Looked(asking.preview),",
        wrong: "Aim::Look => {\n\
                self.claim(&asking.seen.unwrap_or_default(), Vec::new());\n\
                Finished::Looked(asking.preview)\n\
                }",
    },
    Mutant {
        name: "7: the epoch is left out of the order",
        seeds: 1000,
        file: "entry.rs",
        right: "Rank(self.mark.epoch, self.stamp, self.dot)",
        wrong: "Rank(0, self.stamp, self.dot)",
    },
    Mutant {
        name: "7: today's rule judges the past",
        seeds: 1000,
        file: "declaration/epochs.rs",
        right: "Some(past) => past.last_writer_wins,",
        wrong: "Some(_) => now,",
    },
    Mutant {
        name: "7: an epoch in between does not count",
        seeds: 1000,
        file: "declaration/epochs.rs",
        right: "(usize::from(first)..=usize::from(last)).any(",
        wrong: "[usize::from(first.max(last))].into_iter().any(",
    },
    Mutant {
        name: "7: a delete after an alteration is forgotten",
        seeds: 1000,
        file: "table/mod.rs",
        right: "let keeps = event.value.is_some() || self.removes_older(event.mark.epoch);",
        wrong: "let keeps = event.value.is_some()\n\
                || self.last_writer_wins && self.removes_older(event.mark.epoch);",
    },
    Mutant {
        name: "7: an alteration is told after it is used",
        seeds: 0,
        file: "node/alter.rs",
        right: "self.effects.push(Effect::Adopt { table, declaration, epochs });",
        wrong: "self.effects.push(Effect::Adopt { table, declaration, epochs });\n\
                self.effects.rotate_right(1);",
    },
    Mutant {
        name: "8: siblings are concluded unstable",
        seeds: 1000,
        file: "table/siblings.rs",
        right: "siblings.len() > 1 && all_stable && !settled",
        wrong: "siblings.len() > 1 && (true || all_stable) && !settled",
    },
    Mutant {
        name: "8: outcomes are concluded again",
        seeds: 0,
        file: "table/siblings.rs",
        right: "siblings.len() > 1 && all_stable && !settled",
        wrong: "siblings.len() > 1 && all_stable && (true || !settled)",
    },
    Mutant {
        name: "8: siblings that changed are concluded",
        seeds: 0,
        file: "table/siblings.rs",
        right: "if self.paused || self.visible(&ripe.key, now) != ripe.siblings {\n\
                \x20           return",
        wrong: "if self.paused {\n            return",
    },
    Mutant {
        name: "8: every node concludes",
        seeds: 0,
        file: "node/sync.rs",
        right: "let leads = *self.leader() == self.settings.id;",
        wrong: "let leads = *self.leader() == self.settings.id || true;",
    },
    Mutant {
        name: "8: a delete of siblings is remembered",
        seeds: 0,
        file: "table/mod.rs",
        right: "let keeps = event.value.is_some() || self.removes_older(event.mark.epoch);",
        wrong: "let keeps = true;",
    },
    Mutant {
        name: "8: an island's word replaces nothing",
        seeds: 0,
        file: "table/siblings.rs",
        right: "let mut dots: Vec<Dot> = lone.to_vec();",
        wrong: "let mut dots: Vec<Dot> = lone[..0].to_vec();",
    },
    Mutant {
        name: "8: a held peer's ops are taken in",
        seeds: 0,
        file: "node/hold.rs",
        right: "        state.held.insert(peer, held);\n",
        wrong: "        state.held.insert(peer, held);\n\
                self.effects.push(Effect::Attach { table: id, to: peer });\n",
    },
    Mutant {
        name: "8: what was seen stays noted",
        seeds: 0,
        file: "table/mod.rs",
        right: "op.replaces.iter().for_each(|dot| self.ledger.retract(*dot));",
        wrong: "op.replaces[..0].iter().for_each(|dot| self.ledger.retract(*dot));",
    },
    Mutant {
        name: "batches: a sync sends their keys one by one",
        seeds: 1000,
        file: "table/answer.rs",
        right: "        self.purpose != Purpose::Look\n            && batches",
        wrong: "        false && self.purpose != Purpose::Look\n            && batches",
    },
    Mutant {
        name: "batches: they are forgotten before all have them",
        seeds: 1000,
        file: "table/batch.rs",
        right: "or_insert_with(|| self.stable(origin)) >= seq",
        wrong: "or_insert_with(|| self.stable(origin).max(self.seen_of(origin))) >= seq",
    },
    Mutant {
        name: "batches: what they replaced stays through a sync",
        seeds: 3000,
        file: "table/ask.rs",
        right: "&& !listed || replaced.contains(&entry.dot)",
        wrong: "&& !listed || false && replaced.contains(&entry.dot)",
    },
    Mutant {
        name: "9: an op from the future is taken in",
        seeds: 0,
        file: "table/mod.rs",
        right: "        if self.is_ahead(op.entry.stamp) {",
        wrong: "        if false && self.is_ahead(op.entry.stamp) {",
    },
    Mutant {
        name: "9: a sync from the future is claimed",
        seeds: 0,
        file: "table/ask.rs",
        right: "            if asking.parked {",
        wrong: "            if false && asking.parked {",
    },
    Mutant {
        name: "10: a writer replaces what is hidden",
        seeds: 0,
        file: "table/mod.rs",
        right: "            let hidden = owners.hide(entry.dot.origin);\n",
        wrong: "            let hidden = false && owners.hide(entry.dot.origin);\n",
    },
    Mutant {
        name: "10: superseded owners are let in",
        seeds: 500,
        file: "table/mod.rs",
        right: "let banned = new.filter(|event| self.owners.refuse(event.dot.origin));",
        wrong: "let banned = new.filter(|event| false && self.owners.refuse(event.dot.origin));",
    },
    Mutant {
        name: "10: what is hidden is concluded",
        seeds: 0,
        file: "node/sync.rs",
        right: "state.declaration.owner_down == OwnerDown::Keep",
        wrong: "state.declaration.owner_down != OwnerDown::Hide || leads",
    },
    Mutant {
        name: "12: a leader serves without grants",
        seeds: 1500,
        file: "node/serial.rs",
        right: "state.peers.keys().all(synced);",
        wrong: "(state.peers.keys().all(synced) || !state.peers.is_empty());",
    },
    Mutant {
        name: "12: no sync after a grant",
        seeds: 3000,
        file: "node/serial.rs",
        right: "serial.held.insert(from, Grant::Lent { number: grant, asked: false });",
        wrong: "serial.held.insert(from, Grant::Synced(grant));",
    },
    Mutant {
        name: "12: requests are forgotten",
        seeds: 1500,
        file: "table/mod.rs",
        right: "self.note_request(request, op.entry.dot);",
        wrong: "let _ = request;",
    },
    Mutant {
        name: "12: no answer is the last",
        seeds: 3000,
        file: "node/serial.rs",
        right: "if attempt != pending.request.attempt && !reply.is_done() {",
        wrong: "if attempt > pending.request.attempt && !reply.is_done() {",
    },
    Mutant {
        name: "pause: a sync under way goes on",
        seeds: 500,
        file: "table/pause.rs",
        right: "        self.asks.clear();\n",
        wrong: "",
    },
    Mutant {
        name: "watch: what expired is not told",
        seeds: 500,
        file: "table/stable.rs",
        right: "let change = self.foresee(key, &[dot], None);",
        wrong: "let change = None;",
    },
    Mutant {
        name: "watch: who is hidden is not told",
        seeds: 500,
        file: "table/owners.rs",
        right: "self.turn(hidden.symmetric_difference(&hide).copied().collect());",
        wrong: "self.turn(hidden.intersection(&hide).copied().collect());",
    },
    Mutant {
        name: "watch: a cursor that is too old goes on",
        seeds: 500,
        file: "table/feed.rs",
        right: "number.checked_sub(missed).filter",
        wrong: "Some(number.saturating_sub(missed)).filter",
    },
    Mutant {
        name: "watch: an altered policy is not told",
        seeds: 0,
        file: "table/mod.rs",
        right: "        }\n        self.tell_contested();\n",
        wrong: "        }\n",
    },
    Mutant {
        name: "watch: a policy altered during a pause is not told",
        seeds: 0,
        file: "table/mod.rs",
        right: "            self.tell_contested();\n        } else {",
        wrong: "        } else {",
    },
    Mutant {
        name: "restart: a snapshot claims before its end",
        seeds: 1000,
        file: "table/snapshot.rs",
        right: "                self.on_begin(record, session, &begin, now);\n",
        wrong: "                self.on_begin(record, session, &begin, now);\n\
                for (origin, seq) in &begin.seen {\n\
                self.origins.advance(*origin, *seq);\n                }\n",
    },
    Mutant {
        name: "restart: a snapshot has no removed_ahead",
        seeds: 3000,
        file: "table/snapshot.rs",
        right: "self.on_done(record, self.next_session, live, removed_ahead, now);",
        wrong: "let _ = removed_ahead;\n\
                self.on_done(record, self.next_session, live, Vec::new(), now);",
    },
];
