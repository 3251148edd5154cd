//! Public containers as Rackspace's Cloud Files has them, on a listener of their own: owners say
//! there which containers are public, and everybody reads those, whatever their lists say.
//!
//! A second listener because python-cloudfiles sends what it has to say about public containers
//! to the paths of the storage, where the same requests mean something else. There is no network
//! of caches behind it: what is public is served from here, and says how long it may be kept.

use crate::{
    call::Call,
    caller::Caller,
    container::empty,
    front::Front,
    gateway::Gateway,
    metadata,
    path::{Account, Target, escape},
    payload::Payload,
    query::{Query, is_true},
    refusal::{Outcome, Refusal},
    signature::Grant,
    staticweb,
};
use client::{Container, ContainerName, Properties};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};
use transport::{Body, full_body};

/// Below this, everybody reads.
const PUBLIC: &str = "/cdn";

/// The properties of a container with what its owner said.
const ENABLED: &str = "cdn-enabled";
const TTL: &str = "cdn-ttl";
const LOGS: &str = "cdn-log-retention";

/// What the properties of an account that name such containers begin with. A container that is
/// not public any more, or gone, may still be named: it is looked at before it is listed.
const NAMED: &str = "cdn-container/";

/// How long what is public may be kept, unless the owner says, in seconds.
const DEFAULT_TTL: u64 = 86_400;
/// The longest: fifty years, as Cloud Files has it.
const LONGEST_TTL: u64 = 1_577_836_800;

/// The scheme and host of the listener, for a client that reached the gateway at `base`.
pub fn base(gateway: &Gateway, base: &str) -> Option<String> {
    let cdn = gateway.config.cdn.as_ref()?;
    if let Some(url) = &cdn.public_url {
        return Some(url.clone());
    }
    let (scheme, authority) = base.split_once("://")?;
    // An address of IPv6 has colons inside its brackets.
    let host = match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    };
    Some(format!("{scheme}://{host}:{}", cdn.port))
}

/// What an owner said about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    enabled: bool,
    ttl: u64,
    logs: bool,
}

impl Said {
    fn of(properties: &Properties) -> Option<Self> {
        let enabled = metadata::own(properties, ENABLED)?;
        let ttl = metadata::own(properties, TTL).and_then(|text| text.parse().ok());
        Some(Self {
            enabled: is_true(enabled),
            ttl: ttl.unwrap_or(DEFAULT_TTL),
            logs: metadata::own(properties, LOGS).is_some_and(is_true),
        })
    }

    /// With what a request says.
    fn with(self, headers: &HeaderMap) -> Result<Self, Refusal> {
        let flag = |name: &str, before: bool| -> Result<bool, Refusal> {
            Ok(metadata::text(headers, name)?.map_or(before, is_true))
        };
        let ttl = match metadata::text(headers, "x-ttl")?.map(str::trim) {
            None | Some("") => self.ttl,
            Some(text) => {
                let ttl = text.parse().ok().filter(|ttl| *ttl <= LONGEST_TTL);
                ttl.ok_or_else(|| Refusal::bad(format!("X-TTL is 0 to {LONGEST_TTL} seconds")))?
            }
        };
        Ok(Self {
            enabled: flag("x-cdn-enabled", self.enabled)?,
            ttl,
            logs: flag("x-log-retention", self.logs)?,
        })
    }
}

