//! tombolo-sim
