//! Accepting connections until told to stop.

use crate::{front, gateway::Gateway};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::Watcher,
};
use std::{future::Future, net::IpAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Swift's API.
    Swift,
    /// Public containers, and what their owners say about them.
    Cdn,
}

/// Bytes a connection reads at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Headers of one request. Swift's limit of metadata is 90 items, beside what else there is.
const MOST_HEADERS: usize = 256;

/// Serves everyone who connects until `shutdown` is ready, as [`transport::accept`] does.
pub async fn serve(
    gateway: Gateway,
    face: Face,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let connection = move |stream, watcher| connection(gateway.clone(), face, stream, watcher);
    transport::accept(transport::MAX_CONNECTIONS, listener, connection, shutdown, drain).await;
}

async fn connection(gateway: Gateway, face: Face, stream: TcpStream, watcher: Watcher) {
    let idle = gateway.config.idle_timeout;
    let remote = match impatient(&stream, idle).and_then(|()| stream.peer_addr()) {
        Ok(address) => address.ip(),
        Err(error) => {
            tracing::debug!(%error, "a connection was gone before it began");
            return;
        }
    };
    let Some(tls) = gateway.config.tls.clone() else {
        return requests(gateway, face, stream, remote, watcher).await;
    };
    match tokio::time::timeout(idle, tls.0.accept(stream)).await {
        Ok(Ok(stream)) => requests(gateway, face, stream, remote, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        Err(_) => tracing::debug!("a client did not say what it wants of TLS in time"),
    }
}

/// Breaks a connection of whose answer nothing goes for too long. This is the kernel's to say: it
/// knows what the client took, where we only see whether there is room to write more, which a
/// client that reads slowly makes once in a megabyte. It watches what is left of a connection
/// that we have closed, too.
fn impatient(stream: &TcpStream, idle: Duration) -> std::io::Result<()> {
    // Zero is what the system thinks is long enough.
    let millis = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// Answers the requests of a connection, one after the other, each in a task of its own: what has
/// begun goes on to its end when the client goes away, so that nothing is left half done. The
/// connection counts as one until then.
async fn requests<S>(gateway: Gateway, face: Face, stream: S, remote: IpAddr, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle = gateway.config.idle_timeout;
    let tasks = TaskTracker::new();
    let service = service_fn(|request: Request<Incoming>| {
        tasks.spawn(front::serve(gateway.clone(), remote, face, request))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(MOST_HEADERS)
        .title_case_headers(true)
        // Who says that it will send no more may still listen.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(served).await {
        // A client that goes away is its own business.
        tracing::debug!(%error, "a connection ended early");
    }
    tasks.close();
    tasks.wait().await;
}
