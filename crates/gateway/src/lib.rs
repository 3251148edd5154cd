//! The HTTP front: OpenStack Swift's object storage API over the client library.
//!
//! A [`Gateway`] keeps nothing: users, settings and contents are in the store, tokens are signed,
//! and what it remembers for some seconds (`memory`) it may forget. So any number of them serve
//! a cluster. It knows the client library and no protocol between daemons.
//!
//! # Modules
//!
//! - `front`: connections, time-outs, the access log; `server`: accepting until told to stop;
//!   `tls`: its certificate.
//! - `route`: from a request to who answers it; `call`: one request below `/v1`.
//! - `caller`, `acl`, `authorize`: who may do what; `tempauth`, `keystone`: getting
//!   a token.
//! - `account`, `container`, `object`, `copy`: what the API does; `listing`, `content`,
//!   `metadata`, `range`, `condition`, `path`, `query`, `time`, `limits`: its forms.
//! - `reader`: whatever a path names, as something to be read; `segments`: several objects as one;
//!   `slo`, `dlo`: static and dynamic large objects; `symlink`: symbolic links.
//! - `bulk`: deleting many things; `archive`: uploads of many objects in one archive; `report`:
//!   the answers of what does many things at once.
//! - `expiry`, `quota`, `versions`, `current`, `history`, `replaced`: what else Swift has; `info`
//!   tells of all of it.
//! - `tempurl`, `formpost`, with `signature` and `multipart`: rights that URLs and forms carry;
//!   `staticweb`: containers as web sites; `cors`: what pages of other sites may;
//!   `domain`: accounts and containers as names of hosts; `cdn`: public containers, on a listener
//!   of their own.
//! - `ratelimit`: how fast may be written.
//! - `refusal`: the one table from errors to statuses.
#![forbid(unsafe_code)]

#[doc = include_str!("../SWIFT.md")]
pub mod swift {}

mod account;
mod acl;
mod archive;
mod authorize;
mod bulk;
mod call;
mod caller;
mod cdn;
mod condition;
mod config;
mod container;
mod content;
mod copy;
mod cors;
mod current;
mod dlo;
mod domain;
mod expiry;
mod formpost;
mod front;
mod gateway;
mod history;
mod info;
mod keystone;
mod limits;
mod listing;
mod memory;
mod metadata;
mod multipart;
mod object;
mod path;
mod payload;
mod query;
mod quota;
mod range;
mod ratelimit;
mod reader;
mod refusal;
mod replaced;
mod report;
mod route;
mod segments;
mod server;
mod signature;
mod slo;
mod staticweb;
mod symlink;
mod tempauth;
mod tempurl;
mod time;
mod tls;
mod versions;

pub use config::{Cdn, Config, Rates};
pub use gateway::Gateway;
pub use server::{Face, serve};
pub use tls::{Tls, TlsError};
