//! The binary `tombolo-bench`; all of it is in the library, where `cargo bench` reaches it.

use std::process::ExitCode;
use tombolo_bench::allocations::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    tombolo_bench::command::main()
}
