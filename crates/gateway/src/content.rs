//! What a reader gets: what a thing is, and its bytes on demand; and the answer to a GET or HEAD.

use crate::{
    call::Call,
    condition, metadata,
    range::{self, Asked},
    refusal::{Outcome, Refusal},
    time,
};
use bytes::Bytes;
use client::{ByteRange, OpenObject};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::ops::Range;
use transport::{Body, BoxError, full_body};

/// Bytes on their way, or what the reader is told instead.
pub type Flow = BoxStream<'static, Result<Bytes, Refusal>>;

/// Where the bytes come from.
pub trait Origin: Send + Sync {
    /// Starts to read a part, which lies within the content and is not empty. What is open-ended
    /// is read to its end by a part that ends at `u64::MAX`.
    ///
    /// # Errors
    /// As reading an object.
    fn read(&self, range: Range<u64>) -> Result<Flow, Refusal>;
}

impl Origin for OpenObject {
    fn read(&self, range: Range<u64>) -> Result<Flow, Refusal> {
        let span = ByteRange::Span { first: range.start, last: range.end.saturating_sub(1) };
        // All of it is verified against its hash at the end; a range of all is all.
        let wanted = if range == (0..self.object().entry.size) { None } else { Some(span) };
        Ok(OpenObject::read(self, wanted)?.map_err(Refusal::from).boxed())
    }
}

/// Bytes that are there already.
impl Origin for Bytes {
    fn read(&self, range: Range<u64>) -> Result<Flow, Refusal> {
        let bytes = self.slice(range.start as usize..range.end as usize);
        Ok(futures::stream::once(async move { Ok(bytes) }).boxed())
    }
}

/// Something to be read.
pub struct Content {
    /// What is known of it, as headers, without its length.
    pub headers: HeaderMap,
    /// Bytes.
    pub size: u64,
    /// Whether there are more, nobody knows how many: it is read to `u64::MAX` then.
    pub open_ended: bool,
    /// Its entity tag, without quotes.
    pub etag: Option<String>,
    /// When it was changed, in microseconds since 1970.
    pub modified: u64,
    /// Whether several ranges of it are given at once; otherwise it is then given whole.
    pub in_parts: bool,
    /// Its bytes; none where only its head was asked for.
    pub origin: Option<Box<dyn Origin>>,
}

