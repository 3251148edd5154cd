//! What was looked up just now and is needed by the next request too: accounts, containers and
//! users, for seconds.
//!
//! Swift keeps such things for a minute. What changes through this gateway is forgotten at once;
//! another gateway of the cluster sees it after [`FRESH`] at the latest.

use crate::{gateway::Inner, path::Account as AccountPath, refusal::Refusal};
use client::{Account, AccountName, ClusterMap, Container, ContainerName, Error, User, UserName};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long what was looked up is taken for what is.
const FRESH: Duration = Duration::from_secs(5);

/// Things of each kind that are remembered.
const MOST: usize = 4096;

/// Something with when it was looked up.
#[derive(Clone)]
struct Seen<T>(Instant, Option<Arc<T>>);

impl<T> Seen<T> {
    fn fresh(self) -> Option<Option<Arc<T>>> {
        (self.0.elapsed() < FRESH).then_some(self.1)
    }
}

/// What was looked up.
pub struct Memory {
    accounts: Cache<AccountName, Seen<Account>>,
    containers: Cache<(AccountName, ContainerName), Seen<Container>>,
    users: Cache<UserName, Seen<User>>,
    map: Mutex<Option<(Instant, Arc<ClusterMap>)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            accounts: Cache::new(MOST),
            containers: Cache::new(MOST),
            users: Cache::new(MOST),
            map: Mutex::default(),
        }
    }
}

/// What there is, or none where there certainly is nothing.
fn absent_is_none<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(Error::NoSuchAccount(_) | Error::NoSuchContainer(_) | Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Inner {
    /// An account as it is now.
    pub async fn account_now(
        &self,
        account: &AccountName,
    ) -> Result<Option<Arc<Account>>, Refusal> {
        let found = absent_is_none(self.client.show_account(account).await)?.map(Arc::new);
        let seen = Seen(Instant::now(), found.clone());
        self.memory.accounts.insert(account.clone(), seen);
        Ok(found)
    }

    /// An account as it was seconds ago.
    pub async fn account(&self, account: &AccountName) -> Result<Option<Arc<Account>>, Refusal> {
        match self.memory.accounts.get(account).and_then(Seen::fresh) {
            Some(found) => Ok(found),
            None => self.account_now(account).await,
        }
    }

    /// A container as it is now.
    pub async fn container_now(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<Option<Arc<Container>>, Refusal> {
        let found =
            absent_is_none(self.client.show_container(account, container).await)?.map(Arc::new);
        let key = (account.clone(), container.clone());
        match &found {
            Some(_) => self.memory.containers.insert(key, Seen(Instant::now(), found.clone())),
            // It may be made in a moment, by somebody else.
            None => {
                self.memory.containers.remove(&key);
            }
        }
        Ok(found)
    }

    /// A container as it was seconds ago.
    pub async fn container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<Option<Arc<Container>>, Refusal> {
        let key = (account.clone(), container.clone());
        match self.memory.containers.get(&key).and_then(Seen::fresh) {
            Some(found) => Ok(found),
            None => self.container_now(account, container).await,
        }
    }

    /// The cluster's map as it was seconds ago: which policies there are.
    pub async fn map(&self) -> Result<Arc<ClusterMap>, Refusal> {
        let seen = self.memory.map.lock().clone();
        if let Some((_, map)) = seen.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(map);
        }
        let map = self.client.cluster().map().await?;
        *self.memory.map.lock() = Some((Instant::now(), map.clone()));
        Ok(map)
    }

    /// A user as it was seconds ago.
    pub async fn user(&self, user: &UserName) -> Result<Option<Arc<User>>, Refusal> {
        if let Some(found) = self.memory.users.get(user).and_then(Seen::fresh) {
            return Ok(found);
        }
        let found = absent_is_none(self.client.users().show(user).await)?.map(Arc::new);
        self.memory.users.insert(user.clone(), Seen(Instant::now(), found.clone()));
        Ok(found)
    }

    /// Forgets an account that was changed.
    pub fn forget_account(&self, account: &AccountPath) {
        self.memory.accounts.remove(&account.name);
    }

    /// Forgets a container that was changed.
    pub fn forget_container(&self, account: &AccountName, container: &ContainerName) {
        self.memory.containers.remove(&(account.clone(), container.clone()));
    }
}
