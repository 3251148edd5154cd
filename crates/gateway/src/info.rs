//! `/info`: what this gateway can do.

use crate::{
    config::Rates, gateway::Gateway, limits, ratelimit, refusal::Outcome, report, signature,
    symlink, tempurl,
};
use http::{HeaderValue, Response, header};
use serde_json::json;
use std::num::NonZeroU32;
use transport::full_body;

/// Answers `GET /info`.
pub async fn answer(gateway: &Gateway) -> Outcome {
    let map = gateway.map().await?;
    let policy = |policy: &client::Policy| match policy.name == map.default_policy {
        true => {
            json!({ "name": policy.name.as_str(), "aliases": policy.name.as_str(), "default": true })
        }
        false => json!({ "name": policy.name.as_str(), "aliases": policy.name.as_str() }),
    };
    let in_use = |v: &&client::Volume| v.administrative != client::Administrative::Out;
    let volumes = map.volumes.iter().filter(in_use).count();
    let usable = map.policies.iter().filter(|policy| policy.method.width() <= volumes);
    let mut info = json!({
        "swift": {
            "version": env!("CARGO_PKG_VERSION"),
            "account_autocreate": true,
            "account_listing_limit": limits::LISTING,
            "allow_account_management": false,
            "container_listing_limit": limits::LISTING,
            "extra_header_count": 0,
            "max_account_name_length": limits::ACCOUNT_NAME_BYTES,
            "max_container_name_length": limits::CONTAINER_NAME_BYTES,
            "max_object_name_length": limits::OBJECT_NAME_BYTES,
            "max_file_size": limits::FILE_BYTES,
            "max_header_size": limits::HEADER_BYTES,
            "max_meta_count": limits::META_COUNT,
            "max_meta_name_length": limits::META_NAME_BYTES,
            "max_meta_value_length": limits::META_VALUE_BYTES,
            "max_meta_overall_size": limits::META_OVERALL_BYTES,
            "strict_cors_mode": true,
            "policies": usable.map(policy).collect::<Vec<_>>(),
        },
        "object_versioning": {},
        "versioned_writes": { "allowed_flags": ["x-versions-location", "x-history-location"] },
        "tempauth": { "account_acls": true },
        "tempurl": {
            "methods": tempurl::METHODS,
            "allowed_digests": signature::DIGESTS,
            "incoming_remove_headers": tempurl::INCOMING_REMOVED,
            "incoming_allow_headers": [],
            "outgoing_remove_headers": [format!("{}*", tempurl::OUTGOING_REMOVED)],
            "outgoing_allow_headers": [format!("{}*", tempurl::OUTGOING_ALLOWED)],
        },
        "formpost": { "allowed_digests": signature::DIGESTS },
        "staticweb": {},
        "bulk_delete": {
            "max_deletes_per_request": limits::BULK_DELETES,
            "max_failed_deletes": limits::BULK_FAILURES,
        },
        "bulk_upload": {
            "max_containers_per_extraction": limits::BULK_CONTAINERS,
            "max_failed_extractions": limits::BULK_FAILURES,
        },
        "dlo": {},
        "symlink": { "symloop_max": symlink::MOST, "static_links": true },
        "slo": {
            "allow_async_delete": false,
            "max_manifest_segments": limits::MANIFEST_SEGMENTS,
            "max_manifest_size": limits::MANIFEST_BYTES,
            "min_segment_size": 1,
            "yield_frequency": report::SIGN_OF_LIFE.as_secs(),
        },
        "container_quotas": {},
        "account_quotas": {},
    });
    if !gateway.config.storage_domains.is_empty() {
        info["domain_remap"] = json!({ "default_reseller_prefix": null });
    }
    let rates = gateway.config.rates;
    if rates != Rates::default() {
        let of_containers = rates.containers.map_or(0, NonZeroU32::get);
        let of_objects: Vec<_> = rates.objects.iter().map(|rate| (0, rate.get())).collect();
        info["ratelimit"] = json!({
            "account_ratelimit": of_containers,
            "max_sleep_time_seconds": ratelimit::MOST_WAIT.as_secs(),
            "container_ratelimits": of_objects,
            "container_listing_ratelimits": [],
        });
    }
    let mut response = Response::new(full_body(info.to_string()));
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
