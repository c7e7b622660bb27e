//! The loads and what is to be reached with each.
//!
//! Groot is not run here, and CETS only where `CETS_EBIN` tells of it. Their figures are else
//! published ones, measured on another machine of this kind in the same way (three nodes, 16-byte
//! keys, 100-byte values, one million keys), and brought to this machine by what Mnesia's
//! `sync_dirty` with 64 writers on one node did there and does here.

use super::peers::Peers;
use super::{OURS, Write};
use crate::case::Case;
use crate::cluster::Load;
use crate::erlang::cets_is_here;
use crate::role::Way;
use crate::sample::Metric;
use crate::target::{Peer, Rule, Target};

/// The yardstick: Mnesia's `sync_dirty`, 64 writers on one node.
const YARDSTICK: &str = "Mnesia sync_dirty, 64 on one node";
const SYNC_DIRTY: &str = "sync_dirty:64";
/// What it was where CETS and Groot were measured.
const PUBLISHED_PER_SECOND: f64 = 50_415.0;
const PUBLISHED_P99: f64 = 2_025.0;

const ONE: &str = "1 writer on one node";
const SIXTY_FOUR: &str = "64 writers on one node";
const THREE_TIMES: &str = "64 writers on each of 3 nodes";
const MANY: &str = "64 writers on one node, 100 records a call";
const FOLLOWER: &str = "64 writers on a node that does not lead";

const THREE_TIMES_MNESIA: &str = "Mnesia sync_dirty, 64 on each of 3";
const DIRTY: &str = "Mnesia dirty_write";
const MANY_MNESIA: &str = "Mnesia sync_dirty, 100 writes in one";
const TRANSACTION: &str = "Mnesia transaction";

/// Rows 3 to 7.
pub fn all() -> Vec<Box<dyn Case>> {
    let peers = Peers::new();
    vec![
        Box::new(sequential(&peers)),
        Box::new(concurrent(&peers)),
        Box::new(everywhere(&peers)),
        Box::new(local(&peers)),
        Box::new(many(&peers)),
        Box::new(new(&peers)),
    ]
}

fn sequential(peers: &Peers) -> Write {
    Write {
        name: "sequential",
        row: "3",
        title: ONE,
        load: Load { way: Way::Insert, writers: 1, on: &[0] },
        raw: Some(Load { way: Way::Put, writers: 1, on: &[0] }),
        apart: true,
        mnesia: &[("sync_dirty:1", "Mnesia sync_dirty")],
        cets: &[],
        peers: peers.clone(),
        targets: || {
            vec![Target {
                row: "3",
                what: "a write after the other",
                metric: Metric::Floors,
                load: ONE.to_owned(),
                ours: OURS,
                peer: Peer::None,
                rule: Rule::AtMostAbsolute(2.5),
            }]
        },
    }
}

fn concurrent(peers: &Peers) -> Write {
    Write {
        name: "concurrent",
        row: "4",
        title: SIXTY_FOUR,
        load: Load { way: Way::Insert, writers: 64, on: &[0] },
        raw: Some(Load { way: Way::Put, writers: 64, on: &[0] }),
        apart: true,
        mnesia: &[(SYNC_DIRTY, YARDSTICK)],
        cets: &[("insert:64", "CETS insert")],
        peers: peers.clone(),
        targets: || {
            let row = Row { row: "4", what: "writes at the same time", load: SIXTY_FOUR };
            vec![
                row.at_least(10.0, Peer::Subject(YARDSTICK)),
                row.at_least(10.0, cets(rate(73_129.0, "CETS insert"))),
                row.lower_p99(Peer::Subject(YARDSTICK)),
                row.lower_p99(cets(p99(1_449.0, "CETS insert"))),
            ]
        },
    }
}

