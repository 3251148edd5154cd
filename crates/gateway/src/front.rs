//! What every request has around it: the id of its transaction, its line in the access log, and
//! its place in the metrics.

use crate::{gateway::Gateway, metadata, route, server::Face};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use transport::{Body, BoxError};

/// What is known of a request before it is looked at.
pub struct Front {
    /// The id of the transaction.
    pub transaction: String,
    /// Where the request comes from.
    pub remote: IpAddr,
    /// Scheme and host under which the client reaches this gateway.
    pub base: String,
}

/// The most bytes of a suffix that a client adds to the id of its transaction.
const SUFFIX_BYTES: usize = 32;

/// Answers a request and takes note of it.
pub async fn serve(
    gateway: Gateway,
    remote: IpAddr,
    face: Face,
    request: Request<Incoming>,
) -> Response<Body> {
    let started = Instant::now();
    let headers = request.headers();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if gateway.config.tls.is_some() { "https" } else { "http" };
    let public_url = match face {
        Face::Swift => &gateway.config.public_url,
        Face::Cdn => match &gateway.config.cdn {
            Some(cdn) => &cdn.public_url,
            None => &None,
        },
    };
    let base = match (public_url, text(header::HOST)) {
        (Some(url), _) => url.clone(),
        (None, Some(host)) => format!("{scheme}://{host}"),
        (None, None) => format!("{scheme}://localhost"),
    };
    let suffix = headers.get("x-trans-id-extra").and_then(|value| value.to_str().ok());
    let front = Front { transaction: transaction(suffix), remote, base };
    let mut note = Note {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        remote,
        transaction: front.transaction.clone(),
        status: StatusCode::OK,
        started,
        first: None,
        bytes: 0,
        whole: false,
    };
    let response = route::answer(&gateway, &front, face, request).await;
    let (mut parts, body) = response.into_parts();
    // Nobody asks for a body that is not to be sent.
    note.whole = body.is_end_stream() || note.method == Method::HEAD;
    for name in ["x-trans-id", "x-openstack-request-id"] {
        metadata::set(&mut parts.headers, name, &front.transaction);
    }
    note.status = parts.status;
    Response::from_parts(parts, Noted { body, note }.boxed_unsync())
}

/// A new id: random, then the second in which it was made, so that logs are found by it.
fn transaction(suffix: Option<&str>) -> String {
    let random: [u8; 11] = rand::random();
    let digits = hex::encode(random);
    let mut id = format!("tx{}-{:010x}", &digits[..21], crate::time::now_seconds());
    if let Some(suffix) = suffix {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        id.push('-');
        id.extend(suffix.chars().filter(harmless).take(SUFFIX_BYTES));
    }
    id
}

/// What is noted of a request when the last byte of its answer has gone, or cannot go any more.
struct Note {
    method: Method,
    path: String,
    remote: IpAddr,
    transaction: String,
    status: StatusCode,
    started: Instant,
    first: Option<Instant>,
    bytes: u64,
    whole: bool,
}

impl Drop for Note {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        let first = self.first.map_or(total, |first| first - self.started);
        // Methods that nobody knows are counted as one: clients do not name our metrics.
        let known = ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS"];
        let method =
            known.into_iter().find(|known| self.method.as_str() == *known).unwrap_or("other");
        let status = self.status.as_u16().to_string();
        metrics::counter!("cairn_gateway_requests_total", "method" => method, "status" => status)
            .increment(1);
        metrics::histogram!("cairn_gateway_request_seconds", "method" => method)
            .record(total.as_secs_f64());
        metrics::counter!("cairn_gateway_sent_bytes_total").increment(self.bytes);
        tracing::info!(
            target: "access",
            transaction = %self.transaction,
            remote = %self.remote,
            method = %self.method,
            path = %self.path,
            status = self.status.as_u16(),
            bytes = self.bytes,
            first_us = first.as_micros() as u64,
            total_us = total.as_micros() as u64,
            whole = self.whole,
        );
    }
}

/// A body that is taken note of.
struct Noted {
    body: Body,
    note: Note,
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.note.first.get_or_insert_with(Instant::now);
                self.note.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.note.whole = self.body.is_end_stream();
            }
            Some(Err(_)) => {}
            None => self.note.whole = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
