//! Version 3: tokens, projects and the catalogue.

use super::{Proven, Request, answered, catalog, header, moment, roles, unauthorized};
use crate::{
    metadata,
    path::Account,
    refusal::{Outcome, Refusal},
};
use client::Role;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The id of the only domain.
const DOMAIN_ID: &str = "default";
/// Its name.
const DOMAIN_NAME: &str = "Default";

#[derive(Deserialize)]
struct Body {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<Password>,
    token: Option<Token>,
}

#[derive(Deserialize)]
struct Password {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
    password: String,
}

#[derive(Deserialize)]
struct Token {
    id: String,
}

#[derive(Deserialize)]
struct Domain {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    /// `"unscoped"`
    Word(String),
    Of(ScopeOf),
}

#[derive(Deserialize)]
struct ScopeOf {
    project: Option<Project>,
    domain: Option<Domain>,
    unscoped: Option<Value>,
}

#[derive(Deserialize)]
struct Project {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
}

/// What a token is wanted for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// The user's own account, if it has one.
    Own,
    /// This account.
    Project(String),
    /// The domain as a whole.
    Domain,
    /// Nothing in particular.
    Nothing,
}

impl Domain {
    /// Refuses any but the only one.
    fn check(&self) -> Result<(), Refusal> {
        let known = match self {
            Self { id: Some(id), .. } => id == DOMAIN_ID,
            Self { name: Some(name), .. } => name.eq_ignore_ascii_case(DOMAIN_NAME),
            _ => false,
        };
        known.then_some(()).ok_or_else(unauthorized)
    }
}

impl Wanted {
    fn of(scope: Option<Scope>) -> Result<Self, Refusal> {
        let unknown = || Refusal::bad("The scope is none of project, domain and unscoped.");
        match scope {
            None => Ok(Self::Own),
            Some(Scope::Word(word)) if word == "unscoped" => Ok(Self::Nothing),
            Some(Scope::Of(ScopeOf { project: Some(project), .. })) => {
                // An id says which one; a name says it in a domain.
                if let Some(id) = project.id {
                    return Ok(Self::Project(id));
                }
                project.domain.iter().try_for_each(Domain::check)?;
                project.name.map(Self::Project).ok_or_else(unknown)
            }
            Some(Scope::Of(ScopeOf { domain: Some(domain), .. })) => {
                domain.check()?;
                Ok(Self::Domain)
            }
            Some(Scope::Of(ScopeOf { unscoped: Some(_), .. })) => Ok(Self::Nothing),
            Some(_) => Err(unknown()),
        }
    }

    fn project(&self) -> Option<&str> {
        match self {
            Self::Project(name) => Some(name),
            _ => None,
        }
    }
}

