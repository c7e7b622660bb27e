//! Links between processes: first-in first-out lanes of encoded frames, and what is cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use tombolo_core::Message;

/// The lanes of a link.
///
/// The first two share a connection: what is queued there as a message goes before what is queued
/// as ops, so a message may overtake ops, and ops never overtake a message. The third is a
/// connection of its own, without any order to the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Declarations, attachments, acknowledgements, syncs: never dropped.
    Messages = 0,
    /// Ops: dropped when too many wait.
    Ops = 1,
    /// Members and reports.
    Control = 2,
}

/// Every lane.
pub const LANES: [Lane; 3] = [Lane::Messages, Lane::Ops, Lane::Control];

impl Lane {
    /// The lane of a message.
    pub fn of(message: &Message) -> Lane {
        match message {
            Message::Members(_) | Message::Report { .. } | Message::Swim(_) => Lane::Control,
            message if message.goes_with_ops() => Lane::Ops,
            _ => Lane::Messages,
        }
    }
}

/// One frame on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its place among all frames that were ever sent.
    pub order: u64,
    /// The encoded frame; an op is encoded once for all peers.
    pub bytes: Rc<[u8]>,
}

/// One direction of one lane.
#[derive(Default, Debug)]
pub struct Queue {
    /// What was sent and did not arrive yet.
    pub packets: VecDeque<Packet>,
    /// Nothing arrives before that moment.
    pub held_until: u64,
}

/// A link between two processes. Each end believes in it, or does not any more.
#[derive(Debug)]
pub struct Link {
    /// Tells the links of one pair apart.
    pub generation: u64,
    /// The processes, the lower index first.
    pub ends: [usize; 2],
    /// Whether each end believes that the link is up.
    pub up: [bool; 2],
    /// By direction (0 is from the lower index) and lane.
    pub queues: [[Queue; 3]; 2],
    /// By direction: the queue overflowed, ops are not sent until it is drained.
    pub suspended: [bool; 2],
}

impl Link {
    /// A new link whose both ends are up.
    pub fn new(generation: u64, ends: [usize; 2]) -> Link {
        Link { generation, ends, up: [true; 2], queues: Default::default(), suspended: [false; 2] }
    }

    /// Which end `process` is.
    pub fn side(&self, process: usize) -> usize {
        usize::from(self.ends[1] == process)
    }
}

/// A place from which a frame can be taken: the pair of the link, the direction, the lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Channel {
    /// The sending process.
    pub from: usize,
    /// The receiving process.
    pub to: usize,
    /// The lane.
    pub lane: Lane,
}

/// All links, and what is cut.
#[derive(Default, Debug)]
pub struct Network {
    links: BTreeMap<(usize, usize), Link>,
    /// Pairs of node numbers, from and to, between which nothing passes.
    pub cut: BTreeSet<(usize, usize)>,
    generations: u64,
    orders: u64,
}

impl Network {
    /// The link of a pair, if one end believes in it.
    pub fn link(&self, a: usize, b: usize) -> Option<&Link> {
        self.links.get(&(a.min(b), a.max(b)))
    }

    /// The same, to change it.
    pub fn link_mut(&mut self, a: usize, b: usize) -> Option<&mut Link> {
        self.links.get_mut(&(a.min(b), a.max(b)))
    }

    /// Every link.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// Puts up a link with both ends up, in place of whatever was there.
    pub fn establish(&mut self, a: usize, b: usize) {
        self.generations += 1;
        let ends = [a.min(b), a.max(b)];
        let link = Link::new(self.generations, ends);
        self.links.insert((ends[0], ends[1]), link);
    }

    /// Whether `process` believes in a link to `peer`; its generation.
    pub fn up(&self, process: usize, peer: usize) -> Option<u64> {
        let link = self.link(process, peer)?;
        link.up[link.side(process)].then_some(link.generation)
    }

    /// The peers that `process` believes to be linked to.
    pub fn peers(&self, process: usize) -> Vec<usize> {
        let mine = self.links().filter(|link| link.ends.contains(&process));
        let mine = mine.filter(|link| link.up[link.side(process)]);
        mine.map(|link| link.ends[1 - link.side(process)]).collect()
    }

    /// `process` stops believing in the link to `peer`. What it had sent is lost, or not.
    pub fn close(&mut self, process: usize, peer: usize, lose_sent: bool) {
        let key = (process.min(peer), process.max(peer));
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let side = link.side(process);
        link.up[side] = false;
        if lose_sent {
            link.queues[side] = Default::default();
        }
        link.queues[1 - side] = Default::default();
        if link.up == [false; 2] {
            self.links.remove(&key);
        }
    }

    /// Puts a frame on a lane, if the sender believes in the link.
    pub fn push(&mut self, channel: Channel, bytes: Rc<[u8]>) {
        self.orders += 1;
        let order = self.orders;
        if let Some(link) = self.link_mut(channel.from, channel.to) {
            let side = link.side(channel.from);
            if link.up[side] {
                let queue = &mut link.queues[side][channel.lane as usize];
                queue.packets.push_back(Packet { order, bytes });
            }
        }
    }

    /// The channels from which a frame can arrive at `now`; `node_of` gives a process's node.
    pub fn ready(&self, now: u64, node_of: impl Fn(usize) -> usize, ready: &mut Vec<Channel>) {
        ready.clear();
        for link in self.links.values() {
            for side in 0..2 {
                let (from, to) = (link.ends[side], link.ends[1 - side]);
                if !link.up[1 - side] || self.cut.contains(&(node_of(from), node_of(to))) {
                    continue;
                }
                let lanes = &link.queues[side];
                for lane in LANES {
                    let queue = &lanes[lane as usize];
                    let channel = Channel { from, to, lane };
                    let waits = lane == Lane::Ops && self.waits_for_message(channel);
                    if !queue.packets.is_empty() && queue.held_until <= now && !waits {
                        ready.push(channel);
                    }
                }
            }
        }
    }

    /// Whether ops wait on the channel behind a message that was queued before them.
    pub fn waits_for_message(&self, channel: Channel) -> bool {
        self.link(channel.from, channel.to).is_some_and(|link| {
            let lanes = &link.queues[link.side(channel.from)];
            let message = lanes[Lane::Messages as usize].packets.front();
            let op = lanes[Lane::Ops as usize].packets.front();
            message.zip(op).is_some_and(|(message, op)| message.order < op.order)
        })
    }

    /// The queue of a channel.
    pub fn queue_mut(&mut self, channel: Channel) -> Option<&mut Queue> {
        let link = self.link_mut(channel.from, channel.to)?;
        let side = link.side(channel.from);
        Some(&mut link.queues[side][channel.lane as usize])
    }

    /// Whether an older frame is still on its way to `to` than the one of that order.
    pub fn overtaken(&self, to: usize, order: u64) -> bool {
        let mine = self.links.values().filter(|link| link.ends.contains(&to));
        mine.flat_map(|link| &link.queues[1 - link.side(to)])
            .any(|queue| queue.packets.front().is_some_and(|first| first.order < order))
    }
}
