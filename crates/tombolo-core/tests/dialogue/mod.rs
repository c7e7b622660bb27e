//! Dialogues between nodes as text: a script of commands, each followed by what it led to.
//!
//! A script is a file of `scripts/`. A line that starts with `>` is a command, `#` begins a
//! comment, and everything else is the transcript, which `UPDATE=1` writes anew. The commands:
//!
//! - `start a [knows b c]`: a new process of that name; discovery tells it those addresses.
//! - `declare a players [policy=newest ttl=500]`: a program creates the table on `a`.
//! - `alter a players policy=newest`: an operator alters it there.
//! - `approve a players`, `choose a players`: an operator joins what is kept apart, or lets the
//!   word of `a`'s island count.
//! - `gives-up a b`, `hears a b`: what the membership protocol tells `a` of the process `b`.
//! - `clock a 5000`: the wall clock of `a` is that many milliseconds ahead.
//! - `link a b`, `unlink a b`: the link comes up, its handshake done; it breaks.
//! - `dial-fails a b`: nobody answers `a` at that address.
//! - `crash a`: the process ends without a word.
//! - `write a color blue [for 500]`, `delete a color`: a program writes, a value for some time.
//! - `deliver a->b [n]`: what waits on the way arrives, or the first n of it.
//! - `answer a->b [n]`: `a` answers a sync of `b`, or does as much of it as makes n messages.
//! - `finish a`: `a` applies the ends of its syncs.
//! - `settle`: all of the last three, until nothing is left to do.
//! - `tick a b 100`: that many milliseconds later these nodes are told the time, in this order.
//! - `drop-queue a->b`: the queue is full; its ops and acknowledgements are dropped, and new ones.
//! - `resume a->b`: the rest of the queue has gone out, and ops flow again.
//! - `show a`: what `a` holds, and what it knows.
//!
//! `quietly` before a command leaves out what it led to. `a.3` is the third write of `a` in a
//! table. A second process called `a` is `a2`. The shell's part is played by a policy that keeps
//! the newest sibling, or raises the alarm if the table is `merge_only`.

mod lane;
mod process;
mod render;
mod world;

use std::fmt::Write as _;
use std::path::PathBuf;
use world::World;

fn path(script: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(script)
}

/// The names of the scripts that there are.
pub fn scripts() -> Vec<String> {
    let entries = std::fs::read_dir(path("")).expect("the scripts lie beside the tests");
    let files = entries.map(|entry| entry.expect("a readable directory").file_name());
    let names = files.map(|file| file.into_string().expect("a plain name"));
    let mut names: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".txt").map(str::to_string)).collect();
    names.sort();
    names
}

/// Plays a script and compares what happens with its transcript.
pub fn check(name: &str) {
    let path = path(&format!("{name}.txt"));
    let written = std::fs::read_to_string(&path).expect("the script can be read");
    let played = play(&written);
    // The core's ban on the environment keeps configuration out of it; this is no configuration.
    #[expect(clippy::disallowed_methods, reason = "asks whoever runs the tests, not the core")]
    let update = std::env::var("UPDATE").is_ok_and(|update| update == "1");
    if update {
        std::fs::write(&path, played).expect("the script can be written");
    } else if played != written {
        panic!("{}", difference(name, &written, &played));
    }
}

fn play(script: &str) -> String {
    let mut world = World::default();
    let mut played = String::new();
    for line in script.lines() {
        if line.is_empty() || line.starts_with('#') {
            played.push_str(line);
            played.push('\n');
        } else if let Some(command) = line.strip_prefix('>') {
            let _ = writeln!(played, "{line}");
            for said in world.play(command) {
                let _ = writeln!(played, "  {said}");
            }
        }
    }
    played
}

fn difference(name: &str, written: &str, played: &str) -> String {
    let mut pairs = written.lines().zip(played.lines()).enumerate();
    let place = pairs.find(|(_, (written, played))| written != played);
    let (line, expected, found) = place.map_or_else(
        || (written.lines().count().min(played.lines().count()), "", ""),
        |(line, (written, played))| (line, written, played),
    );
    format!(
        "scripts/{name}.txt, line {}:\n  expected: {expected}\n  found:    {found}\n\
         If the new transcript is right, write it with UPDATE=1. It is:\n\n{played}",
        line + 1
    )
}
