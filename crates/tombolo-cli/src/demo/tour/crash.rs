use std::time::Instant;

use super::{Op, Tour, are_equal, default_table, tell};
use crate::demo::cluster::is_whole;
use crate::text::{grouped, measured};

/// Records that are written while the node is dead.
const RECORDS: usize = 200;

/// Step 5: a node dies without a word, misses writes and a delete, and comes back with nothing.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    let victim = tour.count() - 1;
    let name = tour.name(victim).to_owned();
    let before = tour.cluster.nodes()[victim].status()?.started;
    tour.cluster.node_mut(victim).kill();
    let noticed = tour.wait_until("notice of the death", |views| {
        views.iter().all(|view| {
            let is_down = |state: &str| state != "up";
            view.members.iter().any(|member| member.name == name && is_down(&member.state))
        })
    })?;
    tell(format!("SIGKILL {name}: the others count it as down after {}", measured(noticed)));

    let keys: Vec<String> = (0..RECORDS).map(|index| format!("missed:{index:03}")).collect();
    let took = tour.act_on_many(0, &keys, &Op::Set("written while a node was dead"))?;
    tour.act(0, "motd", Op::Delete)?;
    tell(format!(
        "{} records and a delete on {} meanwhile, in {}: nobody waits for the dead",
        grouped(RECORDS as u64),
        tour.name(0),
        measured(took)
    ));

    let began = Instant::now();
    tour.cluster.node_mut(victim).restart()?;
    let count = tour.count();
    tour.wait_until("whole cluster with the node that came back", |views| {
        let renewed = |view: &&tombolo_server::http::view::StatusView| view.started > before;
        let back = views.iter().filter(|view| view.name == name).any(|view| renewed(&view));
        back && views.iter().all(|view| is_whole(view, count)) && are_equal(views)
    })?;
    let took = began.elapsed();
    let view = tour.cluster.nodes()[victim].status()?;
    let table = default_table(&view).ok_or("the node that came back has no table")?;
    tell(format!(
        "{name} started with nothing and is whole again after {}: {} records, fingerprint {}",
        measured(took),
        grouped(table.records as u64),
        table.fingerprint
    ));
    tour.tell_equal()
}
