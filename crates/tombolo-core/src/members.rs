//! Who is in the cluster, as told by handshakes, reports and the membership protocol (rule 1).

use crate::id::{Incarnation, NodeId};
use crate::time::Millis;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// One member as nodes tell each other of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Which process.
    pub id: NodeId,
    /// Where it says that it can be dialled.
    pub address: String,
    /// Whether it said goodbye.
    pub left: bool,
    /// Whom it hears, as it said last.
    pub linked_to: Vec<Incarnation>,
    /// Grows whenever `linked_to` changes, so that the newest word of it is kept.
    pub links_version: u64,
}

/// What this node makes of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// A link to it is up, or the membership protocol hears it.
    Up,
    /// Nobody has heard of it lately.
    Down,
    /// It said goodbye.
    Left,
}

/// Why a member is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DownCause {
    /// It said goodbye.
    Left,
    /// Its link was lost, and nobody hears it.
    Silent,
    /// A newer process of its name took its place.
    Superseded,
}

/// A member, and what this node knows of it besides.
#[derive(Clone, Debug)]
pub struct Known {
    /// What nodes tell each other.
    pub member: Member,
    /// What this node makes of it.
    pub state: MemberState,
    /// Since when.
    pub since: Millis,
    /// Whether this node has a link to it.
    pub linked: bool,
    /// Since when there is no link.
    unlinked_since: Millis,
    /// It was gone for longer than `forget_after`: stability does not wait for it until it links.
    forgotten: bool,
}

/// The members of the cluster: the newest incarnation of each name.
///
/// A member that is down stays one until it is superseded, says goodbye, or is forgotten.
#[derive(Debug)]
pub struct Members {
    me: Known,
    others: BTreeMap<String, Known>,
    /// The processes whose place a newer one of their name has taken. None is ever forgotten, like
    /// their dots.
    superseded: BTreeSet<Incarnation>,
    version: u64,
}

/// Somebody knows a newer process of our own name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Superseded {
    /// The newer process.
    pub by: NodeId,
}

impl Members {
    /// Just this node.
    pub fn new(id: NodeId, address: String, now: Millis) -> Members {
        let member = Member { id, address, left: false, linked_to: Vec::new(), links_version: 0 };
        Members {
            me: Known::new(member, MemberState::Up, now),
            others: BTreeMap::new(),
            superseded: BTreeSet::new(),
            version: 1,
        }
    }

    /// This node, as it tells others of itself.
    pub fn me(&self) -> &Known {
        &self.me
    }

    /// Every other member, by name.
    pub fn others(&self) -> impl Iterator<Item = &Known> {
        self.others.values()
    }

    /// Grows whenever there is something new to tell.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What is told to other nodes: every member, this node included.
    pub fn to_tell(&self) -> Vec<Member> {
        let all = core::iter::once(&self.me).chain(self.others.values());
        all.map(|known| known.member.clone()).collect()
    }

    /// The members that stability waits for (rule 1): all but those that are superseded, gone for
    /// good, or forgotten.
    pub fn awaited(&self) -> BTreeSet<Incarnation> {
        let awaited = self.others.values().filter(|known| !known.forgotten && !known.member.left);
        awaited.map(|known| known.member.id.incarnation()).collect()
    }

    /// The processes whose place a newer one of their name has taken.
    pub fn superseded(&self) -> &BTreeSet<Incarnation> {
        &self.superseded
    }

    /// The processes that are up, this one included.
    pub fn up(&self) -> BTreeSet<Incarnation> {
        let all = core::iter::once(&self.me).chain(self.others.values());
        let up = all.filter(|known| known.state == MemberState::Up);
        up.map(|known| known.member.id.incarnation()).collect()
    }

    /// The name and start of an incarnation, if it is the newest of its name.
    pub fn find(&self, incarnation: Incarnation) -> Option<&Known> {
        let mut all = core::iter::once(&self.me).chain(self.others.values());
        all.find(|known| known.member.id.incarnation() == incarnation)
    }

    /// The newest known process called `name`.
    pub fn named(&self, name: &str) -> Option<&Known> {
        self.others.get(name)
    }

    /// A node told of `member`. True if that is news.
    pub fn learn(&mut self, member: &Member, now: Millis) -> Result<bool, Superseded> {
        let news = self.learn_of(member, now)?;
        self.version += u64::from(news);
        Ok(news)
    }

    fn learn_of(&mut self, member: &Member, now: Millis) -> Result<bool, Superseded> {
        if member.id.name == self.me.member.id.name {
            if self.me.member.id.supersedes(&member.id) {
                self.superseded.insert(member.id.incarnation());
            }
            return if member.id.supersedes(&self.me.member.id) && !member.left {
                Err(Superseded { by: member.id.clone() })
            } else {
                Ok(false)
            };
        }
        let Some(known) = self.others.get_mut(&member.id.name) else {
            let known = Known::new(member.clone(), MemberState::Down, now);
            self.others.insert(member.id.name.clone(), known);
            return Ok(true);
        };
        if member.id.supersedes(&known.member.id) {
            self.superseded.insert(known.member.id.incarnation());
            *known = Known::new(member.clone(), MemberState::Down, now);
            return Ok(true);
        }
        if known.member.id.supersedes(&member.id) {
            self.superseded.insert(member.id.incarnation());
        }
        Ok(known.member.id == member.id && known.update(member, now))
    }

