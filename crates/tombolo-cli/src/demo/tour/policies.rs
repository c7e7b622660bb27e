use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tombolo_server::http::view::StatusView;

use super::{PATIENCE, Tour, split, tell};
use crate::client::Reply;
use crate::demo::cluster::is_whole;
use crate::text::{Grid, Tone, cell, measured, say, wants_colours};

/// The key that both sides write in every table.
pub(super) const KEY: &str = "colour";
/// The table whose records go with the node that wrote them.
pub(super) const PRESENCE: &str = "presence";
/// How far apart the two sides write, so that there is a later one.
const APART: Duration = Duration::from_millis(20);
/// How often values are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// One table of the chapter: what it is declared, what each side writes, and what must stay.
pub(super) struct Case {
    pub(super) table: &'static str,
    policy: &'static str,
    /// What the left side writes, and what the right side writes later.
    pub(super) sides: [&'static str; 2],
    now: &'static str,
    why: &'static str,
}

pub(super) const CASES: [Case; 4] = [
    Case {
        table: "by-time",
        policy: "newest",
        sides: ["red", "blue"],
        now: "blue",
        why: "the newest value stays, the other is in the ledger",
    },
    Case {
        table: "by-hand",
        policy: "merge_only",
        sides: ["red", "blue"],
        now: "blue",
        why: "both stay, the newest is read, somebody has to decide",
    },
    Case {
        table: "by-version",
        policy: "last_version(/version)",
        sides: ["{\"version\":2}", "{\"version\":1}"],
        now: "{\"version\":2}",
        why: "the greatest version stays, though it is older",
    },
    Case {
        table: "by-island",
        policy: "yield_island",
        sides: ["red", "blue"],
        now: "blue",
        why: "the smaller island takes over the other's; of two as large the later in name counts",
    },
];

/// Step 6: the same split under four policies, and a table that hides the records of the absent.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    declare(tour)?;
    let owner = tour.count() - 1;
    for case in &CASES {
        tour.put(0, case.table, KEY, "old")?;
    }
    tour.put(owner, PRESENCE, "last", "online")?;
    let noticed = split::sever(tour)?;
    tell(format!("cut in two again, every node says so after {}", measured(noticed)));
    wait_for_presence(tour, None)?;
    tell(format!(
        "table {PRESENCE}: {} does not see the record of {} any more (owner_down=hide)",
        tour.name(0),
        tour.name(owner)
    ));
    let [left, right] = tour.sides().map(|side| side.start);
    for case in &CASES {
        tour.put(left, case.table, KEY, case.sides[0])?;
    }
    thread::sleep(APART);
    for case in &CASES {
        tour.put(right, case.table, KEY, case.sides[1])?;
    }
    heal(tour)?;
    wait_for_presence(tour, Some("online"))?;
    tell(format!("table {PRESENCE}: the record of {} is back", tour.name(owner)));
    Ok(())
}

fn declare(tour: &mut Tour<'_>) -> Result<(), String> {
    let mut tables: Vec<(&str, &str, &str)> =
        CASES.iter().map(|case| (case.table, case.policy, "keep")).collect();
    tables.push((PRESENCE, "newest", "hide"));
    for (name, policy, owner_down) in &tables {
        let body = json!({ "name": name, "policy": policy, "owner_down": owner_down });
        let made = tour.api(0).post("tables/create", &body);
        made.map_err(|error| format!("cannot create table {name}: {error}"))?;
    }
    let has = |view: &StatusView, name: &str| {
        view.tables.iter().any(|table| table.name == name && table.complete && table.writable)
    };
    let took = tour.wait_until("new tables on every node", |views| {
        views.iter().all(|view| tables.iter().all(|(name, ..)| has(view, name)))
    })?;
    tell(format!("{} tables declared, on every node after {}", tables.len(), measured(took)));
    Ok(())
}

fn heal(tour: &mut Tour<'_>) -> Result<(), String> {
    for node in tour.cluster.nodes() {
        node.drill("heal")?;
    }
    let began = Instant::now();
    for case in &CASES {
        tour.wait_for_value(case.table, KEY, Some(case.now))?;
    }
    let count = tour.count();
    tour.wait_until("whole cluster", |views| views.iter().all(|view| is_whole(view, count)))?;
    tell(format!("healed: every node reads the same after {}", measured(began.elapsed())));
    let headings = tour.sides().map(|side| tour.names(side));
    let mut grid = Grid::new(&["POLICY", &headings[0], &headings[1], "NOW", "WHY"]);
    for case in &CASES {
        grid.row([
            cell(case.policy),
            cell(case.sides[0]),
            cell(case.sides[1]),
            (case.now.to_owned(), Tone::Good),
            cell(case.why),
        ]);
    }
    say(format!("\n{}", grid.render("   ", wants_colours())));
    Ok(())
}

/// Waits until the first node reads `value` of the record that the last node owns.
fn wait_for_presence(tour: &Tour<'_>, value: Option<&str>) -> Result<(), String> {
    tour.wait_for_value_on(0, PRESENCE, "last", value)
}

impl Tour<'_> {
    /// Writes to a table beside the one of the story.
    pub(super) fn put(
        &self,
        node: usize,
        table: &str,
        key: &str,
        value: &str,
    ) -> Result<(), String> {
        let commands = [vec!["SELECT", table], vec!["SET", key, value]];
        let ok = Reply::Simple("OK".to_owned());
        let replies = self.redis(node)?.pipeline(&commands).map_err(|error| error.to_string())?;
        if replies == [ok.clone(), ok] {
            return Ok(());
        }
        let name = self.name(node);
        Err(format!("SET {key} {value} in table {table} on {name}: {replies:?}"))
    }

    fn value(&self, node: usize, table: &str, key: &str) -> Result<Reply, String> {
        let commands = [["SELECT", table], ["GET", key]];
        let replies = self.redis(node)?.pipeline(&commands).map_err(|error| error.to_string())?;
        replies.into_iter().nth(1).ok_or_else(|| "no reply".to_owned())
    }

    /// Waits until every node reads `value`.
    pub(super) fn wait_for_value(
        &self,
        table: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), String> {
        (0..self.count()).try_for_each(|node| self.wait_for_value_on(node, table, key, value))
    }

    pub(super) fn wait_for_value_on(
        &self,
        node: usize,
        table: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), String> {
        let wanted = Reply::Bulk(value.map(str::to_owned));
        let began = Instant::now();
        loop {
            let found = self.value(node, table, key)?;
            if found == wanted {
                return Ok(());
            }
            if self.interrupt.is_set() {
                return Err("interrupted".to_owned());
            }
            if began.elapsed() > PATIENCE {
                let name = self.name(node);
                return Err(format!(
                    "GET {key} in table {table} on {name}: still {found:?}, not {wanted:?}"
                ));
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}
