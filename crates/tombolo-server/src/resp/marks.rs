//! Which of the replies not yet sent belong to writes, and what becomes of those if the write is
//! not acknowledged in time.

use std::time::Duration;

use tombolo::{AckTimeout, Receipt};

use super::{reply::Reply, session::Session};

/// The reply of one write.
struct Mark {
    start: usize,
    end: usize,
    /// Which of the session's written tables.
    slot: usize,
    /// The latest write of the command, there.
    receipt: Receipt,
}

/// The replies of writes in one batch, in order.
#[derive(Default)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Notes that the reply from `start` on answers the writes that the session has just made.
    pub(crate) fn note(&mut self, session: &mut Session, start: usize, reply: &Reply) {
        while let Some((slot, receipt)) = session.take_written() {
            self.0.push(Mark { start, end: reply.len(), slot, receipt });
        }
    }

    /// The batch has been sent.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn release(&mut self) {
        self.0 = Vec::new();
    }

    /// Rewrites the replies of exactly those writes that are not acknowledged by now. This is the
    /// rare path: the batch has waited for its latest writes, and in vain.
    pub(crate) async fn refuse_unacknowledged(&self, session: &Session, reply: &mut Reply) {
        let settings = &session.shared.settings;
        let mut rebuilt = Reply::new(reply.protocol);
        let mut copied = 0;
        for mark in &self.0 {
            if mark.start < copied {
                // Another fragment that the command wrote to had it refused.
                continue;
            }
            let table = session.written_table(mark.slot);
            let asked = table.acknowledged(mark.receipt, settings.ack, Duration::ZERO).await;
            if let Err(lacking) = asked {
                rebuilt.raw(&reply.bytes()[copied..mark.start]);
                rebuilt.error(&refusal(&lacking, settings.ack_timeout));
                copied = mark.end;
            }
        }
        rebuilt.raw(&reply.bytes()[copied..]);
        *reply = rebuilt;
    }
}

/// What a client hears of a write that not enough others have after `waited`.
pub(crate) fn refusal(lacking: &AckTimeout, waited: Duration) -> String {
    format!(
        "NOACK applied here, but acknowledged only by [{}] within {} ms, missing [{}]; \
         it goes on replicating",
        lacking.by.join(", "),
        waited.as_millis(),
        lacking.missing.join(", "),
    )
}
