//! Accepting connections until told to stop.

use crate::{App, Io};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
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

/// Connections served at a time. Each takes a descriptor and may hold what it reads ahead, before
/// it is known whose it is; the files of logs and volumes need descriptors too.
pub const MAX_CONNECTIONS: usize = 8192;

/// Serves `app` to everyone who connects until `shutdown` is ready, as [`accept`] does, to at most
/// [`MAX_CONNECTIONS`] at a time.
pub async fn serve<L: Listener>(
    listener: L,
    app: App,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let connection = move |io, watcher| app.clone().connection(io, Some(watcher));
    accept(MAX_CONNECTIONS, listener, connection, shutdown, drain).await;
}

/// Has `connection` serve everyone who connects until `shutdown` is ready; then accepts no more,
/// lets requests under way finish for at most `drain`, and drops what is left. The watcher tells a
/// connection when to finish; what it still does after that belongs to its requests. Connections
/// beyond `most` at a time are closed at once.
pub async fn accept<L, F>(
    most: usize,
    mut listener: L,
    mut connection: impl FnMut(L::Io, Watcher) -> F,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let mut full = false;
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= most => {
                    metrics::counter!("cairn_connections_refused_total").increment(1);
                    if !std::mem::replace(&mut full, true) {
                        tracing::warn!(most, "too many connections: new ones are closed");
                    }
                }
                Ok(io) => {
                    full = false;
                    connections.spawn(connection(io, graceful.watcher()));
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
    let finished = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    if tokio::time::timeout(drain, finished).await.is_err() {
        tracing::warn!(?drain, "requests still under way are dropped");
    }
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use std::sync::Arc;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    /// What a new connection is told, and the connection.
    async fn ask(address: std::net::SocketAddr) -> (Vec<u8>, TcpStream) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = vec![0; 1024];
        // One that is closed at once may be so before or after this is written.
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let read = stream.read(&mut answer).await.unwrap_or(0);
        answer.truncate(read);
        (answer, stream)
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_are_closed_and_places_that_become_free_are_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = Secret::new([7; 32]).keys().daemon;
        let routes = tonic::service::Routes::default();
        let app = App::new(key, routes, None, Arc::new(|| Ok(())), None);
        let forever = std::future::pending();
        let connection = move |io, watcher| app.clone().connection(io, Some(watcher));
        let serving = tokio::spawn(accept(2, listener, connection, forever, Duration::ZERO));
        let (one, held) = ask(address).await;
        let (two, _held) = ask(address).await;
        assert!(one.ends_with(b"live\n") && two.ends_with(b"live\n"));
        let (three, _) = ask(address).await;
        assert_eq!(three, b"");
        drop(held);
        while ask(address).await.0.is_empty() {
            tokio::task::yield_now().await;
        }
        serving.abort();
    }
}
