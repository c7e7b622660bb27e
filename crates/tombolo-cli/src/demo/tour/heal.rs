use std::time::{Duration, Instant};

use super::split::TOLD;
use super::{PATIENCE, Tour, are_equal, default_table, tell};
use crate::demo::cluster::is_whole;
use crate::text::{Grid, Tone, cell, grouped, measured, wants_colours};

/// How long deletes may take to be known everywhere before the tour goes on without them.
const STABLE_WITHIN: Duration = Duration::from_secs(10);

/// Step 4: the islands join again, and every key has one fate everywhere.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    let before: u64 =
        tour.cluster.statuses()?.iter().flat_map(|it| &it.links).map(|l| l.bytes_in).sum();
    for node in tour.cluster.nodes() {
        node.drill("heal")?;
    }
    let began = Instant::now();
    tour.wait_until("equal tables", are_equal)?;
    let equal = began.elapsed();
    let count = tour.count();
    tour.wait_until("whole cluster", |views| views.iter().all(|view| is_whole(view, count)))?;
    let whole = began.elapsed();
    tell(format!(
        "all nodes equal {} after the heal, whole after {}",
        measured(equal),
        measured(whole)
    ));
    let views = tour.cluster.statuses()?;
    let after: u64 = views.iter().flat_map(|view| &view.links).map(|link| link.bytes_in).sum();
    if after >= before {
        // Links that are new count from nothing, so this is the least that was sent.
        tell(format!("{} bytes went over the links meanwhile", grouped(after - before)));
    }
    tour.tell_equal()?;
    tell_fates(tour);
    tell_tombstones(tour)
}

/// What became of the keys that the story tells of. That the nodes agree with it was checked.
fn tell_fates(tour: &Tour<'_>) {
    let [left, right] = tour.sides();
    let half = right.start;
    let headings = [tour.names(left), tour.names(right)];
    let fates = tour.story.fates(
        &TOLD,
        |node| tour.name(node).to_owned(),
        |node| usize::from(node >= half),
    );
    let mut grid = Grid::new(&["KEY", &headings[0], &headings[1], "NOW", "WHY"]);
    for fate in fates {
        let [one, other] = fate.sides.map(|side| side.unwrap_or_else(|| "-".to_owned()));
        grid.row([
            cell(fate.key),
            cell(one),
            cell(other),
            match fate.now {
                Some(value) => (value.to_owned(), Tone::Good),
                None => ("deleted".to_owned(), Tone::Busy),
            },
            cell(fate.why),
        ]);
    }
    crate::text::say(format!("\n{}", grid.render("   ", wants_colours())));
}

/// Shows that deletes leave nothing behind once every node is known to have them.
fn tell_tombstones(tour: &mut Tour<'_>) -> Result<(), String> {
    let left = |views: &[_]| -> usize {
        views.iter().filter_map(default_table).map(|table| table.tombstones).sum()
    };
    let began = Instant::now();
    let within = STABLE_WITHIN.min(PATIENCE);
    let gone = tour
        .cluster
        .wait_until("end of tombstones", within, tour.interrupt, |views| left(views) == 0);
    if tour.interrupt.is_set() {
        return Err("interrupted".to_owned());
    }
    let count = left(&tour.cluster.statuses()?);
    match gone {
        Ok(_) => tell(format!("no tombstone is left, {} later", measured(began.elapsed()))),
        // Slow machines have slow reports; nothing that was promised is broken.
        Err(_) => {
            tell(format!("{count} tombstones wait for reports, {} s later", within.as_secs()))
        }
    }
    Ok(())
}
