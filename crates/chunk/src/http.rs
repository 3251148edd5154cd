//! Bodies of chunks over HTTP/1.1.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /v1/volumes/{id}/chunks/{name}` | 201, `x-cairn-bytes` |
//! | `GET` (one `Range: bytes=a-b`) | 200 or 206, the stored bytes |
//! | `HEAD` | 200, `content-length` |
//! | `DELETE` | 204, or 404 |
//! | `COPY` with `destination: {name}` | 201, `x-cairn-bytes` |
//!
//! PUT takes blocks and footer as they are stored, and `x-cairn-origin` where the origin is not
//! the name's blob. Errors have the header `x-cairn-kind` and a body `{"kind", "message"}`.
//! Daemons may do everything. Others show a capability for what they do, in
//! `x-cairn-capability`: for PUT, for GET and HEAD, for DELETE; for COPY one to read the chunk,
//! and in `x-cairn-destination-capability` one to make its copy.

mod admission;
mod answer;
mod get;
mod put;
mod target;

pub use answer::{BYTES, KIND, ORIGIN};

use crate::{server::Volumes, volume::Volume};
use admission::Admission;
use answer::{HttpError, empty};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use model::ChunkName;
use std::{pin::Pin, sync::Arc};
use target::Target;
use transport::{Body, CapabilityKey, HttpHandler};

/// Serves the chunks of a server's volumes.
#[derive(Clone)]
pub struct Handler {
    volumes: Arc<Volumes>,
    admission: Admission,
}

impl HttpHandler for Handler {
    fn handle(&self, request: Request<hyper::body::Incoming>) -> BoxFuture<'_, Response<Body>> {
        self.answer(request).boxed()
    }
}

impl Handler {
    /// Over volumes, for daemons and who has capabilities under `key`; `now` gives the
    /// milliseconds since 1970.
    pub fn new(
        volumes: Arc<Volumes>,
        key: CapabilityKey,
        now: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Self {
        Self { volumes, admission: Admission::new(key, now) }
    }

    /// Answers a request, whatever carries its body.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let method = request.method().clone();
        let (parts, body) = request.into_parts();
        let mut body = Box::pin(body);
        match self.serve(&parts, &mut body).await {
            Ok(response) => response,
            Err(error) => {
                put::drain(body);
                tracing::debug!(%method, error = %error.error, "a request is refused");
                let kind = error.error.kind.as_str();
                metrics::counter!("cairn_chunk_refusals_total", "kind" => kind).increment(1);
                error.into_response(method == Method::HEAD)
            }
        }
    }

    async fn serve<B>(
        &self,
        parts: &http::request::Parts,
        body: &mut Pin<Box<B>>,
    ) -> Result<Response<Body>, HttpError>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let target = Target::parse(&parts.uri)?;
        // Before it is looked what there is: a refusal says nothing of that.
        self.admission.check(parts, &target)?;
        let volume = self.volumes.get(target.volume)?;
        let name = target.chunk;
        match parts.method.as_str() {
            "PUT" => put::put(&volume, name, &parts.headers, body).await,
            "GET" => get::get(&volume, name, &parts.headers).await,
            "HEAD" => head(&volume, name).await,
            "DELETE" => delete(&volume, name).await,
            "COPY" => copy(&volume, name, &parts.headers).await,
            _ => Err(HttpError::method_not_allowed()),
        }
    }
}

async fn head(volume: &Volume, name: ChunkName) -> Result<Response<Body>, HttpError> {
    let _under_way = volume.health().admit()?;
    let bytes = volume.engine()?.stat(&name).await?;
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    response.headers_mut().insert(header::ACCEPT_RANGES, answer::BYTES_UNIT);
    Ok(response)
}

async fn delete(volume: &Volume, name: ChunkName) -> Result<Response<Body>, HttpError> {
    let _under_way = volume.health().admit()?;
    match volume.engine()?.delete(vec![name]).await.pop() {
        Some(Ok(true)) => {
            metrics::counter!("cairn_chunk_deletes_total").increment(1);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        Some(Err(error)) => Err(error.into()),
        Some(Ok(false)) | None => Err(crate::VolumeError::NotFound(name).into()),
    }
}

async fn copy(
    volume: &Volume,
    from: ChunkName,
    headers: &http::HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let to = target::destination(headers)?;
    let _under_way = volume.health().admit()?;
    let bytes = volume.engine()?.clone_chunk(&from, &to).await?;
    metrics::counter!("cairn_chunk_copies_total").increment(1);
    Ok(answer::created(bytes))
}
