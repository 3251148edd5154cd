//! Accounts.

use crate::{
    Client, Error,
    changes::{Changes, DEFAULT_LIMIT, awaitable, changes_properties, lists, takes_properties},
    container::goes_on,
    metadata::{Metadata, Route, ask},
};
use model::{Account, AccountName, ContainerEntry, ListQuery, Listing, Properties};
use proto::{
    convert::properties_to,
    v1::{self, metadata_client::MetadataClient},
};
use std::sync::Arc;

impl Client {
    /// Creates an account; answers whether it is new.
    pub fn create_account(&self, account: &AccountName) -> CreateAccount {
        CreateAccount {
            metadata: self.inner.metadata.clone(),
            account: account.clone(),
            properties: Properties::new(),
        }
    }

    /// An account with its sums and properties.
    pub async fn show_account(&self, account: &AccountName) -> Result<Account, Error> {
        let request = v1::AccountRequest { account: account.to_string() };
        let route = Route::Slot(account.slot());
        let answer =
            ask!(self.inner.metadata, route, Read, MetadataClient::show_account, request).await?;
        Ok(answer.try_into()?)
    }

    /// Changes the properties of an account.
    pub fn update_account(&self, account: &AccountName) -> UpdateAccount {
        UpdateAccount {
            metadata: self.inner.metadata.clone(),
            account: account.clone(),
            changes: Changes::default(),
        }
    }

    /// Deletes an account without containers; [`Error::Conflict`] if it has any.
    pub async fn delete_account(&self, account: &AccountName) -> Result<(), Error> {
        let metadata = &self.inner.metadata;
        let request = v1::DeleteAccountRequest {
            request_id: metadata.request_id(),
            account: account.to_string(),
        };
        let route = Route::Slot(account.slot());
        ask!(metadata, route, Write, MetadataClient::delete_account, request).await?;
        Ok(())
    }

    /// Every account, in byte order of names.
    pub async fn list_accounts(&self) -> Result<Vec<AccountName>, Error> {
        let metadata = &self.inner.metadata;
        let mut accounts = Vec::new();
        for partition in metadata.map().await?.partitions.iter().map(|p| p.id) {
            let mut marker = String::new();
            loop {
                let request = v1::ListAccountsRequest {
                    partition: partition.0,
                    marker: marker.clone(),
                    limit: DEFAULT_LIMIT,
                };
                let route = Route::Partition(partition);
                let page =
                    ask!(metadata, route, Read, MetadataClient::list_accounts, request).await?;
                for name in &page.accounts {
                    accounts.push(name.parse::<AccountName>()?);
                }
                match page.accounts.last() {
                    Some(last) if page.truncated => marker.clone_from(last),
                    _ => break,
                }
            }
        }
        accounts.sort();
        accounts.dedup();
        Ok(accounts)
    }

    /// A page of the containers of an account, 1000 unless a limit is set.
    pub fn list_containers(&self, account: &AccountName) -> ListContainers {
        ListContainers {
            metadata: self.inner.metadata.clone(),
            account: account.clone(),
            query: ListQuery { limit: DEFAULT_LIMIT, ..ListQuery::default() },
        }
    }
}

/// Creates an account when awaited: true if it is new.
#[must_use = "nothing happens until it is awaited"]
pub struct CreateAccount {
    metadata: Arc<Metadata>,
    account: AccountName,
    properties: Properties,
}

takes_properties!(CreateAccount: properties);
awaitable!(CreateAccount => bool);

impl CreateAccount {
    async fn run(self) -> Result<bool, Error> {
        model::check_properties(&self.properties)?;
        let request = v1::CreateAccountRequest {
            request_id: self.metadata.request_id(),
            account: self.account.to_string(),
            properties: properties_to(self.properties),
        };
        let route = Route::Slot(self.account.slot());
        let answer =
            ask!(self.metadata, route, Write, MetadataClient::create_account, request).await?;
        Ok(answer.created)
    }
}

/// Changes the properties of an account when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct UpdateAccount {
    metadata: Arc<Metadata>,
    account: AccountName,
    changes: Changes,
}

changes_properties!(UpdateAccount);
awaitable!(UpdateAccount => ());

impl UpdateAccount {
    async fn run(self) -> Result<(), Error> {
        let request = v1::UpdateAccountRequest {
            request_id: self.metadata.request_id(),
            account: self.account.to_string(),
            properties: Some(self.changes.into_message()),
        };
        let route = Route::Slot(self.account.slot());
        ask!(self.metadata, route, Write, MetadataClient::update_account, request).await?;
        Ok(())
    }
}

/// Gives a page of the containers of an account when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct ListContainers {
    metadata: Arc<Metadata>,
    account: AccountName,
    query: ListQuery,
}

lists!(ListContainers);
awaitable!(ListContainers => Listing<ContainerEntry>);

impl ListContainers {
    async fn run(mut self) -> Result<Listing<ContainerEntry>, Error> {
        loop {
            let page = self.page().await?;
            if !goes_on(&mut self.query, &page) {
                return Ok(page);
            }
        }
    }

    async fn page(&self) -> Result<Listing<ContainerEntry>, Error> {
        let request = v1::ListContainersRequest {
            account: self.account.to_string(),
            query: Some(self.query.clone().into()),
        };
        let route = Route::Slot(self.account.slot());
        let answer =
            ask!(self.metadata, route, Read, MetadataClient::list_containers, request).await?;
        Ok(answer.try_into()?)
    }
}
