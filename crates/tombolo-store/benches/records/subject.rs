//! What is measured: the bare map, and a table's machine over the record maps.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tombolo_core::{
    Change, Declaration, Dot, EntryRef, Epochs, Incarnation, Limits, Mark, Millis, OpRef, Stamp,
    Table,
};
use tombolo_store::{ConcurrentStore, Order, Reader, Records};

pub type Key = [u8; 16];

const ME: Incarnation = Incarnation(0x1234_5678_9abc_def0);
const PEER: Incarnation = Incarnation(0x0fed_cba9_8765_4321);

/// One that is read by many threads, and the end that writes it.
pub trait Subject: Sync + Sized {
    type Writer: Writer + Send;

    fn open(order: Order) -> (Self, Self::Writer);

    /// Some bytes of what `key` holds.
    fn get(&self, key: &Key) -> u64;
}

pub trait Writer {
    /// A write of this process, of a fresh value.
    fn write(&mut self, key: &Key);

    /// A peer's write that overwrites what is there.
    fn apply(&mut self, key: &Key);
}

/// The key of a number: numbers in order make keys in no order.
pub fn key(number: u64) -> Key {
    let (high, low) = (mix(number), mix(number ^ 0xaaaa_aaaa_aaaa_aaaa));
    let mut key = [0; 16];
    key[..8].copy_from_slice(&high.to_be_bytes());
    key[8..].copy_from_slice(&low.to_be_bytes());
    key
}

/// The same keys in another order.
pub fn shuffled(keys: &[Key]) -> Vec<Key> {
    let mut keys = keys.to_vec();
    keys.sort_unstable_by_key(|key| mix(u64::from_be_bytes(key[8..].try_into().unwrap_or([0; 8]))));
    keys
}

/// SplitMix64.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A value that nobody wrote before.
fn value(seq: u64) -> [u8; 100] {
    let mut value = [7; 100];
    value[..8].copy_from_slice(&seq.to_le_bytes());
    value
}

fn head(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

type Map = papaya::HashMap<Box<[u8]>, Arc<[u8; 100]>, foldhash::fast::RandomState>;

/// The bare map, pinned for each operation.
pub struct Bare(Arc<Map>);

pub struct BareWriter {
    map: Arc<Map>,
    seq: u64,
}

impl Subject for Bare {
    type Writer = BareWriter;

    fn open(_: Order) -> (Bare, BareWriter) {
        let map = Arc::new(Map::default());
        (Bare(Arc::clone(&map)), BareWriter { map, seq: 0 })
    }

    fn get(&self, key: &Key) -> u64 {
        self.0.pin().get(&key[..]).map_or(0, |value| head(&value[..]))
    }
}

impl Writer for BareWriter {
    fn write(&mut self, key: &Key) {
        self.seq += 1;
        self.map.pin().insert(key[..].into(), Arc::new(value(self.seq)));
    }

    fn apply(&mut self, key: &Key) {
        self.write(key);
    }
}

/// A table's machine and its reader, used as the library does.
pub struct Ours(Reader);

pub struct OursWriter {
    table: Table<ConcurrentStore>,
    seq: u64,
    peer_seq: u64,
}

impl Subject for Ours {
    type Writer = OursWriter;

    fn open(order: Order) -> (Ours, OursWriter) {
        let (store, reader) = Records::open(order);
        let (limits, declaration) = (Limits::default(), Declaration::default());
        let mut table = Table::new(ME, store, limits, &declaration, Epochs::default());
        table.attach(PEER);
        table.on_attach(PEER, 0);
        (Ours(reader), OursWriter { table, seq: 0, peer_seq: 0 })
    }

    fn get(&self, key: &Key) -> u64 {
        self.0.read(key, now, |entry| entry.and_then(|entry| entry.value).map_or(0, head))
    }
}

impl Writer for OursWriter {
    fn write(&mut self, key: &Key) {
        self.seq += 1;
        let change = Change::Put { value: &value(self.seq), expires: None };
        self.table.write(now(), key, change);
    }

    fn apply(&mut self, key: &Key) {
        self.peer_seq += 1;
        // Each key was inserted, and then overwritten in the order in which it is now again.
        let over = self.seq / 2 + self.peer_seq;
        let entry = EntryRef {
            dot: Dot { origin: PEER, seq: self.peer_seq },
            stamp: Stamp(now().0 << 16),
            mark: Mark::default(),
            expires: None,
            value: Some(&value(self.peer_seq)),
        };
        let replaces = &[Dot { origin: ME, seq: over }];
        self.table.take_in(PEER, &OpRef { key, entry, replaces, request: None });
    }
}

/// As the library reads its clock.
fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64)
}
