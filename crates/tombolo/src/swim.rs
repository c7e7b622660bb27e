//! Membership: who is up, by SWIM with suspicion (the crate `foca`).
//!
//! A machine without clock, sockets and tasks. Whoever drives it carries its packets over the
//! control lanes, gives its timers back when they are due, and takes what it heard. It has no say
//! over links: that a member is down here does not close one.
//!
//! What this file adds to `foca`:
//!
//! - A linked peer that is not up is announced to again and again, so that two nodes that gave
//!   each other up never stay apart while a link joins them.
//! - A process that was held up (suspended, or starved of CPU) does not blame the others for it:
//!   verdicts that come due late are put off once, so that answers that wait in its sockets count.
//! - A process that was superseded by a newer one of its name, and lives on, neither declares that
//!   one down, nor answers each refusal with yet another identity as fast as the network goes.

mod identity;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Buf;
use foca::{Codec, Foca, Header, Member, Message, NoCustomBroadcast, Notification};
use foca::{PostcardCodec, Runtime, State, Timer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tombolo_core::NodeId;

use identity::Identity;
pub(crate) use settings::Settings;

/// The largest packet, made or taken. The links are streams, so that only memory sets a limit.
pub(crate) const MAX_PACKET: usize = 64 * 1024;

/// The longest name and the longest address that are believed to be one. A packet that names two
/// of them must fit [`MAX_PACKET`], or `foca` could no longer probe.
const MAX_TEXT: usize = 1024;

/// How often a linked peer that is not up is announced to.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

/// For how long a process that took a new identity is deaf to being declared down again.
const CALM: Duration = Duration::from_secs(1);

/// What must happen outside, in this order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Output {
    /// Send a packet on the control lane of the link to the node called `to`. Without such a link
    /// the packet is to be dropped: the protocol lives with losses.
    Send { to: String, data: Vec<u8> },
    /// Give `token` to [`Swim::timer`] after this time.
    Timer { after: Duration, token: Token },
    /// A process is up, or was given up.
    Heard { id: NodeId, address: String, up: bool },
}

/// A timer of [`Swim`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Token(Wake);

#[derive(Clone, PartialEq, Debug)]
enum Wake {
    Foca {
        timer: Timer<Identity>,
        /// Whether it came due late, and was put off for that.
        put_off: bool,
    },
    AnnounceAgain,
    Calmed,
}

/// Why a packet or a timer was not taken. The machine goes on as if it had not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwimError {
    /// A member knows a newer process of this node's name.
    #[error("the newer process {0} has this node's name")]
    Superseded(NodeId),
    /// A name or an address is longer than any can be.
    #[error("a membership packet names a node with {0} bytes")]
    TooLong(usize),
    /// The packet is no packet, or `foca` met something that it should not.
    #[error("membership: {0}")]
    Foca(foca::Error),
}

impl From<foca::Error> for SwimError {
    fn from(error: foca::Error) -> SwimError {
        SwimError::Foca(error)
    }
}

/// The membership protocol of one node.
pub(crate) struct Swim {
    foca: Foca<Identity, PostcardCodec, StdRng, NoCustomBroadcast>,
    settings: Settings,
    outbox: Outbox,
    /// What was said last of each name with [`Output::Heard`].
    told: BTreeMap<String, Told>,
    /// Whom there is a link to.
    linked: BTreeMap<String, Identity>,
    /// Whether a timer to announce again is under way.
    announcing: bool,
    /// Whether this process took a new identity a moment ago.
    agitated: bool,
    left: bool,
}

#[derive(Clone, Copy, PartialEq)]
struct Told {
    started: u64,
    up: bool,
}

/// What `foca` wants to happen, as it comes.
struct Outbox {
    own_name: String,
    outputs: VecDeque<Output>,
    members_changed: bool,
    renewed: bool,
}

