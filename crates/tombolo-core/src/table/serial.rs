//! Serial operations at one table (rule 12): carrying them out, and remembering that.

use super::{Table, Written};
use crate::clock::Dot;
use crate::entry::{Change, EntryRef};
use crate::id::Incarnation;
use crate::serial::{
    Decision, Done, Refused, Remembered, Reply, Request, RequestId, RequestRef, TOLD_BYTES,
};
use crate::store::Store;
use crate::time::Millis;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// For how many milliseconds a request is remembered whose asker has not said that it has its
/// answer: at least so long, and at most twice. Requests give up after half of it.
const REMEMBERED: u64 = 600_000;

/// What a table knows of serial operations.
#[derive(Default, Debug)]
pub(super) struct Serial {
    /// Whether this node leads, and holds every grant.
    leads: bool,
    /// How many members an island must have; the table may require none.
    quorum: u32,
    askers: BTreeMap<Incarnation, Asker>,
    /// The remembered requests in the order in which this node learned of them.
    learned: BTreeMap<u64, RequestId>,
    next: u64,
    /// In which span of [`REMEMBERED`] it is now.
    span: u64,
}

/// What is known of the requests of one process.
#[derive(Default, Debug)]
struct Asker {
    floor: u64,
    done: BTreeMap<u64, Carried>,
}

#[derive(Debug)]
struct Carried {
    dot: Dot,
    told: Option<Arc<[u8]>>,
    lost: bool,
    learned: u64,
    span: u64,
}

/// What became of a request at the leader.
#[derive(Debug)]
pub enum Served<'a> {
    /// It was carried out by this write, which is to be sent and waited for.
    Wrote {
        /// The write.
        written: Written<'a>,
        /// What was written; nothing for a delete.
        value: Option<alloc::boxed::Box<[u8]>>,
        /// What the asker is to be told.
        told: Option<Arc<[u8]>>,
    },
    /// It was carried out before, by this write, which is to be waited for.
    Known {
        /// The write.
        dot: Dot,
        /// What the asker is to be told.
        told: Option<Arc<[u8]>>,
        /// Whether that was too large to be remembered.
        lost: bool,
    },
    /// To be answered at once.
    Reply(Reply),
    /// Nobody waits for it any more.
    Stale,
}

impl Serial {
    pub(super) fn requiring(quorum: Option<u16>) -> Serial {
        let mut serial = Serial::default();
        serial.require(quorum);
        serial
    }

    pub(super) fn require(&mut self, quorum: Option<u16>) {
        self.quorum = quorum.map_or(0, u32::from);
    }

    fn find(&self, id: RequestId) -> Option<&Carried> {
        self.askers.get(&id.origin)?.done.get(&id.number)
    }

    /// How many requests were learned of.
    pub(super) fn learned(&self) -> u64 {
        self.next
    }

    fn learn(&mut self, remembered: Remembered) {
        let Remembered { id, floor, dot, told, lost, old } = remembered;
        let asker = self.askers.entry(id.origin).or_default();
        asker.floor = asker.floor.max(floor);
        // Most often one is over for one that comes.
        while let Some(over) = asker.done.first_entry().filter(|done| *done.key() < asker.floor) {
            self.learned.remove(&over.remove().learned);
        }
        let known = id.number < asker.floor || asker.done.contains_key(&id.number);
        if !known {
            // What was old there must not be young here, and be told back later.
            let span = self.span.saturating_sub(old.into());
            let carried = Carried { dot, told, lost, learned: self.next, span };
            asker.done.insert(id.number, carried);
            self.learned.insert(self.next, id);
            self.next += 1;
        }
    }

    /// Time passed: what was learned of two spans ago is forgotten.
    pub(super) fn tick(&mut self, now: Millis) {
        self.span = now.0 / REMEMBERED;
        while let Some((_, id)) = self.learned.first_key_value() {
            let id = *id;
            let Some(asker) = self.askers.get_mut(&id.origin) else { return };
            match asker.done.get(&id.number) {
                Some(carried) if carried.span + 2 > self.span => return,
                _ => {}
            }
            let carried = asker.done.remove(&id.number);
            if asker.done.is_empty() {
                self.askers.remove(&id.origin);
            }
            match carried {
                Some(carried) => drop(self.learned.remove(&carried.learned)),
                None => drop(self.learned.pop_first()),
            }
        }
    }
}

impl<S: Store> Table<S> {
    /// Whether this node leads the table's island and holds every grant: it may carry out serial
    /// operations, unless the table stands still. Then they wait, as all writes do.
    pub fn leads(&self) -> bool {
        self.serial.leads && !self.paused
    }

    /// The node machine says whether this node leads.
    pub fn set_leads(&mut self, leads: bool) {
        self.serial.leads = leads;
    }

