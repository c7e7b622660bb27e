//! Real nodes over real sockets, in one process.

mod common;
mod joins;
mod membership;
mod writes;
