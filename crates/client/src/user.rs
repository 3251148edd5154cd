//! Users: who may do what. For operators.

use crate::{
    Client, Error,
    metadata::{Metadata, Route, ask},
};
use model::{AccountName, PartitionId, Role, User, UserKey, UserName};
use proto::{
    convert::role_to,
    v1::{self, users_client::UsersClient},
};
use std::sync::Arc;

const DIRECTORY: Route = Route::Partition(PartitionId::DIRECTORY);

/// Users in one page of a listing.
const PAGE: u32 = 1000;

/// The calls about users. From [`Client::users`].
#[derive(Clone)]
pub struct Users {
    metadata: Arc<Metadata>,
}

impl Client {
    /// What operators do with users.
    pub fn users(&self) -> Users {
        Users { metadata: self.inner.metadata.clone() }
    }
}

impl Users {
    /// Makes a user; [`Error::AlreadyExists`] if there is one of this name. The key is kept
    /// hashed, and cannot be read back.
    pub async fn create(&self, user: &UserName, role: Role, key: &UserKey) -> Result<(), Error> {
        self.put(user, Some(role), Some(key), true).await
    }

    /// Changes role or key of a user. Who logged in before has the old role, or the old key's
    /// token, until that expires.
    pub async fn change(
        &self,
        user: &UserName,
        role: Option<Role>,
        key: Option<&UserKey>,
    ) -> Result<(), Error> {
        self.put(user, role, key, false).await
    }

    async fn put(
        &self,
        user: &UserName,
        role: Option<Role>,
        key: Option<&UserKey>,
        create: bool,
    ) -> Result<(), Error> {
        let request = v1::PutUserRequest {
            request_id: self.metadata.request_id(),
            name: user.to_string(),
            role: role_to(role).into(),
            key: key.map(|key| key.reveal().to_owned()),
            create,
        };
        ask!(self.metadata, DIRECTORY, Write, UsersClient::put_user, request).await?;
        Ok(())
    }

    /// A user.
    pub async fn show(&self, user: &UserName) -> Result<User, Error> {
        let request = v1::UserRequest { name: user.to_string() };
        let user = ask!(self.metadata, DIRECTORY, Read, UsersClient::show_user, request).await?;
        Ok(user.try_into()?)
    }

    /// The users of an account, or all: those of no account first, then by account and name.
    pub async fn list(&self, account: Option<&AccountName>) -> Result<Vec<User>, Error> {
        let mut users: Vec<User> = Vec::new();
        loop {
            let request = v1::ListUsersRequest {
                account: account.map(ToString::to_string),
                after: users.last().map(|user| user.name.to_string()),
                limit: PAGE,
            };
            let page =
                ask!(self.metadata, DIRECTORY, Read, UsersClient::list_users, request).await?;
            let more = page.truncated && !page.users.is_empty();
            for user in page.users {
                users.push(user.try_into()?);
            }
            if !more {
                return Ok(users);
            }
        }
    }

    /// Removes a user. A token it has is good until it expires.
    pub async fn delete(&self, user: &UserName) -> Result<(), Error> {
        let request = v1::DeleteUserRequest {
            request_id: self.metadata.request_id(),
            name: user.to_string(),
        };
        ask!(self.metadata, DIRECTORY, Write, UsersClient::delete_user, request).await?;
        Ok(())
    }
}
