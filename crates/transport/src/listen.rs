//! Accepting connections until told to stop.

use crate::{App, Io};
use std::{future::Future, io, time::Duration};
use tokio::net::TcpListener;

/// Where connections come from.
pub trait Listener: Send + 'static {
    /// What carries them.
    type Io: Io;
    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = tokio::net::TcpStream;
    async fn accept(&mut self) -> io::Result<Self::Io> {
        let (stream, _) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// How long after a failed accept (no descriptors left, say) the next is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `app` to everyone who connects until `shutdown` is ready; then accepts no more, lets
/// requests under way finish for at most `drain`, and drops what is left.
pub async fn serve<L: Listener>(
    mut listener: L,
    app: App,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let graceful = hyper_util::server::graceful::GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(io) => {
                    connections.spawn(app.clone().connection(io, Some(graceful.watcher())));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(?drain, "requests still under way are dropped");
    }
    connections.shutdown().await;
}
