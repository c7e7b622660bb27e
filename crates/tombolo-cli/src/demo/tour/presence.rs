use tombolo_server::http::view::StatusView;

use super::policies::PRESENCE;
use super::{Tour, tell};
use crate::demo::cluster::is_whole;
use crate::text::measured;
use crate::verify::verify;

/// How long the last comparison may wait for writes that are on their way.
const EQUAL_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Step 8: the records of a node that is killed are hidden, and go when it starts anew.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    let victim = tour.count() - 1;
    let name = tour.name(victim).to_owned();
    tour.put(0, PRESENCE, "first", "online")?;
    tour.put(victim, PRESENCE, "last", "online")?;
    tour.wait_for_value(PRESENCE, "last", Some("online"))?;
    tour.cluster.node_mut(victim).kill();
    let took = tour
        .wait_until("hidden record", |views| views.iter().all(|view| presence(view) == (2, 1)))?;
    for node in 0..victim {
        tour.wait_for_value_on(node, PRESENCE, "last", None)?;
        tour.wait_for_value_on(node, PRESENCE, "first", Some("online"))?;
    }
    tell(format!("SIGKILL {name}: its record is hidden after {}, others stay", measured(took)));

    tour.cluster.node_mut(victim).restart()?;
    let count = tour.count();
    tour.wait_until("whole cluster without the old record", |views| {
        let settled = |view: &StatusView| is_whole(view, count) && presence(view) == (1, 0);
        views.len() == count && views.iter().all(settled)
    })?;
    tour.wait_for_value(PRESENCE, "last", None)?;
    tell(format!("{name} started anew: what its old process owned is gone on every node"));
    tour.put(victim, PRESENCE, "last", "back")?;
    tour.wait_for_value(PRESENCE, "last", Some("back"))?;
    tell(format!("{name} writes it again: every node reads it"));
    Ok(())
}

/// How many records there are, and how many of them are hidden.
fn presence(view: &StatusView) -> (usize, u64) {
    let table = view.tables.iter().find(|table| table.name == PRESENCE);
    table.map_or((0, 0), |table| (table.records, table.hidden))
}

/// Step 9: every table of every node, compared by their digests.
pub(super) fn compare(tour: &mut Tour<'_>) -> Result<(), String> {
    let addresses: Vec<String> =
        tour.cluster.nodes().iter().map(|node| node.plan.http.clone()).collect();
    let report = verify(&addresses, None, EQUAL_WITHIN).map_err(|error| error.to_string())?;
    let text = report.render(crate::text::wants_colours());
    if !report.is_equal() {
        return Err(format!("tombolo verify does not say equal:\n{text}"));
    }
    text.lines().filter(|line| !line.is_empty()).for_each(tell);
    Ok(())
}
