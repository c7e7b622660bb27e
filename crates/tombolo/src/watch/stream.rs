//! One watch: content, then changes, from its box or from the feed.

use super::content::Content;
use super::hub::{BATCH, Found, Inbox};
use super::span::{Filter, Span};
use super::{Cursor, WatchEvent};
use crate::clock::now;
use crate::composite;
use crate::raw::RawTable;
use crate::shared::SharedTable;
use futures_core::Stream;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tombolo_core::{ChangeKind, Incarnation, KeyChange, Kind, TableId};

/// What becomes of the keys of a table, as [`RawTable::watch`] says.
///
/// It is also a [`Stream`]. It does not keep the node running, and ends with it.
pub struct Watch {
    span: Span,
    places: Vec<Place>,
    shape: Shape,
    process: Incarnation,
    table: TableId,
    /// What is to be told next.
    told: VecDeque<WatchEvent>,
    /// What of the table is still to be read.
    content: Option<Content>,
    /// The changes to be told then, each with the number of its place.
    changes: VecDeque<(usize, Arc<KeyChange>)>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// A watch in one part of the table.
struct Place {
    table: Arc<SharedTable>,
    inbox: Arc<Inbox>,
    /// The last change that was looked at, and the last one that was told.
    read: u64,
    told: u64,
}

/// What the records of the table stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Values,
    /// Keys are made of a key and an object.
    Objects,
    /// Keys are made of a key and the second key of an object.
    Versions,
}

/// What a look for changes came to.
enum Looked {
    Progress,
    Idle,
    TooOld,
}

impl Watch {
    pub(super) fn new(raw: &RawTable, filter: Filter, cursor: Option<&Cursor>) -> Watch {
        let shell = &raw.inner.shell;
        let shape = match (raw.kind(), raw.second_key()) {
            (Kind::Bag, None) => Shape::Objects,
            (Kind::Bag, Some(_)) => Shape::Versions,
            _ => Shape::Values,
        };
        let span = Span::new(filter, shape != Shape::Values);
        let running: &CancellationToken = &shell.running;
        let place = |table: &Arc<SharedTable>| {
            let inbox = table.hub.register(table, &span, running, &shell.runtime);
            Place { table: Arc::clone(table), inbox, read: 0, told: 0 }
        };
        let places: Vec<Place> = raw.parts().iter().map(place).collect();
        let mut watch = Watch {
            places,
            span,
            shape,
            process: shell.me.incarnation(),
            table: TableId::of(raw.name()),
            told: VecDeque::new(),
            content: None,
            changes: VecDeque::new(),
            ended: Box::pin(running.clone().cancelled_owned()),
        };
        match cursor {
            None => watch.begin(),
            Some(cursor) if watch.goes_on_from(cursor) => {}
            Some(_) => watch.reset(),
        }
        watch
    }

    /// The next event; none once the node has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Where to go on after the events that were taken so far. It moves on also when nothing comes
    /// that the filter lets through. Before the first [`WatchEvent::Current`] it stands for the
    /// beginning: whoever goes on from it is told [`WatchEvent::Reset`].
    pub fn cursor(&self) -> Cursor {
        let (process, table) = (self.process, self.table);
        let mut numbers = Vec::new();
        if self.content.is_none() && self.told.is_empty() {
            numbers = (0..self.places.len()).map(|index| self.reach(index)).collect();
        }
        Cursor { process, table, numbers }
    }

    fn reach(&self, index: usize) -> u64 {
        let place = &self.places[index];
        if self.changes.iter().any(|(of, _)| *of == index) {
            return place.told;
        }
        place.table.hub.reach(&place.inbox, place.read)
    }

    fn goes_on_from(&mut self, cursor: &Cursor) -> bool {
        let mine = cursor.process == self.process && cursor.table == self.table;
        if !mine || cursor.numbers.len() != self.places.len() {
            return false;
        }
        for (place, number) in self.places.iter_mut().zip(&cursor.numbers) {
            (place.read, place.told) = (*number, *number);
        }
        self.places.iter().all(|place| place.table.changes_since(place.read, 0).is_ok())
    }

    /// The content first, as it is from now on.
    fn begin(&mut self) {
        self.changes.clear();
        for place in &mut self.places {
            place.inbox.give_up();
            place.read = place.table.watch();
            place.told = place.read;
        }
        self.content = Some(Content::default());
    }

