//! Batches between two tables: taken in whole, parked whole, and whole in a sync.

use tombolo_core::{
    Aim, Answered, Arrival, BTreeStore, Change, Chunk, Declaration, Dot, Entry, EntryRef, Epochs,
    Finished, Incarnation, Limits, Millis, OpRef, Policy, Store, SyncBody, Table,
};

const WRITER: Incarnation = Incarnation(1);
const OTHER: Incarnation = Incarnation(2);
const NOW: Millis = Millis(1_000_000);

/// One write as it travels: key, event, what it replaces.
type Op = (Vec<u8>, Entry, Vec<Dot>);

fn table(me: Incarnation, peer: Incarnation) -> Table<BTreeStore> {
    let declaration = Declaration { policy: Policy::Newest, ..Declaration::default() };
    // One key a chunk, if nothing makes it more.
    let limits = Limits { chunk_bytes: 1, ..Limits::default() };
    let mut table = Table::new(me, BTreeStore::default(), limits, &declaration, Epochs::default());
    table.set_wall(NOW);
    table.set_members([peer].into());
    table.attach(peer);
    table.on_attach(peer, 0);
    table
}

fn put(value: &[u8]) -> Change<'_> {
    Change::Put { value, expires: None }
}

fn batch(table: &mut Table<BTreeStore>, changes: &[(&[u8], Change<'_>)]) -> Vec<Op> {
    let mut ops = Vec::new();
    table.write_batch(NOW, changes.iter().copied(), |number, written| {
        let (key, change) = changes[number];
        let value = match change {
            Change::Put { value, .. } => Some(value),
            Change::Delete => None,
        };
        let (dot, stamp, mark) = (written.dot, written.stamp, written.mark);
        let entry = EntryRef { dot, stamp, mark, expires: written.expires, value };
        ops.push((key.to_vec(), entry.to_entry(), written.replaces.to_vec()));
    });
    ops
}

fn take_in(table: &mut Table<BTreeStore>, ops: &[Op]) -> Arrival {
    let ops = ops.iter().map(|(key, entry, replaces)| {
        let entry = entry.as_ref();
        OpRef { key, entry, replaces, request: None }
    });
    table.take_in_batch(WRITER, &ops.collect::<Vec<_>>())
}

fn value(table: &Table<BTreeStore>, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = None;
    table.store().entries(key, &mut |entry| value = entry.value.map(<[u8]>::to_vec));
    value
}

/// Answers a question of `asker` whole, and returns the chunks.
fn sync(asker: &mut Table<BTreeStore>, answerer: &mut Table<BTreeStore>) -> Vec<Chunk> {
    let (session, body) = asker.ask(WRITER, Aim::Join, Vec::new(), NOW);
    let SyncBody::Ask(ask) = body else { panic!("a question is an Ask") };
    let SyncBody::Begin(begin) = answerer.answer(OTHER, session, ask) else { panic!("Begin") };
    asker.on_begin(WRITER, session, &begin, NOW);
    let mut chunks = Vec::new();
    loop {
        match answerer.answer_step(OTHER) {
            Answered::Nothing => return chunks,
            Answered::Walked => {}
            Answered::Send(_, SyncBody::Chunk(chunk)) => {
                asker.on_chunk(WRITER, session, &chunk, NOW);
                chunks.push(chunk);
            }
            Answered::Send(_, SyncBody::Done { live, removed_ahead }) => {
                asker.on_done(WRITER, session, live, removed_ahead, NOW);
                while !matches!(asker.finish_step(WRITER), Finished::Complete(_)) {}
            }
            Answered::Send(_, body) => panic!("{body:?}"),
        }
    }
}

#[test]
fn the_dots_of_a_batch_follow_each_other_and_it_is_taken_in_once() {
    let (mut writer, mut other) = (table(WRITER, OTHER), table(OTHER, WRITER));
    let changes = [(&b"a"[..], put(b"1")), (b"x", Change::Delete), (b"b", put(b"1"))];
    let ops = batch(&mut writer, &changes);
    assert_eq!(ops.iter().map(|(_, entry, _)| entry.dot.seq).collect::<Vec<_>>(), [1, 2]);
    for _ in 0..2 {
        assert_eq!(take_in(&mut other, &ops), Arrival::InOrder);
        assert_eq!(other.fingerprint(), writer.fingerprint());
        assert_eq!(other.seen(), writer.seen());
    }
    assert_eq!(other.batches().collect::<Vec<_>>(), writer.batches().collect::<Vec<_>>());
    // Each knows that the other has it.
    for (table, peer) in [(&mut writer, OTHER), (&mut other, WRITER)] {
        let seen = table.seen();
        table.on_report(peer, &seen, 0, NOW);
        table.drop_stable(NOW);
        assert_eq!(table.batches().count(), 0);
    }
}

#[test]
fn one_stamp_from_the_future_parks_all_of_a_batch() {
    let (mut writer, mut other) = (table(WRITER, OTHER), table(OTHER, WRITER));
    let mut ops = batch(&mut writer, &[(b"a", put(b"1")), (b"b", put(b"1"))]);
    ops[1].1.stamp.0 <<= 1;
    assert_eq!(take_in(&mut other, &ops), Arrival::Parked);
    assert!(other.is_empty() && other.seen_of(WRITER) == 0 && other.batches().count() == 0);
}

#[test]
fn a_sync_sends_a_batch_in_one_piece_with_the_keys_that_it_deleted() {
    let (mut writer, mut other) = (table(WRITER, OTHER), table(OTHER, WRITER));
    let first = batch(&mut writer, &[(b"a", put(b"1")), (b"b", put(b"1")), (b"c", put(b"1"))]);
    assert_eq!(take_in(&mut other, &first), Arrival::InOrder);
    let report = other.seen();
    writer.on_report(OTHER, &report, 0, NOW);
    writer.drop_stable(NOW);
    // Neither of these arrives; the single write between them is of no batch.
    batch(&mut writer, &[(b"a", put(b"2")), (b"b", Change::Delete)]);
    writer.write(NOW, b"d", put(b"alone")).unwrap();
    batch(&mut writer, &[(b"b", Change::Delete), (b"c", Change::Delete), (b"e", put(b"3"))]);
    let chunks = sync(&mut other, &mut writer);
    let mut keys: Vec<Vec<&[u8]>> =
        chunks.iter().map(|chunk| chunk.keys.iter().map(|found| &*found.key).collect()).collect();
    keys.iter_mut().for_each(|keys| keys.sort());
    keys.sort();
    assert_eq!(keys, [vec![&b"a"[..], b"b"], vec![b"c", b"e"], vec![b"d"]]);
    assert_eq!(other.fingerprint(), writer.fingerprint());
    assert_eq!(value(&other, b"a").as_deref(), Some(&b"2"[..]));
    assert_eq!((value(&other, b"b"), value(&other, b"c")), (None, None));
    let mut known: Vec<u64> = other.batches().map(|(first, _)| first.seq).collect();
    known.sort();
    assert_eq!(known, [1, 4, 7], "it hands them on whole");
}
