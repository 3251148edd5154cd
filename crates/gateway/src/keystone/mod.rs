//! A small identity service as Keystone's, versions 2.0 and 3: what clients of OpenStack need to
//! log in and to find the storage.
//!
//! A project (a tenant) is an account, under its own name as its id. The user `U` of project `A`
//! is Cairn's user `A:U`, which is its id. There is one domain. Tokens are the same as TempAuth's
//! and know no project: what a request may do, its path and the user decide. So a token that is
//! shown for another one is that other one, and no token can be revoked before it expires but by
//! changing its user.

mod catalog;
mod v2;
mod v3;

use crate::{
    cdn,
    front::Front,
    gateway::Gateway,
    path::Account,
    payload::Payload,
    refusal::{Outcome, Refusal},
    time,
};
use client::{AccountName, Role, UserName};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};
use transport::{Body, Claims, full_body};

/// The most bytes of a request for a token.
const REQUEST_BYTES: usize = 64 * 1024;

/// A request to the identity service.
struct Request<'a> {
    gateway: &'a Gateway,
    /// Scheme and host under which the client reaches this gateway.
    base: &'a str,
    parts: &'a Parts,
    /// The path below the version.
    path: &'a str,
    body: Option<&'a mut Payload>,
}

/// Somebody who proved who it is.
struct Proven {
    claims: Claims,
    token: String,
    /// The account it works in, if it belongs to one or named one.
    account: Option<Account>,
}

/// Whether a path is one of the identity service.
pub fn has(path: &str) -> bool {
    path == "/" || ["/v2.0", "/v3"].into_iter().any(|version| below(path, version).is_some())
}

/// Answers a request to such a path.
pub async fn answer(
    gateway: &Gateway,
    front: &Front,
    parts: &Parts,
    body: Option<&mut Payload>,
) -> Outcome {
    let (base, path) = (front.base.as_str(), parts.uri.path());
    let request = |path| Request { gateway, base, parts, path, body };
    let outcome = match (below(path, "/v2.0"), below(path, "/v3")) {
        (Some(rest), _) => v2::answer(request(rest)).await,
        (_, Some(rest)) => v3::answer(request(rest)).await,
        _ if path == "/" => catalog::versions(base),
        _ => Err(Refusal::not_found()),
    };
    outcome.or_else(|refusal| Ok(refused(&refusal, base)))
}

/// What stands in a path below a part of it, without slashes around it.
fn below<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(part)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest.trim_matches('/'))
}

/// A refusal in Keystone's form.
fn refused(refusal: &Refusal, base: &str) -> Response<Body> {
    let title = refusal.status.canonical_reason().unwrap_or("Error");
    let error = json!({
        "code": refusal.status.as_u16(), "title": title, "message": refusal.text(),
    });
    let mut response = answered(refusal.status, &json!({ "error": error }));
    if refusal.status == StatusCode::UNAUTHORIZED {
        let challenge = format!("Keystone uri=\"{base}\"");
        crate::metadata::set(response.headers_mut(), "www-authenticate", &challenge);
    }
    response
}

fn answered(status: StatusCode, said: &Value) -> Response<Body> {
    let mut response = Response::new(full_body(said.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    response
}

fn unauthorized() -> Refusal {
    Refusal::says(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
}

/// What the token of a header says.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Request<'_> {
    /// What the catalogue is of.
    fn place(&self) -> catalog::Place<'_> {
        catalog::Place { base: self.base, cdn: cdn::base(self.gateway, self.base) }
    }

    /// The body.
    async fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        let bytes = match &mut self.body {
            Some(body) => body.collect(REQUEST_BYTES).await?,
            None => bytes::Bytes::new(),
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::bad(format!("The body is not what is expected: {error}")))
    }

    /// Checks a user's key. The user is one of the account it wants to work in, unless its name
    /// says otherwise.
    async fn by_key(&self, name: &str, key: &str, wanted: Option<&str>) -> Result<Proven, Refusal> {
        let full = match wanted {
            Some(account) if !name.contains(':') => format!("{account}:{name}"),
            _ => name.to_owned(),
        };
        let login = self.gateway.log_in(&full, key).await.map_err(|refusal| {
            match refusal.status == StatusCode::UNAUTHORIZED {
                true => unauthorized(),
                false => refusal,
            }
        })?;
        let account = account_of(&login.user.name, wanted)?.unwrap_or(login.account);
        let (token, expires) = self.gateway.token(&login.user);
        let (user, role, revision) = (login.user.name, login.user.role, login.user.revision);
        let claims = Claims { user, role, expires, revision };
        Ok(Proven { claims, token, account: Some(account) })
    }

    /// Checks a token.
    async fn by_token(&self, token: &str, wanted: Option<&str>) -> Result<Proven, Refusal> {
        let claims = self.gateway.holder(token).await?.ok_or_else(unauthorized)?;
        let account = account_of(&claims.user, wanted)?;
        Ok(Proven { claims, token: token.to_owned(), account })
    }

    /// Who sends this request.
    async fn caller(&self) -> Result<Proven, Refusal> {
        let token = header(&self.parts.headers, "x-auth-token").ok_or_else(unauthorized)?;
        self.by_token(token, None).await
    }
}