fn everywhere(peers: &Peers) -> Write {
    Write {
        name: "everywhere",
        row: "5",
        title: THREE_TIMES,
        load: Load { way: Way::Insert, writers: 64, on: &[0, 1, 2] },
        raw: None,
        apart: true,
        mnesia: &[(SYNC_DIRTY, YARDSTICK), ("sync_dirty:3x64", THREE_TIMES_MNESIA)],
        cets: &[("insert:3x64", "CETS insert")],
        peers: peers.clone(),
        targets: || {
            let row = Row { row: "5", what: "writes on all nodes", load: THREE_TIMES };
            vec![
                row.at_least(10.0, Peer::Subject(THREE_TIMES_MNESIA)),
                row.at_least(10.0, cets(rate(70_006.0, "CETS insert"))),
            ]
        },
    }
}

fn local(peers: &Peers) -> Write {
    Write {
        name: "local",
        row: "5b",
        title: SIXTY_FOUR,
        load: Load { way: Way::Local, writers: 64, on: &[0] },
        raw: None,
        apart: true,
        mnesia: &[(SYNC_DIRTY, YARDSTICK), ("dirty:64", DIRTY)],
        cets: &[],
        peers: peers.clone(),
        targets: || {
            let row = Row { row: "5b", what: "writes that wait for nobody", load: SIXTY_FOUR };
            let stall = Target {
                metric: Metric::Max,
                rule: Rule::AtMostAbsolute(20_000.0),
                ..row.at_least(0.0, Peer::None)
            };
            vec![
                row.at_least(10.0, Peer::Subject(DIRTY)),
                row.at_least(10.0, rate(26_151.0, "Groot set")),
                stall,
            ]
        },
    }
}

fn many(peers: &Peers) -> Write {
    Write {
        name: "many",
        row: "6",
        title: MANY,
        load: Load { way: Way::Many, writers: 64, on: &[0] },
        raw: None,
        apart: true,
        mnesia: &[(SYNC_DIRTY, YARDSTICK), ("sync_dirty100:64", MANY_MNESIA)],
        cets: &[("insert_many:64", "CETS insert_many")],
        peers: peers.clone(),
        targets: || {
            let row = Row { row: "6", what: "insert_many, records", load: MANY };
            vec![
                row.at_least(6.0, Peer::Subject(MANY_MNESIA)),
                row.at_least(6.0, cets(rate(279_617.0, "CETS insert_many"))),
            ]
        },
    }
}

fn new(peers: &Peers) -> Write {
    Write {
        name: "new",
        row: "7",
        title: FOLLOWER,
        load: Load { way: Way::New, writers: 64, on: &[2] },
        raw: None,
        apart: true,
        mnesia: &[(SYNC_DIRTY, YARDSTICK), ("transaction:64", TRANSACTION)],
        cets: &[("insert_new:64", "CETS insert_new")],
        peers: peers.clone(),
        targets: || {
            let row = Row { row: "7", what: "insert_new", load: FOLLOWER };
            vec![
                row.at_least(10.0, Peer::Subject(TRANSACTION)),
                row.at_least(10.0, cets(rate(44_700.0, "CETS insert_new"))),
            ]
        },
    }
}

/// What the targets of one case share.
struct Row {
    row: &'static str,
    what: &'static str,
    load: &'static str,
}

impl Row {
    fn at_least(&self, times: f64, peer: Peer) -> Target {
        let &Row { row, what, load } = self;
        let (metric, load, rule) = (Metric::PerSecond, load.to_owned(), Rule::AtLeast(times));
        Target { row, what, metric, load, ours: OURS, peer, rule }
    }

    fn lower_p99(&self, peer: Peer) -> Target {
        Target { metric: Metric::P99, rule: Rule::AtMost(1.0), ..self.at_least(1.0, peer) }
    }
}

fn rate(value: f64, source: &'static str) -> Peer {
    Peer::Scaled { value, source, yardstick: YARDSTICK, published: PUBLISHED_PER_SECOND }
}

fn p99(value: f64, source: &'static str) -> Peer {
    Peer::Scaled { value, source, yardstick: YARDSTICK, published: PUBLISHED_P99 }
}

/// CETS as it was measured here, if it was.
fn cets(published: Peer) -> Peer {
    match published {
        Peer::Scaled { source, .. } if cets_is_here() => Peer::Subject(source),
        other => other,
    }
}