/// Answers a request below `/v3`.
pub async fn answer(request: Request<'_>) -> Outcome {
    let reads = matches!(request.parts.method, Method::GET | Method::HEAD);
    match (request.path, &request.parts.method) {
        ("", _) if reads => catalog::of_v3(request.base),
        ("auth/tokens", &Method::POST) => create(request).await,
        ("auth/tokens", _) if reads => validate(&request).await,
        ("auth/projects", _) if reads => {
            let proven = request.caller().await?;
            let projects: Vec<Value> = proven.account.iter().map(project).collect();
            Ok(listed(&request, "projects", json!(projects)))
        }
        ("auth/domains", _) if reads => {
            request.caller().await?;
            Ok(listed(&request, "domains", json!([domain()])))
        }
        ("auth/catalog", _) if reads => {
            let proven = request.caller().await?;
            let found = catalog::v3(&request.place(), proven.account.as_ref());
            Ok(listed(&request, "catalog", found))
        }
        ("" | "auth/tokens" | "auth/projects" | "auth/domains" | "auth/catalog", _) => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn listed(request: &Request<'_>, name: &str, items: Value) -> http::Response<transport::Body> {
    let own = format!("{}/v3/{}", request.base, request.path);
    let said = json!({ name: items, "links": { "self": own, "previous": null, "next": null } });
    answered(StatusCode::OK, &said)
}

async fn create(mut request: Request<'_>) -> Outcome {
    let Body { auth: Auth { identity, scope } } = request.json().await?;
    let wanted = Wanted::of(scope)?;
    let method = match identity.methods.as_slice() {
        [method] => method.as_str(),
        _ => return Err(Refusal::bad("One method of authentication is expected.")),
    };
    let mut proven = match (method, identity.password, identity.token) {
        ("password", Some(Password { user }), _) => {
            user.domain.iter().try_for_each(Domain::check)?;
            let named = user
                .id
                .or(user.name)
                .ok_or_else(|| Refusal::bad("Expecting to find id or name in user."))?;
            request.by_key(&named, &user.password, wanted.project()).await?
        }
        ("token", _, Some(Token { id })) => request.by_token(&id, wanted.project()).await?,
        ("password" | "token", ..) => {
            return Err(Refusal::bad(format!("Expecting to find {method} in identity.")));
        }
        _ => return Err(unauthorized()),
    };
    if matches!(wanted, Wanted::Nothing | Wanted::Domain) {
        proven.account = None;
    }
    let said = token(&request, &proven, method, wanted == Wanted::Domain);
    let mut response = answered(StatusCode::CREATED, &said);
    metadata::set(response.headers_mut(), "x-subject-token", &proven.token);
    Ok(response)
}

async fn validate(request: &Request<'_>) -> Outcome {
    let caller = request.caller().await?;
    let subject = header(&request.parts.headers, "x-subject-token");
    let subject = subject.ok_or_else(|| Refusal::bad("X-Subject-Token is missing."))?;
    // Who may not ask is told so whatever the token is worth.
    let known = request.gateway.holder(subject).await?;
    let own = known.as_ref().is_some_and(|claims| claims.user == caller.claims.user);
    let trusted = matches!(caller.claims.role, Role::Operator | Role::Reseller | Role::Service);
    if !own && !trusted {
        return Err(Refusal::new(StatusCode::FORBIDDEN));
    }
    known.ok_or_else(Refusal::not_found)?;
    let proven = request.by_token(subject, None).await?;
    let mut response = answered(StatusCode::OK, &token(request, &proven, "password", false));
    metadata::set(response.headers_mut(), "x-subject-token", subject);
    Ok(response)
}

fn token(request: &Request<'_>, proven: &Proven, method: &str, of_domain: bool) -> Value {
    let Proven { claims, account, .. } = proven;
    let issued = claims.expires.saturating_sub(request.gateway.config.token_lifetime.as_secs());
    let mut said = json!({
        "methods": [method],
        "user": {
            "id": claims.user.to_string(), "name": claims.user.user(), "domain": domain(),
            "password_expires_at": null,
        },
        "issued_at": moment(issued),
        "expires_at": moment(claims.expires),
    });
    if of_domain {
        said["domain"] = domain();
    }
    if let Some(account) = account {
        said["project"] = json!({ "id": account.owner, "name": account.owner, "domain": domain() });
        said["is_domain"] = json!(false);
    }
    if of_domain || account.is_some() {
        let named = |role: &&str| json!({ "id": role, "name": role });
        said["roles"] = roles(claims.role).iter().map(named).collect();
        said["catalog"] = catalog::v3(&request.place(), account.as_ref());
    }
    json!({ "token": said })
}

fn domain() -> Value {
    json!({ "id": DOMAIN_ID, "name": DOMAIN_NAME })
}

fn project(account: &Account) -> Value {
    json!({
        "id": account.owner, "name": account.owner, "domain_id": DOMAIN_ID, "enabled": true,
        "is_domain": false, "parent_id": DOMAIN_ID, "description": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scopes_are_read_as_keystone_reads_them() {
        let wanted = |text: &str| {
            let scope = match text {
                "" => None,
                text => Some(serde_json::from_str(text).unwrap()),
            };
            Wanted::of(scope).map_err(|refusal| refusal.status.as_u16())
        };
        let project = || Ok(Wanted::Project("a".into()));
        let table = [
            ("", Ok(Wanted::Own)),
            (r#"{"project":{"id":"a"}}"#, project()),
            (r#"{"project":{"name":"a","domain":{"name":"default"}}}"#, project()),
            (r#"{"project":{"name":"a","domain":{"id":"default"}}}"#, project()),
            (r#"{"project":{"name":"a","domain":{"id":"other"}}}"#, Err(401)),
            (r#"{"project":{"name":"a","domain":{}}}"#, Err(401)),
            (r#"{"project":{}}"#, Err(400)),
            (r#"{"domain":{"name":"Default"}}"#, Ok(Wanted::Domain)),
            (r#""unscoped""#, Ok(Wanted::Nothing)),
            (r#"{"unscoped":{}}"#, Ok(Wanted::Nothing)),
            (r#""what""#, Err(400)),
            (r#"{"OS-TRUST:trust":{}}"#, Err(400)),
        ];
        for (text, expected) in table {
            assert_eq!(wanted(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_request_does_harm(body in crate::keystone::tests::json(), bytes in any::<Vec<u8>>()) {
            let _ = serde_json::from_slice::<Body>(&bytes);
            if let Ok(body) = serde_json::from_value::<Body>(body) {
                let _ = Wanted::of(body.auth.scope);
            }
        }
    }
}