impl Swim {
    /// A node that knows nobody yet. Two runs with the same `seed` and inputs are the same.
    pub(crate) fn new(id: &NodeId, address: &str, settings: Settings, seed: u64) -> Swim {
        let identity = Identity::new(id, address);
        let (config, rng) = (settings.config(), StdRng::seed_from_u64(seed));
        Swim {
            foca: Foca::new(identity, config, rng, PostcardCodec),
            settings,
            outbox: Outbox {
                own_name: id.name.clone(),
                outputs: VecDeque::new(),
                members_changed: false,
                renewed: false,
            },
            told: BTreeMap::new(),
            linked: BTreeMap::new(),
            announcing: false,
            agitated: false,
            left: false,
        }
    }

    /// A link to `peer` is up.
    pub(crate) fn announce_to(&mut self, peer: &NodeId, address: &str) -> Result<(), SwimError> {
        if self.left || peer.name == self.outbox.own_name {
            return Ok(());
        }
        // How often the peer came back is not known, nor need it be: an announcement reaches
        // whoever has the name.
        let peer = Identity::new(peer, address);
        self.linked.insert(peer.name.clone(), peer.clone());
        if !self.announcing {
            self.announcing = true;
            self.outbox.wake(ANNOUNCE_AGAIN, Wake::AnnounceAgain);
        }
        let result = self.foca.announce(peer, &mut self.outbox);
        self.finish(result)
    }

    /// There is no link to the node called `name` any more.
    pub(crate) fn unlinked(&mut self, name: &str) {
        self.linked.remove(name);
    }

    /// A packet came in on any link.
    pub(crate) fn received(&mut self, packet: &[u8]) -> Result<(), SwimError> {
        if self.left {
            return Ok(());
        }
        let declares_us_down = self.inspect(packet)?;
        if declares_us_down && self.agitated {
            return Ok(());
        }
        let result = self.foca.handle_data(packet, &mut self.outbox);
        self.finish(result)
    }

    /// A timer came due, `late` ago.
    pub(crate) fn timer(&mut self, token: Token, late: Duration) -> Result<(), SwimError> {
        if self.left {
            return Ok(());
        }
        let result = match token.0 {
            Wake::AnnounceAgain => self.announce_again(),
            Wake::Calmed => {
                self.agitated = false;
                Ok(())
            }
            Wake::Foca { timer, put_off } => match self.grace(&timer) {
                Some(grace) if !put_off && late >= self.settings.probe_round_trip => {
                    self.outbox.wake(grace, Wake::Foca { timer, put_off: true });
                    Ok(())
                }
                _ => self.foca.handle_timer(timer, &mut self.outbox),
            },
        };
        self.finish(result)
    }

    /// Tells some members that this node goes; they tell the rest. Nothing but the outputs of this
    /// call is of any interest afterwards.
    pub(crate) fn leave(&mut self) -> Result<(), SwimError> {
        if self.left {
            return Ok(());
        }
        // From here on the machine is deaf: it would take the echo of its own goodbye for a
        // mistake of the others, and come back.
        self.left = true;
        let result = self.foca.leave_cluster(&mut self.outbox);
        self.finish(result)
    }

    /// What must happen outside; to be drained after each call.
    pub(crate) fn outputs(&mut self) -> impl Iterator<Item = Output> {
        self.outbox.outputs.drain(..)
    }

    /// Whether the packet says that this process is down. Refuses what `foca` must not see.
    fn inspect(&self, packet: &[u8]) -> Result<bool, SwimError> {
        if packet.len() > MAX_PACKET {
            return Err(foca::Error::DataTooBig.into());
        }
        let (mut codec, mut rest) = (PostcardCodec, packet);
        let header: Header<Identity> = decoded(codec.decode_header(&mut rest))?;
        self.check(&header.src)?;
        match &header.message {
            Message::PingReq { target: other, .. }
            | Message::IndirectPing { origin: other, .. }
            | Message::IndirectAck { target: other, .. }
            | Message::ForwardedAck { origin: other, .. } => self.check(other)?,
            _ => {}
        }
        let me = self.foca.identity();
        let mut down = header.message == Message::TurnUndead && header.dst == *me;
        if rest.len() >= 2 && header.message != Message::Broadcast {
            for _ in 0..rest.get_u16() {
                let member: Member<Identity> = decoded(codec.decode_member(&mut rest))?;
                self.check(member.id())?;
                down |= member.state() == State::Down && member.id() == me;
            }
        }
        Ok(down)
    }

