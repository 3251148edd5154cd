//! Settings of a gateway.

use crate::tls::Tls;
use std::{num::NonZeroU32, time::Duration};

/// What an operator may want to be otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// What clients are told to use, `https://storage.example.com`; what they used to log in
    /// otherwise.
    pub public_url: Option<String>,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// How long a client may let us wait: for a request and its head, for more of a body, and to
    /// take more of an answer.
    pub idle_timeout: Duration,
    /// Domains below which names of hosts are those of accounts and containers.
    pub storage_domains: Vec<String>,
    /// How fast it may be written.
    pub rates: Rates,
    /// With what connections are secured, if they are.
    pub tls: Option<Tls>,
    /// Where public containers are served and managed, if they are.
    pub cdn: Option<Cdn>,
}

/// How fast may be written, each a second; as fast as it goes otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Containers of an account, made and removed.
    pub containers: Option<NonZeroU32>,
    /// Objects of a container, written and removed.
    pub objects: Option<NonZeroU32>,
}

/// Where public containers are served and managed.
#[derive(Debug, Clone)]
pub struct Cdn {
    /// The port it listens on, which clients are told with the host they came to.
    pub port: u16,
    /// What they are told instead.
    pub public_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            token_lifetime: Duration::from_secs(24 * 3600),
            idle_timeout: Duration::from_secs(60),
            storage_domains: Vec::new(),
            rates: Rates::default(),
            tls: None,
            cdn: None,
        }
    }
}
