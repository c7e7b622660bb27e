//! The tasks that keep a node going: time, syncs, discovery.

use crate::clock::{now, steady};
use crate::shell::{Shell, StopReason};
use crate::swim::Token;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;
use tombolo_core::{Answer, Event};
use tombolo_discovery::{Discovery, Found};
use tombolo_wire::hello::Refusal;

/// How often the node machine is told that time passed.
const TICK: Duration = Duration::from_millis(50);

/// How often a link is asked for a sign of life.
const PING: Duration = Duration::from_millis(500);

/// After how much silence a link is given up.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a node whose name is refused tries on: a process that died without a word is linked
/// until [`SILENCE`] is over, and its successor must not give up before that.
const NAME_PATIENCE: Duration = Duration::from_secs(8);

/// How often discovery is asked, before and after it found something.
const DISCOVER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Tells the machine the time and watches the links.
pub(crate) async fn run_ticker(shell: Arc<Shell>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut last_ping) = (Instant::now(), Instant::now());
    loop {
        ticks.tick().await;
        let paused = last.elapsed();
        last = Instant::now();
        watch_links(&shell, paused);
        if last_ping.elapsed() >= PING {
            last_ping = last;
            shell.mesh.links().iter().for_each(|link| link.ping());
        }
        shell.handle(Event::Tick { wall: now() });
        shell.mesh.schedule_flush();
    }
}

/// Gives up links that are silent. If this process itself stood still, it has not listened, so
/// the silence says nothing of the peers: they get their time anew.
fn watch_links(shell: &Arc<Shell>, paused: Duration) {
    for link in shell.mesh.links().iter() {
        if paused > PING {
            link.counters.heard.store(steady().0, Relaxed);
        }
        let silent = link.silent_millis();
        if Duration::from_millis(silent) >= SILENCE {
            shell.link_down(link, &format!("nothing was heard for {silent} ms"));
        }
    }
}

/// The timers that the membership protocol asks for.
pub(crate) type Timers = UnboundedReceiver<(Instant, Token)>;

/// Hands the membership protocol its timers, in the order in which they come due.
pub(crate) async fn run_swim_timers(shell: Arc<Shell>, mut timers: Timers) {
    let mut waiting: BTreeMap<(Instant, u64), Token> = BTreeMap::new();
    let mut count = 0;
    loop {
        let next = waiting.keys().next().map(|(due, _)| *due);
        let due = async {
            match next {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            timer = timers.recv() => {
                let Some((due, token)) = timer else { return };
                count += 1;
                waiting.insert((due, count), token);
            }
            () = due => {
                if let Some(((due, _), token)) = waiting.pop_first() {
                    shell.with_swim(|swim| swim.timer(token, due.elapsed()));
                }
            }
        }
    }
}

/// Works on the syncs under way, a short step at a time, as far as the links take it.
pub(crate) async fn run_pump(shell: Arc<Shell>) {
    loop {
        tokio::select! {
            () = shell.pump.notified() => {}
            () = shell.mesh.room.notified() => {}
        }
        while pump_once(&shell) {
            tokio::task::yield_now().await;
        }
    }
}

/// One step for every peer. False when there is nothing left to do, or no room to do it.
fn pump_once(shell: &Arc<Shell>) -> bool {
    let mut busy = false;
    {
        let mut node = shell.node.lock();
        if let Some(effects) = node.finish_some(steady()) {
            shell.carry_out(effects);
            busy = true;
        }
    }
    for link in shell.mesh.links().iter() {
        if link.resumes.swap(false, AcqRel) {
            shell.registry.all().iter().for_each(|table| table.resume(link));
            shell.mesh.flush_data(link);
        }
        if !link.data.has_room() {
            shell.mesh.flush_data(link);
            continue;
        }
        match shell.node.lock().answer_some(link.incarnation) {
            Answer::Idle => {}
            Answer::Walked => busy = true,
            Answer::Send(message) => {
                link.send(&message);
                shell.mesh.flush_data(link);
                busy = true;
            }
        }
    }
    busy
}

/// What discovery said last.
#[derive(Clone, Default)]
pub(crate) struct Discovered {
    pub(crate) addresses: Vec<String>,
    pub(crate) error: Option<String>,
}

/// Asks the back-ends for as long as the node runs. They may block, fail or panic: the node goes
/// on with what each of them found last.
pub(crate) async fn run_discovery(
    shell: Arc<Shell>,
    backends: Vec<Box<dyn Discovery>>,
    state: Arc<parking_lot::Mutex<Discovered>>,
) {
    let mut backends: Vec<Backend> = backends.into_iter().map(Backend::new).collect();
    let mut told = None;
    loop {
        let (mut addresses, mut problems) = (Vec::new(), Vec::new());
        for backend in &mut backends {
            backend.ask().await;
            for address in &backend.found.addresses {
                if !addresses.contains(address) {
                    addresses.push(address.clone());
                }
            }
            problems.extend(backend.problems());
        }
        let error = (!problems.is_empty()).then(|| problems.join("; "));
        let before = std::mem::replace(
            &mut *state.lock(),
            Discovered { addresses: addresses.clone(), error: error.clone() },
        );
        if let Some(error) = error.as_ref().filter(|error| before.error.as_ref() != Some(error)) {
            tracing::warn!("discovery: {error}");
        }
        if told.as_ref() != Some(&addresses) {
            tracing::debug!(?addresses, "discovery");
            shell.handle(Event::Discovered { addresses: addresses.clone() });
            told = Some(addresses.clone());
        }
        let quick = addresses.is_empty() || error.is_some();
        tokio::time::sleep(if quick { DISCOVER.0 } else { DISCOVER.1 }).await;
    }
}

struct Backend {
    /// Gone while it is being asked, and for good if it panicked.
    discovery: Option<Box<dyn Discovery>>,
    ready: bool,
    found: Found,
    error: Option<String>,
}

impl Backend {
    fn new(discovery: Box<dyn Discovery>) -> Backend {
        Backend { discovery: Some(discovery), ready: false, found: Found::default(), error: None }
    }

    async fn ask(&mut self) {
        let Some(mut discovery) = self.discovery.take() else { return };
        let ready = self.ready;
        let asked = tokio::task::spawn_blocking(move || {
            let prepared = if ready { Ok(()) } else { discovery.init() };
            let ready = prepared.is_ok();
            (prepared.and_then(|()| discovery.nodes()), ready, discovery)
        });
        match asked.await {
            Ok((found, ready, discovery)) => {
                (self.ready, self.discovery) = (ready, Some(discovery));
                match found {
                    Ok(found) => (self.found, self.error) = (found, None),
                    Err(error) => self.error = Some(error.to_string()),
                }
            }
            Err(_) => self.error = Some("the back-end panicked and is not asked again".to_owned()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let found = self.found.problems.iter().map(ToString::to_string);
        found.chain(self.error.clone()).collect()
    }
}

impl Shell {
    /// A peer refused this node. A name that stays taken ends it.
    pub(crate) fn on_refused(self: &Arc<Self>, refusal: &Refusal) {
        match refusal {
            Refusal::NameTaken { .. } => {
                self.handle(Event::NameTaken { taken: true });
                let mut since = self.name_refused.lock();
                let first = since.get_or_insert_with(Instant::now);
                if first.elapsed() >= NAME_PATIENCE {
                    self.stop(StopReason::NameTaken(refusal.to_string()));
                }
            }
            Refusal::Superseded { .. } => {
                self.stop(StopReason::Superseded { by: refusal.to_string() });
            }
            _ => {}
        }
    }
}
