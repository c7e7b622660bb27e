//! What nodes keep on disk: records of their tables, and how a process starts from them.

use crate::sight::Sight;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tombolo_core::{
    Answered, Declaration, Dot, Epochs, Incarnation, Member, Message, Replayed, Store, SyncBody,
    TableId, VersionVector,
};
use tombolo_wire::{Frame, MAX_FRAME};

/// How many records of one table a node's disk keeps: the last, and some that a copy of the disk
/// may bring back.
const KEPT: usize = 4;

/// A record of one table, as a file holds it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    name: String,
    declaration: Declaration,
    epochs: Epochs,
    members: Vec<Member>,
    /// The messages of the sync, each a frame.
    frames: Vec<Vec<u8>>,
    /// What the process had seen when the record was complete.
    seen: VersionVector,
}

/// A record that is being made.
#[derive(Debug)]
struct Recording {
    process: usize,
    snapshot: Snapshot,
}

/// The disks of all nodes.
#[derive(Default, Debug)]
pub struct Disks {
    /// The complete records, oldest first.
    complete: BTreeMap<(usize, TableId), Vec<Snapshot>>,
    /// What is under way; it is cut off when its process ends.
    open: BTreeMap<(usize, TableId), Recording>,
    /// What had been seen at the end of each record that a process started from.
    started_from: BTreeMap<TableId, Vec<VersionVector>>,
}

impl Disks {
    /// Whether what this event took the place of may be missing in a record, and the event itself
    /// as well: stability dropped it before the walk came to its key. A sync says the same in its
    /// last step, but the answerer lives on and has seen the event; a record outlives its process.
    pub(crate) fn may_have_dropped(&self, table: TableId, event: Dot) -> bool {
        let records = self.started_from.get(&table);
        records.is_some_and(|records| records.iter().any(|seen| seen.covers(event)))
    }
}

impl<S: Store + Default> World<S> {
    /// Goes on with a record of some table of a process for a few steps, or begins one.
    pub(crate) fn some_snapshot(&mut self, process: usize) {
        let ids = self.procs[process].node.tables().ids();
        let Some(id) = self.rng.pick(&ids) else { return };
        for _ in 0..1 + self.rng.below(12) {
            self.record(process, id);
        }
    }

    /// One step of a record.
    fn record(&mut self, process: usize, id: TableId) {
        let key = (self.procs[process].slot, id);
        let open = self.disks.open.get(&key).is_some_and(|open| open.process == process);
        let declared = self.procs[process].node.declared(id);
        let Some(Message::Declare { name, declaration, epochs }) = declared else { return };
        if !open {
            let members = self.procs[process].node.members().to_tell();
            let begin = self.procs[process].look(id, |t| t.record());
            let (frames, seen) = (Vec::new(), VersionVector::default());
            let mut snapshot = Snapshot { name, declaration, epochs, members, frames, seen };
            snapshot.frames.extend(begin.map(|body| encode(id, body)));
            self.disks.open.insert(key, Recording { process, snapshot });
            return;
        }
        let step = self.procs[process].look(id, |t| t.record_step());
        let Some(recording) = self.disks.open.get_mut(&key) else { return };
        if let Some(Answered::Send(_, body)) = step {
            let done = matches!(body, SyncBody::Done { .. });
            recording.snapshot.frames.push(encode(id, body));
            if done {
                self.recorded(process, key, &epochs);
            }
        }
    }

    /// A record is complete. One whose table was altered meanwhile says too little of its entries.
    fn recorded(&mut self, process: usize, key: (usize, TableId), epochs: &Epochs) {
        let Some(Recording { mut snapshot, .. }) = self.disks.open.remove(&key) else { return };
        if snapshot.epochs != *epochs {
            return;
        }
        snapshot.seen = self.procs[process].look(key.1, |t| t.seen()).unwrap_or_default();
        self.trace.say(self.now, &[key.0], || format!("has a snapshot of {}", snapshot.name));
        let kept = self.disks.complete.entry(key).or_default();
        kept.push(snapshot);
        if kept.len() > KEPT {
            kept.remove(0);
        }
    }

    /// A process that has just started takes over what the disk of its node holds: mostly the last
    /// record of each table, at times an older one, none if the disk is damaged, or what is there
    /// of one that was cut off.
    pub(crate) fn start_from_disk(&mut self, process: usize) {
        let slot = self.procs[process].slot;
        let keys = self.disks.complete.keys().chain(self.disks.open.keys());
        let keys: BTreeSet<(usize, TableId)> = keys.filter(|key| key.0 == slot).copied().collect();
        for key in keys {
            let cut = self.disks.open.remove(&key).map(|open| open.snapshot);
            let kept = self.disks.complete.get(&key).cloned().unwrap_or_default();
            let chosen = match self.rng.below(20) {
                0..2 => None,
                2..4 => cut,
                4..7 => {
                    self.rng.pick(&(0..kept.len()).collect::<Vec<_>>()).map(|at| kept[at].clone())
                }
                _ => kept.last().cloned(),
            };
            if let Some(snapshot) = chosen {
                self.restore(process, key.1, snapshot);
            }
        }
    }

    fn restore(&mut self, process: usize, id: TableId, snapshot: Snapshot) {
        self.local(process);
        let now = self.steady();
        let slot = self.procs[process].slot;
        let Snapshot { name, declaration, epochs, members, frames, seen } = snapshot;
        let node = &mut self.procs[process].node;
        let restored = node.restore(now, &name, declaration, epochs, &members);
        let (_, effects) = restored.expect("its other fragments were declared alike");
        self.carry_out(process, effects);
        let mut came = Replayed::More;
        for frame in frames {
            let body = decode(&frame);
            came =
                self.procs[process].look(id, |t| t.replay(now, body)).expect("it was made above");
            if came == Replayed::Refused {
                break;
            }
        }
        self.procs[process].look(id, |t| t.drop_replay());
        self.trace.say(self.now, &[slot], || format!("starts from a snapshot of {name}: {came:?}"));
        if let Replayed::Complete(report) = came {
            self.disks.started_from.entry(id).or_default().push(seen);
            if report.brought > 0 {
                self.sight(Sight::FromSnapshot);
            }
        }
    }
}

fn encode(table: TableId, body: SyncBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    tombolo_wire::encode_message(&mut bytes, &Message::Sync { table, session: 0, body });
    bytes
}

fn decode(bytes: &[u8]) -> SyncBody {
    let frame = tombolo_wire::split(bytes, MAX_FRAME);
    let (frame, _) = frame.ok().flatten().expect("it was encoded as one frame");
    match tombolo_wire::decode_frame(frame, Incarnation::NOBODY, &mut Vec::new()) {
        Ok(Frame::Message(Message::Sync { body, .. })) => body,
        other => panic!("what was encoded reads {other:?}"),
    }
}
