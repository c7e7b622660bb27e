//! An exhaustive model of Tombolo's replication rules.
//!
//! It is a second opinion. The simulator runs the shipping core through random faults; this crate
//! knows nothing of the core. It was written afresh from the text of the rules (members, writes,
//! ops, sync, stability, last writer wins, sibling tables, hide), and explores **every** order of
//! events within small bounds, to the end. A misreading in the core cannot repeat itself here,
//! and a hole in the text shows as a trace of a few steps.
//!
//! # What is modelled
//!
//! Two or three places for processes, one or two keys, and up to four operations. Each process
//! has `seen`, live dots, ops applied beyond a gap (one interval per link, forgotten with it) and
//! removed-ahead dots. Links have a queue in each direction. Any step may come between any two
//! others: a write, a message that arrives, one key of a walk, the end of a walk, the last step of
//! a sync, a sync that is cut off, ops dropped from a queue, a link that breaks or returns, a
//! crash, a restart with empty memory as a new incarnation, a report, a tombstone dropped, a
//! conflict resolved by anybody who takes itself for the leader. In tables where the last writer
//! wins a clock may run ahead of all others.
//!
//! # What is checked
//!
//! In every state, on each process and for all that it ever acknowledged: **A** no zombie, **B**
//! no loss, no live value older than an event taken in (last writer wins), nothing live of a
//! superseded incarnation (hide). In every step: what is dead stays dead, `seen` never shrinks,
//! no siblings are resolved of which one saw the other. **C**: wherever nothing is on its way,
//! everything links and syncs in one fixed order, after which all survivors must be equal. That
//! covers all states: from one where something is on its way the steps that deliver it cost
//! nothing of the budget, so the state they lead to is explored too.
//!
//! What the text says of readers in 4c, that they never see old and new side by side, is **not**
//! checked, for it is not quite so: a replaced value that the answerer has not seen itself, or
//! that comes from a third node behind the chunk, stays beside the new one until the sync ends.
//!
//! # What is not
//!
//! Expiry; serial operations; the sums that shorten a sync; forgotten members; two live processes
//! of one name; a link that one side believes down and the other up (a dropped queue and a later
//! break stand for it); delayed reports (they allow nothing that prompt ones do not, see
//! `report` in `rules.rs`); acknowledgements as messages (what a process ever took in counts as
//! acknowledged); time, so nothing is said of how soon anything happens.
//!
//! # Why not a model checker from the registry
//!
//! `stateright` would bring its web explorer's dependencies and a boxed state per step. What is
//! needed of it, a layered search with parents by hash, is one short file here, spread over two
//! threads, and the crate has no dependency that the workspace has not.
//!
//! # How it can fail
//!
//! Rules that hold prove little unless the checker can fail. [`bounds::Wording`] lists wordings
//! that seemed right once, two of them the text's own; the tests demand that each is caught, and
//! `cargo run --release -p tombolo-model traces` prints how.

pub mod actions;
pub mod bounds;
pub mod configurations;
pub mod dots;
pub mod invariants;
mod rules;
pub mod search;
mod settle;
pub mod state;
mod sync;
pub mod trace;
