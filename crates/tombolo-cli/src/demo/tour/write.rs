use std::time::Instant;

use super::{Op, Tour, are_equal, tell};
use crate::client::Reply;
use crate::text::{grouped, measured};

/// Records that are written at once.
const RECORDS: usize = 1_000;
/// Keys that exist before the cut, for the story that follows.
const KEPT: [&str; 6] = ["motd", "draft", "session", "cart", "lamp", "door"];

/// The name of the `index`th of the many records.
pub(super) fn key(index: usize) -> String {
    format!("record:{index:04}")
}

/// Step 1: a write is answered when all nodes have it, so all can be read at once.
pub(super) fn run(tour: &mut Tour<'_>) -> Result<(), String> {
    let took = tour.act(0, "greeting", Op::Set("hello"))?;
    tell(format!(
        "SET greeting hello on {}: acknowledged by all {} nodes in {}",
        tour.name(0),
        tour.count(),
        measured(took)
    ));
    let mut reads = Vec::new();
    for node in 0..tour.count() {
        let mut redis = tour.redis(node)?;
        let began = Instant::now();
        let reply = redis.call(&["GET", "greeting"]).map_err(|error| error.to_string())?;
        let took = measured(began.elapsed());
        if reply != Reply::Bulk(Some("hello".to_owned())) {
            let name = tour.name(node);
            return Err(format!(
                "GET greeting on {name}: {reply:?}, though the write was answered"
            ));
        }
        reads.push(format!("{} hello ({took})", tour.name(node)));
    }
    tell(format!("GET greeting: {}", reads.join(", ")));

    let keys: Vec<String> = (0..RECORDS).map(key).collect();
    let took = tour.act_on_many(0, &keys, &Op::Set("as written before the cut"))?;
    let rate = RECORDS as f64 / took.as_secs_f64();
    tell(format!(
        "{} records on {}, pipelined: acknowledged by all in {} ({} a second)",
        grouped(RECORDS as u64),
        tour.name(0),
        measured(took),
        grouped(rate as u64)
    ));
    for key in KEPT {
        tour.act(tour.count() - 1, key, Op::Set("old"))?;
    }
    tour.wait_until("equal tables", are_equal)?;
    tour.tell_equal()
}
