use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether Ctrl-C was pressed, or the process asked to end in another way.
#[derive(Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen. The first signal sets the mark, for an orderly end; the second ends the
    /// process at once, and with it the nodes, which notice that their parent is gone.
    pub(super) fn listen() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot listen to signals: {error}");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let _inside = runtime.enter();
        let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .into_iter()
            .map(signal)
            .collect::<Result<Vec<Signal>, _>>()
            .map_err(failed)?;
        drop(_inside);
        let interrupt = Interrupt(Arc::default());
        let mark = interrupt.clone();
        let listen = move || {
            runtime.block_on(async {
                next(&mut signals).await;
                mark.0.store(true, Ordering::Relaxed);
                next(&mut signals).await;
                std::process::exit(i32::from(super::INTERRUPTED));
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(failed)?;
        Ok(interrupt)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn next(signals: &mut [Signal]) {
    std::future::poll_fn(|context| {
        let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
