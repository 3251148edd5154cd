//! Accounts.

use super::{Services, changes_from, mismatched, read_failed};
use crate::partition::Refusal;
use model::{AccountName, ListQuery, Listing, PartitionId};
use proto::{convert::properties_from, v1};
use state::{Answer, Command};

/// Most names in one page of accounts.
const MAX_PAGE: u32 = 10_000;

impl Services {
    pub(super) async fn create_account(
        &self,
        message: v1::CreateAccountRequest,
    ) -> Result<v1::CreatedResponse, Refusal> {
        let account: AccountName = message.account.parse()?;
        let properties = properties_from(message.properties)?;
        let partition = self.0.of_account(&account)?;
        let command = Command::CreateAccount { account, properties };
        match self.propose(partition, &message.request_id, command).await? {
            Answer::Created { created } => Ok(v1::CreatedResponse { created }),
            other => Err(mismatched(other)),
        }
    }

    pub(super) async fn show_account(
        &self,
        message: v1::AccountRequest,
    ) -> Result<v1::Account, Refusal> {
        let account = message.account.parse()?;
        let view = self.0.of_account(&account)?.read().await?;
        Ok(state::read::show_account(&*view, &account).map_err(read_failed)?.into())
    }

    pub(super) async fn update_account(
        &self,
        message: v1::UpdateAccountRequest,
    ) -> Result<v1::Empty, Refusal> {
        let account = message.account.parse()?;
        let partition = self.0.of_account(&account)?;
        let properties = changes_from(message.properties)?;
        let command = Command::UpdateAccount { account, properties };
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn delete_account(
        &self,
        message: v1::DeleteAccountRequest,
    ) -> Result<v1::Empty, Refusal> {
        let account = message.account.parse()?;
        let partition = self.0.of_account(&account)?;
        let command = Command::DeleteAccount { account };
        self.propose(partition, &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    pub(super) async fn list_accounts(
        &self,
        message: v1::ListAccountsRequest,
    ) -> Result<v1::ListAccountsResponse, Refusal> {
        let view = self.0.partition(PartitionId(message.partition))?.read().await?;
        let limit = if message.limit == 0 { MAX_PAGE } else { message.limit.min(MAX_PAGE) };
        let (accounts, truncated) =
            state::read::list_accounts(&*view, &message.marker, limit).map_err(read_failed)?;
        let accounts = accounts.into_iter().map(|a| a.to_string()).collect();
        Ok(v1::ListAccountsResponse { accounts, truncated })
    }

    pub(super) async fn list_containers(
        &self,
        message: v1::ListContainersRequest,
    ) -> Result<v1::ListContainersResponse, Refusal> {
        let account = message.account.parse()?;
        let query = ListQuery::from(message.query.unwrap_or_default());
        let view = self.0.of_account(&account)?.read().await?;
        let listing: Listing<_> =
            state::read::list_containers(&*view, &account, &query).map_err(read_failed)?;
        Ok(listing.into())
    }
}
