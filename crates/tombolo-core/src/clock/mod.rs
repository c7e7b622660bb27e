//! Causality as a small algebra of values: dots, version vectors, sets of dots, the clock.

mod dot;
mod hlc;
mod origins;
mod vector;

pub use dot::Dot;
pub use hlc::Clock;
pub use origins::{DIGEST_PARTS, DotSet, Dots, Origins, digest_part, fingerprint_of};
pub use vector::VersionVector;
