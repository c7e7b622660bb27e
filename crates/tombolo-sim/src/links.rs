//! How links come and go: dials, handshakes, cuts, ends that are found broken.

use crate::fault::Fault;
use crate::sight::Sight;
use crate::world::World;
use tombolo_core::{Event, Store};

impl<S: Store + Default> World<S> {
    /// Ends one of the dials under way, with or without a link.
    pub fn resolve_dial(&mut self, attempt: usize) {
        let (dialer, slot) = self.attempts.swap_remove(attempt);
        if !self.procs[dialer].alive {
            return;
        }
        let mine = self.procs[dialer].slot;
        let answered = self.current[slot].filter(|_| !self.is_cut(mine, slot));
        let peer = match answered {
            Some(peer) if peer == dialer => Some(peer),
            Some(peer) if self.agree(dialer, peer) => {
                self.link_up(dialer, peer);
                self.tell_taken(dialer, false);
                self.tell_taken(peer, false);
                Some(peer)
            }
            Some(peer) => {
                self.tell_superseded(dialer, peer);
                self.tell_superseded(peer, dialer);
                let taken = self.is_taken(peer, dialer);
                self.tell_taken(dialer, taken);
                None
            }
            None => None,
        };
        let peer = peer.map(|peer| self.procs[peer].id.clone());
        self.event(dialer, Event::Dialled { address: format!("n{slot}:1"), peer });
    }

    /// Whether anything is cut between two nodes, in either direction.
    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.network.cut.contains(&(a, b)) || self.network.cut.contains(&(b, a))
    }

    /// The handshake: nobody links with a process that it knows to be superseded, nor with one
    /// whose name it believes to be linked to already.
    fn agree(&self, a: usize, b: usize) -> bool {
        let accepts = |host: usize, guest: usize| {
            let name = &self.procs[guest].id.name;
            let known = self.procs[host].node.members().named(name);
            let superseded =
                known.is_some_and(|known| known.member.id.supersedes(&self.procs[guest].id));
            !superseded && !self.is_taken(host, guest)
        };
        accepts(a, b) && accepts(b, a)
    }

    /// Whether a process is linked to another of the name of `guest`.
    fn is_taken(&self, host: usize, guest: usize) -> bool {
        let name = &self.procs[guest].id.name;
        let mut peers = self.network.peers(host).into_iter();
        peers.any(|peer| peer != guest && self.procs[peer].id.name == *name)
    }

    /// A process that is refused because its name is taken does not open its tables.
    pub(crate) fn tell_taken(&mut self, process: usize, taken: bool) {
        if self.config.twins {
            self.event(process, Event::NameTaken { taken });
        }
    }

    /// Who refuses a process for a newer one of its name says so.
    fn tell_superseded(&mut self, host: usize, guest: usize) {
        let known = self.procs[host].node.members().named(&self.procs[guest].id.name);
        let newer = known.is_some_and(|known| known.member.id.supersedes(&self.procs[guest].id));
        self.procs[guest].superseded |= newer;
    }

    /// Both ends get a link. One that is up already stays, or is replaced.
    fn link_up(&mut self, a: usize, b: usize) {
        let (up_a, up_b) = (self.network.up(a, b), self.network.up(b, a));
        if up_a.is_some() && up_b.is_some() {
            if self.rng.chance(70) {
                return;
            }
            self.fault(Fault::LinkReplaced, &[self.procs[a].slot, self.procs[b].slot]);
        }
        self.replace_link(a, b);
    }

    /// Closes what is there between two processes and puts up a new link.
    pub fn replace_link(&mut self, a: usize, b: usize) {
        for (end, other) in [(a, b), (b, a)] {
            if self.network.up(end, other).is_some() {
                self.close_end(end, other);
            }
        }
        self.network.establish(a, b);
        let slots = [self.procs[a].slot, self.procs[b].slot];
        self.trace.say(self.now, &slots, || "are linked".to_string());
        let told_b = self.procs[a].node.members().to_tell();
        let told_a = self.procs[b].node.members().to_tell();
        let mut sides = [(a, b, told_a), (b, a, told_b)];
        if self.rng.chance(50) {
            sides.reverse();
        }
        for (end, other, members) in sides {
            let peer = self.procs[other].id.clone();
            self.event(end, Event::Linked { peer, members });
        }
    }

    /// The end of `process` finds its link to `peer` broken.
    pub fn close_end(&mut self, process: usize, peer: usize) {
        let slots = [self.procs[process].slot, self.procs[peer].slot];
        if self.is_syncing(process, peer) {
            self.fault(Fault::BrokenSync, &slots);
        }
        if self.network.up(peer, process).is_some() {
            self.fault(Fault::HalfOpen, &slots);
        }
        self.note_fill_cut(process, peer);
        let lose = self.rng.chance(50);
        self.network.close(process, peer, lose);
        self.procs[process].fan_out.retain(|(_, to)| *to != peer);
        self.trace.say(self.now, &slots, || "loses the link".to_string());
        let peer = self.procs[peer].id.clone();
        self.event(process, Event::Unlinked { peer });
    }

    /// A peer goes away in the middle of filling a table.
    fn note_fill_cut(&mut self, process: usize, peer: usize) {
        let to = self.procs[peer].incarnation;
        let me = &mut self.procs[process];
        let fills: Vec<_> = me.fills.iter().filter(|(_, from)| *from == peer).copied().collect();
        for fill in fills {
            self.procs[process].fills.remove(&fill);
            let me = &self.procs[process];
            let asks = me.look(fill.0, |t| t.asking(to).is_some()) == Some(true);
            let synced = me.truth.get(&fill.0).is_some_and(|truth| truth.synced);
            if asks && !synced {
                self.sight(Sight::FillCut);
            }
        }
    }

    fn is_syncing(&self, process: usize, peer: usize) -> bool {
        let to = self.procs[peer].incarnation;
        let tables = self.procs[process].node.tables();
        let asks = |id| tables.look(id, |t| t.asking(to).is_some() || t.is_answering(to));
        tables.ids().into_iter().any(|id| asks(id) == Some(true))
    }

    /// The ends that would find out by now that their link is broken: the other end gave it up, or
    /// nothing passes in one direction at least.
    pub fn broken_ends(&self) -> Vec<(usize, usize)> {
        let mut broken = Vec::new();
        for link in self.network.links() {
            let [a, b] = link.ends;
            let cut = self.is_cut(self.procs[a].slot, self.procs[b].slot);
            for side in 0..2 {
                if link.up[side] && (cut || !link.up[1 - side]) {
                    broken.push((link.ends[side], link.ends[1 - side]));
                }
            }
        }
        broken
    }

    /// Nothing passes between two nodes any more; their links stall.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.network.cut.extend([(a, b), (b, a)]);
        self.fault(Fault::Cut, &[a, b]);
    }

    /// Nothing passes from one node to another any more.
    pub fn cut_one_way(&mut self, from: usize, to: usize) {
        self.network.cut.insert((from, to));
        self.fault(Fault::OneWayCut, &[from, to]);
    }

    /// What was cut between two nodes passes again.
    pub fn heal(&mut self, a: usize, b: usize) {
        self.network.cut.remove(&(a, b));
        self.network.cut.remove(&(b, a));
        self.fault(Fault::Heal, &[a, b]);
    }
}
