//! Cross-origin requests: what scripts of other sites may ask of a container, and what `OPTIONS`
//! says.

use crate::{
    container::empty,
    gateway::Gateway,
    metadata,
    path::Target,
    refusal::{Outcome, Refusal},
};
use client::Properties;
use http::{HeaderMap, StatusCode};

/// What scripts always see of an answer.
const EXPOSED: [&str; 10] = [
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
];

/// What can be done to what a path names.
fn methods(target: &Target) -> &'static [&'static str] {
    match (&target.container, &target.object) {
        (_, Some(_)) => &["HEAD", "GET", "PUT", "POST", "COPY", "DELETE", "OPTIONS"],
        (Some(_), None) => &["HEAD", "GET", "PUT", "POST", "DELETE", "OPTIONS"],
        (None, None) => &["HEAD", "GET", "POST", "OPTIONS"],
    }
}

/// What a container says about other sites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings {
    origins: Option<String>,
    exposed: Option<String>,
    max_age: Option<String>,
}

impl Settings {
    fn of(properties: &Properties) -> Self {
        let text = |name: &str| properties.get(&format!("access-control-{name}")).cloned();
        Self {
            origins: text("allow-origin"),
            exposed: text("expose-headers"),
            max_age: text("max-age"),
        }
    }

    fn allows(&self, origin: &str) -> bool {
        let mut origins = self.origins.iter().flat_map(|text| text.split_whitespace());
        origins.any(|allowed| allowed == "*" || allowed == origin)
    }

    /// What `Access-Control-Allow-Origin` says to an origin that is allowed.
    fn answer(&self, headers: &mut HeaderMap, origin: &str) {
        let everybody = self.origins.as_deref().is_some_and(|text| text.trim() == "*");
        metadata::set(headers, "access-control-allow-origin", if everybody { "*" } else { origin });
        if !everybody {
            vary(headers, "Origin");
        }
    }
}

fn vary(headers: &mut HeaderMap, by: &str) {
    let before = headers.get("vary").and_then(|value| value.to_str().ok());
    let text = before.map_or_else(|| by.to_owned(), |before| format!("{before}, {by}"));
    metadata::set(headers, "vary", &text);
}

async fn settings(gateway: &Gateway, target: &Target) -> Result<Settings, Refusal> {
    let Some(container) = &target.container else { return Ok(Settings::default()) };
    let found = gateway.container(&target.account.name, container).await?;
    Ok(found.map(|found| Settings::of(&found.properties)).unwrap_or_default())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// Answers `OPTIONS`: what there is to do, and to a browser whether its page may.
pub async fn options(gateway: &Gateway, target: &Target, headers: &HeaderMap) -> Outcome {
    let settings = match text(headers, "origin") {
        Some(_) => settings(gateway, target).await?,
        None => Settings::default(),
    };
    let mut response = empty(StatusCode::OK);
    *response.status_mut() = preflight(target, &settings, headers, response.headers_mut());
    Ok(response)
}

fn preflight(
    target: &Target,
    settings: &Settings,
    asked: &HeaderMap,
    answer: &mut HeaderMap,
) -> StatusCode {
    let methods = methods(target);
    metadata::set(answer, "allow", &methods.join(", "));
    let Some(origin) = text(asked, "origin") else { return StatusCode::OK };
    if target.container.is_none() {
        return StatusCode::OK;
    }
    let method = text(asked, "access-control-request-method");
    if !settings.allows(origin) || !method.is_some_and(|method| methods.contains(&method)) {
        return StatusCode::UNAUTHORIZED;
    }
    settings.answer(answer, origin);
    if let Some(age) = &settings.max_age {
        metadata::set(answer, "access-control-max-age", age);
    }
    metadata::set(answer, "access-control-allow-methods", &methods.join(", "));
    let wanted = text(asked, "access-control-request-headers").unwrap_or_default();
    let wanted: Vec<_> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if !wanted.is_empty() {
        metadata::set(answer, "access-control-allow-headers", &wanted.join(", "));
        vary(answer, "Access-Control-Request-Headers");
    }
    StatusCode::OK
}

/// Says in an answer whether a page of the request's origin may see it.
pub async fn allow(gateway: &Gateway, target: &Target, asked: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = text(asked, "origin") else { return };
    // A page that may see nothing is what there is without an answer.
    let settings = settings(gateway, target).await.unwrap_or_default();
    expose(&settings, origin, answer);
}

fn expose(settings: &Settings, origin: &str, answer: &mut HeaderMap) {
    if !settings.allows(origin) {
        return;
    }
    let mut exposed: Vec<String> = EXPOSED.map(str::to_owned).to_vec();
    let of_user =
        |name: &&str| name.starts_with("x-container-meta") || name.starts_with("x-object-meta");
    exposed.extend(answer.keys().map(|name| name.as_str()).filter(of_user).map(str::to_owned));
    let wanted = settings.exposed.iter().flat_map(|text| text.split_whitespace());
    exposed.extend(wanted.map(str::to_ascii_lowercase));
    exposed.sort();
    exposed.dedup();
    metadata::set(answer, "access-control-expose-headers", &exposed.join(", "));
    settings.answer(answer, origin);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::headers;

    fn container(origins: &str) -> Settings {
        Settings {
            origins: Some(origins.to_owned()),
            exposed: Some("X-Foo  x-bar".to_owned()),
            max_age: Some("7".to_owned()),
        }
    }

    #[test]
    fn a_browser_is_told_what_its_page_may() {
        let target = Target::parse("AUTH_a/c/o").unwrap();
        let ask = |origins: &str, pairs: &[(&str, &str)]| {
            let mut answer = HeaderMap::new();
            let status =
                preflight(&target, &container(origins), &headers(pairs), &mut answer).as_u16();
            (status, answer)
        };
        let (status, answer) = ask("*", &[]);
        assert_eq!((status, answer.len()), (200, 1));
        let asked = [
            ("origin", "http://m.com"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x-a,, X-B"),
        ];
        let (status, answer) = ask("http://n.com http://m.com", &asked);
        assert_eq!(status, 200);
        assert_eq!(answer["access-control-allow-origin"], "http://m.com");
        assert_eq!(answer["access-control-allow-headers"], "x-a, X-B");
        assert_eq!(answer["access-control-max-age"], "7");
        assert_eq!(answer["vary"], "Origin, Access-Control-Request-Headers");
        let (_, answer) = ask("*", &asked);
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert_eq!(ask("http://n.com", &asked).0, 401);
        assert_eq!(ask("*", &asked[..1]).0, 401);
        assert_eq!(ask("*", &[asked[0], ("access-control-request-method", "TRACE")]).0, 401);
    }

    #[test]
    fn pages_see_what_the_owner_exposes_if_they_may_at_all() {
        let mut answer = headers(&[("x-object-meta-color", "red")]);
        expose(&container("http://n.com"), "http://m.com", &mut answer);
        assert_eq!(answer.len(), 1);
        expose(&container("http://m.com"), "http://m.com", &mut answer);
        let exposed = answer["access-control-expose-headers"].to_str().unwrap();
        for name in ["x-foo", "x-bar", "x-object-meta-color", "etag"] {
            assert!(exposed.split(", ").any(|one| one == name), "{exposed}");
        }
        assert_eq!(answer["vary"], "Origin");
    }
}
