//! Named scenarios: the stories that the random schedules contain somewhere, told by themselves.

mod basics;
mod checkpoints;
mod faults;
mod islands;
mod pausing;
mod peers;
mod policies;

use tombolo_core::BTreeStore;
use tombolo_sim::play;

/// Plays a story; the panic tells everything that happened in it.
fn scenario(nodes: usize, script: &str) {
    if let Err(story) = play::<BTreeStore>(nodes, script) {
        panic!("{story}");
    }
}
