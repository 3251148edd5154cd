//! What every daemon needs of the network: listening, connecting, knowing its callers, and
//! telling how it is.
//!
//! One listener serves everything a process does: gRPC over HTTP/2, bodies of chunks over
//! HTTP/1.1, `/health/live`, `/health/ready` and `/metrics`. Servers take any [`Listener`] and
//! a shutdown future, clients take any [`Connect`]: in production these are TCP, in one process
//! they are pipes ([`LocalConnector`]), in a simulation they are simulated.
//!
//! The crate knows no service: what is served comes in as an [`App`].
#![forbid(unsafe_code)]

mod app;
mod auth;
mod capability;
mod channel;
mod connect;
mod gate;
mod greeting;
mod listen;
mod pool;
mod token;

pub use app::{App, Body, BoxError, Health, HttpHandler, full_body};
pub use auth::{AccessKey, Keys, Secret, SecretError, read_private, write_private};
pub use capability::{
    ANY_VOLUME, CAPABILITY, Capability, CapabilityKey, DESTINATION_CAPABILITY, Verbs,
};
pub use channel::Channel;
pub use connect::{Authenticated, BoxIo, Connect, Io, LocalConnector, TcpConnector, channel};
pub use gate::{Admitted, Bearer, Caller, Gate, Seconds, denied};
pub use listen::{Listener, MAX_CONNECTIONS, accept, serve};
pub use pool::{HttpPool, PoolError};
pub use token::{Claims, TokenKey};
