//! The simulator by itself, as the mutants build it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    tombolo_sim::command::run(&arguments)
}
