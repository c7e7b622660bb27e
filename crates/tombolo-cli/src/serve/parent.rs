use std::io::{self, Read};
use std::thread;

use tokio_util::sync::CancellationToken;

/// Is cancelled when standard input closes: when the parent that holds the other end of the pipe
/// ends in whatever way, SIGKILL included.
pub(super) fn death() -> CancellationToken {
    let token = CancellationToken::new();
    let death = token.clone();
    // A thread, because tokio's reading of stdin would hold up the end of the runtime.
    let watch = move || {
        let mut input = io::stdin().lock();
        let mut buffer = [0; 256];
        loop {
            match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        death.cancel();
    };
    if thread::Builder::new().name("tombolo-parent".to_owned()).spawn(watch).is_err() {
        tracing::warn!("no thread to watch the parent: this node will outlive it");
    }
    token
}
