//! The reading side of a link's two lanes.

use super::link::Link;
use crate::clock::steady;
use crate::driver::give_way;
use crate::shared::SharedTable;
use crate::shell::Shell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tombolo_core::{Arrival, Dot, Event, Message, SerialBody, SyncBody, TableId};
use tombolo_wire::{Frame, LENGTH_BYTES, MAX_FRAME};

/// What one read takes at most, and the size that a buffer returns to after a large frame.
const READ: usize = 64 * 1024;

/// How many ops a table's lock is held for.
const BATCH: usize = 64;

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    #[error("the peer closed the connection")]
    Closed,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the peer sent what this version cannot read: {0}")]
    Unreadable(String),
}

/// Bytes as they come in.
struct Input {
    stream: OwnedReadHalf,
    bytes: Vec<u8>,
    /// What was read and not yet consumed.
    start: usize,
    end: usize,
}

impl Input {
    fn new(stream: OwnedReadHalf) -> Input {
        Input { stream, bytes: vec![0; READ], start: 0, end: 0 }
    }

    /// Reads once. The buffer grows only for a frame that does not fit, up to its length.
    async fn read(&mut self, link: &Link) -> Result<(), LaneError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > READ {
                self.bytes = vec![0; READ];
            }
        } else if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            let grown = (self.bytes.len() * 2).min(MAX_FRAME + READ);
            self.bytes.resize(grown, 0);
        }
        let count = self.stream.read(&mut self.bytes[self.end..]).await?;
        if count == 0 {
            return Err(LaneError::Closed);
        }
        self.end += count;
        link.counters.bytes_in.fetch_add(count as u64, Relaxed);
        link.counters.heard.store(steady().0, Relaxed);
        Ok(())
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// The whole frames at the front of `bytes`, and how long they are together.
fn frames(bytes: &[u8]) -> Result<(Vec<&[u8]>, usize), LaneError> {
    let mut frames = Vec::new();
    let mut consumed = 0;
    while let Some((frame, length)) = tombolo_wire::split(&bytes[consumed..], MAX_FRAME)
        .map_err(|error| LaneError::Unreadable(error.to_string()))?
    {
        frames.push(frame);
        consumed += length;
    }
    Ok((frames, consumed))
}

/// Reads the data lane until it ends.
pub(crate) async fn run_data(
    shell: &Arc<Shell>,
    link: &Arc<Link>,
    stream: OwnedReadHalf,
) -> LaneError {
    let mut input = Input::new(stream);
    loop {
        if let Err(error) = input.read(link).await {
            return error;
        }
        if link.closed.is_cancelled() {
            // What is still unread belongs to a link that another has replaced.
            return LaneError::Closed;
        }
        let pieces = link.counters.pieces_in.load(Relaxed);
        match take_in(shell, link, input.unread()) {
            Ok(consumed) => input.start += consumed,
            Err(error) => return error,
        }
        // Reads give others of this thread their turn now and then. Pieces of syncs take so long
        // that there is one after each read of them.
        if link.counters.pieces_in.load(Relaxed) != pieces {
            give_way().await;
        }
    }
}

/// Takes in every whole frame of `bytes`; how many bytes they were.
fn take_in(shell: &Arc<Shell>, link: &Arc<Link>, bytes: &[u8]) -> Result<usize, LaneError> {
    let (frames, consumed) = frames(bytes)?;
    let mut touched: Vec<Arc<SharedTable>> = Vec::new();
    let mut rest = &frames[..];
    while let Some(first) = rest.first() {
        let table_of = |frame: &[u8]| tombolo_wire::op_key(frame).map(|(table, _)| table);
        let same = |table: TableId| {
            let ops = rest.iter().take(BATCH);
            ops.take_while(|frame| table_of(frame) == Some(table)).count()
        };
        let count = table_of(first).map_or(0, same);
        let (ops, after) = rest.split_at(count.max(1));
        rest = after;
        let taken = if count > 0 {
            take_in_ops(shell, link, ops)?
        } else if tombolo_wire::batch_table(first).is_some() {
            take_in_batch(shell, link, first)?
        } else {
            on_data_frame(shell, link, first)?;
            None
        };
        let Some(table) = taken else { continue };
        if !touched.iter().any(|known| Arc::ptr_eq(known, &table)) {
            touched.push(table);
        }
    }
    for table in &touched {
        if let Some(seq) = table.with(|machine| machine.ack_for(link.incarnation)) {
            link.send(&Message::Ack { table: table.id, seq });
        }
    }
    if !touched.is_empty() {
        shell.mesh.flush_data(link);
    }
    Ok(consumed)
}

/// Takes in ops of one table, all under one hold of its lock.
fn take_in_ops(
    shell: &Arc<Shell>,
    link: &Arc<Link>,
    frames: &[&[u8]],
) -> Result<Option<Arc<SharedTable>>, LaneError> {
    let Some((id, _)) = tombolo_wire::op_key(frames[0]) else { return Ok(None) };
    let Some(table) = shell.table(id) else { return Ok(None) };
    link.counters.ops_in.fetch_add(frames.len() as u64, Relaxed);
    // Fetching what the keys hold into the cache, all of them at once and without the lock, makes
    // the time under the lock a third shorter.
    let keys = frames.iter().filter_map(|frame| tombolo_wire::op_key(frame));
    table.records.touch(keys.map(|(_, key)| key));
    let from = link.incarnation;
    let arrival = table.take_in(from, |take| -> Result<(), LaneError> {
        let mut replaces: Vec<Dot> = Vec::new();
        for frame in frames {
            let (_, op) = tombolo_wire::decode_op(frame, from, &mut replaces)
                .map_err(|error| LaneError::Unreadable(error.to_string()))?;
            take(&op);
        }
        Ok(())
    })?;
    arrived(shell, link, &table, arrival);
    Ok(Some(table))
}

