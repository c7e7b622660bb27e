//! Real nodes over real sockets, in one process.

mod answers;
mod backups;
mod batches;
mod common;
mod dumps;
mod fragments;
mod healing;
mod hooks;
mod inherited;
mod joins;
mod life;
mod membership;
mod pausing;
mod serial;
mod snapshots;
mod typed;
mod watches;
mod writes;