    fn check(&self, identity: &Identity) -> Result<(), SwimError> {
        let longest = identity.name.len().max(identity.address.len());
        if longest > MAX_TEXT {
            return Err(SwimError::TooLong(longest));
        }
        // To `foca` any other process of our name is a stale one, and it says so to the cluster.
        if identity.id().supersedes(&self.foca.identity().id()) {
            return Err(SwimError::Superseded(identity.id()));
        }
        Ok(())
    }

    /// How long to put off a timer that judges a member, if it came due late: for as long as the
    /// member would have had to answer, had this process been awake.
    fn grace(&self, timer: &Timer<Identity>) -> Option<Duration> {
        match timer {
            Timer::ProbeRandomMember(_) => {
                Some(self.settings.probe_period.saturating_sub(self.settings.probe_round_trip))
            }
            Timer::ChangeSuspectToDown { .. } => Some(self.settings.suspicion),
            _ => None,
        }
    }

    fn announce_again(&mut self) -> Result<(), foca::Error> {
        self.announcing = !self.linked.is_empty();
        if self.announcing {
            self.outbox.wake(ANNOUNCE_AGAIN, Wake::AnnounceAgain);
        }
        self.announce_to_missing()
    }

    fn announce_to_missing(&mut self) -> Result<(), foca::Error> {
        for (name, peer) in &self.linked {
            let up = Told { started: peer.started, up: true };
            if self.told.get(name) != Some(&up) {
                self.foca.announce(peer.clone(), &mut self.outbox)?;
            }
        }
        Ok(())
    }

    /// Ends every call: tells what became of the members, also if the call failed half way.
    fn finish(&mut self, mut result: Result<(), foca::Error>) -> Result<(), SwimError> {
        if std::mem::take(&mut self.outbox.renewed) {
            self.agitated = true;
            self.outbox.wake(CALM, Wake::Calmed);
            // Two that gave each other up renew at once, each by the word of the other's old self,
            // and do not hear of each other's new one but by this.
            result = result.and(self.announce_to_missing());
        }
        if std::mem::take(&mut self.outbox.members_changed) {
            self.tell_members();
        }
        Ok(result?)
    }

    fn tell_members(&mut self) {
        let mut told = BTreeMap::new();
        for member in self.foca.iter_membership_state() {
            let identity = member.id();
            let before = self.told.get(&identity.name);
            let now = Told { started: identity.started, up: member.state() != State::Down };
            // That somebody unheard of is down is no news.
            if identity.name == self.outbox.own_name || (before.is_none() && !now.up) {
                continue;
            }
            if before != Some(&now) {
                self.outbox.outputs.push_back(Output::Heard {
                    id: identity.id(),
                    address: identity.address.clone(),
                    up: now.up,
                });
            }
            told.insert(identity.name.clone(), now);
        }
        self.told = told;
    }
}

impl Outbox {
    fn wake(&mut self, after: Duration, wake: Wake) {
        self.outputs.push_back(Output::Timer { after, token: Token(wake) });
    }
}

impl Runtime<Identity> for Outbox {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        match notification {
            Notification::MemberUp(_) | Notification::MemberDown(_) | Notification::Rename(..) => {
                self.members_changed = true;
            }
            Notification::Rejoin(_) => self.renewed = true,
            _ => {}
        }
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        // An older process of this node may be among the members that are down.
        if to.name != self.own_name {
            self.outputs.push_back(Output::Send { to: to.name, data: data.to_vec() });
        }
    }

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        self.wake(after, Wake::Foca { timer, put_off: false });
    }
}

fn decoded<T>(
    result: Result<T, <PostcardCodec as Codec<Identity>>::Error>,
) -> Result<T, SwimError> {
    result.map_err(|error| SwimError::Foca(foca::Error::Decode(Box::new(error))))
}