    /// A link to `id` came up: it is a member again if it was forgotten.
    pub fn linked(&mut self, id: &NodeId, now: Millis) {
        if let Some(known) = self.others.get_mut(&id.name).filter(|known| known.member.id == *id) {
            (known.linked, known.forgotten) = (true, false);
            known.become_state(MemberState::Up, now);
        }
        self.update_my_links();
    }

    /// The link to `id` went down. Whether the process did is for the membership protocol to say.
    pub fn unlinked(&mut self, id: &NodeId, now: Millis) {
        if let Some(known) = self.others.get_mut(&id.name).filter(|known| known.member.id == *id) {
            (known.linked, known.unlinked_since) = (false, now);
        }
        self.update_my_links();
    }

    /// The membership protocol heard `id`, or has given it up. A link that is up knows better.
    pub fn heard(&mut self, id: &NodeId, up: bool, now: Millis) {
        let Some(known) = self.others.get_mut(&id.name).filter(|known| known.member.id == *id)
        else {
            return;
        };
        if !known.member.left && (up || !known.linked) {
            let state = if up { MemberState::Up } else { MemberState::Down };
            known.become_state(state, now);
        }
    }

    /// This node says goodbye.
    pub fn leave(&mut self) {
        self.me.member.left = true;
        self.version += 1;
    }

    /// Forgets who was unlinked for `forget_after` milliseconds. True if anybody was.
    pub fn forget(&mut self, forget_after: u64, now: Millis) -> bool {
        let mut changed = false;
        for known in self.others.values_mut().filter(|known| !known.linked && !known.forgotten) {
            if now.since(known.unlinked_since) >= forget_after {
                (known.forgotten, changed) = (true, true);
            }
        }
        changed
    }

    fn update_my_links(&mut self) {
        let linked = self.others.values().filter(|known| known.linked);
        let linked: Vec<Incarnation> = linked.map(|known| known.member.id.incarnation()).collect();
        self.me.member.linked_to = linked;
        self.me.member.links_version += 1;
        self.version += 1;
    }
}

impl Known {
    fn new(member: Member, state: MemberState, now: Millis) -> Known {
        let state = if member.left { MemberState::Left } else { state };
        Known { member, state, since: now, linked: false, unlinked_since: now, forgotten: false }
    }

    fn become_state(&mut self, state: MemberState, now: Millis) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    /// Takes over what `news` says of the same process. True if it said anything new.
    fn update(&mut self, news: &Member, now: Millis) -> bool {
        let mut changed = false;
        if news.left && !self.member.left {
            (self.member.left, changed) = (true, true);
            self.become_state(MemberState::Left, now);
        }
        if news.links_version > self.member.links_version {
            self.member.links_version = news.links_version;
            self.member.linked_to.clone_from(&news.linked_to);
            self.member.address.clone_from(&news.address);
            changed = true;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn member(name: &str, started: u64) -> Member {
        let id = NodeId { name: name.to_string(), started };
        let address = "127.0.0.1:1".to_string();
        Member { id, address, left: false, linked_to: Vec::new(), links_version: 0 }
    }

    fn members() -> Members {
        Members::new(member("a", 10).id, "127.0.0.1:1".to_string(), Millis(0))
    }

    #[test]
    fn a_newer_process_of_a_name_takes_the_place_of_the_older() {
        let mut members = members();
        assert_eq!(members.learn(&member("b", 1), Millis(1)), Ok(true));
        assert_eq!(members.learn(&member("b", 2), Millis(2)), Ok(true));
        assert_eq!(members.learn(&member("b", 1), Millis(3)), Ok(false));
        assert_eq!(members.awaited().len(), 1);
        assert_eq!(members.named("b").unwrap().member.id.started, 2);
    }

    #[test]
    fn a_newer_process_of_our_own_name_is_told() {
        let newer = member("a", 11);
        assert_eq!(members().learn(&newer, Millis(1)), Err(Superseded { by: newer.id }));
        assert_eq!(members().learn(&member("a", 9), Millis(1)), Ok(false));
    }

    #[test]
    fn a_member_that_is_down_is_awaited_until_it_is_forgotten_and_again_when_it_links() {
        let mut members = members();
        let b = member("b", 1);
        members.learn(&b, Millis(0)).unwrap();
        members.linked(&b.id, Millis(0));
        members.unlinked(&b.id, Millis(100));
        members.heard(&b.id, false, Millis(100));
        assert!(!members.forget(50, Millis(149)));
        assert!(members.forget(50, Millis(150)));
        assert!(members.awaited().is_empty());
        members.linked(&b.id, Millis(200));
        assert_eq!(members.awaited().len(), 1);
    }
}
