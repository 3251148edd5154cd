//! The network: turmoil's, behind the seams of servers and clients.

use crate::random::Rng;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::{BoxIo, Connect, Listener};
use turmoil::net::{TcpListener, TcpStream};

/// The port that every machine listens on.
pub const PORT: u16 = 7000;

/// How long a connection may take to come about, as over TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of a machine.
pub fn address(machine: &str) -> String {
    format!("{machine}:{PORT}")
}

/// Accepts connections on a machine.
pub struct SimListener(TcpListener);

impl SimListener {
    /// On the machine whose code runs.
    pub async fn bind() -> io::Result<Self> {
        TcpListener::bind(("0.0.0.0", PORT)).await.map(Self)
    }
}

impl Listener for SimListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// How soon connections break. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Flakiness(Arc<AtomicU64>);

impl Flakiness {
    /// Each connection breaks when it has received fewer pieces than this; 0: none breaks.
    pub fn set(&self, pieces: u64) {
        self.0.store(pieces, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connects from the machine whose code runs.
#[derive(Clone, Default)]
pub struct SimConnect {
    flaky: Option<(Flakiness, Arc<Mutex<Rng>>)>,
}

impl SimConnect {
    /// Makes connections that break as often as they should.
    pub fn flaky(flakiness: Flakiness, rng: Rng) -> Self {
        Self { flaky: Some((flakiness, Arc::new(Mutex::new(rng)))) }
    }
}

impl Connect for SimConnect {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let machine = address.split(':').next().unwrap_or_default().to_owned();
        let flaky = self.flaky.clone();
        async move {
            let connecting = TcpStream::connect((machine, PORT));
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
            let stream = stream.map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
            let Some((flakiness, rng)) = flaky else { return Ok(Box::new(stream) as BoxIo) };
            let pieces = rng.lock().below(flakiness.get());
            Ok(Box::new(FlakyStream { stream, pieces, flakiness, broken: false }) as BoxIo)
        }
        .boxed()
    }
}

/// A connection that breaks when an answer has come in, so that what was asked was done and
/// nobody knows.
struct FlakyStream {
    stream: TcpStream,
    /// What it receives before it breaks.
    pieces: u64,
    flakiness: Flakiness,
    broken: bool,
}

impl FlakyStream {
    fn check(&self) -> io::Result<()> {
        if self.broken { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for FlakyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.flakiness.get() > 0 {
            if self.pieces == 0 {
                buf.set_filled(before);
                self.broken = true;
                return Poll::Ready(self.check());
            }
            self.pieces -= 1;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FlakyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
