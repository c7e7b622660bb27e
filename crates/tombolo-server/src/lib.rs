//! tombolo-server
