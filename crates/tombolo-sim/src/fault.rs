//! What can go wrong on purpose, and how often it did.

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Fault {
    /// Nothing passes between two nodes any more.
    Cut,
    /// Nothing passes from one node to another; the other way works.
    OneWayCut,
    /// What was cut passes again.
    Heal,
    /// One end of a link was found broken while the other end still believed in it.
    HalfOpen,
    /// A lane stood still for a while.
    Delay,
    /// A message overtook an older one on another lane or link to the same node.
    Reorder,
    /// A process ended without a word.
    Crash,
    /// A node said goodbye and ended.
    Leave,
    /// A node came back as a new process with empty memory.
    Restart,
    /// A slow peer's queue was dropped.
    Overflow,
    /// A link was replaced by a new one while it was up.
    LinkReplaced,
    /// A link went down while a sync was under way on it.
    BrokenSync,
    /// A clock jumped, forward or back.
    ClockJump,
    /// A clock ran fast or slow.
    ClockDrift,
    /// Discovery had nothing to tell a node for a long time.
    LateDiscovery,
    /// The membership protocol gave up a process that lives.
    WrongSuspicion,
    /// The membership protocol heard a process.
    Heard,
    /// A client's write got hold of a table between two locked steps of one tick.
    WriteBetween,
    /// A member was unlinked for longer than stability waits.
    Forgotten,
    /// A clock jumped further than clocks may differ.
    WildClock,
    /// A link was lost for less than the membership protocol needs to find out.
    ShortLoss,
    /// A process was started while an older one of its name still ran.
    Twin,
    /// Everything takes long to one node.
    SlowPeer,
    /// A table was paused.
    Pause,
}

/// Every kind of fault.
pub const FAULTS: [Fault; 24] = [
    Fault::Cut,
    Fault::OneWayCut,
    Fault::Heal,
    Fault::HalfOpen,
    Fault::Delay,
    Fault::Reorder,
    Fault::Crash,
    Fault::Leave,
    Fault::Restart,
    Fault::Overflow,
    Fault::LinkReplaced,
    Fault::BrokenSync,
    Fault::ClockJump,
    Fault::ClockDrift,
    Fault::LateDiscovery,
    Fault::WrongSuspicion,
    Fault::Heard,
    Fault::WriteBetween,
    Fault::Forgotten,
    Fault::WildClock,
    Fault::ShortLoss,
    Fault::Twin,
    Fault::SlowPeer,
    Fault::Pause,
];

/// How often each kind fired.
#[derive(Clone, Copy, Default, Debug)]
pub struct FaultCounts([u64; FAULTS.len()]);

impl FaultCounts {
    /// One more of that kind.
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How many of that kind.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: &FaultCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// The kinds that never fired.
    pub fn missing(&self) -> Vec<Fault> {
        let never = FAULTS.iter().copied();
        never.filter(|fault| self.of(*fault) == 0).collect()
    }
}
