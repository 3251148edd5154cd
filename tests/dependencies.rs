//! Dependencies between the crates point one way.

use std::{collections::BTreeMap, process::Command};

const PURE: [&str; 7] =
    ["model", "checksum", "erasure", "layout", "recovery", "placement", "state"];
const RUNTIMES: [&str; 6] = ["tokio", "hyper", "tonic", "openraft", "disk", "transport"];

/// Each crate of the workspace with what it depends on, tests and build scripts apart.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let name = |v: &serde_json::Value| v["name"].as_str().expect("a name").to_owned();
    let list = |v: &serde_json::Value| v.as_array().expect("a list").clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let normal = list(&package["dependencies"]).into_iter().filter(|d| d["kind"].is_null());
            (name(package), normal.map(|d| name(&d)).collect())
        })
        .collect()
}

#[test]
fn pure_crates_import_no_runtime() {
    let all = dependencies();
    for krate in PURE {
        let uses = &all[krate];
        let runtime = uses.iter().find(|d| RUNTIMES.contains(&d.as_str()));
        assert_eq!(runtime, None, "{krate} is pure");
    }
}

#[test]
fn only_kernels_have_unsafe_code() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for entry in std::fs::read_dir(crates).expect("the crates are there") {
        let krate = entry.expect("an entry").path();
        let Ok(manifest) = std::fs::read_to_string(krate.join("Cargo.toml")) else { continue };
        // The workspace's lints forbid it; a crate that has its own can allow it.
        let forbids = manifest.contains("[lints]\nworkspace = true\n");
        assert_eq!(
            !forbids,
            krate.ends_with("erasure") || krate.ends_with("checksum"),
            "{krate:?}"
        );
    }
}

#[test]
fn metadata_and_chunk_servers_know_nothing_of_each_other_and_nothing_knows_the_binary() {
    let all = dependencies();
    let uses = |krate: &str, other: &str| all[krate].iter().any(|d| d == other);
    assert!(!uses("meta", "chunk") && !uses("chunk", "meta"));
    assert!(!uses("cairn-client", "chunk") && !uses("cairn-client", "meta"));
    assert!(all.values().flatten().all(|d| d != "cairn"));
    assert!(uses("cairn", "meta"), "the check sees dependencies at all");
}

#[test]
fn consensus_is_known_to_metadata_servers_alone() {
    for (krate, uses) in dependencies() {
        let knows = uses.iter().any(|d| d == "openraft");
        assert_eq!(knows, krate == "meta", "{krate}");
    }
}

#[test]
fn gateways_see_the_client_library_and_no_protocol_between_daemons() {
    let uses = &dependencies()["gateway"];
    let below = ["proto", "tonic", "prost", "meta", "chunk", "state", "layout", "wal", "store"];
    assert_eq!(uses.iter().find(|d| below.contains(&d.as_str())), None);
    assert!(uses.iter().any(|d| d == "cairn-client"), "the check sees dependencies at all");
}
