//! Counters that are told or summed up anew, and containers that take no writes.

use crate::{
    Client, Error,
    container::Place,
    metadata::{Route, ask},
};
use futures::{StreamExt, TryStreamExt, stream};
use model::{AccountName, ContainerName, ListedName, ObjectName};
use proto::v1::{self, metadata_client::MetadataClient, set_frozen_request::Frozen};

/// Containers refreshed at the same time.
const REFRESHED_AT_ONCE: usize = 8;

impl Client {
    /// Tells the account of a container what it holds, as if it had just been changed.
    pub async fn touch_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<(), Error> {
        self.update_container(account, container).await
    }

    /// Notes an object as just changed; nothing else of it changes.
    pub async fn touch_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
    ) -> Result<(), Error> {
        self.update_object(account, container, object).await
    }

    /// Counts what a container holds, puts its counters right if they are not, and tells its
    /// account: what it holds, or that it does not exist, so that it is listed no more. Answers
    /// whether it exists.
    pub async fn refresh_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<bool, Error> {
        self.tell(account, container, true).await
    }

    async fn tell(
        &self,
        account: &AccountName,
        container: &ContainerName,
        recount: bool,
    ) -> Result<bool, Error> {
        let place = self.place(account, container);
        let request = v1::RefreshContainerRequest {
            request_id: place.metadata.request_id(),
            account: account.to_string(),
            container: container.to_string(),
            recount,
        };
        let (metadata, route) = (&place.metadata, place.route());
        let answer =
            ask!(metadata, route, Write, MetadataClient::refresh_container, request).await?;
        Ok(answer.exists)
    }

    /// Brings the counters of an account up to date: has every container that it lists tell its
    /// own, and sums them up anew.
    pub async fn refresh_account(&self, account: &AccountName) -> Result<(), Error> {
        let mut next = Some((String::new(), None));
        while let Some(from) = next {
            let page = self.list_containers(account).resume(from).await?;
            let names = page.items.into_iter().filter_map(|item| match item {
                ListedName::Entry(entry) => Some(entry.name),
                ListedName::Prefix(_) => None,
            });
            let refresh = |name: ContainerName| {
                let (client, account) = (self.clone(), account.clone());
                async move { client.tell(&account, &name, false).await.map(drop) }
            };
            let refreshing = stream::iter(names).map(refresh);
            refreshing.buffer_unordered(REFRESHED_AT_ONCE).try_collect::<()>().await?;
            next = page.next;
        }
        let (metadata, route) = (&self.inner.metadata, Route::Slot(account.slot()));
        loop {
            let request = v1::AccountStepRequest {
                request_id: metadata.request_id(),
                account: account.to_string(),
            };
            let step =
                ask!(metadata, route, Write, MetadataClient::refresh_account, request).await?;
            if step.complete {
                return Ok(());
            }
        }
    }

    /// Refreshes every account, one after the other. One that goes meanwhile is passed over.
    pub async fn refresh_accounts(&self) -> Result<(), Error> {
        for account in self.list_accounts().await? {
            match self.refresh_account(&account).await {
                Ok(()) | Err(Error::NoSuchAccount(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Empties the list of an account's containers, and its counters with it. The containers and
    /// what is in them stay as they are: the next change of one, or its refresh, lists it again.
    pub async fn flush_account(&self, account: &AccountName) -> Result<(), Error> {
        let (metadata, route) = (&self.inner.metadata, Route::Slot(account.slot()));
        loop {
            let request = v1::AccountStepRequest {
                request_id: metadata.request_id(),
                account: account.to_string(),
            };
            let step = ask!(metadata, route, Write, MetadataClient::flush_account, request).await?;
            if step.complete {
                return Ok(());
            }
        }
    }

    /// Keeps a container as it is: every write to it is refused, until it is thawed.
    pub async fn freeze_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<(), Error> {
        let place = self.place(account, container);
        set_frozen(&place, Some(Frozen::Forever(true)), None).await
    }

    /// Lets a container take writes again, whatever keeps it from that: a snapshot as well.
    pub async fn thaw_container(
        &self,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<(), Error> {
        set_frozen(&self.place(account, container), None, None).await
    }
}

pub(crate) async fn set_frozen(
    place: &Place,
    frozen: Option<Frozen>,
    job: Option<Vec<u8>>,
) -> Result<(), Error> {
    let request = v1::SetFrozenRequest {
        request_id: place.metadata.request_id(),
        account: place.account.to_string(),
        container: place.container.to_string(),
        job,
        frozen,
    };
    let (metadata, route) = (&place.metadata, place.route());
    ask!(metadata, route, Write, MetadataClient::set_frozen, request).await?;
    Ok(())
}
