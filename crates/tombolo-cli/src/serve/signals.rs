use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// What asks the node to end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Counts once; a token that is cancelled stays so.
    parent: Option<CancellationToken>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())?, parent: None })
    }

    /// Takes the end of the parent for a signal, too.
    pub(super) fn add(&mut self, death: CancellationToken) {
        self.parent = Some(death);
    }

    /// Resolves when the node is asked to end, each time that it is.
    pub(super) async fn next(&mut self) {
        let parent = self.parent.clone();
        let death = async {
            match &parent {
                Some(token) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => info!("SIGINT: leaving"),
            _ = self.terminate.recv() => info!("SIGTERM: leaving"),
            () = death => {
                self.parent = None;
                info!("the parent process ended: leaving");
            }
        }
    }
}
