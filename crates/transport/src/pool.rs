//! HTTP/1.1 connections to chunk servers, kept open between requests.

use crate::{Bearer, BoxIo, Connect};
use futures::future::BoxFuture;
use http::{Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {address}")]
pub struct PoolError {
    /// Who was asked.
    pub address: String,
    /// Whether no connection came about, so that nothing was sent.
    pub unsent: bool,
    /// The reason.
    #[source]
    pub source: hyper_util::client::legacy::Error,
}

/// Idle connections are closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes a connection reads ahead.
const BUFFER_BYTES: usize = 128 * 1024;

/// A pool of HTTP/1.1 connections. Cheap to clone.
#[derive(Clone)]
pub struct HttpPool {
    client: Client<Connector, crate::Body>,
    bearer: Bearer,
}

impl HttpPool {
    /// A pool over a connector; every request shows `bearer`.
    pub fn new(connector: Arc<dyn Connect>, bearer: impl Into<Bearer>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(BUFFER_BYTES)
            .build(Connector(connector));
        Self { client, bearer: bearer.into() }
    }

    /// Sends a request to `address` (`host:port`); the request's URI has only a path.
    pub async fn send(
        &self,
        address: &str,
        mut request: Request<crate::Body>,
    ) -> Result<Response<Incoming>, PoolError> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        if let Ok(uri) = format!("http://{address}{path}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
        if let Some(shown) = self.bearer.header() {
            request.headers_mut().insert(header::AUTHORIZATION, shown);
        }
        self.client.request(request).await.map_err(|source| PoolError {
            address: address.to_owned(),
            unsent: source.is_connect(),
            source,
        })
    }
}

/// [`Connect`] as hyper's pool wants it.
#[derive(Clone)]
struct Connector(Arc<dyn Connect>);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Pooled>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Pooled>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let address = uri.authority().map_or("", |a| a.as_str()).to_owned();
        let connecting = self.0.connect(&address);
        Box::pin(async move { Ok(TokioIo::new(Pooled(connecting.await?))) })
    }
}

/// A connection in the pool.
struct Pooled(BoxIo);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl tokio::io::AsyncRead for Pooled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Pooled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