/// The account that a user works in: its own, or the one it wants where it has none.
fn account_of(user: &UserName, wanted: Option<&str>) -> Result<Option<Account>, Refusal> {
    match (user.account(), wanted) {
        (Some(own), wanted) => match wanted.is_none_or(|wanted| wanted == own.as_str()) {
            true => Ok(Some(Account::of(own))),
            false => Err(unauthorized()),
        },
        (None, Some(wanted)) => {
            let name: AccountName = wanted.parse().map_err(|_| unauthorized())?;
            Ok(Some(Account::of(&name)))
        }
        (None, None) => Ok(None),
    }
}

/// What a user is called in Keystone's words.
fn roles(role: Role) -> &'static [&'static str] {
    match role {
        Role::Operator => &["admin", "operator", "reseller_admin"],
        Role::Reseller => &["admin", "reseller_admin"],
        Role::Admin => &["admin", "member"],
        Role::Writer => &["writer", "member"],
        Role::Reader => &["reader"],
        Role::Member => &["member"],
        Role::Service => &["service"],
    }
}

/// When a token ends, or was made, to the microsecond as Keystone writes it.
fn moment(seconds: u64) -> String {
    format!("{}Z", time::iso(seconds.saturating_mul(1_000_000)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JSON of the words that requests are made of.
    pub fn json() -> impl Strategy<Value = Value> {
        const WORDS: [&str; 16] = [
            "auth",
            "identity",
            "scope",
            "methods",
            "password",
            "token",
            "user",
            "id",
            "name",
            "domain",
            "project",
            "unscoped",
            "tenantName",
            "passwordCredentials",
            "username",
            "apiKeyCredentials",
        ];
        let word = || prop::sample::select(WORDS.to_vec()).prop_map(str::to_owned);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            word().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let inner = leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((word(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        // Most would be refused at their first member otherwise.
        (inner.clone(), inner).prop_map(|(identity, scope)| {
            json!({ "auth": { "identity": identity, "scope": scope, "tenantName": "a" } })
        })
    }

    #[test]
    fn its_paths_are_known() {
        for path in ["/", "/v3", "/v3/", "/v2.0", "/v2.0/tokens", "/v3/auth/tokens"] {
            assert!(has(path), "{path}");
        }
        for path in ["", "/v1/AUTH_a", "/v30", "/v2", "/v3x/auth", "/auth/v1.0"] {
            assert!(!has(path), "{path}");
        }
    }

    #[test]
    fn a_user_works_in_its_own_account_alone_unless_it_has_none() {
        let account = |user: &str, wanted: Option<&str>| {
            let found = account_of(&user.parse().unwrap(), wanted);
            found.map(|a| a.map(|a| a.owner)).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(account("a:u", None), Ok(Some("a".into())));
        assert_eq!(account("a:u", Some("a")), Ok(Some("a".into())));
        assert_eq!(account("a:u", Some("b")), Err(401));
        assert_eq!(account("root", Some("b")), Ok(Some("b".into())));
        assert_eq!(account("root", Some("")), Err(401));
        assert_eq!(account("root", None), Ok(None));
    }
}
