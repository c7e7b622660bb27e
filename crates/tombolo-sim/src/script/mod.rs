//! Scenarios as text: what happens in which order, and what must be seen then.
//!
//! One command a line; `#` begins a comment. Nodes are numbers, the one table is there everywhere.
//! The invariants are checked after every command, and after every step of those that wait.
//!
//! | command | what it does |
//! |---|---|
//! | `declare TEXT` | how nodes that start from here on declare the table |
//! | `start N…`, `start all` | starts nodes; each creates the table |
//! | `crash N`, `restart N` | ends a process; starts a new one of the name |
//! | `twin N` | starts a new process of a name while the old one runs |
//! | `alter N TEXT` | the table is altered on N |
//! | `pause N`, `unpause N` | the table stands still on N, and moves again |
//! | `watch N` | somebody watches the table on N from now on |
//! | `approve N`, `choose N` | an operator decides on N what is kept apart |
//! | `down A B`, `up A B` | the membership protocol tells A that B is gone, or there |
//! | `link A B`, `link all` | puts up links |
//! | `unlink A B` | the link goes down; A finds out, then B |
//! | `half A B` | the link goes down, and only A finds out |
//! | `cut A B`, `cut-way A B`, `heal A B` | cuts and heals, both ways or one |
//! | `hold A B LANE MS` | nothing arrives on the lane (`messages`, `ops`, `control`) that long |
//! | `overflow A B` | what A has queued of ops to B is dropped, and no more are queued |
//! | `clock N MS` | the clock of N is ahead by that much, within what clocks may differ |
//! | `wrong N MS` | the clock of N is ahead by that much more |
//! | `put N KEY VALUE [MS]`, `del N KEY` | a client writes on N; the value expires after MS |
//! | `claim N KEY VALUE` | a client asks by way of N for the serial insert of a new key |
//! | `tick N` | N is told the time |
//! | `deliver A B LANE COUNT` | the next frames arrive |
//! | `answer A B COUNT`, `finish N` | steps of an answer, or one of the ends of syncs |
//! | `resume A B` | ops flow again, although older messages are on their way |
//! | `come N M STEP` | things happen until the sync of N with M is at a `Checkpoint` |
//! | `rest` | everything that is on its way arrives, no time passes |
//! | `wait MS` | time passes: ticks, dials, and everything arrives |
//! | `expect N KEY VALUE` | what a reader on N sees; `-` for nothing |
//! | `siblings N KEY VALUE…` | the visible values of a key on N, in the order of their bytes |
//! | `tombstones N COUNT` | how many deletes N remembers |
//! | `alarms N COUNT`, `ledger N COUNT` | undecided keys; conflicts that are noted |
//! | `hidden N COUNT` | how many records are hidden on N |
//! | `outcomes KEY COUNT` | how many outcomes were ever written to a key |
//! | `held A B`, `joined A B` | whether A keeps its table apart from B's |
//! | `parked A B` | A found the clock of B too far ahead lately |
//! | `open N`, `shut N` | whether the table may be written on N |
//! | `leads N` | N may carry out serial operations |
//! | `told N` | who watches the table on N has heard all and has what a reader sees |
//! | `stopped N`, `runs N` | whether the process started last of N has ended |
//! | `links N COUNT`, `members N COUNT` | how many nodes N is linked to; how many others it knows |
//! | `missing N COUNT` | the linked nodes that the table is not synced with yet |
//! | `acked N`, `waiting N` | whether all links have acknowledged the last write of N |
//! | `fails COMMAND` | the command is refused, or what it expects is not so |
//! | `whole` | everything heals and settles, and what must hold at the end is checked |

mod see;

use crate::config::Config;
use crate::invariant::{Checked, Violation};
use crate::network::{Channel, Lane};
use crate::process::WantedWrite;
use crate::rng::Rng;
use crate::world::World;
use tombolo_core::{Declaration, Edit, Event, Expect, Expiry, Store, TableId};

/// What is violated when a command of a script does not hold.
const SCRIPT: &str = "the script";

