//! Getting a token as Swift's TempAuth gives it, and what tokens say.

use crate::{
    authorize::unauthorized,
    caller::KnownUser,
    cdn,
    gateway::{Gateway, Inner},
    path::{Account, Prefix, escape},
    refusal::{Outcome, Refusal},
    time,
};
use client::{AccountName, Error, Role, User, UserKey, UserName};
use http::{HeaderMap, Method, Response, StatusCode};
use transport::{Claims, full_body};

/// What tokens begin with, as those of Swift do.
const TOKEN: &str = "AUTH_tk";

/// What tokens begin with that are for us to judge.
const PREFIX: &str = "AUTH_";

/// The most bytes of a token that are looked at.
const TOKEN_BYTES: usize = 2048;

/// A user who logged in, and the account it works in.
pub struct Login {
    /// The user.
    pub user: User,
    /// The account whose storage URL it gets.
    pub account: Account,
}

impl Inner {
    /// Checks who somebody says to be. `account:user` is the user of this name; where there is
    /// none, it is the user without an account, if that one may go everywhere.
    ///
    /// # Errors
    /// 401 if the name or the key is wrong.
    pub async fn log_in(&self, name: &str, key: &str) -> Result<Login, Refusal> {
        let wrong = || unauthorized("unknown");
        let (account, user) = name.split_once(':').unwrap_or(("", name));
        let key: UserKey = key.parse().map_err(|_| wrong())?;
        let users = self.client.users();
        let own = match account {
            "" => UserName::new(None, user),
            account => {
                account.parse().and_then(|account: AccountName| UserName::new(Some(account), user))
            }
        };
        let own = own.map_err(|_| wrong())?;
        let proved = match users.authenticate(&own, &key).await {
            Err(Error::Denied(error)) => match (own.account(), UserName::new(None, user)) {
                (Some(_), Ok(anywhere)) => users.authenticate(&anywhere, &key).await,
                _ => Err(Error::Denied(error)),
            },
            outcome => outcome,
        };
        let user = match proved {
            Ok(user) => user,
            Err(Error::Denied(_)) => return Err(wrong()),
            Err(error) => return Err(error.into()),
        };
        // Who belongs to no account works in the one that was named, or in one of its own name.
        let works_in = match (user.name.account(), account) {
            (Some(own), _) => own.clone(),
            (None, "") => user.name.user().parse().map_err(|_| wrong())?,
            (None, named) => named.parse().map_err(|_| wrong())?,
        };
        Ok(Login { user, account: Account::of(&works_in) })
    }

    /// A token for who logged in, with the second from which on it is worth nothing.
    pub fn token(&self, user: &User) -> (String, u64) {
        let expires = time::now_seconds() + self.config.token_lifetime.as_secs();
        let claims =
            Claims { user: user.name.clone(), role: user.role, expires, revision: user.revision };
        (format!("{TOKEN}{}", self.tokens.mint(&claims)), expires)
    }

    /// Who holds a token, if it is good and the user is still who it was.
    pub async fn holder(&self, token: &str) -> Result<Option<Claims>, Refusal> {
        let signed = token.strip_prefix(TOKEN).filter(|_| token.len() <= TOKEN_BYTES);
        let claims = signed.and_then(|signed| self.tokens.verify(signed, time::now_seconds()));
        let Some(claims) = claims else { return Ok(None) };
        let user = self.user(&claims.user).await?;
        let same = user.is_some_and(|user| user.revision == claims.revision);
        Ok(same.then_some(claims))
    }

    /// The user a request's tokens name; none without a token, and with somebody else's.
    ///
    /// # Errors
    /// 401 for a token of ours that is not good.
    pub async fn known_user(&self, headers: &HeaderMap) -> Result<Option<KnownUser>, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let token = text("x-auth-token").or_else(|| text("x-storage-token"));
        let Some(token) = token.filter(|token| token.starts_with(PREFIX)) else {
            return Ok(None);
        };
        let claims = self.holder(token).await?.ok_or_else(|| unauthorized("unknown"))?;
        let with_service = match text("x-service-token") {
            Some(token) => {
                self.holder(token).await?.is_some_and(|service| service.role == Role::Service)
            }
            None => false,
        };
        Ok(Some(KnownUser { name: claims.user, role: claims.role, with_service }))
    }
}

/// Answers requests below `/auth`.
pub async fn answer(
    gateway: &Gateway,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    base: &str,
) -> Outcome {
    if *method != Method::GET {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED));
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let account = match parts.as_slice() {
        ["v1" | "v1.0" | ""] => None,
        ["v1", account, "auth"] => Some(*account),
        _ => return Err(Refusal::bad("Invalid path")),
    };
    let text =
        |name: &str| headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let user = text("x-auth-user").or_else(|| text("x-storage-user"));
    let key = text("x-auth-key").or_else(|| text("x-storage-pass"));
    let (Some(user), Some(key)) = (user, key) else { return Err(unauthorized("unknown")) };
    let name = match account {
        Some(account) => {
            let user = user.strip_prefix(&format!("{account}:")).unwrap_or(user);
            format!("{account}:{user}")
        }
        None => user.to_owned(),
    };
    let login = gateway.log_in(&name, key).await?;
    let (token, expires) = gateway.token(&login.user);
    let left = expires.saturating_sub(time::now_seconds());
    let mut response = Response::new(full_body(""));
    let answer = response.headers_mut();
    let path = escape(&format!("{}{}", Prefix::Auth.as_str(), login.account.owner));
    for (name, text) in [
        ("x-storage-url", format!("{base}/v1/{path}")),
        ("x-auth-token", token.clone()),
        ("x-storage-token", token),
        ("x-auth-token-expires", left.to_string()),
        ("content-type", "text/plain; charset=UTF-8".to_owned()),
    ] {
        crate::metadata::set(answer, name, &text);
    }
    if let Some(cdn) = cdn::base(gateway, base) {
        crate::metadata::set(answer, "x-cdn-management-url", &format!("{cdn}/v1/{path}"));
    }
    Ok(response)
}