fn word(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

/// Where everybody finds a container.
fn uri(base: &str, account: &Account, container: &ContainerName) -> String {
    format!("{base}{PUBLIC}/{}/{}", escape(&account.to_string()), escape(container.as_str()))
}

/// Answers a request to the listener.
pub async fn answer(
    gateway: &Gateway,
    front: &Front,
    parts: &Parts,
    payload: &mut Option<Payload>,
) -> Outcome {
    let path = parts.uri.path();
    if let Some(rest) = path.strip_prefix(PUBLIC).filter(|rest| rest.starts_with('/')) {
        return Box::pin(public(gateway, front, parts, Target::parse(&rest[1..])?)).await;
    }
    let rest = ["/v1/", "/v1.0/"].into_iter().find_map(|version| path.strip_prefix(version));
    let target = Target::parse(rest.ok_or_else(Refusal::not_found)?)?;
    let caller = match gateway.known_user(&parts.headers).await? {
        Some(user) => Caller::User(user),
        None => Caller::Anonymous,
    };
    let call = Call {
        query: Query::parse(parts.uri.query().unwrap_or_default())?,
        body: payload.take().unwrap_or_else(Payload::none),
        ..call(gateway, front, parts, target, caller)
    };
    let outcome = manage(&call).await;
    call.body.ignore().await;
    outcome
}

fn call(gateway: &Gateway, front: &Front, parts: &Parts, target: Target, caller: Caller) -> Call {
    Call {
        gateway: gateway.clone(),
        method: parts.method.clone(),
        target,
        path: parts.uri.path().to_owned(),
        query: Query::default(),
        headers: parts.headers.clone(),
        body: Payload::none(),
        caller,
        base: front.base.clone(),
        remote: front.remote,
        transaction: front.transaction.clone(),
    }
}

/// Serves what is public.
async fn public(gateway: &Gateway, front: &Front, parts: &Parts, target: Target) -> Outcome {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let container = target.container.clone().ok_or_else(Refusal::not_found)?;
    let found = gateway.container(&target.account.name, &container).await?;
    let said = found.and_then(|found| Said::of(&found.properties));
    let said = said.filter(|said| said.enabled).ok_or_else(Refusal::not_found)?;
    let grant = Grant {
        method: parts.method.clone(),
        account: target.account.clone(),
        container,
        of_account: false,
    };
    let mut call = call(gateway, front, parts, target, Caller::Signed(grant));
    // A container that is no site is not listed.
    metadata::set(&mut call.headers, "x-web-mode", "true");
    let mut response = Box::pin(staticweb::answer(call)).await?;
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        metadata::set(headers, "cache-control", &format!("public, max-age={}", said.ttl));
    }
    Ok(response)
}

/// Answers what owners say and ask.
async fn manage(call: &Call) -> Outcome {
    let authority = call.authorize_for(&Method::POST, &call.target.account, None, false).await?;
    if !authority.owner {
        return Err(call.denied(&call.target.account));
    }
    let Some(name) = &call.target.container else {
        return match call.method {
            Method::GET | Method::HEAD => list(call).await,
            _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)),
        };
    };
    if call.method == Method::DELETE {
        // Nothing is kept anywhere that had to be forgotten.
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    if call.target.object.is_some() {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED));
    }
    let found = call.gateway.container_now(call.account(), name).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    let before = Said::of(&found.properties);
    match call.method {
        Method::HEAD | Method::GET => {
            let said = before.ok_or_else(Refusal::not_found)?;
            Ok(shown(call, name, &said, StatusCode::NO_CONTENT))
        }
        Method::PUT => {
            let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
            let before = before.unwrap_or(Said { enabled: true, ttl: DEFAULT_TTL, logs: false });
            let after = Said { enabled: true, ..before }.with(&call.headers)?;
            keep(call, &found, &after).await?;
            Ok(shown(call, name, &after, status))
        }
        Method::POST => {
            let after = before.ok_or_else(Refusal::not_found)?.with(&call.headers)?;
            keep(call, &found, &after).await?;
            Ok(shown(call, name, &after, StatusCode::ACCEPTED))
        }
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

/// Keeps what an owner said. The account is told first: what it names and is not public does no
/// harm, what is public and not named would not be listed.
async fn keep(call: &Call, container: &Container, said: &Said) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    if said.enabled {
        let key = metadata::own_key(&format!("{NAMED}{}", container.name));
        let done = client.update_account(call.account()).set(key, "").await;
        call.gateway.forget_account(&call.target.account);
        done?;
    }
    let done = client
        .update_container(call.account(), &container.name)
        .set(metadata::own_key(ENABLED), word(said.enabled))
        .set(metadata::own_key(TTL), said.ttl.to_string())
        .set(metadata::own_key(LOGS), word(said.logs))
        .await;
    call.gateway.forget_container(call.account(), &container.name);
    Ok(done?)
}

