//! Explores every configuration to the end and says what it found; then shows that each wrong
//! wording of the rules is caught. With `traces` it prints how, step by step. Any other argument
//! is a word of the names of those configurations that alone are to run.

use std::process::ExitCode;
use std::thread;

use tombolo_model::bounds::Bounds;
use tombolo_model::search::{Outcome, explore};
use tombolo_model::{configurations, trace};

fn main() -> ExitCode {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(2);
    let (traces, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument == "traces");
    let with_traces = !traces.is_empty();
    let is_wanted = |bounds: &Bounds| words.iter().all(|word| bounds.name.contains(word.as_str()));
    let mut holds = true;
    for bounds in configurations::large().into_iter().filter(is_wanted) {
        let outcome = explore(&bounds, threads);
        println!("{}", line(&bounds, &outcome));
        if let Some(counterexample) = &outcome.counterexample {
            println!("{}", trace::print(counterexample, &bounds));
            holds = false;
        }
    }
    for bounds in configurations::wrong().into_iter().filter(is_wanted) {
        let outcome = explore(&bounds, threads);
        println!("{}", line(&bounds, &outcome));
        match &outcome.counterexample {
            Some(counterexample) if with_traces => {
                println!("{}", trace::print(counterexample, &bounds));
            }
            Some(_) => {}
            None => holds = false,
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(bounds: &Bounds, outcome: &Outcome) -> String {
    let wrong = bounds.rules.wrong.map(|wording| format!(" {wording:?}"));
    let found = match &outcome.counterexample {
        None => "violations: 0".to_owned(),
        Some(counterexample) => format!("violated after {} steps", counterexample.actions.len()),
    };
    format!(
        "{}{}\n    {}\n    states {}, transitions {}, depth {}, {:.1} s, {found}",
        bounds.name,
        wrong.unwrap_or_default(),
        bounds.summary(),
        outcome.states,
        outcome.transitions,
        outcome.depth,
        outcome.seconds
    )
}
