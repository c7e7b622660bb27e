//! What arrives, what is answered, and what becomes of a queue that overflows.

use crate::fault::Fault;
use crate::invariant::apart;
use crate::network::{Channel, Lane};
use crate::process::WantedWrite;
use crate::sight::Sight;
use crate::world::World;
use std::rc::Rc;
use tombolo_core::{Answer, Arrival, Dot, Event, Incarnation, Message, OpRef, Store, TableId};
use tombolo_wire::{Frame, MAX_FRAME, decode_frame, split};

/// What one frame turned out to be.
enum Delivered {
    Op(TableId),
    Message,
}

impl<S: Store + Default> World<S> {
    /// Lets the next frame of a channel arrive; of ops, up to `most` that follow each other, with
    /// one acknowledgement after them.
    pub fn deliver(&mut self, channel: Channel, most: usize) {
        let mut acks: Vec<TableId> = Vec::new();
        for _ in 0..most {
            let Some(bytes) = self.take(channel) else { break };
            let held = apart::before(self, channel.to, channel.from);
            let delivered = self.arrive(channel, &bytes);
            if let Err(violation) = apart::after(self, channel.to, channel.from, &held) {
                self.found.get_or_insert(violation);
            }
            match delivered {
                Delivered::Op(table) if !acks.contains(&table) => acks.push(table),
                Delivered::Op(_) => {}
                Delivered::Message => break,
            }
        }
        let from = self.procs[channel.from].incarnation;
        for table in acks {
            self.acknowledge(channel.to, table, from);
        }
    }

    fn take(&mut self, channel: Channel) -> Option<Rc<[u8]>> {
        if channel.lane == Lane::Ops && self.network.waits_for_message(channel) {
            return None;
        }
        self.network.up(channel.to, channel.from)?;
        let packet = self.network.queue_mut(channel)?.packets.pop_front()?;
        if self.network.overtaken(channel.to, packet.order) {
            self.counts.faults.count(Fault::Reorder);
        }
        self.counts.frames += 1;
        self.dirty.insert(channel.to);
        Some(packet.bytes)
    }

    fn arrive(&mut self, channel: Channel, bytes: &[u8]) -> Delivered {
        let from = self.procs[channel.from].incarnation;
        let (body, used) = split(bytes, MAX_FRAME).expect("a frame of ours").expect("whole");
        assert_eq!(used, bytes.len(), "one frame a packet");
        let mut replaces = Vec::new();
        match decode_frame(body, from, &mut replaces).expect("a frame of ours") {
            Frame::Op { table, op } => {
                self.arrive_ops(channel, table, &[op]);
                Delivered::Op(table)
            }
            Frame::Batch { table, ops } => {
                self.arrive_ops(channel, table, &ops);
                Delivered::Op(table)
            }
            Frame::Message(message) => {
                let slots = [self.procs[channel.to].slot, self.procs[channel.from].slot];
                self.trace.say(self.now, &slots, || format!("gets {message:?}"));
                self.event(channel.to, Event::Received { from, message });
                Delivered::Message
            }
            // The core knows nothing of these.
            Frame::Ping { .. }
            | Frame::Pong { .. }
            | Frame::Taken { .. }
            | Frame::DumpAsk(_)
            | Frame::DumpPart(_) => Delivered::Message,
        }
    }

