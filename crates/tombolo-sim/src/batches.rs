//! Batches of writes: made by clients, sent as one frame, remembered until they are everywhere.

use crate::network::{Channel, Lane};
use crate::process::{DoneWrite, WantedWrite};
use crate::sight::Sight;
use crate::world::World;
use std::collections::BTreeSet;
use std::rc::Rc;
use tombolo_core::{Dot, EntryRef, Incarnation, OpRef, RequestRef, Store, TableId};

/// How many writes a client wants done together at most.
const WRITES: usize = 4;

/// One batch that was written.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its writes.
    pub dots: Vec<Dot>,
    /// Whom those waited for that forgot it as stable, themselves included: those among them that
    /// all of them waited for. The others may get it in pieces.
    pub awaited: Option<BTreeSet<Incarnation>>,
}

impl Batch {
    /// A node forgot it because all of these have it.
    pub fn forgotten(&mut self, by: BTreeSet<Incarnation>) {
        match &mut self.awaited {
            Some(awaited) => awaited.retain(|known| by.contains(known)),
            none => *none = Some(by),
        }
    }

    /// Whether the process must see it as a whole.
    pub fn is_owed_to(&self, process: Incarnation) -> bool {
        self.awaited.as_ref().is_none_or(|awaited| awaited.contains(&process))
    }
}

impl<S: Store + Default> World<S> {
    /// Some client writes several keys of a table together.
    pub(crate) fn some_batch(&mut self, process: usize) {
        let mut wanted: Vec<WantedWrite> = (0..WRITES).map(|_| self.wanted(process)).collect();
        let table = wanted[0].table;
        wanted.retain(|wanted| wanted.table == table);
        self.write_batch(process, &wanted);
    }

    /// A client writes several keys of a table together, if it is open there. True if something
    /// was written.
    pub fn write_batch(&mut self, process: usize, wanted: &[WantedWrite]) -> bool {
        let Some(table) = wanted.first().map(|wanted| wanted.table) else { return false };
        if !self.procs[process].writable.contains(&table) {
            return false;
        }
        let now = self.local(process);
        let done = self.procs[process].node.tables().write_batch(now, table, wanted);
        if done.len() > 1 {
            self.sight(Sight::Batch);
            let keys: BTreeSet<&[u8]> = done.iter().map(|done| &*done.key).collect();
            if keys.len() > 1 {
                let dots: Vec<Dot> = done.iter().map(|done| done.dot).collect();
                // It may be forgotten in the same step, where no other node is known.
                self.procs[process].truth.entry(table).or_default().batches.insert(dots[0]);
                let batch = Batch { dots, awaited: None };
                self.oracle.logs.entry(table).or_default().batches.push(batch);
            }
        }
        if !done.is_empty() {
            self.sight_of_table(process, table);
        }
        let linked = self.send_ops(process, table, &done);
        let wrote = !done.is_empty();
        done.into_iter().for_each(|done| self.note_written(process, done, linked.clone()));
        wrote
    }

    /// Puts ops that were written together on the lane of every peer that carries the table.
    /// Returns the links that were up.
    pub(crate) fn send_ops(
        &mut self,
        process: usize,
        table: TableId,
        done: &[DoneWrite],
    ) -> Vec<(usize, u64)> {
        let mut bytes = Vec::new();
        for done in done {
            let entry = EntryRef {
                dot: done.dot,
                stamp: done.stamp,
                mark: done.mark,
                expires: done.expires,
                value: done.value.as_deref(),
            };
            let request = done.request.as_ref().map(|known| RequestRef {
                id: known.id,
                floor: known.floor,
                told: known.told.as_deref(),
                lost: known.lost,
            });
            let op = OpRef { key: &done.key, entry, replaces: &done.replaces, request };
            tombolo_wire::encode_op(&mut bytes, table, &op);
        }
        if done.len() > 1 {
            let ops = std::mem::take(&mut bytes);
            tombolo_wire::encode_batch(&mut bytes, table, done.len() as u32, &ops);
        }
        let bytes: Rc<[u8]> = bytes.into();
        let mut linked = Vec::new();
        for (_, peer) in self.fan_out_of(process, table) {
            linked.extend(self.network.up(process, peer).map(|link| (peer, link)));
            if !bytes.is_empty() && !self.is_suspended(process, peer) {
                let channel = Channel { from: process, to: peer, lane: Lane::Ops };
                self.network.push(channel, Rc::clone(&bytes));
            }
        }
        linked
    }
}
