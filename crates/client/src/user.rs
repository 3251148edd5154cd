//! Users: who may do what. For operators, and for those who let users in.

use crate::{
    Client, Error,
    metadata::{Metadata, Route, ask},
    session::log_in,
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

    /// The user that a key proves, with what it may do: for those who let users in themselves.
    /// Whoever has a connection may ask, and the client stays who it is.
    ///
    /// # Errors
    /// [`Error::Denied`] where the key is wrong or there is no such user, in the same words and
    /// after the same time.
    pub async fn authenticate(&self, user: &UserName, key: &UserKey) -> Result<User, Error> {
        let answer = log_in(&self.metadata, user, key, self.metadata.end_of_call()).await?;
        let unsaid = || Error::internal("the metadata node let a user in and did not say whom");
        Ok(answer.user.ok_or_else(unsaid)?.try_into()?)
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
