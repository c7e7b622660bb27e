//! Real nodes over real sockets, in one process.

mod answers;
mod common;
mod dumps;
mod healing;
mod inherited;
mod joins;
mod membership;
mod serial;
mod typed;
mod watches;
mod writes;
