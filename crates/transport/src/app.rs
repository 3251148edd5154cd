//! What a process serves, put together.

use crate::{Gate, Io, greeting::Greeting};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::Watcher},
};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tower_service::Service;

/// Any error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an HTTP answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there already.
pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Serves plain HTTP requests. Who sends them is among their extensions, as a
/// [`Caller`](crate::Caller); what that one may do is the handler's to say.
pub trait HttpHandler: Send + Sync + 'static {
    /// Answers a request.
    fn handle(&self, request: Request<Incoming>) -> BoxFuture<'_, Response<Body>>;
}

/// Whether a daemon can do its work: `Err` says why not.
pub type Health = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything a process serves on one listener. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    gate: Gate,
    grpc: tonic::service::Routes,
    http: Option<Arc<dyn HttpHandler>>,
    health: Health,
    metrics: Option<PrometheusHandle>,
}

/// Bytes a connection reads at once. Whoever keeps what was read keeps the whole buffer, filled or
/// not: larger ones soon take several times the memory of what is in them.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long a client may take for its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

impl App {
    /// An app whose services are behind `gate`; health and metrics are open.
    pub fn new(
        gate: impl Into<Gate>,
        grpc: tonic::service::Routes,
        http: Option<Arc<dyn HttpHandler>>,
        health: Health,
        metrics: Option<PrometheusHandle>,
    ) -> Self {
        Self(Arc::new(Inner { gate: gate.into(), grpc: grpc.prepare(), http, health, metrics }))
    }

    /// Serves one connection until it ends.
    pub async fn serve_connection(self, io: impl Io) {
        self.connection(io, None).await;
    }

    pub(crate) async fn connection(self, io: impl Io, watcher: Option<Watcher>) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(BUFFER_BYTES)
            .half_close(false);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_frame_size(256 * 1024)
            .max_concurrent_streams(1024);
        let service = hyper::service::service_fn(move |request| {
            let app = self.clone();
            async move { Ok::<_, Infallible>(app.answer(request).await) }
        });
        let io = TokioIo::new(Greeting::new(io, HEAD_TIMEOUT));
        let connection = builder.serve_connection(io, service).into_owned();
        let ended = match watcher {
            Some(watcher) => watcher.watch(connection).await,
            None => connection.await,
        };
        if let Err(error) = ended {
            // A client that goes away is its own business.
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/health/live" => return text(StatusCode::OK, "live\n"),
            "/health/ready" => {
                return match (self.0.health)() {
                    Ok(()) => text(StatusCode::OK, "ready\n"),
                    Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
                };
            }
            "/metrics" => {
                let rendered = self.0.metrics.as_ref().map(PrometheusHandle::render);
                return text(StatusCode::OK, rendered.unwrap_or_default());
            }
            _ => {}
        }
        let is_grpc = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"));
        if is_grpc {
            match self.0.gate.admit_call(request.uri().path(), request.headers()) {
                Ok(admitted) => request.extensions_mut().insert(admitted),
                Err(error) => return refuse_call(&error),
            };
            let mut routes = self.0.grpc.clone();
            let Ok(response) = routes.call(request).await;
            return response.map(|body| body.map_err(Into::into).boxed_unsync());
        }
        match &self.0.http {
            Some(handler) => {
                match self.0.gate.caller(request.headers()) {
                    Ok(caller) => request.extensions_mut().insert(caller),
                    Err(error) => {
                        return text(StatusCode::UNAUTHORIZED, format!("{error}\n"));
                    }
                };
                handler.handle(request).await
            }
            None => text(StatusCode::NOT_FOUND, "this server has no chunks\n"),
        }
    }
}

/// Tells the caller of a method that it is not let in.
fn refuse_call(error: &model::Error) -> Response<Body> {
    let response: Response<tonic::body::Body> = proto::to_status(error).into_http();
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
