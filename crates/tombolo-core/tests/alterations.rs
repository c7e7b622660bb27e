//! What those who watch a table are told when its policy is altered.

use tombolo_core::{
    BTreeStore, Change, Declaration, Entry, EntryRef, Epochs, Incarnation, Limits, Millis, OpRef,
    Policy, Table,
};

const ME: Incarnation = Incarnation(1);
const PEER: Incarnation = Incarnation(2);
const NOW: Millis = Millis(1_000_000);

fn table(me: Incarnation) -> Table<BTreeStore> {
    let declaration = Declaration { policy: Policy::Newest, ..Declaration::default() };
    let (store, limits) = (BTreeStore::default(), Limits::default());
    let mut table = Table::new(me, store, limits, &declaration, Epochs::default());
    table.set_wall(NOW);
    table
}

fn put(table: &mut Table<BTreeStore>, value: &[u8]) -> Entry {
    let written = table.write(NOW, b"key", Change::Put { value, expires: None });
    let written = written.expect("a value is always written");
    let (dot, stamp, mark) = (written.dot, written.stamp, written.mark);
    EntryRef { dot, stamp, mark, expires: None, value: Some(value) }.to_entry()
}

/// A watched table with two concurrent values of one key.
fn contested() -> (Table<BTreeStore>, u64) {
    let mut table = table(ME);
    table.attach(PEER);
    table.on_attach(PEER, 0);
    put(&mut table, b"ours");
    let theirs = put(&mut self::table(PEER), b"theirs");
    let entry = theirs.as_ref();
    table.take_in(PEER, &OpRef { key: b"key", entry, replaces: &[], request: None });
    assert_eq!(table.sibling_keys(), 1);
    let head = table.watch();
    (table, head)
}

fn alter(table: &mut Table<BTreeStore>) {
    let declaration = Declaration { policy: Policy::Ignore, ..Declaration::default() };
    table.adopt(&declaration, Epochs::default());
}

fn told(table: &Table<BTreeStore>, since: u64) -> usize {
    let changes = table.changes_since(since, usize::MAX).expect("they are kept");
    assert!(changes.iter().all(|change| change.contested && &*change.key == b"key"));
    changes.len()
}

#[test]
fn an_alteration_tells_of_every_contested_key() {
    let (mut table, head) = contested();
    alter(&mut table);
    assert_eq!(told(&table, head), 1);
}

#[test]
fn an_alteration_during_a_pause_tells_too_and_so_does_its_end() {
    let (mut table, head) = contested();
    table.pause();
    alter(&mut table);
    assert_eq!(told(&table, head), 1);
    table.unpause();
    assert_eq!(told(&table, head), 2);
}
