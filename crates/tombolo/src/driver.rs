//! The tasks that keep a node going: time, links, syncs.

use crate::clock::{now, steady};
use crate::shell::{Shell, StopReason};
use crate::swim::Token;
use crate::throttle::Throttle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;
use tombolo_core::{Answer, Event};
use tombolo_wire::hello::Refusal;

/// How often the node machine is told that time passed.
const TICK: Duration = Duration::from_millis(50);

/// How often a link is asked for a sign of life.
const PING: Duration = Duration::from_millis(500);

/// How often a peer is asked to answer behind its ops, which tells how old the tables can be.
const FRESH: Duration = Duration::from_millis(200);

/// After how much silence a link is given up.
const SILENCE: Duration = Duration::from_secs(3);

/// After how long a data lane is given up that has something to send and moves nothing, although
/// the control lane lives: a firewall may have forgotten one of the two.
const STALL: Duration = Duration::from_secs(10);

/// How long a node whose name is refused tries on: a process that died without a word is linked
/// until [`SILENCE`] is over, and its successor must not give up before that.
const NAME_PATIENCE: Duration = Duration::from_secs(8);

/// After how long without another refusal the name counts as free: whoever refused it is gone.
const REFUSAL_OVER: Duration = Duration::from_secs(6);

/// Tells the machine the time and watches the links.
pub(crate) async fn run_ticker(shell: Arc<Shell>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut last_ping, mut last_fresh) =
        (Instant::now(), Instant::now(), Instant::now());
    loop {
        ticks.tick().await;
        let paused = last.elapsed();
        last = Instant::now();
        watch_links(&shell, paused);
        if last_ping.elapsed() >= PING {
            last_ping = last;
            shell.mesh.links().iter().for_each(|link| link.ping());
        }
        if last_fresh.elapsed() >= FRESH {
            last_fresh = last;
            shell.mesh.links().iter().for_each(|link| link.ask_fresh());
        }
        shell.forget_name_refusal(REFUSAL_OVER);
        shell.handle(Event::Tick { wall: now() });
        shell.registry.all().iter().for_each(|table| table.nudge());
        shell.mesh.crowd.tick();
        shell.mesh.schedule_flush();
    }
}

/// Gives up links that are silent, or take nothing of what is sent. While this process itself stood
/// still it has not listened, so that time says nothing of the peers and does not count.
fn watch_links(shell: &Arc<Shell>, paused: Duration) {
    for link in shell.mesh.links().iter() {
        if paused > PING {
            let paused = (paused.as_millis() as u64).min(link.silent_millis());
            link.counters.heard.fetch_add(paused, Relaxed);
        }
        let silent = link.silent_millis();
        if Duration::from_millis(silent) >= SILENCE {
            shell.link_down(link, &format!("nothing was heard for {silent} ms"));
        }
        if link.data.stalled() >= STALL {
            shell.link_down(link, "the data lane takes nothing");
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
            match shell.throttle.as_ref().and_then(Throttle::wait) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => give_way().await,
            }
        }
    }
}

/// Lets the other tasks of this thread have a turn, and the other threads that wait for its
/// processor: without that a thread that wakes beside a long walk waits for the scheduler's tick,
/// which may be 10 ms.
pub(crate) async fn give_way() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
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
            shell.handle(Event::Resumed { peer: link.incarnation });
            shell.mesh.flush_data(link);
        }
        if !link.data.has_room() {
            shell.mesh.flush_data(link);
            if !link.data.has_room() {
                continue;
            }
        }
        if !link.pieces.have_room() {
            continue;
        }
        let mut node = shell.node.lock();
        // Under this lock links and answers change together: a piece of an answer to the next link
        // of the same peer must not go to the one that it replaced.
        if !shell.mesh.has(link) {
            continue;
        }
        match node.answer_some(link.incarnation) {
            Answer::Idle => continue,
            Answer::Walked => busy = true,
            Answer::Send(message) => {
                let sent = link.send_piece(&message);
                if let Some(throttle) = &shell.throttle {
                    throttle.spend(sent);
                }
                busy = true;
            }
        }
        drop(node);
        shell.mesh.flush_data(link);
    }
    busy
}

impl Shell {
    /// A peer refused this node. A name that stays taken ends it.
    pub(crate) fn on_refused(self: &Arc<Self>, refusal: &Refusal) {
        match refusal {
            Refusal::NameTaken { .. } => {
                self.handle(Event::NameTaken { taken: true });
                let mut since = self.name_refused.lock();
                let (first, last) = since.get_or_insert_with(|| (Instant::now(), Instant::now()));
                *last = Instant::now();
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
