//! The binary `tombolo`; all of it is in the library `tombolo_cli`, where the tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tombolo_cli::main()
}