/// Plays a script in a world of that many nodes. What was broken, with the trace, is the error.
pub fn play<S: Store + Default>(nodes: usize, script: &str) -> Result<(), String> {
    let mut world: World<S> = World::new(Config::scripted(nodes), Rng::new(1), true);
    for (number, line) in script.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        world.trace.say(world.now, &[], || format!("--- {line}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = command(&mut world, &words).and_then(|()| world.settle_step());
        if let Err(violation) = done {
            let lines: Vec<String> = world.trace.lines().iter().map(ToString::to_string).collect();
            let text = format!("{}\nline {}: {line}: {violation}", lines.join("\n"), number + 1);
            return Err(world.trace.readable(&text));
        }
    }
    Ok(())
}

fn command<S: Store + Default>(world: &mut World<S>, words: &[&str]) -> Checked {
    let number = |at: usize| words[at].parse::<usize>().expect("a number");
    match words[0] {
        "fails" => {
            let done = command(world, &words[1..]);
            let slots = Vec::new();
            let text = "it did not fail".to_string();
            return done.err().map(drop).ok_or(Violation { invariant: SCRIPT, slots, text });
        }
        "declare" => world.config.tables[0] = declaration(&words[1..]),
        "start" | "restart" | "twin" => {
            let all = words[1] == "all";
            let nodes = if all { world.config.nodes } else { words.len() - 1 };
            for at in 0..nodes {
                let process = world.start(if all { at } else { number(at + 1) });
                world.create(process, 0);
            }
        }
        "cut" => world.cut(number(1), number(2)),
        "cut-way" => world.cut_one_way(number(1), number(2)),
        "heal" => world.heal(number(1), number(2)),
        "clock" => world.clocks[number(1)].offset = words[2].parse().expect("a number"),
        "wrong" => world.clocks[number(1)].wrong = words[2].parse().expect("a number"),
        "rest" => return world.drain(),
        "come" => return come(world, words),
        "watch" => world.watch(number(1)),
        "told" => return world.told(number(1)),
        "wait" => return wait(world, number(1)),
        "whole" => return world.settle(),
        "link" if words[1] == "all" => {
            let alive = world.alive();
            for (at, a) in alive.iter().enumerate() {
                alive[..at].iter().for_each(|b| world.replace_link(*b, *a));
            }
        }
        word if see::WORDS.contains(&word) => return see::see(world, words),
        _ => return on_processes(world, words),
    }
    Ok(())
}

/// The commands that name running processes.
fn on_processes<S: Store + Default>(world: &mut World<S>, words: &[&str]) -> Checked {
    let process = running(world, words[1].parse().expect("a node"));
    let peer = words.get(2).and_then(|word| word.parse().ok());
    let peer = || running(world, peer.expect("a second node"));
    match words[0] {
        "crash" => world.crash(process),
        "alter" => {
            let altered = world.alter(process, "t0", declaration(&words[2..]));
            return require(world, process, altered, || "nothing was altered".to_string());
        }
        "approve" | "choose" => {
            let decided = world.decide(process, "t0", words[0] == "choose");
            return require(world, process, decided, || "nothing is held".to_string());
        }
        "down" | "up" => hear(world, process, count(words[2]) as usize, words[0] == "up"),
        "pause" => world.pause(process, TableId::of("t0")),
        "unpause" => world.unpause(process, TableId::of("t0")),
        "tick" => world.tick(process, None),
        "finish" => drop(world.finish(process)),
        "put" | "del" => write(world, process, words)?,
        "claim" => {
            let (key, value) = (words[2].as_bytes(), words[3].as_bytes().into());
            let edit = Edit::Put { value, expiry: Expiry::Default };
            let asked = world.request(process, TableId::of("t0"), key, Expect::Absent, edit);
            return require(world, process, asked, || "nothing was asked for".to_string());
        }
        "answer" => {
            let peer = peer();
            (0..count(words[3])).for_each(|_| world.answer(process, peer));
        }
        "resume" => {
            let peer = peer();
            world.resume(process, peer);
        }
        "overflow" => {
            let peer = peer();
            world.overflow(process, peer, 0);
        }
        "link" => {
            let peer = peer();
            world.replace_link(process, peer);
        }
        "half" => {
            let peer = peer();
            world.close_end(process, peer);
        }
        "unlink" => {
            let peer = peer();
            world.close_end(process, peer);
            world.close_end(peer, process);
        }
        "deliver" | "hold" => {
            let channel = Channel { from: process, to: peer(), lane: lane(words[3]) };
            if words[0] == "deliver" {
                (0..count(words[4])).for_each(|_| world.deliver(channel, 1));
            } else if let Some(queue) = world.network.queue_mut(channel) {
                queue.held_until = world.now + count(words[4]);
            }
        }
        other => panic!("{other} is no command"),
    }
    Ok(())
}

fn count(word: &str) -> u64 {
    word.parse().expect("a number")
}

fn running<S: Store + Default>(world: &World<S>, slot: usize) -> usize {
    world.current[slot].expect("the node runs")
}

fn lane(word: &str) -> Lane {
    match word {
        "messages" => Lane::Messages,
        "ops" => Lane::Ops,
        "control" => Lane::Control,
        other => panic!("{other} is no lane"),
    }
}

fn write<S: Store + Default>(world: &mut World<S>, process: usize, words: &[&str]) -> Checked {
    let now = world.local(process);
    let span = words.get(4).map(|word| word.parse::<u64>().expect("a number"));
    let wanted = WantedWrite {
        table: TableId::of(&World::<S>::table_name(0)),
        key: words[2].as_bytes().into(),
        value: (words[0] == "put").then(|| words[3].as_bytes().into()),
        expires: span.map(|span| now.plus(span)),
    };
    let written = world.write(process, &wanted);
    require(world, process, written, || "nothing was written".to_string())
}

fn wait<S: Store + Default>(world: &mut World<S>, span: usize) -> Checked {
    for _ in 0..span.div_ceil(10) {
        world.round()?;
    }
    Ok(())
}

/// The membership protocol tells a process of the one that was started last of a name.
fn hear<S: Store + Default>(world: &mut World<S>, process: usize, slot: usize, up: bool) {
    let about = world.procs.iter().rev().find(|about| about.slot == slot);
    let id = about.expect("the node ran").id.clone();
    world.event(process, Event::Heard { id, address: format!("n{slot}:1"), up });
}

/// A declaration from words like `policy=newest`; what is not named is as usual.
fn declaration(words: &[&str]) -> Declaration {
    let mut declaration = Declaration::default();
    for word in words {
        let (name, value) = word.split_once('=').expect("NAME=VALUE");
        let read = match name {
            "kind" => value.parse().map(|kind| declaration.kind = kind),
            "policy" => value.parse().map(|policy| declaration.policy = policy),
            "owner_down" => value.parse().map(|choice| declaration.owner_down = choice),
            "merge" => value.parse().map(|choice| declaration.merge = choice),
            other => panic!("{other} is no part of a declaration"),
        };
        read.expect("a word of a declaration");
    }
    declaration
}

fn require<S>(
    world: &World<S>,
    process: usize,
    holds: bool,
    text: impl FnOnce() -> String,
) -> Checked {
    if holds {
        return Ok(());
    }
    let slots = vec![world.procs[process].slot];
    Err(Violation { invariant: SCRIPT, slots, text: text() })
}

/// Lets one thing after the other happen until a sync has come to a step.
fn come<S: Store + Default>(world: &mut World<S>, words: &[&str]) -> Checked {
    let node = |at: usize| words[at].parse().expect("a node");
    let (process, peer) = (running(world, node(1)), running(world, node(2)));
    let table = TableId::of(&World::<S>::table_name(0));
    let peer = world.procs[peer].incarnation;
    for _ in 0..10_000 {
        let step = world.procs[process].look(table, |t| format!("{:?}", t.checkpoint(peer)));
        if step.is_some_and(|step| step.to_lowercase() == words[3]) {
            return Ok(());
        }
        if !world.drain_one() {
            world.round()?;
        }
        world.settle_step()?;
    }
    require(world, process, false, || "it never came so far".to_string())
}
