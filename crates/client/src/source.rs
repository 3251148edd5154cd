//! Where the bytes of an upload come from.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::{fmt, io, pin::Pin};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The bytes of an upload: there already, or read as they are needed.
pub struct Source {
    pub(crate) reader: Pin<Box<dyn AsyncRead + Send>>,
    pub(crate) size: Option<u64>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Source {
    /// Bytes read until the reader ends. They go straight into the fragments' buffers.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self { reader: Box::pin(reader), size: None }
    }

    /// Bytes of a stream, until it ends.
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = stream.map(|item| item.map_err(io::Error::other));
        Self::reader(tokio_util::io::StreamReader::new(stream))
    }

    /// Says how many bytes will come, which spares a look at the policy for small objects and
    /// places all metachunks at once. Another number of bytes is an error.
    pub fn sized(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Reads up to `most` bytes ahead; if the source ends there, its size is known.
    pub(crate) async fn read_ahead(mut self, most: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        (&mut self.reader).take(most.saturating_add(1)).read_to_end(&mut head).await?;
        if head.len() as u64 <= most {
            return Ok(head.into());
        }
        Ok(Self { reader: Box::pin(io::Cursor::new(head).chain(self.reader)), size: self.size })
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        let size = Some(bytes.len() as u64);
        Self { reader: Box::pin(io::Cursor::new(bytes)), size }
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static [u8]> for Source {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<&'static str> for Source {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
}
