//! The command line.

use crate::case::{self, Case};
use crate::report::{self, Report};
use crate::role::{self, Role};
use crate::{machine, runner};
use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "tombolo-bench", about = "Measures Tombolo beside its peers on this machine")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs cases and writes a report. Exits with 1 if a target is missed.
    Run(Run),
    /// Lists the cases.
    List,
    /// What a child process does.
    #[command(subcommand, hide = true)]
    Role(Role),
}

#[derive(clap::Args)]
struct Run {
    /// Cases to run; all if none is named.
    names: Vec<String>,
    /// How many rounds; the report gives medians over them.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Shorter, with figures that say little: shows that everything works.
    #[arg(long)]
    quick: bool,
    /// The folder for RESULTS.md and the plots.
    #[arg(long, default_value = "bench")]
    out: PathBuf,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let outcome = match Options::parse().command {
        Command::Run(run) => measure(&run),
        Command::Role(role) => role::play(role).map(|()| true),
        Command::List => {
            for case in case::all() {
                println!("{:12} {}", case.name(), case.group());
            }
            Ok(true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all targets were met.
fn measure(run: &Run) -> Result<bool> {
    let cases = chosen(case::all(), &run.names)?;
    let machine = machine::describe();
    let outcome = runner::run(&cases, run.runs, run.quick)?;
    let report = Report::new(&cases, &outcome, machine, run.runs);
    report::write(&report, &run.out)?;
    print!("{}", report::verdicts(&report));
    println!("written to {}", run.out.join("RESULTS.md").display());
    Ok(report.is_met())
}

fn chosen(cases: Vec<Box<dyn Case>>, names: &[String]) -> Result<Vec<Box<dyn Case>>> {
    let known: Vec<&str> = cases.iter().map(|case| case.name()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no case is called {unknown:?}; there are {}", known.join(", "));
    }
    let wanted = |case: &dyn Case| names.is_empty() || names.iter().any(|n| n == case.name());
    Ok(cases.into_iter().filter(|case| wanted(case.as_ref())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_a_name_of_its_own_and_unknown_names_are_refused() {
        let names: Vec<&str> = case::all().iter().map(|case| case.name()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(chosen(case::all(), &[]).unwrap().len(), names.len());
        assert!(chosen(case::all(), &["no such case".to_owned()]).is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
