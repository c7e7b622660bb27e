//! What nodes say and do, in words, with names in the place of hashes.

use super::process::{Op, Process};
use std::collections::BTreeMap;
use tombolo_core::{
    Ask, Chunk, Conflict, Dot, DotSet, Dots, DownCause, Entry, Incarnation, LiveSet, Member,
    Message, Millis, NodeId, Notice, Preview, Purpose, SerialBody, Stamp, Store, SyncBody, TableId,
    VersionVector,
};

/// The names of everything that goes by a hash.
#[derive(Default)]
pub struct Names {
    nodes: BTreeMap<Incarnation, String>,
    tables: BTreeMap<TableId, String>,
    /// The dots of the values that add up to a fingerprint, or to one origin's part of it.
    sums: BTreeMap<u64, String>,
}

/// A list, or a dash for an empty one.
fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    items.sort();
    if items.is_empty() { "-".to_string() } else { items.join(" ") }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A process: the first of its name is called by it alone.
pub fn label(id: &NodeId) -> String {
    if id.started == 1 { id.name.clone() } else { format!("{}{}", id.name, id.started) }
}

fn stamp(stamp: Stamp) -> String {
    match stamp.0 & 0xffff {
        0 => stamp.millis().0.to_string(),
        counter => format!("{}+{counter}", stamp.millis().0),
    }
}

impl Names {
    pub fn add_node(&mut self, id: &NodeId) {
        self.nodes.insert(id.incarnation(), label(id));
    }

    pub fn add_table(&mut self, name: &str) {
        self.tables.entry(TableId::of(name)).or_insert_with(|| name.to_string());
    }

    /// Learns what the present fingerprints of a process stand for.
    pub fn add_sums(&mut self, process: &Process) {
        for id in process.tables() {
            let (whole, parts) =
                process.with(id, |table| (table.fingerprint(), table.origins().sums()));
            let mut values: BTreeMap<Incarnation, Vec<String>> = BTreeMap::new();
            self.each_entry(process, id, |_, entry| {
                if entry.value.is_some() {
                    values.entry(entry.dot.origin).or_default().push(self.dot(entry.dot));
                }
            });
            self.sums.insert(whole, list(values.values().flatten().cloned()));
            for (origin, sum) in parts {
                self.sums.insert(sum, list(values.remove(&origin).unwrap_or_default()));
            }
        }
    }

    pub fn node(&self, incarnation: Incarnation) -> &str {
        &self.nodes[&incarnation]
    }

    pub fn table(&self, id: TableId) -> &str {
        &self.tables[&id]
    }

    pub fn dot(&self, dot: Dot) -> String {
        format!("{}.{}", self.node(dot.origin), dot.seq)
    }

    fn dots(&self, dots: &[Dot]) -> String {
        list(dots.iter().map(|dot| self.dot(*dot)))
    }

    fn dot_set(&self, origin: Incarnation, set: &DotSet) -> String {
        list(set.iter().map(|seq| self.dot(Dot { origin, seq })))
    }

    fn dot_sets(&self, sets: &Dots) -> String {
        list(sets.iter().map(|(origin, set)| self.dot_set(*origin, set)))
    }

    fn vector(&self, vector: &VersionVector) -> String {
        list(vector.iter().map(|(origin, seq)| self.dot(Dot { origin, seq })))
    }

    fn sum(&self, sum: u64) -> &str {
        self.sums.get(&sum).map_or("values that nobody has", String::as_str)
    }

    fn entry(&self, key: &[u8], entry: &Entry) -> String {
        let what = match &entry.value {
            Some(value) => format!("{} = {}", text(key), text(value)),
            None => format!("{} deleted", text(key)),
        };
        let until = entry.expires.map_or(String::new(), |at| format!(" until {}", at.0));
        let epoch = match entry.mark.epoch {
            0 => String::new(),
            epoch => format!(" in epoch {epoch}"),
        };
        let how = if entry.mark.outcome { ", an outcome" } else { "" };
        let (dot, at) = (self.dot(entry.dot), stamp(entry.stamp));
        format!("{what} ({dot} at {at}{epoch}{until}{how})")
    }

    pub fn op(&self, table: TableId, op: &Op) -> String {
        let (table, event) = (self.table(table), self.entry(&op.key, &op.entry));
        format!("op {table}: {event}, replaces {}", self.dots(&op.replaces))
    }

