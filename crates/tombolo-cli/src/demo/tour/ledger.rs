use serde_json::json;
use tombolo_server::http::view::{ConflictsView, StatusView, TableView};

use super::policies::{CASES, Case, KEY};
use super::{Tour, tell};
use crate::conflicts::render;
use crate::text::{say, wants_colours};

/// The table that keeps the newest.
const BY_TIME: &Case = &CASES[0];
/// The table that waits for somebody.
const BY_HAND: &Case = &CASES[1];

/// Step 7: what the merges left in the ledger, a decision, and one taken back.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    tour.wait_until("alarm on every node", |views| undecided(views).all(|count| count == 1))?;
    tour.wait_until("entry of what the newest value replaced", |views| {
        let noted = |view: &StatusView| {
            view.tables.iter().any(|table| table.name == BY_TIME.table && table.ledger.noted > 0)
        };
        views.iter().all(noted)
    })?;
    let view: ConflictsView = ask(tour, 0)?;
    let text = render(&view, tombolo::unix_millis(), "", wants_colours());
    tell(format!("tombolo conflicts, asked on {}:\n", tour.name(0)));
    text.lines().for_each(|line| say(format!("     {line}").trim_end()));
    resolve(tour, &view)?;
    undo(tour)
}

fn ask(tour: &Tour<'_>, node: usize) -> Result<ConflictsView, String> {
    tour.api(node).get("conflicts").map_err(|error| error.to_string())
}

/// For every node, how many keys wait in the table that waits for somebody.
fn undecided(views: &[StatusView]) -> impl Iterator<Item = usize> {
    let table = |view: &StatusView| -> Option<TableView> {
        view.tables.iter().find(|table| table.name == BY_HAND.table).cloned()
    };
    views.iter().map(move |view| table(view).map_or(usize::MAX, |it| it.ledger.undecided))
}

/// Takes the value that is not read now, so that one sees that it was taken.
fn resolve(tour: &mut Tour<'_>, view: &ConflictsView) -> Result<(), String> {
    let [wanted, _] = BY_HAND.sides;
    let waits = view.undecided.iter().find(|one| one.table == BY_HAND.table && one.key == KEY);
    let waits = waits.ok_or("the undecided key is not listed")?;
    let sibling = waits.siblings.iter().find(|one| one.value.as_deref() == Some(wanted));
    let dot = &sibling.ok_or_else(|| format!("no sibling holds {wanted}"))?.dot;
    let body = json!({ "table": BY_HAND.table, "key": KEY, "take": dot });
    let done = tour.api(0).post("conflicts/resolve", &body);
    done.map_err(|error| format!("resolve: {error}"))?;
    tour.wait_for_value(BY_HAND.table, KEY, Some(wanted))?;
    tour.wait_until("end of the alarm", |views| undecided(views).all(|count| count == 0))?;
    say("");
    tell(format!(
        "tombolo resolve {} {KEY} --take {dot}: {wanted} on every node, no alarm any more",
        BY_HAND.table
    ));
    Ok(())
}

/// Puts back what the policy `newest` discarded.
fn undo(tour: &mut Tour<'_>) -> Result<(), String> {
    let [lost, _] = BY_TIME.sides;
    let mut found = None;
    for node in 0..tour.count() {
        let view = ask(tour, node)?;
        let entry = view.conflicts.into_iter().find(|one| {
            let holds = |value: &Option<String>| value.as_deref() == Some(lost);
            one.table == BY_TIME.table && one.lost.iter().any(|event| holds(&event.value))
        });
        found = found.or(entry.map(|entry| (node, entry.id)));
    }
    let (node, id) = found.ok_or_else(|| {
        format!("no ledger has an entry of table {} that lost {lost}", BY_TIME.table)
    })?;
    let done = tour.api(node).post("conflicts/undo", &json!({ "id": id, "table": BY_TIME.table }));
    done.map_err(|error| format!("undo: {error}"))?;
    tour.wait_for_value(BY_TIME.table, KEY, Some(lost))?;
    let table = BY_TIME.table;
    tell(format!("tombolo undo {id} --table {table}: {lost} again, on every node"));
    Ok(())
}
