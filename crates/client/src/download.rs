//! The bytes of an object on their way to the caller.

use crate::{Damages, Error, memory::Room, timings::Stopwatch};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use model::Object;
use std::{
    fmt, io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

/// What the reading task sends: the bytes of a stripe or two, the end, or why there is none.
pub(crate) enum Part {
    Bytes(Vec<Bytes>, Room),
    End,
    Failed(Error),
}

/// The content of an object as a stream of bytes, with what is known of the object.
///
/// The stream gives exactly the bytes asked for or ends in an error; a whole content is checked
/// against its hash before the stream ends. Dropping it cancels the read.
pub struct Download {
    object: Object,
    ranges: Vec<Range<u64>>,
    damages: Damages,
    parts: mpsc::Receiver<Part>,
    /// What is next, and its room, which is given back when the caller asks for more.
    current: (std::vec::IntoIter<Bytes>, Option<Room>),
    over: bool,
    watch: Stopwatch,
    _task: AbortOnDropHandle<()>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("object", &self.object.entry.name)
            .field("ranges", &self.ranges)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(crate) fn new(
        object: Object,
        ranges: Vec<Range<u64>>,
        damages: Damages,
        parts: mpsc::Receiver<Part>,
        task: AbortOnDropHandle<()>,
    ) -> Self {
        let current = (Vec::new().into_iter(), None);
        let watch = Stopwatch::start(None);
        Self { object, ranges, damages, parts, current, over: false, watch, _task: task }
    }

    /// Measures when the first bytes and when the last come.
    pub(crate) fn timed(self, watch: Stopwatch) -> Self {
        Self { watch, ..self }
    }

    /// The object, with its properties.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The parts of the content that the stream gives, one after the other: as asked for,
    /// clipped at its end; one with everything if no range was asked for.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Bytes that the stream gives in all.
    pub fn length(&self) -> u64 {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }

    /// The chunks this read had to do without so far. The list goes on growing while the
    /// stream is read.
    pub fn damages(&self) -> Damages {
        self.damages.clone()
    }

    /// Collects everything in memory.
    ///
    /// # Errors
    /// Whatever the read fails with.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await.transpose()? {
            if all.is_empty() && bytes.len() as u64 == self.length() {
                // All in one piece, but the end must be seen: errors come there.
                return match self.next().await.transpose()? {
                    None => Ok(bytes),
                    Some(_) => Err(Error::internal("more bytes were read than there are")),
                };
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Writes everything to a destination, and flushes it; gives the number of bytes.
    ///
    /// # Errors
    /// Whatever the read fails with; [`Error::Destination`] if writing fails.
    pub async fn write_to(
        mut self,
        destination: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, Error> {
        let mut written = 0;
        while let Some(mut bytes) = self.next().await.transpose()? {
            written += bytes.len() as u64;
            destination.write_all_buf(&mut bytes).await.map_err(Error::Destination)?;
        }
        destination.flush().await.map_err(Error::Destination)?;
        Ok(written)
    }

    /// The stream as a reader. Errors of the read are inside its I/O errors.
    pub fn into_reader(self) -> impl AsyncRead + Send {
        tokio_util::io::StreamReader::new(self.map(|item| item.map_err(io::Error::other)))
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.current.0.next() {
                this.watch.split(|s| &mut s.ttfb);
                return Poll::Ready(Some(Ok(bytes)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            this.current.1 = None;
            match std::task::ready!(this.parts.poll_recv(cx)) {
                Some(Part::Bytes(bytes, room)) => this.current = (bytes.into_iter(), Some(room)),
                Some(Part::End) => {
                    this.over = true;
                    this.watch.split(|s| &mut s.ttlb);
                }
                Some(Part::Failed(error)) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                // The task ended without saying so: that is never the end of the content.
                None => {
                    this.over = true;
                    return Poll::Ready(Some(Err(Error::internal("the read was cut off"))));
                }
            }
        }
    }
}
