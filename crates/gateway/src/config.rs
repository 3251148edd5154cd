//! Settings of a gateway.

use std::time::Duration;

/// What an operator may want to be otherwise.
#[derive(Debug, Clone)]
pub struct Config {
    /// What clients are told to use, `https://storage.example.com`; what they used to log in
    /// otherwise.
    pub public_url: Option<String>,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// How long nothing may come of a request's body, or go of an answer's.
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            token_lifetime: Duration::from_secs(24 * 3600),
            idle_timeout: Duration::from_secs(60),
        }
    }
}