    /// A message from one node to another.
    pub fn message(&self, from: Incarnation, to: Incarnation, message: &Message) -> String {
        match message {
            Message::Declare { name, declaration, epochs } => match epochs.current() {
                0 => format!("declare {name}: {declaration}"),
                times => format!("declare {name}: {declaration}, altered {times} times"),
            },
            Message::Attach { table, seq } => {
                let next = self.dot(Dot { origin: from, seq: seq + 1 });
                format!("attach {}: ops go on with {next}", self.table(*table))
            }
            Message::Ack { table, seq } => {
                let last = self.dot(Dot { origin: to, seq: *seq });
                format!("ack {}: up to {last}", self.table(*table))
            }
            Message::Sync { table, session, body } => {
                let asker = if matches!(body, SyncBody::Ask(_)) { from } else { to };
                let (table, asker) = (self.table(*table), self.node(asker));
                format!("sync {table} {asker}#{session}: {}", self.sync(body))
            }
            Message::Report { table, about, seen, fingerprint } => {
                let (table, about) = (self.table(*table), self.node(*about));
                let (seen, values) = (self.vector(seen), self.sum(*fingerprint));
                format!("report {table}: {about} has newly seen {seen}, holds values {values}")
            }
            Message::Apart { table, members, lowest, .. } => format!(
                "{} is kept apart; this island has {members} nodes, the lowest is {lowest}",
                self.table(*table)
            ),
            Message::Serial { table, body } => {
                format!("serial {}: {}", self.table(*table), serial(body))
            }
            Message::Members(members) => {
                format!("members: {}", list(members.iter().map(|member| self.member(member))))
            }
            Message::Swim(_) => "a packet of the membership protocol".to_string(),
        }
    }

    fn member(&self, member: &Member) -> String {
        let links = list(member.linked_to.iter().map(|peer| self.node(*peer).to_string()));
        let left = if member.left { ", has left" } else { "" };
        format!("[{} linked to {links}{left}]", label(&member.id))
    }

    fn sync(&self, body: &SyncBody) -> String {
        match body {
            SyncBody::Ask(ask) => self.ask(ask),
            SyncBody::AskMore { parts } => format!("ask with more origins: parts {parts:?}"),
            SyncBody::Begin(begin) => {
                let seen = begin.seen.iter();
                let seen = list(seen.map(|(o, seq)| self.dot(Dot { origin: *o, seq: *seq })));
                format!("begin, seen other than yours {seen}, {} to come", begin.lacking)
            }
            SyncBody::Chunk(chunk) => self.chunk(chunk),
            SyncBody::Done { live, removed_ahead } => {
                let set = |set: &LiveSet| {
                    let live = self.dot_set(set.origin, &set.live);
                    format!("[{}: {live}]", self.node(set.origin))
                };
                let (live, removed) = (list(live.iter().map(set)), self.dots(removed_ahead));
                format!("done, live where we differ {live}, removed ahead {removed}")
            }
        }
    }

    fn ask(&self, ask: &Ask) -> String {
        let purpose = match ask.purpose {
            Purpose::Join => "ask".to_string(),
            Purpose::Fill { index, of } => format!("ask for part {} of {of}", index + 1),
            Purpose::Look => "ask for a look".to_string(),
        };
        let rest = if ask.rest.is_some() { " and a sum of others" } else { "" };
        format!(
            "{purpose}, seen {}{rest}, live beyond that {}, values {}",
            self.vector(&ask.seen),
            self.dot_sets(&ask.live_beyond),
            list(ask.sums.values().map(|sum| self.sum(*sum).to_string()))
        )
    }

    fn chunk(&self, chunk: &Chunk) -> String {
        let keys = chunk.keys.iter().map(|found| {
            let sent = list(found.entries.iter().map(|entry| self.entry(&found.key, entry)));
            let more = found.others.len();
            if more == 0 { format!("[{sent}]") } else { format!("[{sent} beside {more} known]") }
        });
        let since = match chunk.seen_since.is_empty() {
            true => String::new(),
            false => format!(", seen since {}", self.vector(&chunk.seen_since)),
        };
        format!("chunk {}{since}", list(keys))
    }

    /// What a node tells its operator; none of what its messages have just said.
    pub fn notice(&self, notice: &Notice) -> Option<String> {
        Some(match notice {
            Notice::Syncing { .. } | Notice::Filled { .. } => return None,
            Notice::Adopted { table, peer } => format!("adopts {table}, which {peer} declares"),
            Notice::Refused { table, peer, error } => format!("refuses {table} of {peer}: {error}"),
            Notice::Mismatch(mismatch) => format!("warns: {mismatch}"),
            Notice::Superseded { by } => format!("must stop: {} is newer", label(by)),
            Notice::Differs { table, peer } => {
                format!("warns: {} differs from {}'s", self.table(*table), self.node(*peer))
            }
            Notice::Synced { table, peer, report } => {
                let (table, peer) = (self.table(*table), self.node(*peer));
                match (report.brought, report.removed) {
                    (0, 0) => format!("has synced {table} with {peer}"),
                    (came, went) => {
                        format!("has synced {table} with {peer}: {came} came, {went} went")
                    }
                }
            }
            Notice::Up { node } => format!("hears {}", label(node)),
            Notice::Down { node, cause: DownCause::Left } => {
                format!("knows that {} has left", label(node))
            }
            Notice::Down { node, .. } => format!("hears {} no more", label(node)),
            Notice::Altered { table, declaration } => {
                format!("knows that {} is altered: {declaration}", self.table(*table))
            }
            Notice::Apart { table, peer } => {
                format!("warns: {} is kept apart from {}'s", self.table(*table), self.node(*peer))
            }
            Notice::Rejoined { table, peer } => {
                format!("joins {} with {}'s", self.table(*table), self.node(*peer))
            }
        })
    }

