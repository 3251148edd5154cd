//! What programs are told: `--json` prints documents, and what is in them stays in them.

use crate::harness::{Answer, Scene, Store, server_arguments};
use serde_json::Value;

/// Every document of a command has these keys. It may have more: programs pass over them.
#[track_caller]
fn has(answer: Answer, keys: &str) -> Vec<Value> {
    let documents = answer.lines();
    assert!(!documents.is_empty(), "nothing was printed");
    for document in &documents {
        let object = document.as_object().unwrap();
        for key in keys.split_whitespace() {
            assert!(object.contains_key(key), "{key} is not in {document}");
        }
    }
    documents
}

const OBJECT: &str = "name version latest marker drained content size hash md5 mime_type policy \
                      created modified delete_at etag";

#[test]
fn every_data_command_prints_documents_with_the_keys_promised() {
    let scene = Scene::new();
    let mut server = scene.daemon("server", &server_arguments(&scene, &scene.path("data")));
    let ready = server.ready();
    for key in ["ready", "role", "address", "credentials", "volumes", "metrics", "health"] {
        assert!(ready.get(key).is_some(), "{key} is not in {ready}");
    }
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    let json = |line: &str| {
        let words: Vec<_> = line.split_whitespace().chain(["--json"]).collect();
        store.cli(&words)
    };
    let file = scene.file("file", b"some bytes");
    let (f, d) = (file.to_str().unwrap(), scene.path("tree"));
    std::fs::create_dir(&d).unwrap();
    std::fs::write(d.join("one"), "1").unwrap();
    let d = d.to_str().unwrap();

    has(json("account create work"), "account created");
    has(json("account list"), "name");
    has(
        json("account show work"),
        "name containers objects bytes live_objects live_bytes created properties",
    );
    let container = "account container";
    has(json("container create c w --versioning unlimited"), &format!("{container} created"));
    has(json("container list"), "name objects bytes live_objects live_bytes modified");
    let shown = "id policy versioning quota objects bytes live_objects live_bytes frozen snapshot_of created modified \
                 properties";
    has(json("container show c"), &format!("{container} {shown}"));

    let object = "account container object";
    let stored = "etag content version size total hash md5 policy tolerance dropped failures";
    has(json(&format!("object put c o {f}")), &format!("{object} {stored}"));
    has(json(&format!("object put c o {f} --append --perfdata")), &format!("{object} perfdata"));
    let tree = "account container directory transferred transferred_bytes unchanged \
                unchanged_bytes skipped failed";
    let line = "object file outcome bytes";
    let told = json(&format!("object put -r w {d}")).lines();
    assert_eq!(told.len(), 2);
    for (document, keys) in told.iter().zip([line, tree]) {
        assert!(keys.split_whitespace().all(|key| document.get(key).is_some()), "{document}");
    }
    has(json("object show c o"), &format!("{object} {OBJECT} properties"));
    has(json("object head c o"), &format!("{object} present"));
    has(json("object list c"), OBJECT);
    has(json("object list c --versions --properties"), &format!("{OBJECT} properties"));
    has(json("object list w --delimiter n --prefix o"), "prefix");
    let got = store.cli(&["object", "get", "c", "o", "-", "--json"]).ok();
    let got: Value = serde_json::from_str(&got.error).unwrap();
    for key in "account container object version file bytes size etag".split(' ') {
        assert!(got.get(key).is_some(), "{key} is not in {got}");
    }
    let located =
        has(json("object locate c o --chunk-info"), &format!("{object} version size policy"));
    for chunk in located[0]["chunks"].as_array().unwrap() {
        let keys = "extent metachunk position chunk metachunk_length volume address location up \
                    state bytes footer";
        assert!(keys.split_whitespace().all(|key| chunk.get(key).is_some()), "{chunk}");
    }
    let linked = "to_account to_container to_object content version size source tolerance dropped \
                  failures";
    has(json("object link c o c l"), &format!("{object} {linked}"));
    let cut = "version before size rewritten";
    has(json("object truncate c o 5"), &format!("{object} {cut}"));
    has(json("object touch c o"), &format!("{object} done"));
    has(json("object drain c l"), &format!("{object} done"));
    has(json("object purge c o --keep 1"), &format!("{object} versions markers"));
    has(json("object delete c o l"), &format!("{object} version marker"));
    has(json("container purge c --keep 1"), &format!("{container} versions markers"));
    has(json("container refresh c"), &format!("{container} exists"));
    has(json("container touch c"), &format!("{container} exists"));
    let snapshot = "to_account to_container objects bytes imported";
    has(json("container snapshot w s"), &format!("{container} {snapshot}"));
    has(json("container flush c --fast"), &format!("{container} versions markers"));
    has(json("container delete c"), &format!("{container} deleted"));
    has(json("account refresh work"), "account refreshed");
    has(json("account flush work"), "account flushed");
    has(json("account delete work"), "account deleted");

    let status = "cluster healthy problems epoch default_policy nodes partitions volumes capacity \
                  free deletions_queued repairs_queued";
    has(json("cluster status"), status);
    has(json("volume list"), "id address location capacity free score liveness administrative");
    has(json("volume show 1"), "id address location capacity free score");
    has(json("volume lock 1"), "volume administrative");
    has(json("volume unlock 1"), "volume administrative");
    has(json("policy list"), "name method chunk_blocks small default");

    // What was changed is printed as it is then.
    let policy = "policy set MINE plain/nb_copy=2 --default";
    assert_eq!(has(json(policy), "name method chunk_blocks small default")[0]["default"], true);
    json("account create new").ok();
    json("container create c").ok();
    json(&format!("object put c o {f}")).ok();
    for (what, names) in [("account", "new"), ("container", "c"), ("object", "c o")] {
        let set = json(&format!("{what} set {names} -p a=b -p c=d")).json();
        assert_eq!(set, json(&format!("{what} show {names}")).json());
        assert_eq!(set["properties"], serde_json::json!({"a": "b", "c": "d"}));
        let unset = json(&format!("{what} unset {names} -p a")).json();
        assert_eq!(unset, json(&format!("{what} show {names}")).json());
        assert_eq!(unset["properties"], serde_json::json!({"c": "d"}));
    }
    for (option, frozen) in [("--frozen", "yes"), ("--thaw", "no")] {
        assert_eq!(json(&format!("container set c {option}")).json()["frozen"], frozen);
    }
    let error: Value = serde_json::from_str(json("object show c none").error.trim()).unwrap();
    for key in ["kind", "message"] {
        assert!(error["error"][key].is_string(), "{error}");
    }
}
