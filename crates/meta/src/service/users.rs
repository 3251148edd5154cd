//! Users: their records in the directory, and their tokens.

use super::{Services, read_failed, refuse};
use crate::partition::Refusal;
use model::{AccountName, Error, ErrorKind, KeyHash, Subject, UserKey, UserName};
use proto::{convert::role_from, v1};
use state::{Command, PutUser};
use tonic::{Request, Response, Status};
use transport::Claims;

/// Most users in one page.
const MAX_PAGE: u32 = 1000;

impl Services {
    /// A token for who shows the key of a user. Nothing but that pair is ever told apart: not a
    /// user that does not exist from a key that is wrong.
    async fn log_in(&self, message: v1::LoginRequest) -> Result<v1::LoginResponse, Refusal> {
        let refused = || {
            Error::new(ErrorKind::Unauthenticated, Subject::User, "the user or the key is wrong")
        };
        // Asked of the leader: a user who was deleted gets no new token anywhere.
        let view = self.0.directory().read().await?;
        let key: UserKey = message.key.parse().map_err(|_| refused())?;
        let name = message.user.parse::<UserName>().ok();
        let found = match &name {
            Some(name) => state::read::find_user(&*view, name).map_err(read_failed)?,
            None => None,
        };
        let kept = found.as_ref().map(|(_, kept)| kept);
        // Names are bounded before they are kept for the length of a try.
        let shown = name.map(|name| name.to_string()).unwrap_or_default();
        let good = self.0.0.key_checker.check(&shown, &key, kept).await?;
        let outcome = if good { "ok" } else { "refused" };
        metrics::counter!("cairn_logins_total", "outcome" => outcome).increment(1);
        let (user, _) = found.filter(|_| good).ok_or_else(refused)?;
        let lifetime = self.0.0.config.token_lifetime.as_secs();
        let claims = Claims {
            user: user.name.clone(),
            role: user.role,
            expires: self.0.now() / 1_000_000 + lifetime,
            revision: user.revision,
        };
        let token = self.0.0.keys.tokens.mint(&claims);
        let seconds = u32::try_from(lifetime).unwrap_or(u32::MAX);
        Ok(v1::LoginResponse { token, seconds, user: Some(user.into()) })
    }

    async fn write_user(&self, message: v1::PutUserRequest) -> Result<v1::Empty, Refusal> {
        let name: UserName = message.name.parse()?;
        let role = role_from(message.role());
        if let Some(role) = role {
            name.check_role(role)?;
        }
        let key = match &message.key {
            Some(key) => Some(self.hash_key(&name, &key.parse()?, &message.request_id).await?),
            None => None,
        };
        let command = Command::PutUser(PutUser { name, role, key, create: message.create });
        self.propose(self.0.directory(), &message.request_id, command).await?;
        Ok(v1::Empty {})
    }

    async fn hash_key(
        &self,
        name: &UserName,
        key: &UserKey,
        request_id: &[u8],
    ) -> Result<KeyHash, Refusal> {
        // A node that cannot take the command must not stretch the key first.
        model::RequestId::try_from(request_id)?;
        drop(self.0.directory().read().await?);
        Ok(self.0.0.key_checker.hash(name, key, self.0.0.seams.bytes()).await?)
    }

    async fn find_user(&self, message: v1::UserRequest) -> Result<v1::User, Refusal> {
        let name: UserName = message.name.parse()?;
        let view = self.0.directory().read().await?;
        let found = state::read::find_user(&*view, &name).map_err(read_failed)?;
        let missing = || Error::not_found(Subject::User, format!("there is no user {name}"));
        Ok(found.ok_or_else(missing)?.0.into())
    }

    async fn find_users(
        &self,
        message: v1::ListUsersRequest,
    ) -> Result<v1::ListUsersResponse, Refusal> {
        let account = message.account.map(|a| a.parse::<AccountName>()).transpose()?;
        let after = message.after.map(|a| a.parse::<UserName>()).transpose()?;
        let limit = if message.limit == 0 { MAX_PAGE } else { message.limit.min(MAX_PAGE) };
        let view = self.0.directory().read().await?;
        let (users, truncated) =
            state::read::list_users(&*view, account.as_ref(), after.as_ref(), limit)
                .map_err(read_failed)?;
        let users = users.into_iter().map(Into::into).collect();
        Ok(v1::ListUsersResponse { users, truncated })
    }

    async fn remove_user(&self, message: v1::DeleteUserRequest) -> Result<v1::Empty, Refusal> {
        let command = Command::DeleteUser { name: message.name.parse()? };
        self.propose(self.0.directory(), &message.request_id, command).await?;
        Ok(v1::Empty {})
    }
}

#[tonic::async_trait]
impl v1::users_server::Users for Services {
    async fn login(
        &self,
        request: Request<v1::LoginRequest>,
    ) -> Result<Response<v1::LoginResponse>, Status> {
        self.log_in(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn put_user(
        &self,
        request: Request<v1::PutUserRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        self.write_user(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn show_user(
        &self,
        request: Request<v1::UserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        self.find_user(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        self.find_users(request.into_inner()).await.map(Response::new).map_err(refuse)
    }

    async fn delete_user(
        &self,
        request: Request<v1::DeleteUserRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        self.remove_user(request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}
