//! The tour: a story in nine steps, each of which measures and checks what it tells.

mod crash;
mod heal;
mod ledger;
mod policies;
mod presence;
mod split;
mod story;
mod write;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tombolo_server::http::view::{StatusView, TableView};

use super::cluster::Cluster;
use super::interrupt::Interrupt;
use crate::client::{Api, Client, Reply};
use crate::text::{Tone, grouped, measured, say, wants_colours};
use story::{Op, Story};

/// How long anything in the tour may take before the step counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Commands that are sent at once; see [`Client::pipeline`].
const BATCH: usize = 500;

type Step = fn(&mut Tour<'_>) -> Result<(), String>;

const STEPS: [(&str, Step); 9] = [
    ("write on one node, read on all", write::run),
    ("cut the cluster in two", split::cut),
    ("write, overwrite and delete on both sides", split::edit),
    ("heal", heal::run),
    ("kill a node and start it again", crash::run),
    ("the same split under four policies", policies::run),
    ("what the merges left to people", ledger::run),
    ("records that go with the node that wrote them", presence::run),
    ("compare all nodes", presence::compare),
];

/// Plays the steps on a cluster that is whole. Success only if every step held.
pub(super) fn play(cluster: &mut Cluster, interrupt: &Interrupt) -> ExitCode {
    let began = Instant::now();
    let mut tour = Tour { cluster, interrupt, began, story: Story::default() };
    let colours = wants_colours();
    for (index, (title, step)) in STEPS.iter().enumerate() {
        let number = index + 1;
        say(format!("\n{}", Tone::Strong.paint(&format!("{number}. {title}"), colours)));
        let step_began = Instant::now();
        if let Err(error) = step(&mut tour) {
            let failed = format!("step {number} ({title}) did not hold: {error}");
            say(format!("   {}", Tone::Bad.paint(&failed, colours)));
            say(format!("   the logs are in {}", tour.cluster.folder().display()));
            return if interrupt.is_set() {
                ExitCode::from(super::INTERRUPTED)
            } else {
                ExitCode::FAILURE
            };
        }
        let held = Tone::Good.paint("held", colours);
        say(format!("   {held}, {} for the step", measured(step_began.elapsed())));
    }
    let held = format!("all {} steps held, {}", STEPS.len(), measured(began.elapsed()));
    say(format!("\n{}", Tone::Good.paint(&held, colours)));
    tour.cluster.end();
    ExitCode::SUCCESS
}

/// What the steps share.
struct Tour<'a> {
    cluster: &'a mut Cluster,
    interrupt: &'a Interrupt,
    began: Instant,
    story: Story,
}

