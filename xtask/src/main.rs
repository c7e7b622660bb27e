//! The chores of the repository: `cargo xtask COMMAND`.

mod licences;
mod mutants;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy       check sizes, words, and the arrows between crates and between the rooms of the core
  licences   check the licence and the source of every dependency against deny.toml
  simulate   play random schedules of faults against the core, or one seed with its trace
  mutants    break the core's rules one at a time, and check that the simulator notices";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("tidy") => tidy::run(),
        Some("licences") => licences::run(),
        Some("mutants") => mutants::run(&arguments[1..]),
        Some("simulate") => Ok(tombolo_sim::command::run(&arguments[1..])),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
