//! Version 2.0: tokens and tenants.

use super::{Proven, Request, answered, catalog, moment, roles};
use crate::{
    path::Account,
    refusal::{Outcome, Refusal},
};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Body {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "tenantName")]
    tenant_name: Option<String>,
    #[serde(rename = "tenantId")]
    tenant_id: Option<String>,
    #[serde(rename = "passwordCredentials")]
    password: Option<Password>,
    #[serde(rename = "RAX-KSKEY:apiKeyCredentials", alias = "apiKeyCredentials")]
    api_key: Option<ApiKey>,
    token: Option<Token>,
}

#[derive(Deserialize)]
struct Password {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct ApiKey {
    username: String,
    #[serde(rename = "apiKey")]
    key: String,
}

#[derive(Deserialize)]
struct Token {
    id: String,
}

/// Answers a request below `/v2.0`.
pub async fn answer(request: Request<'_>) -> Outcome {
    match (request.path, &request.parts.method) {
        ("", &Method::GET | &Method::HEAD) => catalog::of_v2(request.base),
        ("tokens", &Method::POST) => token(request).await,
        ("tenants", &Method::GET) => tenants(&request).await,
        ("" | "tokens" | "tenants", _) => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)),
        _ => Err(Refusal::not_found()),
    }
}

async fn token(mut request: Request<'_>) -> Outcome {
    let Body { auth } = request.json().await?;
    let wanted = [auth.tenant_id, auth.tenant_name].into_iter().flatten().find(|t| !t.is_empty());
    let wanted = wanted.as_deref();
    let proven = match auth {
        Auth { password: Some(Password { username, password }), .. } => {
            request.by_key(&username, &password, wanted).await?
        }
        Auth { api_key: Some(ApiKey { username, key }), .. } => {
            request.by_key(&username, &key, wanted).await?
        }
        Auth { token: Some(Token { id }), .. } => request.by_token(&id, wanted).await?,
        _ => {
            let text = "Expecting to find passwordCredentials, apiKeyCredentials or token in auth.";
            return Err(Refusal::bad(text));
        }
    };
    Ok(answered(StatusCode::OK, &access(&request, &proven)))
}

fn access(request: &Request<'_>, proven: &Proven) -> Value {
    let Proven { claims, token, account } = proven;
    let account = account.as_ref();
    let issued = claims.expires.saturating_sub(request.gateway.config.token_lifetime.as_secs());
    let mut said = json!({
        "id": token, "expires": moment(claims.expires), "issued_at": moment(issued),
    });
    if let Some(account) = account {
        said["tenant"] = tenant(account);
    }
    let roles = roles(claims.role);
    let named: Vec<Value> = roles.iter().map(|role| json!({ "id": role, "name": role })).collect();
    json!({ "access": {
        "token": said,
        "serviceCatalog": catalog::v2(&request.place(), account),
        "user": {
            "id": claims.user.to_string(), "name": claims.user.user(),
            "username": claims.user.user(), "roles": named, "roles_links": [],
        },
        "metadata": { "is_admin": 0, "roles": roles },
    } })
}

fn tenant(account: &Account) -> Value {
    json!({ "id": account.owner, "name": account.owner, "enabled": true, "description": null })
}

async fn tenants(request: &Request<'_>) -> Outcome {
    let proven = request.caller().await?;
    let tenants: Vec<Value> = proven.account.iter().map(tenant).collect();
    Ok(answered(StatusCode::OK, &json!({ "tenants": tenants, "tenants_links": [] })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_to_say_who_one_is_is_read() {
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|body| body.auth);
        let auth = read(
            r#"{"auth":{"tenantName":"a","passwordCredentials":{"username":"u","password":"p"}}}"#,
        );
        let auth = auth.unwrap();
        assert_eq!(auth.tenant_name.as_deref(), Some("a"));
        assert_eq!(auth.password.unwrap().password, "p");
        for name in ["RAX-KSKEY:apiKeyCredentials", "apiKeyCredentials"] {
            let text = format!(r#"{{"auth":{{"{name}":{{"username":"a:u","apiKey":"k"}}}}}}"#);
            assert_eq!(read(&text).unwrap().api_key.unwrap().key, "k");
        }
        let auth = read(r#"{"auth":{"tenantId":"a","token":{"id":"t"}}}"#).unwrap();
        assert_eq!(auth.token.unwrap().id, "t");
        for text in ["", "{}", "[]", r#"{"auth":{"passwordCredentials":{"username":1}}}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_request_does_harm(body in crate::keystone::tests::json(), bytes in any::<Vec<u8>>()) {
            let _ = serde_json::from_slice::<Body>(&bytes);
            let _ = serde_json::from_value::<Body>(body);
        }
    }
}