    /// What the policy left to somebody, or what took whose place.
    fn conflict(&self, conflict: &Conflict) -> String {
        let entry = |entry: &Entry| self.entry(&conflict.key, entry);
        let kept = conflict.kept.as_ref().map_or("nothing".to_string(), entry);
        let lost = list(conflict.lost.iter().map(|lost| format!("[{}]", entry(lost))));
        format!("{:?}: {kept} in the place of {lost}", conflict.outcome).to_lowercase()
    }

    fn preview(&self, preview: &Preview) -> String {
        let Preview { adds, updates, deletes, conflicts, .. } = preview;
        format!(
            "{adds} keys to add, {updates} to update, {deletes} to delete, {conflicts} conflicts"
        )
    }

    /// A process as its users and its operator see it.
    pub fn show(&self, process: &Process, now: Millis) -> Vec<String> {
        let links = process.node.link_views();
        let links = list(links.iter().map(|link| label(&link.peer)));
        let known = process.node.members().others();
        let known = list(known.map(|known| {
            format!("[{} {:?}]", label(&known.member.id), known.state).to_lowercase()
        }));
        let mut lines = vec![format!("linked to {links}; members {known}")];
        for id in process.tables() {
            let open = if process.writable.contains(&id) { "writable" } else { "not yet writable" };
            let (seen, removed) =
                process.with(id, |table| (table.seen(), table.origins().removed_ahead()));
            let (seen, removed) = (self.vector(&seen), self.dots(&removed));
            let name = self.table(id);
            lines.push(format!("{name}: {open}, seen {seen}, removed ahead {removed}"));
            let mut all: Vec<(Vec<u8>, Entry)> = Vec::new();
            self.each_entry(process, id, |key, entry| all.push((key.to_vec(), entry.clone())));
            for (key, entry) in &all {
                let visible = process.with(id, |table| table.visible(key, now));
                let hidden = match (entry.as_ref().is_visible(now), visible.contains(entry)) {
                    _ if entry.value.is_none() => "",
                    (false, _) => ", which has expired",
                    (true, false) => ", which is hidden",
                    (true, true) => "",
                };
                lines.push(format!("  {}{hidden}", self.entry(key, entry)));
            }
            lines.extend(self.troubles(process, id, now));
        }
        lines
    }

    /// What an operator of a table has to look at.
    fn troubles(&self, process: &Process, id: TableId, now: Millis) -> Vec<String> {
        let mut lines = Vec::new();
        let views = process.node.table_views();
        for held in views.iter().filter(|view| view.id == id).flat_map(|view| &view.held) {
            let preview = held.preview.as_ref();
            let would = preview.map_or(String::new(), |(p, _)| format!(": {}", self.preview(p)));
            let apart = if held.apart { "is apart from" } else { "may be apart from" };
            lines.push(format!("  {apart} {}{would}", self.node(held.peer)));
        }
        process.with(id, |table| {
            for waits in table.undecided(b"", 100) {
                lines.push(format!("  {} waits for somebody: {}", text(&waits.key), waits.cause));
            }
            let conflicts = table.ledger().iter();
            lines.extend(conflicts.map(|conflict| format!("  noted {}", self.conflict(conflict))));
            for (origin, parked) in table.parked(60_000) {
                let (name, ahead) = (self.node(origin), parked.ahead);
                lines.push(format!("  the clock of {name} is ahead by {ahead} at {}", now.0));
            }
        });
        lines
    }

    fn each_entry(&self, process: &Process, id: TableId, mut see: impl FnMut(&[u8], &Entry)) {
        process.with(id, |table| {
            let store = table.store();
            for bucket in 0..store.buckets() {
                store.visit(bucket, &mut |key, entry| see(key, &entry.to_entry()));
            }
        });
    }
}

fn serial(body: &SerialBody) -> String {
    match body {
        SerialBody::Ready => "my copy is open".to_string(),
        SerialBody::Want { grant } => format!("lend me your grant, as number {grant}"),
        SerialBody::Lend { grant } => format!("I lend you my grant, as number {grant}"),
        SerialBody::Refuse { grant } => format!("I do not lend you my grant as number {grant}"),
        SerialBody::Return { grant } => format!("I give back your grant of number {grant}"),
        SerialBody::Request(request) => format!("request {}", request.id.number),
        SerialBody::Reply { id, .. } => format!("reply to request {}", id.number),
    }
}
