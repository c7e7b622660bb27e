//! Whom to dial, and when.

use crate::id::NodeId;
use crate::members::Member;
use crate::time::Millis;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// The addresses that a link is wanted to.
///
/// An address is tried again for as long as discovery or any member knows it, however long its
/// node has been gone.
#[derive(Debug)]
pub(super) struct Dials {
    me: NodeId,
    own: String,
    pause: (u64, u64),
    addresses: BTreeMap<String, Dial>,
    discovered_once: bool,
}

#[derive(Debug, Default)]
struct Dial {
    /// Whether discovery names it.
    discovered: bool,
    /// The member that says it can be dialled here, or that answered here.
    owner: Option<NodeId>,
    /// Whether `owner` says so of itself, and has not said goodbye.
    advertised: bool,
    linked: bool,
    dialling: bool,
    tried: bool,
    pause: u64,
    next: Millis,
}

impl Dials {
    pub(super) fn new(me: NodeId, own: String, pause: (u64, u64)) -> Dials {
        Dials { me, own, pause, addresses: BTreeMap::new(), discovered_once: false }
    }

    pub(super) fn discovered(&mut self, addresses: Vec<String>, now: Millis) {
        self.discovered_once = true;
        for dial in self.addresses.values_mut() {
            dial.discovered = false;
        }
        for address in addresses.into_iter().filter(|address| *address != self.own) {
            let fresh = Dial { next: now, pause: self.pause.0, ..Dial::default() };
            self.addresses.entry(address).or_insert(fresh).discovered = true;
        }
        self.addresses.retain(|_, dial| dial.discovered || dial.advertised);
    }

    /// A member says where it can be dialled.
    pub(super) fn member(&mut self, member: &Member, now: Millis) {
        if member.id.name == self.me.name || member.address == self.own || member.address.is_empty()
        {
            return;
        }
        let fresh = Dial { next: now, pause: self.pause.0, ..Dial::default() };
        // Where an older process of the name was, nobody is expected any more.
        for dial in self.addresses.values_mut() {
            if dial.owner.as_ref().is_some_and(|owner| member.id.supersedes(owner)) {
                dial.advertised = false;
            }
        }
        self.addresses.retain(|_, dial| dial.discovered || dial.advertised || dial.dialling);
        let dial = self.addresses.entry(member.address.clone()).or_insert(fresh);
        let newer = dial
            .owner
            .as_ref()
            .is_none_or(|owner| owner.name != member.id.name || member.id.started >= owner.started);
        if newer {
            dial.advertised = !member.left;
            dial.linked &= dial.owner.as_ref() == Some(&member.id);
            dial.owner = Some(member.id.clone());
        }
    }

    pub(super) fn linked(&mut self, peer: &NodeId) {
        for dial in self.addresses.values_mut() {
            if dial.owner.as_ref().is_some_and(|owner| owner.name == peer.name) {
                (dial.linked, dial.tried, dial.pause) = (true, true, self.pause.0);
            }
        }
    }

    pub(super) fn unlinked(&mut self, peer: &NodeId, now: Millis) {
        for dial in self.addresses.values_mut().filter(|dial| dial.owner.as_ref() == Some(peer)) {
            (dial.linked, dial.next) = (false, now.plus(dial.pause));
        }
    }

    /// An attempt ended. A node that answered is known by this address from now on, also if it is
    /// linked under another one, or is this node itself.
    pub(super) fn ended(&mut self, address: &str, peer: Option<NodeId>, linked: bool, now: Millis) {
        // An address that led back here may be a name that leads elsewhere next time.
        let longest = self.pause.1;
        let back = peer.as_ref() == Some(&self.me);
        let Some(dial) = self.addresses.get_mut(address) else {
            return;
        };
        (dial.dialling, dial.tried) = (false, true);
        dial.next = now.plus(dial.pause);
        dial.pause = if back { longest } else { (dial.pause * 2).min(longest) };
        if let Some(peer) = peer {
            dial.linked = linked;
            dial.owner = Some(peer);
        }
    }

    /// The addresses to dial now; each is told once until its attempt ended.
    pub(super) fn due(&mut self, now: Millis) -> Vec<String> {
        let mut due = Vec::new();
        for (address, dial) in &mut self.addresses {
            let wanted = dial.discovered || dial.advertised;
            if wanted && !dial.linked && !dial.dialling && dial.next <= now {
                dial.dialling = true;
                due.push(address.clone());
            }
        }
        due
    }

    /// Whether discovery has spoken, and every address it named was tried.
    pub(super) fn all_tried(&self) -> bool {
        self.discovered_once && self.addresses.values().all(|dial| dial.tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn id(name: &str) -> NodeId {
        NodeId { name: name.to_string(), started: 1 }
    }

    #[test]
    fn an_address_is_tried_again_with_growing_pauses_for_as_long_as_it_is_known() {
        let mut dials = Dials::new(id("me"), "me:1".to_string(), (100, 400));
        dials.discovered(vec!["b:1".to_string(), "me:1".to_string()], Millis(0));
        assert_eq!(dials.due(Millis(0)), ["b:1"]);
        assert!(dials.due(Millis(0)).is_empty() && !dials.all_tried());
        let mut now = Millis(0);
        for pause in [100, 200, 400, 400, 400] {
            dials.ended("b:1", None, false, now);
            assert!(dials.due(now.plus(pause - 1)).is_empty());
            now = now.plus(pause);
            assert_eq!(dials.due(now), ["b:1"]);
        }
        dials.ended("b:1", None, false, now);
        dials.discovered(vec![], now);
        assert!(dials.due(now.plus(10_000)).is_empty());
    }

    #[test]
    fn an_address_that_led_back_here_is_tried_again() {
        let mut dials = Dials::new(id("me"), "me:1".to_string(), (100, 400));
        dials.discovered(vec!["service:1".to_string()], Millis(0));
        dials.due(Millis(0));
        dials.ended("service:1", Some(id("me")), false, Millis(0));
        assert!(dials.all_tried() && dials.due(Millis(99)).is_empty());
        assert_eq!(dials.due(Millis(400)), ["service:1"]);
    }

    #[test]
    fn a_linked_peer_is_not_dialled_and_is_dialled_again_when_the_link_is_gone() {
        let mut dials = Dials::new(id("me"), "me:1".to_string(), (100, 400));
        dials.discovered(vec!["b:1".to_string()], Millis(0));
        dials.due(Millis(0));
        dials.ended("b:1", Some(id("b")), true, Millis(0));
        dials.linked(&id("b"));
        assert!(dials.due(Millis(60_000)).is_empty());
        dials.unlinked(&id("b"), Millis(60_000));
        assert_eq!(dials.due(Millis(60_100)), ["b:1"]);
    }
}