    /// Whether the island has as many members as the table requires for serial operations.
    pub fn quorum(&self) -> Result<(), Refused> {
        let (members, required) = (self.contacts.len() as u32 + 1, self.serial.quorum);
        if members < required { Err(Refused::Quorum { members, required }) } else { Ok(()) }
    }

    /// Carries out a request, if this node leads. `shown` is what readers see of the key: the
    /// policy is not known here. A value may have `most` bytes.
    ///
    /// The write must be sent to every contact, like any other.
    pub fn serve(
        &mut self,
        now: Millis,
        request: &Request,
        shown: Option<EntryRef<'_>>,
        most: usize,
        default_expires: Option<Millis>,
    ) -> Served<'_> {
        // What the asker wrote before must be here first.
        let asker = request.id.origin;
        if !self.leads() || asker != self.me && !self.is_current(asker) {
            return Served::Reply(Reply::Again);
        }
        let floor = self.serial.askers.get(&request.id.origin).map_or(0, |asker| asker.floor);
        if request.id.number < floor {
            return Served::Stale;
        }
        if let Some(carried) = self.serial.find(request.id) {
            let Carried { dot, ref told, lost, .. } = *carried;
            if !self.has_taken_in(dot) {
                // All that the island has came here with the grants.
                return Served::Reply(Reply::Uncertain);
            }
            return Served::Known { dot, told: told.clone(), lost };
        }
        if let Err(refused) = self.quorum() {
            return Served::Reply(Reply::Refused(refused));
        }
        let Request { id, floor, ref key, ref expect, ref edit, tell_previous, .. } = *request;
        let (value, expires, told) = match edit.decide(expect, tell_previous, shown, most) {
            Decision::Put { value, expires, told } => {
                (Some(value), expires.or(default_expires), told)
            }
            Decision::Delete { told } => (None, None, told),
            Decision::Nothing => {
                return Served::Reply(Reply::Done(Done::nothing()));
            }
            Decision::Unmet(holds) => return Served::Reply(Reply::Unmet(holds)),
            Decision::Refused(refused) => return Served::Reply(Reply::Refused(refused)),
        };
        let change = match &value {
            Some(value) => Change::Put { value, expires },
            None => Change::Delete,
        };
        let Some(dot) = self.write(now, key, change).map(|written| written.dot) else {
            return Served::Reply(Reply::Done(Done::nothing()));
        };
        let lost = told.as_ref().is_some_and(|told| told.len() > TOLD_BYTES);
        let kept = told.clone().filter(|_| !lost);
        self.serial.learn(Remembered { id, floor, dot, told: kept, lost, old: false });
        let stamp = self.clock.last();
        let mark = self.current_mark();
        let written = Written { dot, stamp, mark, expires, replaces: &self.gone };
        Served::Wrote { written, value, told }
    }

    /// An op carries out a request.
    pub(super) fn note_request(&mut self, request: &RequestRef<'_>, dot: Dot) {
        let RequestRef { id, floor, told, lost } = *request;
        let told = told.map(Arc::from);
        self.serial.learn(Remembered { id, floor, dot, told, lost, old: false });
    }

    /// A peer told of requests that were carried out.
    pub(super) fn learn_requests(&mut self, requests: &[Remembered]) {
        for known in requests {
            self.serial.learn(known.clone());
        }
    }

    /// The next of the remembered requests, from those on that this node learned of as the first
    /// `after`, and after how many it goes on; up to some `most` bytes.
    pub(super) fn remembered(&self, after: u64, most: usize) -> (Vec<Remembered>, u64) {
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, self.serial.next);
        for (number, id) in self.serial.learned.range(after..) {
            if bytes >= most {
                next = *number;
                break;
            }
            let Some(asker) = self.serial.askers.get(&id.origin) else { continue };
            let Some(carried) = asker.done.get(&id.number) else { continue };
            let Carried { dot, ref told, lost, span, .. } = *carried;
            let (told, old) = (told.clone(), span < self.serial.span);
            bytes += 64 + told.as_deref().map_or(0, <[u8]>::len);
            found.push(Remembered { id: *id, floor: asker.floor, dot, told, lost, old });
        }
        (found, next)
    }

    /// How many requests are remembered, so that they are not carried out again.
    pub fn remembered_requests(&self) -> usize {
        self.serial.learned.len()
    }

    /// Whether every linked peer is known to have the write `dot`, and this node as well.
    pub fn is_everywhere(&self, dot: Dot) -> bool {
        self.has_taken_in(dot) && self.contacts.keys().all(|peer| self.peer_has(*peer, dot))
    }

    /// Whether a linked peer is known to have the write `dot`, whoever made it.
    pub fn peer_has(&self, peer: Incarnation, dot: Dot) -> bool {
        if dot.origin == self.me {
            return self.contacts.get(&peer).is_some_and(|contact| contact.has(dot.seq));
        }
        peer == dot.origin || self.reported_reach(peer, dot.origin) >= dot.seq
    }
}
