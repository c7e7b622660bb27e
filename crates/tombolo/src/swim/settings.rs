//! How fast the membership protocol goes.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, PeriodicParams};

use super::MAX_PACKET;

/// How fast the protocol goes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How often a member is probed, and how long it has for an answer.
    pub(crate) probe_period: Duration,
    /// After how much of that period others are asked to probe it too.
    pub(crate) probe_round_trip: Duration,
    /// For how long a member that did not answer may still object to being down.
    pub(crate) suspicion: Duration,
}

impl Default for Settings {
    /// For a LAN. In clusters of a handful, a node that died is down everywhere about 3 s to 5 s
    /// later; one that was unreachable for less than 2 s is not declared down.
    fn default() -> Settings {
        Settings {
            probe_period: Duration::from_millis(600),
            probe_round_trip: Duration::from_millis(250),
            suspicion: Duration::from_millis(2400),
        }
    }
}

impl Settings {
    /// All that `foca` wants to know.
    pub(super) fn config(&self) -> Config {
        let every = |millis, members: NonZeroUsize| {
            Some(PeriodicParams { frequency: Duration::from_millis(millis), num_members: members })
        };
        const ONE: NonZeroUsize = NonZeroUsize::MIN;
        const THREE: NonZeroUsize = NonZeroUsize::new(3).unwrap();
        Config {
            probe_period: self.probe_period,
            probe_rtt: self.probe_round_trip,
            num_indirect_probes: THREE,
            // Enough for a suspicion to be told for as long as it lasts (three members, five times
            // a second), so that who comes back in time hears of it and can object.
            max_transmissions: const { NonZeroU8::new(40).unwrap() },
            suspect_to_down_after: self.suspicion,
            // Who returns has a new identity and need not wait for this. It keeps a process that
            // slept from reviving, with what it remembers, those that died meanwhile.
            remove_down_after: Some(Duration::from_secs(600)),
            max_packet_size: const { NonZeroUsize::new(MAX_PACKET).unwrap() },
            notify_down_members: true,
            periodic_announce: every(5_000, ONE),
            periodic_announce_to_down_members: every(5_000, THREE),
            periodic_gossip: every(200, THREE),
        }
    }
}
