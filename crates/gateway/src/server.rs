//! Accepting connections until told to stop.

use crate::{front, gateway::Gateway};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use std::{convert::Infallible, future::Future, net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Swift's API.
    Swift,
    /// Public containers, and what their owners say about them.
    Cdn,
}

/// Connections served at a time; more are closed at once.
const MOST_CONNECTIONS: usize = 8192;

/// How long a client may take for a request's head, and a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes a connection reads at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Headers of one request. Swift's limit of metadata is 90 items, beside what else there is.
const MOST_HEADERS: usize = 256;

/// How long after a failed accept the next is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves everyone who connects until `shutdown` is ready; then accepts no more, lets requests
/// under way finish for at most `drain`, and drops what is left.
pub async fn serve(
    gateway: Gateway,
    face: Face,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MOST_CONNECTIONS => {
                    metrics::counter!("cairn_gateway_connections_refused_total").increment(1);
                }
                Ok((stream, remote)) => {
                    let served = connection(
                        gateway.clone(),
                        face,
                        stream,
                        remote.ip(),
                        graceful.watcher(),
                    );
                    connections.spawn(served);
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

async fn connection(
    gateway: Gateway,
    face: Face,
    stream: TcpStream,
    remote: IpAddr,
    watcher: Watcher,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let Some(tls) = gateway.config.tls.clone() else {
        return requests(gateway, face, stream, remote, watcher).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.0.accept(stream)).await {
        Ok(Ok(stream)) => requests(gateway, face, stream, remote, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        Err(_) => tracing::debug!("a client did not say what it wants of TLS in time"),
    }
}

/// Answers the requests of a connection, one after the other.
async fn requests<S>(gateway: Gateway, face: Face, stream: S, remote: IpAddr, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(front::serve(gateway, remote, face, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(MOST_HEADERS)
        .title_case_headers(true)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(served).await {
        // A client that goes away is its own business.
        tracing::debug!(%error, "a connection ended early");
    }
}