/// Takes in ops that readers are to see together.
fn take_in_batch(
    shell: &Arc<Shell>,
    link: &Arc<Link>,
    frame: &[u8],
) -> Result<Option<Arc<SharedTable>>, LaneError> {
    let mut replaces: Vec<Dot> = Vec::new();
    let decoded = tombolo_wire::decode_frame(frame, link.incarnation, &mut replaces)
        .map_err(|error| LaneError::Unreadable(error.to_string()))?;
    let Frame::Batch { table, ops } = decoded else { return Ok(None) };
    let Some(table) = shell.table(table) else { return Ok(None) };
    link.counters.ops_in.fetch_add(ops.len() as u64, Relaxed);
    table.records.touch(ops.iter().map(|op| op.key));
    let arrival = table.take_in_batch(link.incarnation, &ops);
    arrived(shell, link, &table, arrival);
    Ok(Some(table))
}

/// What is to be done about ops that came in on a link.
fn arrived(shell: &Arc<Shell>, link: &Arc<Link>, table: &Arc<SharedTable>, arrival: Arrival) {
    match arrival {
        Arrival::InOrder => {}
        Arrival::Gap => shell.handle(Event::Gap { from: link.incarnation, table: table.id }),
        // What came meanwhile is asked for when the table moves again.
        Arrival::Paused => {}
        Arrival::Parked => shell.clock_ahead(&link.peer.name, table),
    }
}

/// Takes in a frame of the data lane that is not an op.
fn on_data_frame(shell: &Arc<Shell>, link: &Arc<Link>, frame: &[u8]) -> Result<(), LaneError> {
    match tombolo_wire::decode_frame(frame, link.incarnation, &mut Vec::new()) {
        Ok(Frame::Ping { sent }) => {
            link.say_fresh(sent);
            shell.mesh.flush_data(link);
            Ok(())
        }
        Ok(Frame::Pong { sent }) => {
            link.on_fresh(sent);
            Ok(())
        }
        _ => on_frame(shell, link, frame),
    }
}

/// Takes in a frame that is not an op.
fn on_frame(shell: &Arc<Shell>, link: &Arc<Link>, frame: &[u8]) -> Result<(), LaneError> {
    let mut replaces = Vec::new();
    let decoded = tombolo_wire::decode_frame(frame, link.incarnation, &mut replaces)
        .map_err(|error| LaneError::Unreadable(error.to_string()))?;
    match decoded {
        Frame::Op { .. } | Frame::Batch { .. } => {}
        Frame::Ping { sent } => link.pong(sent),
        Frame::Pong { sent } => link.on_pong(sent),
        Frame::DumpAsk(ask) => link.dumps.on_ask(ask),
        Frame::DumpPart(part) => link.dumps.on_part(part),
        Frame::Message(Message::Ack { table, seq }) => {
            if let Some(table) = shell.table(table) {
                table.on_ack(link.incarnation, seq);
            }
        }
        Frame::Message(Message::Serial { table, body: SerialBody::Request(request) })
            if shell.table(table).is_some_and(|table| table.leads()) =>
        {
            shell.serve(table, link.incarnation, request);
        }
        Frame::Message(Message::Swim(packet)) => shell.on_swim(&packet),
        Frame::Taken { bytes } => {
            if link.on_taken(bytes) {
                shell.mesh.room.notify_one();
            }
        }
        Frame::Message(message) => {
            let is_piece = is_piece(&message);
            touch(shell, &message);
            shell.handle(Event::Received { from: link.incarnation, message });
            if is_piece {
                link.took_piece((LENGTH_BYTES + frame.len()) as u64);
            }
        }
    }
    Ok(())
}

/// Whether it is one of those that the answer to a sync is sent in.
fn is_piece(message: &Message) -> bool {
    let Message::Sync { body, .. } = message else { return false };
    matches!(body, SyncBody::Chunk(_) | SyncBody::Done { .. })
}

/// Fetches what the keys of a piece of a sync hold into the cache, as is done for ops.
fn touch(shell: &Arc<Shell>, message: &Message) {
    if let Message::Sync { table, body: SyncBody::Chunk(chunk), .. } = message
        && let Some(table) = shell.table(*table)
    {
        table.records.touch(chunk.keys.iter().map(|found| &*found.key));
    }
}

/// Reads the control lane until it ends.
pub(crate) async fn run_control(
    shell: &Arc<Shell>,
    link: &Arc<Link>,
    stream: OwnedReadHalf,
) -> LaneError {
    let mut input = Input::new(stream);
    loop {
        if let Err(error) = input.read(link).await {
            return error;
        }
        let consumed = match frames(input.unread()) {
            Ok((frames, consumed)) => {
                for frame in frames {
                    if let Err(error) = on_frame(shell, link, frame) {
                        return error;
                    }
                }
                consumed
            }
            Err(error) => return error,
        };
        input.start += consumed;
    }
}
