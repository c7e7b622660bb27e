//! Real nodes over real sockets, in one process.

mod answers;
mod backups;
mod common;
mod healing;
mod inherited;
mod joins;
mod membership;
mod snapshots;
mod writes;
