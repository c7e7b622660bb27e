//! What a table costs that has outlived 100,000 processes: memory, and the bytes and the time of a
//! sync. Rule 5 forgets none of them.
//!
//! `cargo run --release -p tombolo-wire --example incarnations [COUNT]`

use std::collections::BTreeSet;
use std::time::Instant;
use tombolo_core::{
    Aim, Answered, BTreeStore, Change, Declaration, Dot, EntryRef, Epochs, Finished, Incarnation,
    Limits, Mark, Message, Millis, NodeId, OpRef, Stamp, SyncBody, Table, TableId,
};
use tombolo_wire::encode_message;

const NOW: Millis = Millis(1_700_000_000_000);

fn incarnation(number: u64) -> Incarnation {
    NodeId { name: format!("node-{}", number % 50), started: number }.incarnation()
}

fn table(me: Incarnation) -> Table<BTreeStore> {
    let store = BTreeStore::default();
    let declaration = Declaration::default();
    let mut table = Table::new(me, store, Limits::default(), &declaration, Epochs::default());
    table.set_wall(NOW);
    table
}

/// Each process wrote a key that all of them share, so that one record is left.
fn outlive(table: &mut Table<BTreeStore>, count: u64) {
    let mut replaces: Vec<Dot> = Vec::new();
    for number in 0..count {
        let origin = incarnation(number);
        table.attach(origin);
        table.on_attach(origin, 0);
        let dot = Dot { origin, seq: 1 };
        let stamp = Stamp((NOW.0 << 16) + number);
        let mark = Mark::default();
        let entry = EntryRef { dot, stamp, mark, expires: None, value: Some(b"value") };
        table.take_in(origin, &OpRef { key: b"key", entry, replaces: &replaces, request: None });
        replaces = vec![dot];
        table.detach(origin);
    }
}

fn bytes(body: &SyncBody) -> usize {
    let mut out = Vec::new();
    let message = Message::Sync { table: TableId(1), session: 1, body: body.clone() };
    encode_message(&mut out, &message);
    out.len()
}

/// What one sync of `asker` with `answerer` says in each direction, and how long both work on it.
fn sync(asker: &mut Table<BTreeStore>, answerer: &mut Table<BTreeStore>) -> (usize, usize, f64) {
    let (one, other) = (incarnation(u64::MAX), incarnation(u64::MAX - 1));
    let begun = Instant::now();
    let (mut asked, mut answered) = (0, 0);
    let (mut session, mut body) = asker.ask(other, Aim::Join, Vec::new(), NOW);
    let begin = loop {
        asked += bytes(&body);
        let SyncBody::Ask(ask) = body else { panic!("a question") };
        match answerer.answer(one, session, ask) {
            SyncBody::Begin(begin) => break begin,
            SyncBody::AskMore { parts } => {
                answered += bytes(&SyncBody::AskMore { parts: parts.clone() });
                (session, body) = asker.ask(other, Aim::Join, parts, NOW);
            }
            _ => panic!("an answer"),
        }
    };
    answered += bytes(&SyncBody::Begin(begin.clone()));
    asker.on_begin(other, session, &begin, NOW);
    loop {
        match answerer.answer_step(one) {
            Answered::Nothing => break,
            Answered::Walked => {}
            Answered::Send(_, body) => {
                answered += bytes(&body);
                match body {
                    SyncBody::Chunk(chunk) => {
                        asker.on_chunk(other, session, &chunk, NOW);
                    }
                    SyncBody::Done { live, removed_ahead } => {
                        asker.on_done(other, session, live, removed_ahead, NOW);
                    }
                    _ => {}
                }
            }
        }
    }
    while !matches!(asker.finish_step(other), Finished::Complete(_)) {}
    (asked, answered, begun.elapsed().as_secs_f64() * 1e3)
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let (one, other) = (incarnation(u64::MAX), incarnation(u64::MAX - 1));
    let before = resident();
    let mut old = table(other);
    outlive(&mut old, count);
    old.drop_stable(NOW);
    let memory = resident().saturating_sub(before);
    let mut fresh = table(one);
    for (table, peer) in [(&mut old, one), (&mut fresh, other)] {
        table.attach(peer);
        table.set_members(BTreeSet::from([peer]));
        table.drop_stable(NOW);
    }
    println!("{count} incarnations in `seen`");
    println!("memory of one table       {:>10} bytes", memory);
    let tell = |what: &str, (asked, answered, millis): (usize, usize, f64)| {
        println!("{what:<26}{asked:>10} bytes asked, {answered:>10} answered, {millis:>8.2} ms");
    };
    tell("a fresh node's first sync", sync(&mut fresh, &mut old));
    fresh.drop_stable(NOW);
    tell("a sync of two equal nodes", sync(&mut fresh, &mut old));
    old.write(NOW, b"key", Change::Put { value: b"new", expires: None });
    tell("after one more write", sync(&mut fresh, &mut old));
    old.attach(incarnation(count));
    old.on_attach(incarnation(count), 0);
    outlive(&mut old, 1);
    tell("and the other way", sync(&mut old, &mut fresh));
}
