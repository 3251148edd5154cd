//! What all requests share.

use crate::{Config, memory::Memory, ratelimit::Pace};
use client::Client;
use std::{ops::Deref, sync::Arc};
use transport::TokenKey;

/// A gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// What is behind it.
pub struct Inner {
    /// Settings.
    pub(crate) config: Config,
    /// The store, asked as a daemon: what users may do is checked here.
    pub(crate) client: Client,
    /// What tokens are signed with.
    pub(crate) tokens: TokenKey,
    /// What was looked up just now.
    pub(crate) memory: Memory,
    /// Whose turn it is to write.
    pub(crate) pace: Pace,
}

impl Gateway {
    /// A gateway to the store of `client`, which must be allowed everything.
    pub fn new(config: Config, client: Client, tokens: TokenKey) -> Self {
        Self(Arc::new(Inner {
            config,
            client,
            tokens,
            memory: Memory::default(),
            pace: Pace::default(),
        }))
    }
}

impl Deref for Gateway {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
