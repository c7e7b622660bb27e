//! Asking the discovery back-ends, and what came of dialling what they found.

use crate::clock::steady;
use crate::mesh::handshake::HandshakeError;
use crate::shell::Shell;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tombolo_core::{Event, NodeId};
use tombolo_discovery::{Discovery, DiscoveryError, Found};
use tombolo_wire::hello::Refusal;

/// How long a back-end may take before that is told; it is waited for all the same.
const ANSWER: Duration = Duration::from_secs(1);

/// How often a back-end is asked before it has found an address, or after an error; and otherwise.
const PACE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How long a back-end that panics again and again is left alone at most.
const LONGEST: Duration = Duration::from_secs(32);

/// How soon a back-end is asked again because a node came or went.
const SOON: Duration = Duration::from_millis(100);

/// The outcomes of so many addresses are kept.
const KEPT: usize = 4_096;

/// How far a discovery back-end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiscoveryPhase {
    /// It has found no address yet, and is asked every second.
    StartUp,
    /// It has found some, and is asked every five seconds and whenever a node comes or goes.
    Regular,
    /// It failed the last time: it is asked again after a second; after panics after 1, 2, 4 and at
    /// most 32 seconds.
    Retrying,
}

/// What one discovery back-end says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackendStatus {
    /// What it is called: [`Discovery::name`].
    pub name: String,
    /// How far it has come.
    pub phase: DiscoveryPhase,
    /// When it answered last, in milliseconds since the Unix epoch; none if it never did.
    pub answered: Option<u64>,
    /// Since when it is being asked, if it is: one that blocks is waited for.
    pub asked: Option<u64>,
    /// What is wrong: it failed, panicked or does not answer.
    pub error: Option<String>,
    /// What it found the last time that it answered.
    pub addresses: Vec<String>,
}

/// What is at an address, as far as dialling it has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It was not dialled yet.
    Unknown,
    /// A node that is linked; this one itself counts as such.
    Linked(String),
    /// A node that is not linked now.
    Node(String),
    /// A node that refuses the link or is refused, and why.
    Refused(String),
    /// Somebody answers, but does not speak Tombolo's protocol, and what was met instead.
    NotTombolo(String),
    /// Nobody answers, and what the system says.
    Nobody(String),
}

/// The back-ends and what they found.
pub(crate) struct Finding {
    backends: Mutex<Vec<State>>,
    /// What of it the node machine and the log were told.
    told: Mutex<Discovered>,
    /// Counts nodes that came or went: whoever is not being asked is asked again.
    recheck: watch::Sender<u64>,
    reached: Mutex<BTreeMap<String, Reach>>,
}

/// What all back-ends say together.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Discovered {
    pub(crate) addresses: Vec<String>,
    pub(crate) error: Option<String>,
    /// Whether the node machine was told of addresses at all.
    spoken: bool,
}

struct State {
    status: BackendStatus,
    /// Whether an answer or an error ever came.
    heard: bool,
    problems: Vec<String>,
}

impl Default for Finding {
    fn default() -> Finding {
        Finding {
            backends: Mutex::default(),
            told: Mutex::default(),
            recheck: watch::Sender::new(0),
            reached: Mutex::default(),
        }
    }
}

impl Finding {
    /// A node came or went: the back-ends may know more by now.
    pub(crate) fn recheck(&self) {
        self.recheck.send_modify(|count| *count += 1);
    }

    /// Every back-end, as it is now.
    pub(crate) fn backends(&self) -> Vec<BackendStatus> {
        self.backends.lock().iter().map(|state| state.status.clone()).collect()
    }

    /// Whether every back-end was heard of: it answered, or failed.
    pub(crate) fn has_spoken(&self) -> bool {
        self.backends.lock().iter().all(|state| state.heard)
    }

    /// What all of them say together.
    pub(crate) fn discovered(&self) -> Discovered {
        let backends = self.backends.lock();
        let mut addresses: Vec<String> = Vec::new();
        for address in backends.iter().flat_map(|state| &state.status.addresses) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        let problems: Vec<&String> = backends
            .iter()
            .flat_map(|state| state.problems.iter().chain(&state.status.error))
            .collect();
        let error = problems.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("; ");
        let error = (!error.is_empty()).then_some(error);
        // Nothing found by some is no word for all.
        let spoken = !addresses.is_empty() || backends.iter().all(|state| state.heard);
        Discovered { addresses, error, spoken }
    }

    /// What was met at an address.
    pub(crate) fn reach(&self, address: &str) -> Reach {
        self.reached.lock().get(address).cloned().unwrap_or(Reach::Unknown)
    }

    /// An attempt to dial an address has ended.
    pub(crate) fn dialled(&self, address: &str, outcome: &Result<NodeId, HandshakeError>) {
        let reach = match outcome {
            Ok(peer) => Reach::Node(peer.name.clone()),
            Err(error) => match (error.refusal(), error) {
                (Some(Refusal::OneSelf), _) => return,
                (Some(refusal @ Refusal::NotTombolo), _) => Reach::NotTombolo(refusal.to_string()),
                (Some(_), _) => Reach::Refused(error.to_string()),
                (None, HandshakeError::Unreachable(cause)) => Reach::Nobody(cause.clone()),
                (None, _) => Reach::NotTombolo(error.to_string()),
            },
        };
        let mut reached = self.reached.lock();
        if reached.len() >= KEPT && !reached.contains_key(address) {
            reached.clear();
        }
        reached.insert(address.to_owned(), reach);
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.backends.lock().get_mut(index) {
            change(state);
        }
    }
}

