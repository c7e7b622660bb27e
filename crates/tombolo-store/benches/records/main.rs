//! The record maps beside the bare concurrent map: `cargo bench -p tombolo-store`.
//!
//! A million records of 16-byte keys in pseudo-random order and 100-byte values. Subjects take
//! turns within a round, because the speed of a machine drifts; the medians of all rounds are
//! printed, with the lowest and the highest. Memory is the growth of the resident set of a process
//! of its own for each subject.

mod subject;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use subject::{Bare, Key, Ours, Subject, Writer, key, shuffled};
use tombolo_store::Order;

const RECORDS: usize = 1_000_000;
const WINDOW: Duration = Duration::from_millis(700);
const SUBJECTS: [&str; 2] = ["bare map", "tombolo"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--fill") {
        return fill(&arguments[at + 1]);
    }
    // `cargo test` runs benches as well, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = arguments.iter().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let keys: Vec<Key> = (0..RECORDS as u64).map(key).collect();
    let shuffled = shuffled(&keys);
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..rounds {
        measure::<Bare>(0, &keys, &shuffled, &mut lines);
        measure::<Ours>(1, &keys, &shuffled, &mut lines);
    }
    for line in &lines {
        line.print();
    }
    for what in ["bare", "set", "ordered_set"] {
        println!("{:<34}{:>12} bytes a record", format!("memory, {what}"), grown(what));
    }
}

/// The figures of one kind of work, for each subject.
struct Line {
    work: String,
    unit: &'static str,
    figures: [Vec<f64>; 2],
}

impl Line {
    fn print(&self) {
        let mut medians = [0.0; 2];
        for (subject, figures) in self.figures.iter().enumerate() {
            let mut figures = figures.clone();
            figures.sort_unstable_by(f64::total_cmp);
            let (low, high) = (figures[0], figures[figures.len() - 1]);
            medians[subject] = figures[figures.len() / 2];
            println!(
                "{:<24}{:<10}{:>10.2} {} ({low:.2} to {high:.2})",
                self.work, SUBJECTS[subject], medians[subject], self.unit
            );
        }
        println!("{:<24}{:<10}{:>10.2}", self.work, "ratio", medians[1] / medians[0]);
    }
}

fn note(lines: &mut Vec<Line>, subject: usize, work: &str, unit: &'static str, figure: f64) {
    let at = lines.iter().position(|line| line.work == work).unwrap_or_else(|| {
        lines.push(Line { work: work.to_owned(), unit, figures: Default::default() });
        lines.len() - 1
    });
    lines[at].figures[subject].push(figure);
}

fn measure<S: Subject>(number: usize, keys: &[Key], shuffled: &[Key], lines: &mut Vec<Line>) {
    let (subject, mut writer) = S::open(Order::Hashed);
    let mut time = |work: &str, order: &[Key], write: &mut dyn FnMut(&Key)| {
        let start = Instant::now();
        order.iter().for_each(write);
        let nanos = start.elapsed().as_nanos() as f64 / keys.len() as f64;
        note(lines, number, work, "ns an op", nanos);
    };
    time("insert", keys, &mut |key| writer.write(key));
    time("overwrite", shuffled, &mut |key| writer.write(key));
    time("apply", shuffled, &mut |key| writer.apply(key));
    for threads in [1, 2] {
        let alone = reads(&subject, shuffled, threads, || std::thread::sleep(WINDOW));
        note(lines, number, &format!("get, {threads} threads"), "M/s", alone);
    }
    for threads in [1, 2] {
        let mut turn = shuffled.iter().rev().cycle();
        let beside = reads(&subject, shuffled, threads, || {
            turn.by_ref().take(100).for_each(|key| writer.write(key));
        });
        note(lines, number, &format!("get, {threads} and a writer"), "M/s", beside);
    }
}

/// How many millions of reads a second so many threads make while another one does `beside`.
fn reads<S: Subject>(
    subject: &S,
    keys: &[Key],
    threads: usize,
    mut beside: impl FnMut() + Send,
) -> f64 {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (over, count) = (&over, &count);
            scope.spawn(move || {
                // Each begins elsewhere.
                let (behind, ahead) = keys.split_at(keys.len() / threads * thread);
                let mut sum = 0u64;
                for some in ahead.chunks(1_000).chain(behind.chunks(1_000)).cycle() {
                    some.iter().for_each(|key| sum = sum.wrapping_add(subject.get(key)));
                    count.fetch_add(some.len() as u64, Relaxed);
                    if over.load(Relaxed) {
                        break;
                    }
                }
                std::hint::black_box(sum);
            });
        }
        let over = &over;
        scope.spawn(move || {
            while begun.elapsed() < WINDOW {
                beside();
            }
            over.store(true, Relaxed);
        });
    });
    count.load(Relaxed) as f64 / begun.elapsed().as_secs_f64() / 1e6
}

/// How far the resident set of a process grows that does nothing but fill `what`.
fn grown(what: &str) -> String {
    let program = std::env::current_exe().expect("the program has a path");
    let output = Command::new(program).args(["--fill", what]).output().expect("it runs again");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn fill(what: &str) {
    match what {
        "bare" => fill_one::<Bare>(Order::Hashed),
        "set" => fill_one::<Ours>(Order::Hashed),
        _ => fill_one::<Ours>(Order::Ordered),
    }
}

fn fill_one<S: Subject>(order: Order) {
    let before = resident();
    let (subject, mut writer) = S::open(order);
    (0..RECORDS as u64).for_each(|number| writer.write(&key(number)));
    println!("{:.1}", (resident() - before) as f64 / RECORDS as f64);
    std::hint::black_box(subject.get(&key(0)));
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number of pages") * 4096
}