    /// Ops of one frame arrive.
    fn arrive_ops(&mut self, channel: Channel, table: TableId, ops: &[OpRef<'_>]) {
        let from = self.procs[channel.from].incarnation;
        let slots = [self.procs[channel.to].slot, self.procs[channel.from].slot];
        self.trace.say(self.now, &slots, || format!("gets {ops:?}"));
        self.local(channel.to);
        let taken = self.procs[channel.to].look(table, |t| {
            let attached = t.is_attached(from);
            let arrival = match ops {
                [op] => t.take_in(from, op),
                ops => t.take_in_batch(from, ops),
            };
            (attached, arrival)
        });
        let Some((attached, arrival)) = taken else { return };
        if arrival == Arrival::Parked {
            self.sight(Sight::Parked);
        } else if arrival == Arrival::Paused {
            self.sight(Sight::HeldBack);
        } else if attached {
            let truth = self.procs[channel.to].truth.entry(table).or_default();
            truth.applied.extend(ops.iter().map(|op| op.entry.dot));
        }
        if arrival == Arrival::Gap {
            self.event(channel.to, Event::Gap { from, table });
        }
    }

    fn acknowledge(&mut self, process: usize, table: TableId, to: Incarnation) {
        let seq = self.procs[process].look(table, |t| t.ack_for(to)).flatten();
        if let Some(seq) = seq {
            self.send(process, to, &Message::Ack { table, seq });
        }
    }

    /// A driver that has room towards `to` has the node do one step of its answers.
    pub fn answer(&mut self, process: usize, to: usize) {
        let incarnation = self.procs[to].incarnation;
        let answer = self.procs[process].node.answer_some(incarnation);
        if let Answer::Send(message) = answer {
            self.send(process, incarnation, &message);
        }
        self.dirty.insert(process);
    }

    /// A node is told the time. A client's write may get hold of a table between two steps of what
    /// it does then: in production it holds no lock from one to the next.
    pub fn tick(&mut self, process: usize, between: Option<(usize, WantedWrite)>) {
        let now = self.local(process);
        let steady = self.steady();
        let between = between.filter(|(_, w)| self.procs[process].writable.contains(&w.table));
        if let Some((steps, wanted)) = between {
            self.procs[process].node.tables().plan(steps, now, wanted);
        }
        let awaited = self.procs[process].node.members().awaited().len();
        let effects = self.procs[process].node.handle(steady, Event::Tick { wall: now });
        if self.procs[process].node.members().awaited().len() < awaited {
            self.fault(Fault::Forgotten, &[self.procs[process].slot]);
        }
        for done in self.procs[process].node.tables().take_done() {
            self.fault(Fault::WriteBetween, &[self.procs[process].slot]);
            self.written(process, done);
        }
        self.carry_out(process, effects);
    }

    /// One step of the ends of syncs. False if there was nothing to do.
    pub fn finish(&mut self, process: usize) -> bool {
        self.local(process);
        let now = self.steady();
        let effects = self.procs[process].node.finish_some(now);
        let worked = effects.is_some();
        self.carry_out(process, effects.unwrap_or_default());
        worked
    }

    /// The queue from `process` to the slow `peer` is full: the ops that the network has not got
    /// yet, all but the first `kept`, are dropped, and no more are sent until everything else is
    /// drained.
    pub fn overflow(&mut self, process: usize, peer: usize, kept: usize) {
        let channel = Channel { from: process, to: peer, lane: Lane::Ops };
        let Some(queue) = self.network.queue_mut(channel) else { return };
        queue.packets.truncate(kept);
        if let Some(link) = self.network.link_mut(process, peer) {
            let side = link.side(process);
            link.suspended[side] = true;
        }
        self.fault(Fault::Overflow, &[self.procs[process].slot, self.procs[peer].slot]);
    }

    /// The links whose overflown queue is drained, from sender to receiver.
    pub fn drained(&self) -> Vec<(usize, usize)> {
        let mut drained = Vec::new();
        for link in self.network.links() {
            for side in 0..2 {
                let lanes = &link.queues[side];
                let empty = |lane: Lane| lanes[lane as usize].packets.is_empty();
                let empty = empty(Lane::Messages) && empty(Lane::Ops);
                if link.up[side] && link.suspended[side] && empty {
                    drained.push((link.ends[side], link.ends[1 - side]));
                }
            }
        }
        drained
    }

    /// Ops go to `peer` again, from the last one written on; what was dropped comes by sync.
    pub fn resume(&mut self, process: usize, peer: usize) {
        if let Some(link) = self.network.link_mut(process, peer) {
            let side = link.side(process);
            link.suspended[side] = false;
        }
        let to = self.procs[peer].incarnation;
        let attached = self.procs[process].fan_out.iter().filter(|(_, at)| *at == peer);
        let tables: Vec<TableId> = attached.map(|(table, _)| *table).collect();
        for table in tables {
            let seq = self.procs[process].look(table, |t| t.last_written()).unwrap_or(0);
            self.send(process, to, &Message::Attach { table, seq });
            self.acknowledge(process, table, to);
        }
        self.event(process, Event::Resumed { peer: to });
    }

    /// Whether a process has the effects of an op, alive or not.
    pub fn knows(&self, process: usize, table: TableId, dot: Dot) -> bool {
        self.procs[process].has(table, dot)
    }
}
