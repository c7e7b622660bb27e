//! Real nodes over real sockets, in one process.

mod answers;
mod batches;
mod common;
mod dumps;
mod fragments;
mod healing;
mod inherited;
mod joins;
mod membership;
mod serial;
mod typed;
mod writes;
