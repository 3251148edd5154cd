//! The body of a request, bounded in time and, where it is read as a whole, in size.

use crate::refusal::{BodyError, Refusal};
use bytes::{Bytes, BytesMut};
use client::Source;
use futures::{Stream, StreamExt};
use http_body::Body as _;
use http_body_util::BodyStream;
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::{pin::Pin, time::Duration};

/// Bytes of a body that nobody reads, which are still taken from a client, so that it hears the
/// answer: clients send theirs before they listen.
const IGNORED_BYTES: usize = 64 * 1024;

/// How long that is tried.
const IGNORED_TIME: Duration = Duration::from_secs(1);

/// The body of a request.
pub struct Payload {
    body: Option<Incoming>,
    /// What there is instead of it.
    made: Mutex<Option<Frames>>,
    idle: Duration,
    /// Whether the client waits to be asked for it.
    expected: bool,
}

/// Bytes as they come.
pub type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

impl Payload {
    /// A body that must not stop for longer than `idle`. `expected` is whether the client waits
    /// for `100 Continue` before it sends.
    pub fn new(body: Incoming, idle: Duration, expected: bool) -> Self {
        Self { body: Some(body), made: Mutex::default(), idle, expected }
    }

    /// No body.
    pub fn none() -> Self {
        Self { body: None, made: Mutex::default(), idle: Duration::ZERO, expected: false }
    }

    /// What somebody here makes of another body.
    pub fn made(frames: Frames) -> Self {
        Self { made: Mutex::new(Some(frames)), ..Self::none() }
    }

    /// The bytes as they come.
    pub fn frames(&mut self) -> Frames {
        if let Some(made) = self.made.get_mut().take() {
            return made;
        }
        let Some(body) = self.body.take() else { return Box::pin(futures::stream::empty()) };
        let idle = self.idle;
        let frames = BodyStream::new(body);
        let next = move |mut frames: BodyStream<Incoming>| async move {
            loop {
                let item = match tokio::time::timeout(idle, frames.next()).await {
                    Err(_) => Err(BodyError::Timeout),
                    Ok(None) => return None,
                    Ok(Some(Err(error))) => Err(BodyError::Broken(error)),
                    Ok(Some(Ok(frame))) => match frame.into_data() {
                        Ok(bytes) => Ok(bytes),
                        // Trailers.
                        Err(_) => continue,
                    },
                };
                return Some((item, frames));
            }
        };
        // Whoever reads on after the end finds it again.
        Box::pin(futures::stream::unfold(frames, next).fuse())
    }

    /// The body as the source of an upload.
    pub fn source(&mut self) -> Source {
        Source::stream(self.frames())
    }

    /// Whether it is over before a byte of it came.
    ///
    /// # Errors
    /// 408 and 499 if it does not come.
    pub async fn is_empty(&mut self) -> Result<bool, Refusal> {
        let mut frames = self.frames();
        while let Some(bytes) = frames.next().await {
            if !bytes.map_err(|error| Refusal::from(&error))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The whole body, which must not be larger than `most` bytes.
    ///
    /// # Errors
    /// 413 if it is larger, 408 and 499 if it does not come.
    pub async fn collect(&mut self, most: usize) -> Result<Bytes, Refusal> {
        let mut frames = self.frames();
        let mut all = BytesMut::new();
        while let Some(bytes) = frames.next().await {
            let bytes = bytes.map_err(|error| Refusal::from(&error))?;
            if all.len() + bytes.len() > most {
                return Err(Refusal::from(&BodyError::TooLarge));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Takes what the client sent and nobody wanted, within bounds.
    pub async fn ignore(mut self) {
        let is_there = self.made.get_mut().is_some()
            || self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        if !is_there || self.expected {
            return;
        }
        let mut frames = self.frames();
        let read = async {
            let mut left = IGNORED_BYTES;
            while let Some(Ok(bytes)) = frames.next().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(IGNORED_TIME, read).await;
    }
}