impl Tour<'_> {
    fn count(&self) -> usize {
        self.cluster.nodes().len()
    }

    fn name(&self, node: usize) -> &str {
        &self.cluster.nodes()[node].plan.name
    }

    fn names(&self, nodes: std::ops::Range<usize>) -> String {
        nodes.map(|node| self.name(node)).collect::<Vec<_>>().join(" ")
    }

    /// The nodes on the two sides of the cut.
    fn sides(&self) -> [std::ops::Range<usize>; 2] {
        let half = self.count() / 2;
        [0..half, half..self.count()]
    }

    fn redis(&self, node: usize) -> Result<Client, String> {
        self.cluster.nodes()[node].redis()
    }

    fn api(&self, node: usize) -> Api {
        Api::new(&self.cluster.nodes()[node].plan.http)
    }

    /// Waits until `holds` is true of all nodes that run.
    fn wait_until(
        &mut self,
        what: &str,
        holds: impl Fn(&[StatusView]) -> bool,
    ) -> Result<Duration, String> {
        self.cluster.wait_until(what, PATIENCE, self.interrupt, holds)
    }

    /// Does `op` to `key` on `node`, notes it in the story, and tells how long it took.
    fn act(&mut self, node: usize, key: &str, op: Op) -> Result<Duration, String> {
        let mut redis = self.redis(node)?;
        let at = self.began.elapsed();
        let began = Instant::now();
        let reply = redis.call(&op.command(key));
        let took = began.elapsed();
        op.check(reply).map_err(|error| format!("{} {key} on {}: {error}", op, self.name(node)))?;
        self.story.note(at, node, key, op);
        Ok(took)
    }

    /// Does `op` to each of `keys` on `node`, in pipelines, and tells how long all took.
    fn act_on_many(&mut self, node: usize, keys: &[String], op: &Op) -> Result<Duration, String> {
        let mut redis = self.redis(node)?;
        let mut took = Duration::ZERO;
        for batch in keys.chunks(BATCH) {
            let at = self.began.elapsed();
            let commands: Vec<Vec<String>> = batch.iter().map(|key| op.command(key)).collect();
            let began = Instant::now();
            let replies = redis.pipeline(&commands);
            took += began.elapsed();
            let replies = replies.map_err(|error| format!("on {}: {error}", self.name(node)))?;
            for (key, reply) in batch.iter().zip(replies) {
                let checked = op.check(Ok(reply));
                checked.map_err(|error| format!("{op} {key} on {}: {error}", self.name(node)))?;
                self.story.note(at, node, key, op.clone());
            }
        }
        Ok(took)
    }

    /// Checks on every node that each key of the story holds what the story says, and that there
    /// is nothing else. Returns how many values were compared.
    fn check_all_values(&self) -> Result<u64, String> {
        let expected = self.story.expected();
        let live = expected.values().filter(|value| value.is_some()).count();
        let mut compared = 0;
        for node in 0..self.count() {
            let mut redis = self.redis(node)?;
            let failed = |error| format!("on {}: {error}", self.name(node));
            let size = redis.call(&["DBSIZE"]).map_err(failed)?;
            if size != Reply::Integer(live as i64) {
                let name = self.name(node);
                return Err(format!("{name} should have {live} records; DBSIZE says {size:?}"));
            }
            let all: Vec<(&str, Option<&str>)> = expected.iter().map(|(k, v)| (*k, *v)).collect();
            for batch in all.chunks(BATCH) {
                let commands: Vec<[&str; 2]> = batch.iter().map(|(key, _)| ["GET", key]).collect();
                let replies = redis.pipeline(&commands).map_err(failed)?;
                for ((key, value), reply) in batch.iter().zip(replies) {
                    let right = Reply::Bulk(value.map(str::to_owned));
                    if reply != right {
                        let name = self.name(node);
                        return Err(format!("GET {key} on {name}: {reply:?}, not {right:?}"));
                    }
                    compared += 1;
                }
            }
        }
        Ok(compared)
    }

    /// One line that shows that all nodes have equal tables.
    fn tell_equal(&self) -> Result<(), String> {
        let views = self.cluster.statuses()?;
        let table = views.first().and_then(default_table).ok_or("there is no table")?;
        if !are_equal(&views) {
            return Err("the nodes are not equal any more".to_owned());
        }
        let compared = self.check_all_values()?;
        tell(format!(
            "equal on all nodes: {} records, fingerprint {}; {} values compared with the story",
            grouped(table.records as u64),
            table.fingerprint,
            grouped(compared)
        ));
        Ok(())
    }
}

/// Prints a line of a step.
fn tell(line: impl AsRef<str>) {
    say(format!("   {}", line.as_ref()));
}

fn default_table(view: &StatusView) -> Option<&TableView> {
    view.tables.iter().find(|table| table.name == "default")
}

/// Whether all nodes have the same records, by their fingerprints.
fn are_equal(views: &[StatusView]) -> bool {
    let prints: Option<Vec<_>> = views
        .iter()
        .map(|view| default_table(view).map(|table| (table.records, &table.fingerprint)))
        .collect();
    prints.is_some_and(|prints| prints.windows(2).all(|pair| pair[0] == pair[1]))
}
