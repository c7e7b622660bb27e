//! Prometheus text, format 0.0.4, written by hand: it is a few lines, and the registries on offer
//! want to own the counters, which live in the library.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use tombolo::{ClockStatus, LinkStatus, MemberState, Status, TableStatus, Verdict};

use super::{ready, view};

/// The largest integer below which every integer is exact in a Prometheus value, a double.
const EXACT: u64 = (1 << 53) - 1;

/// All metrics of `status`, taken at `now` (Unix milliseconds).
pub(super) fn render(status: &Status, now: u64) -> String {
    let mut text = Text(String::with_capacity(4096));
    node(&mut text, status, now);
    members(&mut text, status);
    links(&mut text, &status.links);
    tables(&mut text, &status.tables);
    conflicts(&mut text, &status.tables);
    clocks(&mut text, &status.clocks);
    text.0
}

fn node(text: &mut Text, status: &Status, now: u64) {
    text.family("tombolo_node_info", "gauge", "The node: always 1, the labels tell.");
    text.sample(
        "tombolo_node_info",
        &[
            ("name", &status.name),
            ("cluster", &status.cluster),
            ("address", &status.address),
            ("version", &status.version),
        ],
        1,
    );
    let started = seconds(status.started);
    text.gauge("tombolo_start_time_seconds", "When the node started, Unix time.", started);
    let uptime = seconds(now.saturating_sub(status.started));
    text.gauge("tombolo_uptime_seconds", "How long the node has been running.", uptime);
    let is_ready = u8::from(ready::missing(status).is_empty());
    text.gauge("tombolo_ready", "Whether /ready answers 200.", is_ready);
    text.family("tombolo_verdict", "gauge", "1 for what this node makes of the cluster.");
    use Verdict::{Alone, Apart, Converging, Split, Whole};
    for verdict in [Alone, Whole, Converging, Apart, Split] {
        let value = u8::from(status.verdict == verdict);
        text.sample("tombolo_verdict", &[("verdict", &view::verdict(verdict))], value);
    }
    let works = u8::from(status.discovery.works);
    text.gauge("tombolo_discovery_works", "Whether the last question was answered.", works);
    let found = status.discovery.addresses.len();
    text.gauge("tombolo_discovery_addresses", "Addresses that discovery found.", found);
    let cuts = status.cuts.len();
    text.gauge("tombolo_drill_cuts", "Peers that drills keep this node cut off from.", cuts);
}

fn members(text: &mut Text, status: &Status) {
    let members = &status.members;
    text.family("tombolo_members", "gauge", "Members by state, this node included.");
    for state in [MemberState::Up, MemberState::Down, MemberState::Left] {
        let count = members.iter().filter(|member| member.state == state).count();
        text.sample("tombolo_members", &[("state", &view::member_state(state))], count);
    }
    // A name may appear with several incarnations, so `started` keeps the series apart.
    text.family("tombolo_member_up", "gauge", "Whether the member is up.");
    for member in members {
        let labels: Labels<'_> =
            &[("member", &member.name), ("started", &member.started), ("address", &member.address)];
        text.sample("tombolo_member_up", labels, u8::from(member.state == MemberState::Up));
    }
    text.family("tombolo_member_state_since_seconds", "gauge", "When its state began, Unix time.");
    for member in members {
        let labels: Labels<'_> = &[("member", &member.name), ("started", &member.started)];
        text.sample("tombolo_member_state_since_seconds", labels, seconds(member.since));
    }
}

fn links(text: &mut Text, links: &[LinkStatus]) {
    let mut family = |name, kind, help, value: fn(&LinkStatus) -> f64| {
        text.family(name, kind, help);
        for link in links {
            text.sample(name, &[("peer", &link.peer)], value(link));
        }
    };
    family("tombolo_link_since_seconds", "gauge", "Since when the link is up, Unix time.", |l| {
        seconds(l.since)
    });
    family("tombolo_link_last_heard_seconds", "gauge", "When the peer was last heard.", |l| {
        seconds(l.last_heard)
    });
    family("tombolo_link_round_trip_seconds", "gauge", "The round trip to the peer.", |l| {
        l.round_trip_micros as f64 / 1e6
    });
    family(
        "tombolo_link_lag_ops",
        "gauge",
        "Operations that the peer has not acknowledged.",
        |l| l.lag_ops as f64,
    );
    family("tombolo_link_lag_bytes", "gauge", "Bytes queued for the peer.", |l| l.lag_bytes as f64);
    family("tombolo_link_received_bytes_total", "counter", "Bytes received.", |l| {
        l.bytes_in as f64
    });
    family("tombolo_link_sent_bytes_total", "counter", "Bytes sent.", |l| l.bytes_out as f64);
    family("tombolo_link_received_ops_total", "counter", "Operations received.", |l| {
        l.ops_in as f64
    });
    family("tombolo_link_sent_ops_total", "counter", "Operations sent.", |l| l.ops_out as f64);
    family("tombolo_link_overflows_total", "counter", "Times the queue was full.", |l| {
        l.overflows as f64
    });
}

