use std::thread;
use std::time::{Duration, Instant};

use super::{Op, Tour, tell, write};
use crate::client::Reply;
use crate::status::verdict_line;
use crate::text::{grouped, measured, wants_colours};

/// The keys that both sides touch, or one side alone; told one by one after the heal.
pub(super) const TOLD: [&str; 10] = [
    "colour",
    "shape",
    "session",
    "cart",
    "lamp",
    "motd",
    "draft",
    "door",
    "left-only",
    "right-only",
];

/// How far apart the two sides touch the same key, so that a reader can tell the times apart.
const APART: Duration = Duration::from_millis(20);
/// Records that each side writes alone.
const RECORDS: usize = 500;

/// Step 2: drills cut every pair of nodes across the two sides, on both ends.
pub(super) fn cut(tour: &mut Tour<'_>) -> Result<(), String> {
    let [left, right] = tour.sides();
    let began = Instant::now();
    let noticed = sever(tour)?;
    let sides = [left, right].map(|side| tour.names(side));
    let cut = began.elapsed().saturating_sub(noticed);
    tell(format!("{} | {}: cut in {}", sides[0], sides[1], measured(cut)));
    tell(format!("every node says so after {}:", measured(noticed)));
    for view in tour.cluster.statuses()? {
        tell(format!("  {} | {}", view.name, verdict_line(&view, wants_colours())));
    }
    Ok(())
}

/// Cuts the sides apart, and tells how long it took until every node had noticed.
pub(super) fn sever(tour: &mut Tour<'_>) -> Result<Duration, String> {
    let [left, right] = tour.sides();
    for one in left {
        for other in right.clone() {
            for (node, peer) in [(one, other), (other, one)] {
                let path = format!("cut?peer={}", tour.name(peer));
                tour.cluster.nodes()[node].drill(&path)?;
            }
        }
    }
    let half = tour.count() / 2;
    tour.wait_until("split on every node", |views| {
        views.iter().enumerate().all(|(index, view)| {
            let across = if index < half { half..views.len() } else { 0..half };
            let linked =
                |other: usize| view.links.iter().any(|link| link.peer == views[other].name);
            view.verdict == "split" && !across.into_iter().any(linked)
        })
    })
}

/// Step 3: both sides go on, on other keys and on the same ones.
pub(super) fn edit(tour: &mut Tour<'_>) -> Result<(), String> {
    tour.story.begin_split();
    let [left, right] = tour.sides().map(|side| side.start);
    let script = [
        // The same key on both sides, with each side being the later one.
        (left, "colour", Op::Set("red")),
        (right, "colour", Op::Set("blue")),
        (right, "shape", Op::Set("circle")),
        (left, "shape", Op::Set("square")),
        // A write against a delete, with each being the later one.
        (left, "session", Op::Set("renewed")),
        (right, "session", Op::Delete),
        (right, "cart", Op::Delete),
        (left, "cart", Op::Set("refilled")),
        (left, "lamp", Op::Delete),
        (right, "lamp", Op::Delete),
        // One side alone: an overwrite, two deletes, two new keys.
        (left, "motd", Op::Set("new")),
        (right, "draft", Op::Delete),
        (left, "door", Op::Delete),
        (left, "left-only", Op::Set("from the left")),
        (right, "right-only", Op::Set("from the right")),
    ];
    let mut slowest = Duration::ZERO;
    let count = script.len();
    for (node, key, op) in script {
        slowest = slowest.max(tour.act(node, key, op)?);
        thread::sleep(APART);
    }
    tell(format!(
        "{count} writes and deletes, none waited for the other side: slowest {}",
        measured(slowest)
    ));

    let named = |side: &str| (0..RECORDS).map(|i| format!("{side}:{i:03}")).collect::<Vec<_>>();
    let before = |range: std::ops::Range<usize>| range.map(write::key).collect::<Vec<_>>();
    let mut took = tour.act_on_many(left, &named("left"), &Op::Set("written on the left"))?;
    took += tour.act_on_many(right, &named("right"), &Op::Set("written on the right"))?;
    took += tour.act_on_many(left, &before(0..100), &Op::Delete)?;
    took += tour.act_on_many(right, &before(100..200), &Op::Delete)?;
    took += tour.act_on_many(left, &before(200..300), &Op::Set("overwritten on the left"))?;
    took += tour.act_on_many(right, &before(300..400), &Op::Set("overwritten on the right"))?;
    tell(format!(
        "{} more on each side, a hundred overwrites and a hundred deletes on each: {}",
        grouped(RECORDS as u64),
        measured(took)
    ));
    check_apart(tour, left, right)
}

/// Checks that the sides really are apart, or the steps that follow would prove nothing.
fn check_apart(tour: &Tour<'_>, left: usize, right: usize) -> Result<(), String> {
    let mut shown = Vec::new();
    for (node, value) in [(left, "red"), (right, "blue")] {
        let reply =
            tour.redis(node)?.call(&["GET", "colour"]).map_err(|error| error.to_string())?;
        let name = tour.name(node);
        if reply != Reply::Bulk(Some(value.to_owned())) {
            return Err(format!("GET colour on {name}: {reply:?}, not {value}: no cut?"));
        }
        shown.push(format!("{name} {value}"));
    }
    tell(format!("GET colour: {}", shown.join(", ")));
    Ok(())
}