/// Asks the back-ends for as long as the node runs, each at its own pace. They may block, fail or
/// panic: the node goes on with what each of them found last.
pub(crate) fn spawn(shell: &Arc<Shell>, backends: Vec<Box<dyn Discovery>>) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for backend in &backends {
        let (called, mut number) = (backend.name(), 1);
        let mut name = called.clone();
        while !names.insert(name.clone()) {
            number += 1;
            name = format!("{called} ({number})");
        }
        let status = BackendStatus {
            name,
            phase: DiscoveryPhase::StartUp,
            answered: None,
            asked: None,
            error: None,
            addresses: Vec::new(),
        };
        let state = State { status, heard: false, problems: Vec::new() };
        shell.finding.backends.lock().push(state);
    }
    for (index, backend) in backends.into_iter().enumerate() {
        let (shell, running) = (Arc::clone(shell), shell.running.clone());
        let runtime = shell.runtime.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = run(shell, index, backend) => {}
                () = running.cancelled() => {}
            }
        });
    }
}

/// What a question came to; the inner error is the back-end's own, the outer one its panic.
type Asked = Result<Result<Found, DiscoveryError>, String>;

async fn run(shell: Arc<Shell>, index: usize, backend: Box<dyn Discovery>) {
    let mut recheck = shell.finding.recheck.subscribe();
    let name = shell.finding.backends.lock()[index].status.name.clone();
    let (mut backend, mut ready, mut panics) = (Some(backend), false, 0_u32);
    while let Some(asked) = backend.take() {
        let answer = ask(&shell, index, &name, asked, ready).await;
        let Some((answer, is_ready, asked)) = answer else { return };
        (backend, ready) = (Some(asked), is_ready);
        panics = if answer.is_err() { panics + 1 } else { 0 };
        let pause = match &answer {
            Err(_) => LONGEST.min(PACE.0 * (1 << (panics - 1).min(5))),
            Ok(Ok(found)) if !found.addresses.is_empty() => PACE.1,
            Ok(_) => PACE.0,
        };
        note(&shell, index, answer, pause);
        let rechecked = async {
            tokio::time::sleep(SOON).await;
            // Its other side lives as long as the node.
            let _ = recheck.changed().await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // One that panics is not to be asked faster because nodes come and go.
            () = rechecked, if panics == 0 => {}
        }
    }
}

/// Asks a back-end where it may block. None if the node's runtime ends.
async fn ask(
    shell: &Arc<Shell>,
    index: usize,
    name: &str,
    mut backend: Box<dyn Discovery>,
    ready: bool,
) -> Option<(Asked, bool, Box<dyn Discovery>)> {
    shell.finding.change(index, |state| state.status.asked = Some(steady().0));
    let (tasks, what) = (Arc::clone(&shell.tasks), format!("discovery by {name}"));
    let mut asking = tokio::task::spawn_blocking(move || {
        let mut is_ready = ready;
        let answer = tasks.call(&what, None, || {
            if !is_ready {
                backend.init()?;
                is_ready = true;
            }
            backend.nodes()
        });
        // One that panicked may be in any state.
        (is_ready && answer.is_ok(), answer, backend)
    });
    loop {
        if let Ok(asked) = tokio::time::timeout(ANSWER, &mut asking).await {
            shell.finding.change(index, |state| state.status.asked = None);
            let (ready, answer, backend) = asked.ok()?;
            return Some((answer, ready, backend));
        }
        shell.finding.change(index, |state| {
            state.status.error = Some(format!("{name} does not answer; it is waited for"));
        });
        tell(shell);
    }
}

fn note(shell: &Arc<Shell>, index: usize, answer: Asked, pause: Duration) {
    shell.finding.change(index, |state| {
        state.heard = true;
        let status = &mut state.status;
        status.error = match answer {
            Ok(Ok(found)) => {
                status.answered = Some(steady().0);
                state.problems = found.problems.iter().map(ToString::to_string).collect();
                status.addresses = found.addresses;
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                let (name, pause) = (&status.name, pause.as_secs());
                Some(format!("{name} panicked ({panic}); it is asked again after {pause} s"))
            }
        };
        status.phase = match (&status.error, status.addresses.is_empty()) {
            (Some(_), _) => DiscoveryPhase::Retrying,
            (None, true) => DiscoveryPhase::StartUp,
            (None, false) => DiscoveryPhase::Regular,
        };
    });
    tell(shell);
}

/// Tells the node machine and the log what is new.
fn tell(shell: &Arc<Shell>) {
    let found = shell.finding.discovered();
    let before = std::mem::replace(&mut *shell.finding.told.lock(), found.clone());
    if let Some(error) = found.error.filter(|error| before.error.as_ref() != Some(error)) {
        tracing::warn!("discovery: {error}");
    }
    if found.spoken && (!before.spoken || before.addresses != found.addresses) {
        tracing::debug!(addresses = ?found.addresses, "discovery");
        shell.handle(Event::Discovered { addresses: found.addresses });
    }
}
