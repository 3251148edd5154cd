//! Sending a chunk's stored bytes.

use super::{
    HttpError,
    answer::{BYTES_UNIT, header_text},
};
use crate::{VolumeError, engine::ChunkReader, health::UnderWay, volume::Volume};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use model::ChunkName;
use std::{ops::Range, sync::Arc};
use transport::Body;

/// Reads under way or waiting to be sent, per request: one is sent while the next is read.
const READS_AHEAD: usize = 2;

pub(super) async fn get(
    volume: &Volume,
    name: ChunkName,
    headers: &HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let under_way = volume.health().admit()?;
    let asked = header_text(headers, &header::RANGE)?.map(AskedRange::parse).transpose()?;
    let reader = volume.engine()?.get(&name).await?;
    let all = reader.bytes();
    let range = match asked {
        Some(asked) => asked.within(all).ok_or_else(|| HttpError::out_of_range(all))?,
        None => 0..all,
    };
    metrics::counter!("cairn_chunk_gets_total").increment(1);
    let length = range.end - range.start;
    let content_range = format!("bytes {}-{}/{all}", range.start, range.end.saturating_sub(1));
    let frames = read(reader, range, volume.health().buffer_bytes(), under_way);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, BYTES_UNIT);
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    if asked.is_some() {
        headers.extend(HeaderValue::from_str(&content_range).map(|v| (header::CONTENT_RANGE, v)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The bytes of a range, read a little ahead of the receiver. An error ends the stream, which
/// breaks the connection: the receiver sees that the length it was told did not come.
fn read(
    reader: Arc<dyn ChunkReader>,
    range: Range<u64>,
    piece_bytes: usize,
    under_way: UnderWay,
) -> impl Stream<Item = Result<Frame<Bytes>, transport::BoxError>> + Send {
    let pieces = range.clone().step_by(piece_bytes).map(move |start| {
        let bytes = (range.end - start).min(piece_bytes as u64) as usize;
        let reader = reader.clone();
        async move { reader.read(start, bytes).await }
    });
    stream::iter(pieces).buffered(READS_AHEAD).map(move |read: Result<Bytes, VolumeError>| {
        // Under way until the last of it is handed over.
        let _ = &under_way;
        match read {
            Ok(bytes) => {
                let sent = metrics::counter!("cairn_chunk_get_bytes_total");
                sent.increment(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                tracing::warn!(%error, source = std::error::Error::source(&error), "a read");
                Err(error.into())
            }
        }
    })
}

/// A range as it was asked for: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedRange {
    From(u64, Option<u64>),
    Last(u64),
}

impl AskedRange {
    fn parse(text: &str) -> Result<Self, HttpError> {
        let wrong = || HttpError::invalid("the range must be one of bytes=a-b, bytes=a-, bytes=-n");
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten().ok_or_else(wrong)
        };
        let (first, last) =
            text.strip_prefix("bytes=").and_then(|r| r.split_once('-')).ok_or_else(wrong)?;
        match (first, last) {
            ("", last) => Ok(Self::Last(number(last)?)),
            (first, "") => Ok(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(wrong());
                }
                Ok(Self::From(first, Some(last)))
            }
        }
    }

    /// The part of a body of `all` bytes; `None` if there is none.
    fn within(self, all: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => {
                first..last.map_or(all, |last| last.saturating_add(1)).min(all)
            }
            Self::Last(bytes) => all.saturating_sub(bytes)..all,
        };
        (range.start < range.end).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_as_http_has_them() {
        let within = |text: &str, all| AskedRange::parse(text).unwrap().within(all);
        assert_eq!(within("bytes=0-0", 10), Some(0..1));
        assert_eq!(within("bytes=3-", 10), Some(3..10));
        assert_eq!(within("bytes=3-100", 10), Some(3..10));
        assert_eq!(within("bytes=-4", 10), Some(6..10));
        assert_eq!(within("bytes=-40", 10), Some(0..10));
        assert_eq!(within("bytes=10-", 10), None);
        assert_eq!(within("bytes=-0", 10), None);
        assert_eq!(within("bytes=0-18446744073709551615", 10), Some(0..10));
        for bad in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
            "bytes=1-18446744073709551616",
        ] {
            assert!(AskedRange::parse(bad).is_err(), "{bad}");
        }
    }
}
