//! The command line of Tombolo: `tombolo serve`, `tombolo demo`, and what operators ask of nodes.
//!
//! A module a subject. [`serve`] is the only one that runs a node; the others talk to nodes from
//! outside, over HTTP and RESP, as anybody could.

pub mod args;
pub mod backup;
pub mod client;
pub mod config;
pub mod conflicts;
pub mod demo;
pub mod join;
pub mod serve;
pub mod status;
pub mod tables;
pub mod text;
pub mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Runs what the command line says.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Conflicts(args) => conflicts::list(&args),
        Command::Resolve(args) => conflicts::resolve(&args),
        Command::Undo(args) => conflicts::undo(&args),
        Command::Verify(args) => verify::run(&args),
        Command::JoinProgress(args) => join::progress(&args),
        Command::Join(args) => join::look(&args),
        Command::Approve(args) => join::approve(&args),
        Command::Choose(args) => join::choose(&args),
        Command::Create(args) => tables::create(&args),
        Command::Alter(args) => tables::alter(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
    }
}
