//! What schedules must show sometimes, or they would prove nothing.

/// Something that a schedule showed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Sight {
    /// A table of that policy was written.
    LastWriterWins,
    /// The same.
    Newest,
    /// The same.
    MergeOnly,
    /// The same.
    LastVersion,
    /// The same.
    LastModified,
    /// The same.
    Resolve,
    /// The same.
    Ignore,
    /// The same.
    YieldIsland,
    /// A bag was written.
    Bag,
    /// A table that hides was written.
    Hide,
    /// An outcome took the place of siblings.
    Outcome,
    /// Somebody had to decide.
    Alarm,
    /// What another island did alone was overruled.
    Overrule,
    /// A table was altered.
    Alter,
    /// Two islands altered one table differently.
    AlteredApart,
    /// Two islands were kept apart.
    Hold,
    /// Two islands that were kept apart joined.
    Rejoin,
    /// An operator approved.
    Approve,
    /// An operator chose a side.
    Choose,
    /// An op came from too far in the future.
    Parked,
    /// A table was filled from several peers at once.
    FillInParts,
    /// A peer that filled a table went away in the middle.
    FillCut,
    /// A record was hidden because its owner was down.
    Hidden,
    /// A record went because a newer process took its owner's place.
    Banished,
    /// A merge was noted in a ledger.
    Noted,
    /// More than eight nodes ran at once.
    Crowd,
    /// Two processes of one name ran at once.
    Twins,
    /// A client asked for a serial operation.
    Request,
    /// A leader carried one out.
    Served,
    /// The asker has its answer.
    Answered,
    /// Several keys were written together.
    Batch,
    /// A batch was handed on by a sync.
    BatchInSync,
    /// An op came to a table that was paused.
    HeldBack,
    /// A watcher looked after a while, and went on where it was.
    WatchLagged,
    /// What a watcher had missed was not kept any more, or its process had ended.
    WatchReset,
    /// A process started with what the disk of its node had kept.
    FromSnapshot,
    /// All processes ended at once.
    AllStopped,
}

/// Every sight.
pub const SIGHTS: [Sight; 37] = [
    Sight::LastWriterWins,
    Sight::Newest,
    Sight::MergeOnly,
    Sight::LastVersion,
    Sight::LastModified,
    Sight::Resolve,
    Sight::Ignore,
    Sight::YieldIsland,
    Sight::Bag,
    Sight::Hide,
    Sight::Outcome,
    Sight::Alarm,
    Sight::Overrule,
    Sight::Alter,
    Sight::AlteredApart,
    Sight::Hold,
    Sight::Rejoin,
    Sight::Approve,
    Sight::Choose,
    Sight::Parked,
    Sight::FillInParts,
    Sight::FillCut,
    Sight::Hidden,
    Sight::Banished,
    Sight::Noted,
    Sight::Crowd,
    Sight::Twins,
    Sight::Request,
    Sight::Served,
    Sight::Answered,
    Sight::Batch,
    Sight::BatchInSync,
    Sight::HeldBack,
    Sight::WatchLagged,
    Sight::WatchReset,
    Sight::FromSnapshot,
    Sight::AllStopped,
];

/// How often each was seen, and in how many schedules.
#[derive(Clone, Copy, Debug)]
pub struct SightCounts {
    times: [u64; SIGHTS.len()],
    schedules: [u64; SIGHTS.len()],
}

impl Default for SightCounts {
    fn default() -> Self {
        SightCounts { times: [0; SIGHTS.len()], schedules: [0; SIGHTS.len()] }
    }
}

impl SightCounts {
    /// Seen once more.
    pub fn count(&mut self, sight: Sight) {
        self.times[sight as usize] += 1;
        self.schedules[sight as usize] = 1;
    }

    /// How often it was seen, and in how many schedules.
    pub fn of(&self, sight: Sight) -> (u64, u64) {
        (self.times[sight as usize], self.schedules[sight as usize])
    }

    /// Adds what another run saw.
    pub fn add(&mut self, other: &SightCounts) {
        for at in 0..SIGHTS.len() {
            self.times[at] += other.times[at];
            self.schedules[at] += other.schedules[at];
        }
    }

    /// What was never seen.
    pub fn missing(&self) -> Vec<Sight> {
        SIGHTS.iter().copied().filter(|sight| self.of(*sight).0 == 0).collect()
    }
}
