//! Being somebody: what a client shows to servers, and logging in to get it.
//!
//! A user's key is shown to log in, and a token that is good for minutes with every other call.
//! It is renewed before it expires, and once more where a server does not take it.

use crate::{
    Error,
    metadata::{LONGEST_PAUSE, Metadata},
};
use model::{UserKey, UserName};
use parking_lot::Mutex;
use proto::v1::{self, users_client::UsersClient};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;
use transport::{AccessKey, Bearer};

/// Who a client is.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A user, who logs in.
    User(UserName, UserKey),
    /// A daemon, or who has the cluster's secret.
    Daemon(AccessKey),
}

/// Pause after nobody let the user log in; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How long one server may take before another is asked: checking a key takes its time.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client shows, and how it gets it.
pub(crate) struct Session {
    user: Option<(UserName, UserKey)>,
    bearer: Bearer,
    token: Mutex<Option<Token>>,
    /// Held by who logs in: the others wait for the outcome.
    turn: tokio::sync::Mutex<()>,
}

/// A token, as its times go. The token itself is in the bearer.
#[derive(Clone, Copy)]
struct Token {
    /// Which one it is, counted from the first.
    number: u64,
    /// From when on it is time for the next.
    stale: Instant,
    /// From when on it is worth nothing.
    expires: Instant,
}

impl Session {
    pub(crate) fn new(identity: Identity) -> Self {
        let (user, bearer) = match identity {
            Identity::User(user, key) => (Some((user, key)), Bearer::default()),
            Identity::Daemon(key) => (None, Bearer::from(&key)),
        };
        Self { user, bearer, token: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What is shown.
    pub(crate) fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// What chunk servers are shown beside capabilities: they know daemons alone, and a user's
    /// token is none of their business.
    pub(crate) fn shown_to_chunk_servers(&self) -> Bearer {
        if self.user.is_some() { Bearer::default() } else { self.bearer.clone() }
    }

    /// Waits until there is something good to show; its number, for [`Session::refused`].
    pub(crate) async fn ready(&self, metadata: &Metadata, end: Instant) -> Result<u64, Error> {
        let Some((user, key)) = &self.user else { return Ok(0) };
        let now = Instant::now();
        let seen = *self.token.lock();
        if let Some(token) = seen.filter(|token| now < token.stale) {
            return Ok(token.number);
        }
        let good = seen.filter(|token| now < token.expires);
        // While the old one is good, one caller renews it and the others go on.
        let _turn = match (good, self.turn.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(token), Err(_)) => return Ok(token.number),
            (None, Err(_)) => self.turn.lock().await,
        };
        let before = *self.token.lock();
        if let Some(token) = before.filter(|token| Instant::now() < token.stale) {
            return Ok(token.number);
        }
        let number = before.map_or(1, |token| token.number + 1);
        let asked = Instant::now();
        match (log_in(metadata, user, key, end).await, good) {
            (Ok(answer), _) => {
                self.take(answer, number, asked);
                Ok(number)
            }
            (Err(error @ Error::Denied(_)), _) | (Err(error), None) => Err(error),
            // It is tried again by the next call.
            (Err(_), Some(token)) => Ok(token.number),
        }
    }

    /// A server did not take what was shown. Whether it makes sense to show something else:
    /// then the next call logs in.
    pub(crate) fn refused(&self, number: u64) -> bool {
        if self.user.is_none() {
            return false;
        }
        let mut token = self.token.lock();
        if let Some(token) = token.as_mut().filter(|token| token.number == number) {
            token.stale = Instant::now();
            token.expires = token.stale;
        }
        true
    }

    fn take(&self, answer: v1::LoginResponse, number: u64, asked: Instant) {
        let lifetime = Duration::from_secs(answer.seconds.into());
        self.bearer.set(&answer.token);
        let (stale, expires) = (asked + lifetime * 2 / 3, asked + lifetime);
        *self.token.lock() = Some(Token { number, stale, expires });
    }
}

/// Shows a user's key to the directory's leader, wherever it is, until there is a definite answer.
pub(crate) async fn log_in(
    metadata: &Metadata,
    user: &UserName,
    key: &UserKey,
    end: Instant,
) -> Result<v1::LoginResponse, Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut servers: VecDeque<String> = metadata.known_servers().into();
        let most = 2 * servers.len() + 1;
        let mut last = model::Error::unavailable("no address of a metadata node is known");
        for _ in 0..most {
            let Some(address) = servers.pop_front() else { break };
            let request = v1::LoginRequest { user: user.to_string(), key: key.reveal().to_owned() };
            let send = |channel| {
                let request = request.clone();
                async move { UsersClient::new(channel).login(request).await }
            };
            let within = end.min(Instant::now() + ATTEMPT_TIMEOUT);
            match metadata.ask_server(&address, within, &send).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) if !refusal.repeat => return Err(refusal.error.into()),
                Err(refusal) => {
                    let leader = refusal.leader.filter(|leader| *leader != address);
                    if let Some(leader) = leader {
                        servers.push_front(leader);
                    }
                    last = refusal.error;
                }
            }
        }
        if Instant::now() + pause >= end {
            return Err(Error::unavailable(format!("nobody let {user} log in: {last}")));
        }
        tokio::time::sleep(metadata.jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
