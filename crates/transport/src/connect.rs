//! Connecting: over TCP, or within the process.

use crate::{App, Bearer, Channel};
use futures::{FutureExt, future::BoxFuture};
use http::Uri;
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::{Interceptor, interceptor::InterceptedService};

/// A connection, whatever carries it.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection of a kind known only at run time.
pub type BoxIo = Box<dyn Io>;

/// Makes connections to addresses of the form `host:port`.
pub trait Connect: Send + Sync + 'static {
    /// Connects.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>>;
}

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connects over TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

impl Connect for TcpConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let address = address.to_owned();
        async move {
            let connecting = tokio::net::TcpStream::connect(&address);
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            // Requests are small and answers are waited for.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxIo)
        }
        .boxed()
    }
}

/// Reaches the apps of this process through pipes, and everything else through another
/// connector: chunk traffic inside a process does not cross a socket.
pub struct LocalConnector {
    local: parking_lot::RwLock<BTreeMap<String, App>>,
    remote: Arc<dyn Connect>,
}

/// Bytes a pipe holds in each direction.
const PIPE_BYTES: usize = 64 * 1024;

impl LocalConnector {
    /// A connector that knows no local app yet.
    pub fn new(remote: Arc<dyn Connect>) -> Self {
        Self { local: Default::default(), remote }
    }

    /// Serves an address by an app of this process.
    pub fn add(&self, address: impl Into<String>, app: App) {
        self.local.write().insert(address.into(), app);
    }
}

impl Connect for LocalConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let Some(app) = self.local.read().get(address).cloned() else {
            return self.remote.connect(address);
        };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(async move { app.serve_connection(far).await });
        futures::future::ready(Ok(Box::new(near) as BoxIo)).boxed()
    }
}

/// Shows who calls with every call.
#[derive(Clone)]
pub struct Authenticated(Bearer);

impl Interceptor for Authenticated {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(shown) = self.0.metadata() {
            request.metadata_mut().insert("authorization", shown);
        }
        Ok(request)
    }
}

/// A gRPC channel to `address` that connects when it is first used and again when it breaks.
/// `deadline` bounds each call.
///
/// # Errors
/// The address is not of the form `host:port`.
pub fn channel(
    connector: Arc<dyn Connect>,
    address: &str,
    bearer: impl Into<Bearer>,
    deadline: Duration,
) -> Result<InterceptedService<Channel, Authenticated>, model::Error> {
    let bad = || model::Error::invalid(format!("{address:?} is not an address (host:port)"));
    let uri = format!("http://{address}").parse::<Uri>().map_err(|_| bad())?;
    let authority = uri.authority().filter(|a| a.as_str() == address).ok_or_else(bad)?;
    let channel = Channel::new(connector, authority.clone(), deadline);
    Ok(InterceptedService::new(channel, Authenticated(bearer.into())))
}
