//! The command line of Tombolo: `tombolo serve`, `tombolo status` and `tombolo demo`.
//!
//! A module a subcommand. [`serve`] is the only one that runs a node; the other two talk to
//! nodes from outside, over HTTP and RESP, as anybody could.

pub mod args;
pub mod client;
pub mod config;
pub mod demo;
pub mod serve;
pub mod status;
pub mod text;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Runs what the command line says.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Demo(args) => demo::run(&args),
    }
}
