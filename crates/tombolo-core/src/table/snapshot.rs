//! Recording a table, and making one from a record.
//!
//! A record is a sync (rule 4) with an asker that has nothing and reads the answer later. It is
//! walked in the same short steps beside the same writers, and taken in by the same code, which
//! claims the recorded `seen` last. So what holds of a sync holds of a restart from a record: a
//! value whose delete the record covers is not in it, and one whose delete came later goes in the
//! first sync, like that of a node that was away.

use super::{Aim, Answered, Finished, SyncReport, Table};
use crate::id::Incarnation;
use crate::message::{Ask, SyncBody};
use crate::store::Store;
use crate::time::Millis;
use alloc::vec::Vec;

/// What one piece of a record brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replayed {
    /// More is to come.
    More,
    /// The table has all that was recorded, and claims it.
    Complete(SyncReport),
    /// The record cannot be taken in: something in it comes from too far in the future, or it is
    /// not in the order in which it was recorded. Nothing is claimed.
    Refused,
}

impl<S: Store> Table<S> {
    /// Begins to record the table: captures what the record speaks of, in one step, and returns its
    /// beginning. A record under way is dropped.
    pub fn record(&mut self) -> SyncBody {
        self.answer(Incarnation::NOBODY, 0, Ask::default())
    }

    /// Does a bounded piece of the record: walks one bucket, or fills one chunk. The record is over
    /// with [`SyncBody::Done`].
    pub fn record_step(&mut self) -> Answered {
        self.answer_step(Incarnation::NOBODY)
    }

    /// Drops a record under way.
    pub fn drop_record(&mut self) {
        self.scans.remove(&Incarnation::NOBODY);
    }

    /// Takes in a piece of a record, in a table that nobody else fills or writes meanwhile. The
    /// last piece costs a walk over the table.
    pub fn replay(&mut self, now: Millis, body: SyncBody) -> Replayed {
        let record = Incarnation::NOBODY;
        let open = self.asking(record).is_some();
        match body {
            SyncBody::Begin(begin) if !open => {
                let (session, _) = self.ask(record, Aim::Join, Vec::new(), now);
                self.on_begin(record, session, &begin, now);
                Replayed::More
            }
            SyncBody::Chunk(chunk) if open => {
                self.on_chunk(record, self.next_session, &chunk, now);
                Replayed::More
            }
            SyncBody::Done { live, removed_ahead } if open => {
                self.on_done(record, self.next_session, live, removed_ahead, now);
                loop {
                    match self.finish_step(record) {
                        Finished::Walked => {}
                        Finished::Complete(report) => return Replayed::Complete(report),
                        _ => break,
                    }
                }
                self.drop_replay();
                Replayed::Refused
            }
            _ => {
                self.drop_replay();
                Replayed::Refused
            }
        }
    }

    /// The record ends here, whole or not: what came of it stays, and nothing more is claimed.
    pub fn drop_replay(&mut self) {
        self.abandon(Incarnation::NOBODY);
    }
}