fn tables(text: &mut Text, tables: &[TableStatus]) {
    let mut family = by_table(text, tables);
    family("tombolo_table_records", "gauge", "Live records.", |t| t.records as u64);
    family("tombolo_table_tombstones", "gauge", "Deletes not yet known everywhere.", |t| {
        t.tombstones as u64
    });
    // Cut to what a double holds exactly: then `max by (table) != min by (table)` over the nodes
    // tells that tables differ. As a label every write would begin a new series.
    let help = "The low 53 bits of the fingerprint; equal on all nodes when the table is.";
    family("tombolo_table_fingerprint", "gauge", help, |t| t.fingerprint & EXACT);
    family("tombolo_table_writable", "gauge", "Whether the table takes writes.", |t| {
        u64::from(t.writable)
    });
    family("tombolo_table_complete", "gauge", "Whether it is synced with all links.", |t| {
        u64::from(t.complete)
    });
    let help = "Whether it is declared differently elsewhere.";
    family("tombolo_table_conflict", "gauge", help, |t| u64::from(t.conflict.is_some()));
    family("tombolo_table_unacknowledged", "gauge", "Writes that some link did not take.", |t| {
        t.unacknowledged
    });
    family("tombolo_table_writes_total", "counter", "Writes made at this node.", |t| t.writes);
    family("tombolo_table_epoch", "gauge", "How often the table was altered.", |t| t.epoch.into());
    let help = "Records hidden because their owner is down.";
    family("tombolo_table_hidden_records", "gauge", help, |t| t.hidden);
    family("tombolo_sync_expected", "gauge", "Records announced by syncs under way.", |t| {
        t.progress.as_ref().map_or(0, |progress| progress.expected)
    });
    family("tombolo_sync_received", "gauge", "Records that came of those.", |t| {
        t.progress.as_ref().map_or(0, |progress| progress.received)
    });
}

fn conflicts(text: &mut Text, tables: &[TableStatus]) {
    let mut family = by_table(text, tables);
    family("tombolo_table_siblings", "gauge", "Keys with several values.", |t| t.siblings as u64);
    let help = "Keys in conflict that wait for somebody to decide.";
    family("tombolo_table_undecided", "gauge", help, |t| t.ledger.undecided as u64);
    let help = "Conflicts noted in the ledger.";
    family("tombolo_table_conflicts_total", "counter", help, |t| t.ledger.noted);
    let help = "Conflicts that made room for newer ones.";
    family("tombolo_table_ledger_dropped_total", "counter", help, |t| t.ledger.dropped);
    let help = "Linked nodes of another island that the table is kept apart from.";
    family("tombolo_table_held_apart", "gauge", help, |t| {
        t.held.iter().filter(|held| held.apart).count() as u64
    });
}

/// Writes one metric for every table.
fn by_table<'a>(
    text: &'a mut Text,
    tables: &'a [TableStatus],
) -> impl FnMut(&str, &str, &str, fn(&TableStatus) -> u64) + 'a {
    move |name, kind, help, value| {
        text.family(name, kind, help);
        for table in tables {
            text.sample(name, &[("table", &table.name)], value(table));
        }
    }
}

/// A node may have written several tables; one sample tells of it.
fn clocks(text: &mut Text, clocks: &[ClockStatus]) {
    let name = "tombolo_clock_ahead_ms";
    text.family(name, "gauge", "How far a node's clock is ahead whose writes are not taken in.");
    let mut furthest: BTreeMap<&str, u64> = BTreeMap::new();
    for clock in clocks {
        let ahead = furthest.entry(&clock.node).or_default();
        *ahead = clock.ahead.max(*ahead);
    }
    for (node, ahead) in furthest {
        text.sample(name, &[("node", &node)], ahead);
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}

type Labels<'a> = &'a [(&'a str, &'a dyn Display)];

/// The text as far as it is written.
struct Text(String);

impl Text {
    /// Begins the samples of one name.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A family of one sample without labels.
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(&value.to_string()));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text(String::new());
        text.sample("a", &[("b", &"x\"y\\z\nw"), ("c", &1)], 2.5);
        text.sample("a", &[], 3);
        assert_eq!(text.0, "a{b=\"x\\\"y\\\\z\\nw\",c=\"1\"} 2.5\na 3\n");
    }
}
