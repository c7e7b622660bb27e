//! tombolo-wire
