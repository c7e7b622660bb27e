//! How old what this node has can be.

use crate::clock::steady;
use crate::node::{Inner, Node};
use crate::raw::RawTable;
use crate::shared::SharedTable;
use crate::typed::Table;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tombolo_core::{Incarnation, MemberState};

/// How old the local copy of a table, or of all tables, can be.
///
/// Every peer is asked five times a second to answer behind its ops. When the answer comes,
/// everything that the peer wrote before the question was asked is here: that question's age is the
/// peer's. So in a healthy cluster the figure is some 200 ms and a round trip at most, and what is
/// said is never too little. It reads like
/// `every reachable member heard within 140 ms; n7 silent for 12 s`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Freshness {
    /// Every other member that has not said goodbye, by name.
    pub members: Vec<MemberFreshness>,
}

/// How old what this node has of a member can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberFreshness {
    /// Its name.
    pub node: String,
    /// Whether it is linked, so that its writes come.
    pub reachable: bool,
    /// For how long this node may have missed what the member wrote. None if that is unknown: a
    /// sync with it is still to be completed, the table is paused or kept apart, or this process
    /// was never linked with it.
    pub age: Option<Duration>,
}

/// The local copy may be older than was asked for. Nothing was read; read all the same if that is
/// good enough, or try again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not known to be newer than {} ms: {freshness}", .bound.as_millis())]
pub struct Stale {
    /// How old it was allowed to be.
    pub bound: Duration,
    /// How old it can be.
    pub freshness: Freshness,
}

impl Freshness {
    /// How old the copy can be with regard to all members, linked or not: none if that is unknown.
    pub fn age(&self) -> Option<Duration> {
        self.oldest(|_| true)
    }

    /// How old it can be with regard to the members that are linked. In a split the others may be
    /// writing as well.
    pub fn reachable(&self) -> Option<Duration> {
        self.oldest(|member| member.reachable)
    }

    fn oldest(&self, counts: impl Fn(&MemberFreshness) -> bool) -> Option<Duration> {
        let ages = self.members.iter().filter(|member| counts(member)).map(|member| member.age);
        ages.collect::<Option<Vec<_>>>().map(|ages| ages.into_iter().max().unwrap_or_default())
    }

    fn within(self, bound: Duration) -> Result<(), Stale> {
        let fresh = self.age().is_some_and(|age| age <= bound);
        if fresh { Ok(()) } else { Err(Stale { bound, freshness: self }) }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reachable = self.members.iter().filter(|member| member.reachable);
        let mut parts = Vec::new();
        if reachable.clone().next().is_none() {
            parts.push("no other member is reachable".to_owned());
        }
        if let Some(age) = reachable.clone().filter_map(|member| member.age).max() {
            parts.push(format!("every reachable member heard within {}", span(age)));
        }
        let unsynced = reachable.filter(|member| member.age.is_none());
        parts.extend(unsynced.map(|member| format!("{} is not yet synced with", member.node)));
        let silent = self.members.iter().filter(|member| !member.reachable);
        parts.extend(silent.map(|member| match member.age {
            Some(age) => format!("{} silent for {}", member.node, span(age)),
            None => format!("{} was never linked", member.node),
        }));
        f.write_str(&parts.join("; "))
    }
}

fn span(age: Duration) -> String {
    if age >= Duration::from_secs(1) {
        format!("{} s", age.as_secs())
    } else {
        format!("{} ms", age.as_millis())
    }
}

/// What is known of a member, whatever the table.
struct Peer {
    incarnation: Incarnation,
    reachable: bool,
    /// Up to when what it wrote has come.
    fresh: Option<u64>,
    name: String,
}

fn peers(inner: &Inner) -> Vec<Peer> {
    let shell = &inner.shell;
    let mut peers: Vec<Peer> = {
        let node = shell.node.lock();
        let others = node.members().others().filter(|known| known.state != MemberState::Left);
        let peer = |known: &tombolo_core::Known| Peer {
            incarnation: known.member.id.incarnation(),
            reachable: false,
            fresh: None,
            name: known.member.id.name.clone(),
        };
        others.map(peer).collect()
    };
    for peer in &mut peers {
        match shell.mesh.link(peer.incarnation) {
            Some(link) => {
                let fresh = link.counters.fresh.load(Relaxed);
                (peer.reachable, peer.fresh) = (true, (fresh > 0).then_some(fresh));
            }
            None => peer.fresh = shell.downs.fresh(&peer.name).filter(|fresh| *fresh > 0),
        }
    }
    peers
}

