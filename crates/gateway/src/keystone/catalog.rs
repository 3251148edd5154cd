//! What there is and where: the catalogue of services, and the documents of versions.

use super::answered;
use crate::{
    path::{Account, escape},
    refusal::Outcome,
};
use http::StatusCode;
use serde_json::{Value, json};

/// The region of all services. Clients of Rackspace's Cloud Files look for this one unless they
/// are told another, and only in capitals; others take any.
pub const REGION: &str = "ORD";

/// Scheme and host under which a client reaches the gateway, and its public containers.
pub struct Place<'a> {
    /// The gateway.
    pub base: &'a str,
    /// Its public containers, if it has any.
    pub cdn: Option<String>,
}

/// A service and where it is.
struct Service {
    kind: &'static str,
    name: &'static str,
    url: String,
}

/// Storage is there twice: OpenStack's clients look for `swift`, Rackspace's for `cloudFiles`.
fn services(place: &Place<'_>, identity: &str, account: Option<&Account>) -> Vec<Service> {
    let Place { base, cdn } = place;
    let mut services = Vec::new();
    if let Some(account) = account {
        let url = format!("{base}/v1/{}", escape(&account.to_string()));
        for name in ["swift", "cloudFiles"] {
            services.push(Service { kind: "object-store", name, url: url.clone() });
        }
        if let Some(cdn) = cdn {
            let url = format!("{cdn}/v1/{}", escape(&account.to_string()));
            services.push(Service { kind: "rax:object-cdn", name: "cloudFilesCDN", url });
        }
    }
    let url = format!("{base}{identity}");
    services.push(Service { kind: "identity", name: "keystone", url });
    services
}

/// The catalogue as version 2.0 has it.
pub fn v2(place: &Place<'_>, account: Option<&Account>) -> Value {
    let entry = |service: Service| {
        let url = service.url;
        let mut endpoint = json!({
            "id": service.name, "region": REGION,
            "publicURL": url, "internalURL": url, "adminURL": url,
        });
        if let Some(account) = account {
            endpoint["tenantId"] = json!(account.owner);
        }
        json!({
            "type": service.kind, "name": service.name,
            "endpoints": [endpoint], "endpoints_links": [],
        })
    };
    services(place, "/v2.0", account).into_iter().map(entry).collect()
}

/// The catalogue as version 3 has it.
pub fn v3(place: &Place<'_>, account: Option<&Account>) -> Value {
    let entry = |service: Service| {
        let endpoint = |interface: &str| {
            json!({
                "id": format!("{}-{interface}", service.name), "interface": interface,
                "url": service.url, "region": REGION, "region_id": REGION,
            })
        };
        let endpoints = ["public", "internal", "admin"].map(endpoint);
        json!({
            "id": service.name, "type": service.kind, "name": service.name,
            "endpoints": endpoints,
        })
    };
    services(place, "/v3", account).into_iter().map(entry).collect()
}

/// What is said of one version.
fn version(base: &str, id: &str, path: &str, media: &str) -> Value {
    json!({
        "id": id, "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{base}{path}") }],
        "media-types": [{ "base": "application/json", "type": media }],
    })
}

fn version_2(base: &str) -> Value {
    version(base, "v2.0", "/v2.0/", "application/vnd.openstack.identity-v2.0+json")
}

fn version_3(base: &str) -> Value {
    version(base, "v3.14", "/v3/", "application/vnd.openstack.identity-v3+json")
}

/// All versions there are.
pub fn versions(base: &str) -> Outcome {
    let values = [version_3(base), version_2(base)];
    Ok(answered(StatusCode::MULTIPLE_CHOICES, &json!({ "versions": { "values": values } })))
}

/// The document of version 2.0.
pub fn of_v2(base: &str) -> Outcome {
    Ok(answered(StatusCode::OK, &json!({ "version": version_2(base) })))
}

/// The document of version 3.
pub fn of_v3(base: &str) -> Outcome {
    Ok(answered(StatusCode::OK, &json!({ "version": version_3(base) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_find_exactly_one_service_of_the_name_they_look_for() {
        let account = Account::parse("AUTH_a b").unwrap();
        let place = Place { base: "http://h", cdn: Some("http://h:1".to_owned()) };
        for catalogue in [v2(&place, Some(&account)), v3(&place, Some(&account))] {
            for (kind, name) in [
                ("object-store", "swift"),
                ("object-store", "cloudFiles"),
                ("rax:object-cdn", "cloudFilesCDN"),
                ("identity", "keystone"),
            ] {
                let services = catalogue.as_array().unwrap();
                let found = services.iter().filter(|s| s["type"] == kind && s["name"] == name);
                assert_eq!(found.count(), 1, "{catalogue}");
            }
            let text = catalogue.to_string();
            assert!(text.contains("http://h/v1/AUTH_a%20b"), "{text}");
        }
        assert_eq!(v3(&place, None).as_array().map(Vec::len), Some(1));
    }
}