    fn reset(&mut self) {
        self.told.clear();
        self.told.push_back(WatchEvent::Reset);
        self.begin();
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Poll::Ready(Some(event));
            }
            if self.content.is_some() {
                self.read_content();
                if self.told.is_empty() {
                    // A large table of which hardly anything is wanted: others may run.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            if let Some((index, change)) = self.changes.pop_front() {
                let place = &mut self.places[index];
                place.told = change.number;
                let event = shown(&place.table, &change, self.shape);
                return Poll::Ready(Some(event));
            }
            if self.ended.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match self.look(context) {
                Looked::Progress => {}
                Looked::Idle => return Poll::Pending,
                Looked::TooOld => self.reset(),
            }
        }
    }

    fn read_content(&mut self) {
        let Watch { content, places, span, told, shape, .. } = self;
        let Some(reading) = content else { return };
        let part = |part: usize| places.get(part).map(|place| &*place.table);
        let all = reading.step(part, span, |key, entry| {
            if let Some(value) = entry.value {
                let (key, value) = named(&key.into(), value.into(), *shape);
                let expires = entry.expires.map(|at| at.0);
                told.push_back(WatchEvent::Insert { key, value, expires });
            }
        });
        if all {
            *content = None;
            told.push_back(WatchEvent::Current);
        }
    }

    /// Looks for changes in the box of every part, and in its feed if the box had overflowed.
    fn look(&mut self, context: &Context<'_>) -> Looked {
        let Watch { places, changes, span, .. } = self;
        let mut looked = Looked::Idle;
        for (index, place) in places.iter_mut().enumerate() {
            match place.inbox.take(context) {
                Found::Nothing => continue,
                Found::Changes(found) => {
                    place.read = found.back().map_or(place.read, |change| change.number);
                    changes.extend(found.into_iter().map(|change| (index, change)));
                }
                Found::Behind => {
                    let Ok(found) = place.table.changes_since(place.read, BATCH) else {
                        return Looked::TooOld;
                    };
                    place.read = found.last().map_or(place.read, |change| change.number);
                    let wanted = found.into_iter().filter(|change| span.has(&change.key));
                    changes.extend(wanted.map(|change| (index, change)));
                    place.table.hub.join(&place.inbox, place.read);
                }
            }
            looked = Looked::Progress;
        }
        looked
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.poll(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for place in &self.places {
            place.table.hub.remove(&self.span, &place.inbox);
        }
    }
}

/// A change as it is told.
fn shown(table: &SharedTable, change: &KeyChange, shape: Shape) -> WatchEvent {
    let mut seen = Some((Arc::clone(&change.value), change.expires));
    if change.contested {
        // What the policy makes of it is asked here, where it holds up nobody else.
        seen = table.records.read(&change.key, now, |entry| {
            entry.and_then(|entry| Some((entry.value?.into(), entry.expires)))
        });
    }
    let Some((value, expires)) = seen else {
        let (key, value) = named(&change.key, Arc::clone(&change.value), shape);
        return WatchEvent::Delete { key, value };
    };
    let (key, value) = named(&change.key, value, shape);
    let expires = expires.map(|at| at.0);
    match change.kind {
        ChangeKind::Insert => WatchEvent::Insert { key, value, expires },
        ChangeKind::Update => WatchEvent::Update { key, value, expires },
        ChangeKind::Shown => WatchEvent::Shown { key, value, expires },
        ChangeKind::Conflict => WatchEvent::Conflict { key, value, expires },
        ChangeKind::Delete => WatchEvent::Delete { key, value },
        ChangeKind::Hidden => WatchEvent::Hidden { key, value },
    }
}

/// Key and value as the program knows them.
fn named(key: &Arc<[u8]>, value: Arc<[u8]>, shape: Shape) -> (Arc<[u8]>, Arc<[u8]>) {
    if shape == Shape::Values {
        return (Arc::clone(key), value);
    }
    match composite::decode(key) {
        Some((key, object)) if shape == Shape::Objects => (key[..].into(), object.into()),
        Some((key, _)) => (key[..].into(), value),
        None => (Arc::clone(key), value),
    }
}
