//! What passes on the link to one peer, for one table.

/// One link's part of a table: how far the peer has acknowledged our ops, and which of its ops
/// came in. It lives as long as the link.
#[derive(Clone, Default, Debug)]
pub struct Contact {
    /// Our last op before the link carried the table: the peer need not acknowledge up to here.
    base: u64,
    /// How far the peer acknowledged our ops, in the sense of rule 6.
    acked: u64,
    /// How far the peer is known, by a report, to have seen our ops without a hole.
    held: u64,
    /// Which of the peer's ops came in on this link; none before it said where they start.
    arrivals: Option<Arrivals>,
}

/// The peer's ops that came in on this link: one interval (`applied` of the rules).
#[derive(Clone, Debug)]
struct Arrivals {
    from: u64,
    to: u64,
    /// Whether the interval goes back to where the link started, or to the covered prefix. If
    /// not, ops were dropped on the way and what came after them is not yet acknowledged.
    unbroken: bool,
    /// The acknowledgement that stands.
    ack: u64,
}

impl Contact {
    /// From now on our ops go to the peer, after `base`. What it said already stays.
    pub(super) fn starting_at(self, base: u64) -> Contact {
        Contact { base, acked: base, held: 0, arrivals: self.arrivals }
    }

    /// How far the peer acknowledged, counted so that a write made before the link is not waited
    /// for.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Whether the peer is known to have our op `seq`.
    pub fn has(&self, seq: u64) -> bool {
        seq <= self.held || (self.base < seq && seq <= self.acked)
    }

    pub(super) fn on_ack(&mut self, seq: u64) {
        self.acked = self.acked.max(seq);
    }

    pub(super) fn on_held(&mut self, seq: u64) {
        self.held = self.held.max(seq);
        self.acked = self.acked.max(seq);
    }

    /// The peer says that its ops on this link go on after `seq`. True if some were dropped.
    pub(super) fn on_attach(&mut self, seq: u64) -> bool {
        match &mut self.arrivals {
            None => {
                self.arrivals = Some(Arrivals {
                    from: seq.saturating_add(1),
                    to: seq,
                    unbroken: true,
                    ack: seq,
                });
                false
            }
            Some(arrivals) => arrivals.skip_to(seq),
        }
    }

    /// The peer's op `seq` came in. True if ops before it were dropped.
    pub(super) fn on_op(&mut self, seq: u64) -> bool {
        let Some(arrivals) = &mut self.arrivals else {
            // An op before its attachment: a peer that does not keep to the protocol. Treating
            // what came before as dropped is right whatever the reason.
            self.arrivals = Some(Arrivals { from: seq, to: seq, unbroken: false, ack: 0 });
            return true;
        };
        let dropped = arrivals.skip_to(seq.saturating_sub(1));
        arrivals.to = arrivals.to.max(seq);
        dropped
    }

    /// Whether the peer's op `seq` is in the interval.
    pub(super) fn has_applied(&self, seq: u64) -> bool {
        self.arrivals.as_ref().is_some_and(|known| known.from <= seq && seq <= known.to)
    }

    /// Joins the interval to a prefix that reaches `seen`; the new reach.
    pub(super) fn join_prefix(&mut self, seen: u64) -> u64 {
        match &mut self.arrivals {
            Some(arrivals) if arrivals.from <= seen.saturating_add(1) => {
                arrivals.unbroken = true;
                seen.max(arrivals.to)
            }
            _ => seen,
        }
    }

    /// Whether all that the peer sent on this link is here, as far as anything came: there is no
    /// hole that a sync has yet to fill.
    pub fn is_unbroken(&self) -> bool {
        self.arrivals.as_ref().is_some_and(|arrivals| arrivals.unbroken)
    }

    /// What to acknowledge to the peer.
    pub(super) fn ack(&mut self) -> u64 {
        self.arrivals.as_mut().map_or(0, |arrivals| {
            if arrivals.unbroken {
                arrivals.ack = arrivals.to;
            }
            arrivals.ack
        })
    }
}

impl Arrivals {
    /// What follows comes after `seq`. If that leaves a hole, the interval starts anew behind it.
    fn skip_to(&mut self, seq: u64) -> bool {
        let hole = seq > self.to;
        if hole {
            (self.from, self.to, self.unbroken) = (seq.saturating_add(1), seq, false);
        }
        hole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_after_a_hole_are_acknowledged_once_the_prefix_reaches_them() {
        let mut contact = Contact::default();
        assert!(!contact.on_attach(10));
        assert!(!contact.on_op(11));
        assert_eq!(contact.ack(), 11);
        assert!(contact.on_attach(20));
        assert!(!contact.on_op(21));
        assert_eq!(contact.ack(), 11, "12 to 20 never came");
        assert_eq!(contact.join_prefix(15), 15);
        assert_eq!(contact.ack(), 11);
        assert_eq!(contact.join_prefix(20), 21);
        assert_eq!(contact.ack(), 21);
    }

    #[test]
    fn a_peer_that_linked_later_is_not_taken_for_one_that_has_the_write() {
        let mut contact = Contact::default().starting_at(7);
        assert!(contact.acked() >= 7, "nobody waits for it");
        assert!(!contact.has(7), "but it does not count as a copy");
        contact.on_ack(8);
        assert!(contact.has(8));
        contact.on_held(9);
        assert!(contact.has(7) && contact.has(9));
    }
}
