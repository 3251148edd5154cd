//! A caller that connects and says nothing.

use crate::Io;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Bytes from which the versions of HTTP are told apart: the preface of HTTP/2. From then on each
/// has deadlines of its own.
const GREETING_BYTES: usize = 24;

/// A connection that fails if its first bytes do not come in time.
pub(crate) struct Greeting<I> {
    io: I,
    read: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<I: Io> Greeting<I> {
    pub(crate) fn new(io: I, within: Duration) -> Self {
        Self { io, read: 0, deadline: Box::pin(tokio::time::sleep(within)) }
    }
}

impl<I: Io> AsyncRead for Greeting<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= GREETING_BYTES {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.read += buf.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<I: Io> AsyncWrite for Greeting<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn silence_and_half_a_greeting_end_and_a_whole_one_lasts() {
        let within = Duration::from_millis(50);
        for said in [0, 5, GREETING_BYTES] {
            let (mut near, far) = tokio::io::duplex(64);
            let mut greeting = Greeting::new(far, within);
            near.write_all(&[b'P'; GREETING_BYTES][..said]).await.unwrap();
            let mut heard = vec![0; said];
            greeting.read_exact(&mut heard).await.unwrap();
            let more = tokio::time::timeout(4 * within, greeting.read_u8()).await;
            match more {
                Ok(ended) => {
                    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
                    assert!(said < GREETING_BYTES);
                }
                Err(_) => assert_eq!(said, GREETING_BYTES),
            }
        }
    }
}
