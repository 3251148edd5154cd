//! The network: turmoil's, behind the seams of servers and clients.

use futures::{FutureExt, future::BoxFuture};
use std::{io, time::Duration};
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

/// Connects from the machine whose code runs.
#[derive(Debug, Clone, Copy)]
pub struct SimConnect;

impl Connect for SimConnect {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let machine = address.split(':').next().unwrap_or_default().to_owned();
        async move {
            let connecting = TcpStream::connect((machine, PORT));
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
            let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(Box::new(stream) as BoxIo)
        }
        .boxed()
    }
}
