//! Real nodes over real sockets, in one process.

mod answers;
mod common;
mod healing;
mod hooks;
mod inherited;
mod joins;
mod life;
mod membership;
mod pausing;
mod writes;
