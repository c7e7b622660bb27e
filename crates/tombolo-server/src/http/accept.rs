use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Enough for every probe, scraper and dashboard, and few enough to leave the file descriptors
/// to Redis clients.
const MOST_CONNECTIONS: usize = 256;
/// How long a client may take for the head of a request. For a body there is another limit, where
/// it is read.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection lives at most, so that no client holds one of the few for ever.
const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// How long a connection has for the answer in hand once it is to end.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The pause after an `accept` that failed, typically for want of file descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Hands connections to `router` until `shutdown`.
///
/// axum's own `serve` sets no time limits and no bound on connections, therefore this loop.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            accepted = next(&listener, &room) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("HTTP cannot accept a connection: {error}");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        tokio::spawn(async move {
            converse(stream, router, shutdown).await;
            drop(permit);
        });
    }
}

/// Waits for room first, so that what is too much waits in the kernel's queue.
async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                debug!("an HTTP connection ended early: {error}");
            }
            return;
        }
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(LONGEST_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    // Whether the client took its last answer is of no concern to the node.
    let _ = tokio::time::timeout(LAST_ANSWER_WITHIN, connection).await;
}