/// What is said about a container.
fn shown(call: &Call, name: &ContainerName, said: &Said, status: StatusCode) -> Response<Body> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    metadata::set(headers, "x-cdn-enabled", word(said.enabled));
    metadata::set(headers, "x-ttl", &said.ttl.to_string());
    metadata::set(headers, "x-log-retention", word(said.logs));
    if said.enabled {
        let uri = uri(&call.base, &call.target.account, name);
        for name in ["x-cdn-uri", "x-cdn-ssl-uri", "x-cdn-streaming-uri"] {
            metadata::set(headers, name, &uri);
        }
    }
    response
}

/// The public containers of an account.
async fn list(call: &Call) -> Outcome {
    let found = call.gateway.account_now(call.account()).await?;
    let begin = metadata::own_key(NAMED);
    let marker = call.query.get("marker").unwrap_or_default();
    let end = call.query.filled("end_marker");
    let most = crate::limits::LISTING as usize;
    let limit = call.query.filled("limit").and_then(|text| text.parse::<usize>().ok());
    let limit = limit.unwrap_or(most).min(most);
    let mut listed = Vec::new();
    let named = found.iter().flat_map(|account| account.properties.keys());
    for name in named.filter_map(|key| key.strip_prefix(&begin)) {
        if listed.len() >= limit || end.is_some_and(|end| name >= end) {
            break;
        }
        let Some(name) = name.parse::<ContainerName>().ok().filter(|n| n.as_str() > marker) else {
            continue;
        };
        let found = call.gateway.container(call.account(), &name).await?;
        let said = found.and_then(|found| Said::of(&found.properties));
        if let Some(said) = said.filter(|said| said.enabled) {
            listed.push((name, said));
        }
    }
    if call.query.get("format").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        let entry = |(name, said): &(ContainerName, Said)| {
            let uri = uri(&call.base, &call.target.account, name);
            json!({
                "name": name.as_str(), "cdn_enabled": said.enabled, "ttl": said.ttl,
                "log_retention": said.logs, "cdn_uri": uri, "cdn_ssl_uri": uri,
                "cdn_streaming_uri": uri,
            })
        };
        let text = listed.iter().map(entry).collect::<Value>().to_string();
        let mut response = Response::new(full_body(text));
        let kind = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    if listed.is_empty() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let text: String = listed.iter().map(|(name, _)| format!("{name}\n")).collect();
    let mut response = Response::new(full_body(text));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::headers;

    #[test]
    fn what_an_owner_says_is_kept_until_it_says_otherwise() {
        let mut properties = Properties::new();
        assert_eq!(Said::of(&properties), None);
        properties.insert(metadata::own_key(ENABLED), "True".into());
        let first = Said { enabled: true, ttl: DEFAULT_TTL, logs: false };
        assert_eq!(Said::of(&properties), Some(first.clone()));
        let asked = headers(&[("x-ttl", "60"), ("x-log-retention", "True")]);
        let second = first.with(&asked).unwrap();
        assert_eq!(second, Said { enabled: true, ttl: 60, logs: true });
        let third = second.clone().with(&headers(&[("x-cdn-enabled", "False")])).unwrap();
        assert_eq!(third, Said { enabled: false, ..second.clone() });
        for ttl in ["x", "-1", "1577836801"] {
            assert!(second.clone().with(&headers(&[("x-ttl", ttl)])).is_err(), "{ttl}");
        }
    }

    #[test]
    fn names_in_its_urls_are_escaped() {
        let account = Account::parse("AUTH_a").unwrap();
        let name = "a b?".parse().unwrap();
        assert_eq!(uri("http://h:1", &account, &name), "http://h:1/cdn/AUTH_a/a%20b%3F");
    }
}
