//! Real nodes over real sockets, in one process.

mod answers;
mod batches;
mod common;
mod healing;
mod inherited;
mod joins;
mod membership;
mod writes;
