//! What a script expects to be seen.

use super::{SCRIPT, require, running};
use crate::invariant::{Checked, Violation};
use crate::judge::shown;
use crate::world::World;
use tombolo_core::{Store, Table, TableId, TableView};

/// The commands that look and change nothing.
pub(super) const WORDS: [&str; 20] = [
    "expect",
    "siblings",
    "tombstones",
    "alarms",
    "ledger",
    "hidden",
    "outcomes",
    "held",
    "joined",
    "parked",
    "leads",
    "open",
    "shut",
    "stopped",
    "runs",
    "links",
    "members",
    "missing",
    "acked",
    "waiting",
];

pub(super) fn see<S: Store + Default>(world: &mut World<S>, words: &[&str]) -> Checked {
    let number = |at: usize| words[at].parse::<usize>().expect("a number");
    match words[0] {
        "outcomes" => outcomes(world, words[1], number(2)),
        "stopped" | "runs" => {
            let last = world.procs.iter().rposition(|process| process.slot == number(1));
            let last = last.expect("the node ran");
            let runs = world.procs[last].alive;
            require(world, last, runs == (words[0] == "runs"), || format!("it runs: {runs}"))
        }
        _ => {
            let process = running(world, number(1));
            see_on(world, process, words)
        }
    }
}

fn see_on<S: Store + Default>(world: &mut World<S>, process: usize, words: &[&str]) -> Checked {
    let found = match words[0] {
        "expect" | "siblings" => values(world, process, words),
        "held" | "joined" | "open" | "shut" | "missing" => of_view(world, process, words),
        "parked" => {
            let peer = running(world, words[2].parse().expect("a node"));
            let peer = world.procs[peer].incarnation;
            let parked = of_table(world, process, |t| t.parked(u64::MAX).any(|at| at.0 == peer));
            if parked { words[2].to_string() } else { "nobody".to_string() }
        }
        "leads" => {
            let leads = of_table(world, process, |t| t.leads());
            if leads { "leads".to_string() } else { "another".to_string() }
        }
        "links" => world.network.peers(process).len().to_string(),
        "members" => world.procs[process].node.members().others().count().to_string(),
        "tombstones" => of_table(world, process, |t| t.tombstones()).to_string(),
        "alarms" => of_table(world, process, |t| t.alarms()).to_string(),
        "ledger" => of_table(world, process, |t| t.ledger().len()).to_string(),
        "hidden" => of_table(world, process, |t| t.hidden()).to_string(),
        _ => {
            let acked = of_table(world, process, |t| t.acked_by_all() >= t.last_written());
            if acked { "acked".to_string() } else { "waiting".to_string() }
        }
    };
    let expected = match words[0] {
        "siblings" => words[3..].join(" "),
        _ if words.len() > 2 => words[words.len() - 1].to_string(),
        word => word.to_string(),
    };
    require(world, process, found == expected, || format!("found {found}"))
}

/// What a reader sees of a key, or all its visible values.
fn values<S: Store + Default>(world: &mut World<S>, process: usize, words: &[&str]) -> String {
    let now = world.local(process);
    let tables = world.procs[process].node.tables();
    let declared = tables.declared(table()).expect("the table is there");
    let key = words[2].as_bytes();
    let visible = tables.look(table(), |t| t.visible(key, now)).unwrap_or_default();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    if words[0] == "expect" {
        return shown(&declared.policy, &visible).map_or("-".to_string(), text);
    }
    let values = visible.iter().filter_map(|entry| entry.value.as_deref());
    let mut values: Vec<String> = values.map(text).collect();
    values.sort();
    values.join(" ")
}

fn of_view<S: Store + Default>(world: &World<S>, process: usize, words: &[&str]) -> String {
    let views = world.procs[process].node.table_views();
    let view: Option<&TableView> = views.iter().find(|view| view.id == table());
    let view = view.expect("the table is there");
    match words[0] {
        "missing" => view.missing.len().to_string(),
        "open" | "shut" if view.writable => "open".to_string(),
        "open" | "shut" => "shut".to_string(),
        word => {
            let peer = running(world, words[2].parse().expect("a node"));
            let peer = world.procs[peer].incarnation;
            let held = view.held.iter().any(|held| held.peer == peer);
            let as_said = held == (word == "held");
            if as_said { words[2].to_string() } else { "the other".to_string() }
        }
    }
}

fn outcomes<S>(world: &World<S>, key: &str, expected: usize) -> Checked {
    let log = world.oracle.logs.get(&table());
    let of_key = log.into_iter().flat_map(|log| log.newest_first(key.as_bytes()));
    let found = of_key.filter(|op| op.mark.outcome).count();
    if found == expected {
        return Ok(());
    }
    let text = format!("{found} outcomes were written");
    Err(Violation { invariant: SCRIPT, slots: Vec::new(), text })
}

fn of_table<S: Store + Default, R>(
    world: &World<S>,
    process: usize,
    look: impl FnOnce(&mut Table<S>) -> R,
) -> R {
    world.procs[process].look(table(), look).expect("the table is there")
}

fn table() -> TableId {
    TableId::of("t0")
}