/// Answers a GET or HEAD of a content.
pub async fn answer(call: &Call, content: Content) -> Outcome {
    let Content { mut headers, size, open_ended, etag, modified, in_parts, origin } = content;
    let seconds = modified.div_ceil(1_000_000);
    metadata::set(&mut headers, "last-modified", &time::http_seconds(seconds));
    metadata::set(&mut headers, "accept-ranges", "bytes");
    let tag = etag.unwrap_or_default();
    if !tag.is_empty() && !headers.contains_key(header::ETAG) {
        metadata::set(&mut headers, "etag", &tag);
    }
    if let Some(status) = condition::outcome(&call.headers, &tag, seconds) {
        let mut response = match status {
            StatusCode::NOT_MODIFIED => Response::new(full_body("")),
            status => Refusal::new(status).into_response(),
        };
        *response.status_mut() = status;
        headers.remove(header::CONTENT_TYPE);
        for (name, value) in &headers {
            response.headers_mut().append(name, value.clone());
        }
        return Ok(response);
    }
    let asked = call.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let asked = asked.filter(|_| condition::ranges_stand(&call.headers, &tag, seconds));
    let asked = match call.method {
        Method::HEAD => Asked::All,
        _ if open_ended => range::within(asked, size),
        _ => range::asked(asked, size),
    };
    let asked = match asked {
        Asked::Parts(parts) if parts.len() > 1 && !in_parts => Asked::All,
        asked => asked,
    };
    let (status, length, body) = match (origin, asked) {
        (None, _) => (StatusCode::OK, size, full_body("")),
        (Some(origin), Asked::All) if open_ended => {
            (StatusCode::OK, size, flowing(origin.read(0..u64::MAX)?).await?)
        }
        (Some(_), Asked::Unsatisfiable) => {
            let mut response = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE).into_response();
            headers.remove(header::CONTENT_TYPE);
            response.headers_mut().extend(headers);
            metadata::set(response.headers_mut(), "content-range", &format!("bytes */{size}"));
            return Ok(response);
        }
        (Some(_), Asked::All) if size == 0 => (StatusCode::OK, 0, full_body("")),
        (Some(origin), Asked::All) => (StatusCode::OK, size, flowing(origin.read(0..size)?).await?),
        (Some(origin), Asked::Parts(parts)) if parts.len() == 1 => {
            let part = parts[0].clone();
            let (first, last) = (part.start, part.end - 1);
            let of = if open_ended { "*".to_owned() } else { size.to_string() };
            metadata::set(&mut headers, "content-range", &format!("bytes {first}-{last}/{of}"));
            let length = part.end - part.start;
            (StatusCode::PARTIAL_CONTENT, length, flowing(origin.read(part)?).await?)
        }
        (Some(origin), Asked::Parts(parts)) => {
            let kind = headers.get(header::CONTENT_TYPE).cloned();
            let several = Several::new(parts, size, kind.as_ref());
            let value = format!("multipart/byteranges;boundary={}", several.boundary);
            metadata::set(&mut headers, "content-type", &value);
            let length = several.length();
            (StatusCode::PARTIAL_CONTENT, length, flowing(several.flow(origin)).await?)
        }
    };
    if !open_ended || status == StatusCode::PARTIAL_CONTENT {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    // Said to who asks: a connection of HTTP/1.1 is kept anyway.
    if call.header("connection").is_some_and(|said| said.eq_ignore_ascii_case("keep-alive")) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// A body of what flows. What fails before the first byte is a refusal; what fails later breaks
/// the connection, so that nobody takes a part for the whole.
async fn flowing(mut flow: Flow) -> Result<Body, Refusal> {
    let first = flow.next().await.transpose()?;
    let first = futures::stream::iter(first.map(Ok));
    let frames = first.chain(flow).map(|item| match item {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            tracing::warn!(%error, "an answer is broken off");
            Err(BoxError::from(error))
        }
    });
    Ok(StreamBody::new(frames).boxed_unsync())
}

/// Several parts of a content in one body.
struct Several {
    parts: Vec<(Bytes, Range<u64>)>,
    end: Bytes,
    boundary: String,
}

impl Several {
    fn new(parts: Vec<Range<u64>>, size: u64, kind: Option<&HeaderValue>) -> Self {
        let boundary = hex::encode(rand::random::<[u8; 16]>());
        let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
        let head = |part: &Range<u64>| {
            let mut head = format!("--{boundary}\r\nContent-Type: ").into_bytes();
            head.extend_from_slice(kind);
            let (first, last) = (part.start, part.end - 1);
            head.extend(format!("\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n").bytes());
            Bytes::from(head)
        };
        let parts = parts.into_iter().map(|part| (head(&part), part)).collect();
        let end = Bytes::from(format!("--{boundary}--"));
        Self { parts, end, boundary }
    }

    fn length(&self) -> u64 {
        let part =
            |(head, part): &(Bytes, Range<u64>)| head.len() as u64 + part.end - part.start + 2;
        self.parts.iter().map(part).sum::<u64>() + self.end.len() as u64
    }

    /// One part is opened when the one before it has gone, and before its head goes: a part that
    /// cannot be read is refused while that is possible.
    fn flow(self, origin: Box<dyn Origin>) -> Flow {
        let once = |bytes: Bytes| futures::stream::once(async move { Ok(bytes) });
        let end = once(self.end);
        futures::stream::iter(self.parts)
            .flat_map(move |(head, part)| {
                let read = origin.read(part);
                let part = async move {
                    let mut read = read?;
                    let first = read.next().await.transpose()?;
                    let first = futures::stream::iter(first.map(Ok));
                    let end = Bytes::from_static(b"\r\n");
                    Ok::<_, Refusal>(once(head).chain(first).chain(read).chain(once(end)))
                };
                futures::stream::once(part).try_flatten()
            })
            .chain(end)
            .boxed()
    }
}
