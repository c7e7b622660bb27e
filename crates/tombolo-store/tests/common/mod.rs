//! A writer and its readers, alone and at work together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tombolo_core::{Dot, EntryRef, Incarnation, Mark, Millis, Stamp, Store};
use tombolo_store::{ConcurrentStore, Order, Reader, Records};

/// How long the tests with threads let a writer and a reader meet.
const MEETING: Duration = Duration::from_millis(300);

pub const NOW: Millis = Millis(1_000);

/// A writer that numbers its writes, so that each takes the one before it away.
pub struct Writer {
    pub store: ConcurrentStore,
    seq: u64,
}

impl Writer {
    pub fn open(order: Order) -> (Writer, Reader) {
        let (store, reader) = Records::open(order);
        (Writer { store, seq: 0 }, reader)
    }

    pub fn event(&mut self, key: &[u8], value: Option<&[u8]>, expires: Option<Millis>) {
        self.seq += 1;
        let mut gone = Vec::new();
        self.store.entries(key, &mut |entry| gone.push(entry.dot));
        let dot = Dot { origin: Incarnation(1), seq: self.seq };
        let entry = EntryRef { dot, stamp: Stamp(self.seq), mark: Mark::default(), expires, value };
        self.store.replace(key, &gone, Some(entry));
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.event(key, Some(value), None);
    }

    /// Takes the key out of the store, as the core does once a delete is stable.
    pub fn remove(&mut self, key: &[u8]) {
        let mut gone = Vec::new();
        self.store.entries(key, &mut |entry| gone.push(entry.dot));
        self.store.replace(key, &gone, None);
    }
}

pub fn staying(number: usize) -> Vec<u8> {
    format!("stays {number}").into_bytes()
}

/// Runs `look` again and again beside `write`, which is called in rounds numbered from 1.
pub fn beside(mut write: impl FnMut(u64) + Send, mut look: impl FnMut()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                round += 1;
                write(round);
            }
        });
        // Also when `look` panics the writer has to end, or the scope waits for ever.
        let end = EndOnDrop(&over);
        let start = Instant::now();
        while start.elapsed() < MEETING {
            look();
        }
        drop(end);
    });
}

/// In how many rounds of a writer the map grows.
const GROWING: u64 = 64;

/// Runs `look` again and again beside a writer that overwrites half of `staying` and lets others
/// come and go, so many that the maps below move to larger arrays.
pub fn beside_a_writer(order: Order, count: usize, mut look: impl FnMut(&Reader)) {
    let (mut writer, reader) = Writer::open(order);
    for number in 0..count {
        writer.put(&staying(number), b"old");
    }
    let write = |round: u64| {
        for number in 0..count {
            // Half of them are never written again.
            if number % 2 == 0 {
                writer.put(&staying(number), &round.to_be_bytes());
            }
            writer.put(&coming(round, number), b"new");
            // One in eight of those that come early never goes, so the maps grow, but not for
            // so long that a look at them cannot catch up.
            if round > 4 && (number % 8 != 0 || round > GROWING) {
                writer.remove(&coming(round - 4, number));
            }
        }
    };
    beside(write, || look(&reader));
}

/// A key that lies behind one that stays.
fn coming(round: u64, number: usize) -> Vec<u8> {
    format!("stays {number} while {round} comes").into_bytes()
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
