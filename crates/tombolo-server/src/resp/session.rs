//! What a connection knows between two commands: who the client is, what it has selected, and
//! what it has written.

use std::sync::Arc;

use tombolo::{Kind, PauseGuard, RawTable, Receipt, WriteError};

use super::{registry::Card, shared::Shared};

/// A table that this connection has written to, or one of several fragments of it.
struct Written {
    table: RawTable,
    latest: Receipt,
    /// Whether `latest` has not been waited for yet.
    awaited: bool,
}

pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) card: Arc<Card>,
    pub(crate) table: RawTable,
    /// The kind of the selected table: it cannot be altered, and every command asks for it.
    pub(crate) kind: Kind,
    pub(crate) authenticated: bool,
    /// The number of the latest command, for CLIENT LIST.
    pub(crate) command: u16,
    /// The tables that this connection keeps still, with the guard of each PAUSE.
    pub(crate) guards: Vec<(String, PauseGuard)>,
    /// Whether the command that is being executed has waited for its turn to write.
    pub(crate) in_turn: bool,
    written: Vec<Written>,
    /// Where the fragment of the selected table that was written last is in `written`.
    slot: Option<usize>,
    /// The latest write of the command that is being executed.
    fresh: Option<Receipt>,
    /// Its latest writes to other fragments of the selected table.
    others: Vec<Receipt>,
    /// The table of that write, if it is not the selected one.
    elsewhere: Option<RawTable>,
    /// Where the table of this connection's latest write is in `written`.
    latest: Option<usize>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, card: Arc<Card>) -> Session {
        let table = shared.default_table.clone();
        let authenticated = shared.settings.password.is_none();
        card.details().table = table.name().to_owned();
        Session {
            shared,
            card,
            kind: table.kind(),
            table,
            authenticated,
            command: u16::MAX,
            guards: Vec::new(),
            in_turn: false,
            written: Vec::new(),
            slot: None,
            fresh: None,
            others: Vec::new(),
            elsewhere: None,
            latest: None,
        }
    }

    pub(crate) fn select(&mut self, table: RawTable) {
        self.card.details().table = table.name().to_owned();
        self.slot = None;
        self.kind = table.kind();
        self.table = table;
    }

    pub(crate) fn put(
        &mut self,
        key: &[u8],
        value: &[u8],
        expires: Option<u64>,
    ) -> Result<(), WriteError> {
        let receipt = self.table.put(key, value, expires)?;
        self.wrote(receipt);
        Ok(())
    }

    /// Deletes a key; says whether it was there.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<bool, WriteError> {
        let receipt = self.table.delete(key)?;
        self.wrote(receipt);
        Ok(receipt.is_some())
    }

    /// Notes a write to the selected table, if there was one, whose reply must wait for its
    /// acknowledgement.
    pub(crate) fn wrote(&mut self, written: impl Into<Option<Receipt>>) {
        let Some(receipt) = written.into() else { return };
        if let Some(before) = self.fresh.replace(receipt)
            && before.fragment() != receipt.fragment()
        {
            self.others.retain(|other| other.fragment() != receipt.fragment());
            self.others.push(before);
        }
    }

    /// Notes a write to any table.
    pub(crate) fn wrote_to(&mut self, table: RawTable, receipt: Receipt) {
        self.elsewhere = (table.name() != self.table.name()).then_some(table);
        self.wrote(receipt);
    }

    /// The latest write of the command that has just been executed, and the place of its table.
    /// Each fragment that the command wrote to has one; they are given out one after the other.
    pub(crate) fn take_written(&mut self) -> Option<(usize, Receipt)> {
        let (receipt, elsewhere) = match self.others.pop() {
            Some(other) => (other, None),
            None => (self.fresh.take()?, self.elsewhere.take()),
        };
        let slot = match elsewhere {
            Some(table) => self.place_for(table, receipt),
            None => {
                let is_place =
                    |slot: &usize| self.written[*slot].latest.fragment() == receipt.fragment();
                let known = self.slot.filter(is_place);
                let slot = known.unwrap_or_else(|| self.place_for(self.table.clone(), receipt));
                *self.slot.insert(slot)
            }
        };
        self.written[slot].latest = receipt;
        self.written[slot].awaited = true;
        self.latest = Some(slot);
        Some((slot, receipt))
    }

    /// Where what was written is in `written`.
    fn place_for(&mut self, table: RawTable, latest: Receipt) -> usize {
        let known = self.written.iter().position(|written| {
            written.table.name() == table.name() && written.latest.fragment() == latest.fragment()
        });
        known.unwrap_or_else(|| {
            self.written.push(Written { table, latest, awaited: true });
            self.written.len() - 1
        })
    }

    /// This connection's latest write of all, and its table.
    pub(crate) fn latest_write(&self) -> Option<(&RawTable, Receipt)> {
        let written = &self.written[self.latest?];
        Some((&written.table, written.latest))
    }

    pub(crate) fn written_table(&self, slot: usize) -> &RawTable {
        &self.written[slot].table
    }

    /// The next table, or fragment of one, with a write that must be waited for; each is given out
    /// once.
    pub(crate) fn next_awaited(&mut self) -> Option<(&RawTable, Receipt)> {
        let written = self.written.iter_mut().find(|written| written.awaited)?;
        written.awaited = false;
        Some((&written.table, written.latest))
    }

    /// This connection's latest write to every table it has written to, and every fragment of it.
    pub(crate) fn latest_writes(&self) -> impl Iterator<Item = (&RawTable, Receipt)> {
        self.written.iter().map(|written| (&written.table, written.latest))
    }
}