pub(crate) fn of<'t>(
    inner: &Inner,
    tables: impl Iterator<Item = &'t Arc<SharedTable>>,
) -> Freshness {
    // The peers' answers first: what is found out of the tables after that is newer.
    let peers = peers(inner);
    let mut ages: Vec<Option<u64>> = vec![Some(0); peers.len()];
    for table in tables {
        let apart = inner.shell.node.lock().apart_from(table.id);
        table.with(|machine| {
            for (peer, age) in peers.iter().zip(&mut ages).filter(|(peer, _)| peer.reachable) {
                let current = machine.is_current(peer.incarnation);
                let known = current && !apart.contains(&peer.incarnation);
                // Of what a report names the ops may still be on their way, for so long.
                let behind = machine.behind(peer.incarnation, steady());
                *age = age.filter(|_| known).map(|age| age.max(behind));
            }
        });
    }
    let now = steady().0;
    let members = peers.into_iter().zip(ages).map(|(peer, age)| {
        let fresh = peer.fresh.map(|fresh| now.saturating_sub(fresh));
        let age = fresh.and_then(|fresh| age.map(|age| age.max(fresh)));
        let (node, reachable) = (peer.name, peer.reachable);
        MemberFreshness { node, reachable, age: age.map(Duration::from_millis) }
    });
    Freshness { members: members.collect() }
}

impl RawTable {
    /// How old this node's copy of the table can be. It takes the node's and the table's lock for a
    /// moment: not for every read.
    pub fn freshness(&self) -> Freshness {
        of(&self.inner, self.parts().iter())
    }

    /// Whether this node's copy is known to have everything that any member had written `bound`
    /// ago. A read after it has at least that.
    ///
    /// A member that is down counts, because it may be alive on the other side of a split, until it
    /// says goodbye or a newer process of its name comes. Where that is too strict, compare with
    /// [`Freshness::reachable`]. A bound below 300 ms is missed now and then in a healthy cluster.
    ///
    /// # Errors
    ///
    /// [`Stale`]: it may be older, with how old it can be.
    pub fn fresh_within(&self, bound: Duration) -> Result<(), Stale> {
        self.freshness().within(bound)
    }
}

impl<K, V> Table<K, V> {
    /// As [`RawTable::freshness`].
    pub fn freshness(&self) -> Freshness {
        self.raw().freshness()
    }

    /// As [`RawTable::fresh_within`].
    ///
    /// # Errors
    ///
    /// [`Stale`].
    pub fn fresh_within(&self, bound: Duration) -> Result<(), Stale> {
        self.raw().fresh_within(bound)
    }
}

impl Node {
    /// How old this node's copies of all tables can be, the oldest counting.
    pub fn freshness(&self) -> Freshness {
        of(&self.inner, self.inner.shell.registry.all().iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: &str, reachable: bool, age: Option<u64>) -> MemberFreshness {
        let age = age.map(Duration::from_millis);
        MemberFreshness { node: node.to_owned(), reachable, age }
    }

    #[test]
    fn it_says_who_was_heard_and_who_is_silent() {
        let members = vec![
            member("n2", true, Some(40)),
            member("n3", true, Some(12)),
            member("n7", false, Some(12_300)),
        ];
        let freshness = Freshness { members };
        let text = "every reachable member heard within 40 ms; n7 silent for 12 s";
        assert_eq!(freshness.to_string(), text);
        assert_eq!(freshness.reachable(), Some(Duration::from_millis(40)));
        let bound = Duration::from_secs(1);
        let stale = freshness.clone().within(bound).unwrap_err();
        assert_eq!(stale.to_string(), format!("not known to be newer than 1000 ms: {text}"));
        assert_eq!(freshness.within(Duration::from_secs(13)), Ok(()));
    }

    #[test]
    fn what_is_unknown_is_within_no_bound() {
        let members = vec![member("n2", true, Some(40)), member("n3", true, None)];
        let freshness = Freshness { members };
        assert_eq!(
            freshness.to_string(),
            "every reachable member heard within 40 ms; n3 is not yet synced with"
        );
        assert_eq!(freshness.reachable(), None);
        assert!(freshness.within(Duration::MAX).is_err());
        assert_eq!(Freshness::default().within(Duration::ZERO), Ok(()), "alone it is never stale");
    }
}
