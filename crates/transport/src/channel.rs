//! gRPC connections: one HTTP/2 connection to a server, shared by all calls to it.
//!
//! The library's own channel puts every call through a queue to a task that hands it to the
//! connection's task. A third of what a small call costs its sender went into those hand-overs,
//! so that calls go to the connection directly here.

use crate::Connect;
use futures::future::BoxFuture;
use http::{
    HeaderMap, Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tonic::{ConnectError, Status, body::Body};
use tower_service::Service;

/// A peer that is gone without a word is noticed within seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The largest frame that is taken.
const FRAME_BYTES: u32 = 256 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A gRPC channel that connects when it is first used and again when it breaks. Cheap to clone.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    connector: Arc<dyn Connect>,
    authority: Authority,
    deadline: Duration,
    connection: Mutex<Option<SendRequest<Body>>>,
    /// Held by whoever connects, so that one connection comes of many calls.
    connecting: tokio::sync::Mutex<()>,
}

impl Channel {
    /// To a server; `deadline` bounds each call that sets none of its own.
    pub(crate) fn new(
        connector: Arc<dyn Connect>,
        authority: Authority,
        deadline: Duration,
    ) -> Self {
        let (connection, connecting) = Default::default();
        Self(Arc::new(Inner { connector, authority, deadline, connection, connecting }))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Incoming>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let deadline = asked_for(request.headers()).unwrap_or(inner.deadline);
            match tokio::time::timeout(deadline, inner.send(request)).await {
                Ok(answered) => answered,
                Err(_) => Err(Status::cancelled("no answer came in time").into()),
            }
        })
    }
}

impl Inner {
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        let mut request = self.addressed(request)?;
        // A connection may end while a call is on its way to it. Such a call was not sent, and
        // goes to the next connection; that too may end, but not for ever.
        for _ in 0..CONNECTIONS {
            let mut connection = self.connection().await?;
            let mut failed = match connection.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            match failed.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(failed.into_error().into()),
            }
        }
        Err(Status::unavailable("the connection ends as soon as it comes about").into())
    }

    /// The request with the server's address, as HTTP/2 wants it.
    fn addressed(&self, request: Request<Body>) -> Result<Request<Body>, http::Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().cloned();
        head.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
            .build()?;
        Ok(Request::from_parts(head, body))
    }

    /// The connection, if it is open.
    fn open(&self) -> Option<SendRequest<Body>> {
        self.connection.lock().as_ref().filter(|connection| !connection.is_closed()).cloned()
    }

    async fn connection(&self) -> Result<SendRequest<Body>, ConnectError> {
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let io = self.connector.connect(self.authority.as_str()).await;
        let io = io.map_err(|error| ConnectError(error.into()))?;
        let (connection, driver) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_frame_size(FRAME_BYTES)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| ConnectError(error.into()))?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                // Whoever has a call on it is told.
                tracing::debug!(%error, "a connection ended");
            }
        });
        *self.connection.lock() = Some(connection.clone());
        Ok(connection)
    }
}

/// Connections on which a call is tried before it is given up, if none takes it.
const CONNECTIONS: usize = 3;

/// The deadline that a call set for itself (`Request::set_timeout`): up to eight digits and a
/// unit, as gRPC writes it.
fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.checked_mul(3600)?),
        "M" => Duration::from_secs(number.checked_mul(60)?),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_may_set_its_own_deadline() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
            asked_for(&headers)
        };
        assert_eq!(asked("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(asked("3M"), Some(Duration::from_secs(180)));
        assert_eq!(asked("4S"), Some(Duration::from_secs(4)));
        assert_eq!(asked("300m"), Some(Duration::from_millis(300)));
        assert_eq!(asked("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(asked("5n"), Some(Duration::from_nanos(5)));
        for wrong in ["", "S", "5", "5s", "-1S", "18446744073709551615H"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
        let mut request = tonic::Request::new(());
        request.set_timeout(Duration::from_millis(1500));
        let set = request.metadata().clone().into_headers();
        assert_eq!(asked_for(&set), Some(Duration::from_millis(1500)));
    }
}
