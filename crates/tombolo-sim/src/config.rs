//! What one schedule is made of.

use crate::judge::RESOLVERS;
use crate::rng::Rng;
use tombolo_core::{
    Declaration, Kind, Limits, Merge, NodeId, OwnerDown, Policy, Settings, Versioned,
};

/// The shape of one schedule.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes have a name.
    pub nodes: usize,
    /// How many keys are written; few, so that writes meet.
    pub keys: usize,
    /// How each table is declared.
    pub tables: Vec<Declaration>,
    /// The values that are written; made up ones if there are none.
    pub values: Vec<Vec<u8>>,
    /// How many random steps before the end phase.
    pub steps: usize,
    /// Whether processes end and come back.
    pub crashes: bool,
    /// Whether some records expire.
    pub expiry: bool,
    /// Whether stability stops waiting for members after a short while (zombies and convergence
    /// are checked then, but an older write may win over a delete that it never met).
    pub forgetting: bool,
    /// Whether tables are altered while all runs.
    pub altering: bool,
    /// Whether clocks jump further than they may differ.
    pub wild_clocks: bool,
    /// Whether clients ask for serial operations.
    pub serial: bool,
    /// Whether two processes of one name may run at once.
    pub twins: bool,
    /// Whether links break for moments only, all the time.
    pub short_losses: bool,
    /// The node to which everything takes long.
    pub slow: Option<usize>,
    /// In how many of 1000 steps the network changes.
    pub flapping: usize,
    /// How far apart two clocks may be at most, in milliseconds.
    pub max_drift: u64,
    /// How many bytes of conflicts a table keeps.
    pub ledger_bytes: usize,
    /// Whether every node is up at the end, so that all tombstones must go.
    pub whole_at_end: bool,
    /// Whether nodes keep records of their tables on disk, and start from them.
    pub snapshots: bool,
}

impl Config {
    /// The shape that belongs to a seed.
    pub fn of(rng: &mut Rng, steps: usize) -> Config {
        let crowd = rng.below(150) == 0;
        let tables = 1 + usize::from(rng.chance(25));
        Config {
            nodes: if crowd { 9 + rng.below(4) } else { [2, 3, 3, 3, 4, 4, 5][rng.below(7)] },
            keys: 3 + rng.below(4),
            tables: (0..tables).map(|_| some_declaration(rng)).collect(),
            values: Vec::new(),
            steps,
            crashes: rng.chance(60),
            expiry: rng.chance(50),
            forgetting: rng.chance(10),
            altering: rng.chance(20),
            wild_clocks: rng.chance(8),
            serial: rng.chance(35),
            twins: rng.chance(8),
            short_losses: rng.chance(10),
            slow: rng.chance(15).then_some(1),
            flapping: [8, 20, 45][rng.below(3)],
            max_drift: [10, 40, 40, 300][rng.below(4)],
            ledger_bytes: if rng.chance(15) { 1_000 } else { 1 << 20 },
            whole_at_end: crowd || rng.chance(60),
            snapshots: rng.chance(40),
        }
    }

    /// The shape in which a resolver of the user's is checked: one table, its values, faults of the
    /// network and of processes.
    pub(crate) fn for_resolver(rng: &mut Rng, steps: usize, values: &[Vec<u8>]) -> Config {
        let policy = Policy::Resolve("checked".to_string());
        Config {
            nodes: 2 + rng.below(3),
            tables: vec![Declaration { policy, ..Declaration::default() }],
            values: values.to_vec(),
            steps,
            crashes: rng.chance(40),
            flapping: 45,
            whole_at_end: true,
            ..Config::scripted(3)
        }
    }

    /// A quiet world for a script: nothing happens by chance.
    pub fn scripted(nodes: usize) -> Config {
        Config {
            nodes,
            keys: 4,
            tables: vec![Declaration::default()],
            values: Vec::new(),
            steps: 0,
            crashes: false,
            expiry: false,
            forgetting: false,
            altering: false,
            wild_clocks: false,
            serial: false,
            twins: false,
            short_losses: false,
            slow: None,
            flapping: 0,
            max_drift: 40,
            ledger_bytes: 1 << 20,
            whole_at_end: false,
            snapshots: false,
        }
    }

    /// Whether so many nodes join at once that nothing else need happen.
    pub fn is_crowd(&self) -> bool {
        self.nodes > 8
    }

    /// The intervals of every node: those of production, some forty times shorter.
    pub fn settings(&self, id: NodeId, address: String) -> Settings {
        Settings {
            report_interval: 15,
            sync_interval: 250,
            ask_timeout: 80,
            forget_after: if self.forgetting { 60 } else { u64::MAX },
            redial: (5, 60),
            patience: 40,
            removed_ahead: 6,
            ..Settings::new(id, address)
        }
    }

    /// The limits of every table: one key a chunk, so that an answer takes many steps.
    pub fn limits(&self) -> Limits {
        Limits {
            max_drift: self.max_drift,
            removed_ahead: 6,
            chunk_bytes: 1,
            ledger_bytes: self.ledger_bytes,
            // Some three changes, or some hundreds.
            feed_bytes: if self.keys.is_multiple_of(2) { 500 } else { 1 << 16 },
        }
    }
}

/// A declaration that can be kept. Last-writer-wins is the most usual one, as in life.
fn some_declaration(rng: &mut Rng) -> Declaration {
    let kind = match rng.below(10) {
        0..6 => Kind::Set,
        6..8 => Kind::OrderedSet,
        _ => Kind::Bag,
    };
    let per = (kind == Kind::Bag && rng.chance(50)).then(|| "/id".to_string());
    let mut declaration = Declaration {
        kind,
        policy: some_policy(rng, per),
        owner_down: if rng.chance(25) { OwnerDown::Hide } else { OwnerDown::Keep },
        merge: if rng.chance(8) { Merge::Hold } else { Merge::Auto },
        ttl: None,
        fragments: if rng.chance(15) { 2 } else { 1 },
        quorum: rng.chance(10).then_some(2),
    };
    if declaration.check().is_err() {
        declaration.owner_down = OwnerDown::Keep;
    }
    declaration
}

fn some_policy(rng: &mut Rng, per: Option<String>) -> Policy {
    if per.is_some() {
        return if rng.chance(50) {
            Policy::LastVersion(Versioned { field: "/version".to_string(), per })
        } else {
            Policy::LastModified { per }
        };
    }
    match rng.below(20) {
        0..8 => Policy::LastWriterWins,
        8..11 => Policy::Newest,
        11 => Policy::MergeOnly,
        12..14 => Policy::LastVersion(Versioned { field: "/version".to_string(), per: None }),
        14 => Policy::LastModified { per: None },
        15..17 => Policy::Resolve(RESOLVERS[rng.below(RESOLVERS.len())].to_string()),
        17 => Policy::Ignore,
        _ => Policy::YieldIsland,
    }
}

/// What `declaration` may be altered to: the shape of the records stays, and where they lie.
pub(crate) fn some_alteration(rng: &mut Rng, declaration: &Declaration) -> Declaration {
    let mut altered = some_declaration(rng);
    altered.kind = declaration.kind;
    altered.fragments = declaration.fragments;
    if altered.policy.per() != declaration.policy.per() {
        let per = declaration.policy.per().map(str::to_string);
        altered.policy = match per {
            None => Policy::Newest,
            per => Policy::LastModified { per },
        };
    }
    if altered.check().is_err() {
        altered.owner_down = OwnerDown::Keep;
    }
    altered
}
